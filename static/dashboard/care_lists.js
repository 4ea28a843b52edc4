// The recall list and the waitlist: by keyboard, row by row; several ticked at once; printed.

document.documentElement.classList.add("has-script");

const filter = document.querySelector("[data-goto]");
let chosen = ""; // the row that keys act on: the one with the focus, or the last that had it
let place = 0; // where it stands, for when it has left the list

filter?.addEventListener("change", () => filter.requestSubmit());

const list = () => document.getElementById("care-list");
const rows = () => [...(list()?.querySelectorAll(".care-row") ?? [])];

function dress() {
  for (const label of document.querySelectorAll(".care-all")) label.hidden = false;
  for (const button of document.querySelectorAll("[data-print]")) button.hidden = false;
  mark();
}

/** Give the single keys to one row. */
function mark() {
  for (const row of rows()) {
    const mine = row.id === chosen;
    row.classList.toggle("current", mine);
    for (const element of row.querySelectorAll("[data-act-key]")) {
      if (mine) element.dataset.key = element.dataset.actKey;
      else delete element.dataset.key;
    }
  }
}

function go(row) {
  row?.querySelector(".care-name a")?.focus({ preventScroll: true });
  row?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.("#care-list .care-row");
  if (!row || row.id === chosen) return;
  chosen = row.id;
  place = rows().indexOf(row);
  mark();
});

document.addEventListener("keydown", (event) => {
  if (!["ArrowDown", "ArrowUp"].includes(event.key) || event.defaultPrevented) return;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const within = event.target.closest?.("#care-list");
  if (event.target !== document.body && !within) return;
  if (event.target.matches?.("select, input:not([type=checkbox]), textarea")) return;
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.id === chosen);
  const to = at < 0 ? 0 : at + (event.key === "ArrowDown" ? 1 : -1);
  event.preventDefault();
  go(all[Math.min(Math.max(to, 0), all.length - 1)]);
});

document.addEventListener("change", (event) => {
  const name = event.target.dataset?.tickAll;
  if (!name) return;
  for (const box of document.querySelectorAll(`input[name="${name}"]`)) box.checked = event.target.checked;
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});

// The list was read again: whoever was in it is in the same row, or in the one that took its place.
let inside = false;
const ticked = new Set();
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "care-list") return;
  inside = event.detail.target.contains(document.activeElement) || document.activeElement === document.body;
  ticked.clear();
  for (const box of event.detail.target.querySelectorAll("[name=plan]:checked")) ticked.add(box.value);
});
document.body.addEventListener("htmx:afterSettle", () => {
  if (!list()) return;
  dress();
  for (const value of ticked) {
    const box = document.querySelector(`[name=plan][value="${CSS.escape(value)}"]`);
    if (box) box.checked = true;
  }
  ticked.clear();
  if (!inside) return;
  inside = false;
  const wrong = list().querySelector(".field-wrong :is(select, input), [role=alert]");
  if (wrong) {
    if (!wrong.matches("select, input")) wrong.tabIndex = -1;
    wrong.focus();
    return;
  }
  const all = rows();
  go(document.getElementById(chosen) ?? all[Math.min(place, all.length - 1)]);
});
dress();
