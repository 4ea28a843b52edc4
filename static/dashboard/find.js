// Finding the patient as one types: a combobox (ARIA Authoring Practices) over what htmx brings.

const input = () => document.querySelector("[data-combobox]");
const list = () => document.getElementById(input()?.dataset.combobox ?? "");
const options = () => [...(list()?.querySelectorAll("[role=option]:not([aria-disabled])") ?? [])];

// For which text the list was asked, for which it is shown, and whether somebody is being chosen.
let pending = "";
let shown = "";
let choosing = false;

/** Whether the list is not yet the one for what stands in the field: then nobody is chosen in it. */
const isStale = () => list()?.getAttribute("aria-busy") === "true";

function check() {
  const found = list();
  if (!found) return;
  if (input().value === shown) found.removeAttribute("aria-busy");
  else found.setAttribute("aria-busy", "true");
}

/** With script the field is a combobox; without, it is a search field with its button. */
function dress() {
  const field = input();
  const found = list();
  if (!field || !found || field.hasAttribute("role")) return;
  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", found.id);
  field.setAttribute("aria-expanded", "false");
  found.setAttribute("role", "listbox");
  found.setAttribute("aria-label", found.dataset.label);
}

function mark(option) {
  for (const one of options()) one.setAttribute("aria-selected", String(one === option));
  const field = input();
  if (option) {
    field.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  } else field.removeAttribute("aria-activedescendant");
}

function open() {
  const there = options();
  input()?.setAttribute("aria-expanded", String(there.length > 0));
  mark(there[0]);
}

function close() {
  list()?.replaceChildren();
  input()?.setAttribute("aria-expanded", "false");
  mark(undefined);
}

document.addEventListener("keydown", (event) => {
  const field = input();
  if (!field || event.target !== field) return;
  const there = options();
  const at = there.findIndex((one) => one.getAttribute("aria-selected") === "true");
  switch (event.key) {
    case "ArrowDown":
    case "ArrowUp": {
      if (!there.length) return;
      const step = event.key === "ArrowDown" ? 1 : -1;
      mark(there[(at + step + there.length) % there.length]);
      event.preventDefault();
      break;
    }
    case "Enter":
      // Never sends the form from here: the patient is not chosen yet.
      event.preventDefault();
      if (!isStale()) there[at]?.click();
      break;
    case "Escape":
      if (!there.length) return;
      close();
      event.preventDefault();
      event.stopPropagation();
      break;
  }
}, true);

document.addEventListener("input", (event) => {
  if (event.target === input()) check();
});

// Who chooses is not overtaken by a search that was still on its way.
document.body.addEventListener("htmx:beforeRequest", (event) => {
  const { elt } = event.detail;
  if (elt === input()) {
    if (choosing) event.preventDefault();
    else pending = elt.value;
  } else if (elt.matches?.("#book-found [role=option]")) {
    choosing = true;
    window.htmx.trigger(input(), "htmx:abort");
  }
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt?.matches?.("[role=option]")) choosing = false;
});

document.body.addEventListener("htmx:afterSwap", (event) => {
  const { target } = event.detail;
  dress();
  if (target && target === list()) {
    shown = pending;
    check();
    open();
  } else if (target.id === "book-who") {
    choosing = false;
    shown = input()?.value ?? "";
    const first = target.querySelector("[data-focus], .field input") ?? document.querySelector(".book-go");
    first?.focus();
  } else if (event.detail.xhr?.status >= 400) {
    const wrong = document.querySelector("#book [data-refusal], #book [aria-invalid=true], #book [data-focus], #patient-new [data-refusal], #patient-new [aria-invalid=true]");
    wrong?.focus();
  }
});
dress();
