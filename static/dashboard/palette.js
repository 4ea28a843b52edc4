// Search from anywhere, and single-key shortcuts.

import { open as openPanel, undoLast } from "./panel.js";

const palette = document.getElementById("palette");
const field = document.getElementById("palette-q");
const list = document.getElementById("palette-options");
const said = document.getElementById("palette-said");
const shortcuts = document.getElementById("shortcuts");
const toggle = document.getElementById("shortcuts-on");
const keys = document.getElementById("shortcuts-keys");
const panel = document.getElementById("panel");
const WAIT = 150;
const STORED = "desk-keys";

let asking = null;
let timer = 0;

// --- The palette --------------------------------------------------------------------------------

function openPalette() {
  if (palette.open) return;
  if (shortcuts.open) shortcuts.close();
  field.value = "";
  showStart();
  palette.showModal();
  field.focus();
}

function showStart() {
  list.replaceChildren(document.getElementById("palette-start").content.cloneNode(true));
  chosen(options()[0]);
}

function options() {
  return [...list.querySelectorAll("[role=option]")];
}

function current() {
  return list.querySelector("[aria-selected=true]");
}

function chosen(option) {
  current()?.setAttribute("aria-selected", "false");
  field.setAttribute("aria-expanded", String(Boolean(option)));
  if (!option) {
    field.removeAttribute("aria-activedescendant");
    return;
  }
  option.setAttribute("aria-selected", "true");
  field.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

async function ask() {
  asking?.abort();
  const text = field.value.trim();
  if (!text) {
    said.textContent = "";
    showStart();
    return;
  }
  const mine = new AbortController();
  asking = mine;
  try {
    const address = `${palette.dataset.url}?q=${encodeURIComponent(text)}`;
    const answer = await fetch(address, {
      headers: { "HX-Request": "true", "HX-Current-URL": location.href },
      signal: mine.signal,
    });
    const elsewhere = answer.headers.get("HX-Redirect");
    if (elsewhere) {
      location.assign(elsewhere);
      return;
    }
    const found = await answer.text();
    if (asking !== mine) return;
    if (!answer.ok) {
      showNote(said.dataset.lost);
      return;
    }
    list.innerHTML = found;
    const all = options();
    chosen(all[0]);
    if (all.length) said.textContent = "";
    else showNote(said.dataset.none);
  } catch (error) {
    if (error.name !== "AbortError") showNote(said.dataset.lost);
  }
}

/** Instead of options a sentence: seen in their place, heard from the status. */
function showNote(text) {
  chosen(null);
  said.textContent = text;
  const note = document.createElement("p");
  note.className = "palette-none";
  note.setAttribute("aria-hidden", "true");
  note.textContent = text;
  list.replaceChildren(note);
}

function go(option) {
  const { href, opens } = option.dataset;
  if (opens === "keys") {
    palette.close();
    openShortcuts();
    return;
  }
  palette.close();
  follow(href, opens);
}

function follow(href, opens) {
  if (opens === "panel") {
    openPanel(href);
  } else if (opens === "post") {
    const form = [...document.forms].find((one) => one.action === new URL(href, location.href).href);
    form?.requestSubmit();
  } else {
    location.assign(href);
  }
}

field.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT);
});

field.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  const all = options();
  const at = all.indexOf(current());
  const steps = { ArrowDown: at + 1, ArrowUp: at - 1 };
  if (event.key in steps && all.length) {
    event.preventDefault();
    chosen(all[(steps[event.key] + all.length) % all.length]);
  } else if (event.key === "Enter") {
    event.preventDefault();
    const option = current();
    if (option) go(option);
  }
});

list.addEventListener("click", (event) => {
  const option = event.target.closest("[role=option]");
  if (option) go(option);
});

// The field keeps the focus while somebody points at an option.
list.addEventListener("pointerdown", (event) => event.preventDefault());

palette.addEventListener("close", () => {
  asking?.abort();
  asking = null;
  clearTimeout(timer);
  list.replaceChildren();
  chosen(null);
});

for (const dialog of [palette, shortcuts]) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close-dialog]")) dialog.close();
  });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-palette]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    openPalette();
  }
});

// --- Shortcuts ----------------------------------------------------------------------------------

/** Whether single keys act: one may turn them off in the list of shortcuts. */
export function singleKeys() {
  try {
    return localStorage.getItem(STORED) !== "off";
  } catch {
    return true;
  }
}

toggle.addEventListener("change", () => {
  try {
    if (toggle.checked) localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, "off");
  } catch {
    // Without storage it holds for nobody; the switch shows what is.
    toggle.checked = true;
  }
});

function openShortcuts() {
  toggle.checked = singleKeys();
  for (const row of keys.querySelectorAll("[data-found]")) row.remove();
  for (const row of keys.querySelectorAll("[data-fixed]")) {
    row.hidden = Boolean(target(row.dataset.fixed));
  }
  const seen = new Set();
  for (const element of pageKeys()) {
    const { key } = element.dataset;
    if (seen.has(key)) continue;
    seen.add(key);
    keys.append(keyRow(key, nameOf(element)));
  }
  shortcuts.showModal();
}

function keyRow(key, name) {
  const row = document.createElement("div");
  row.dataset.found = "";
  const term = document.createElement("dt");
  const shown = document.createElement("kbd");
  shown.textContent = key;
  term.append(shown);
  const meaning = document.createElement("dd");
  meaning.textContent = name;
  row.append(term, meaning);
  return row;
}

function nameOf(element) {
  const said = element.querySelector(".unseen") ?? element; // beside an arrow stand its words
  return (element.getAttribute("aria-label") ?? element.title ?? "").trim() || said.textContent.trim();
}

/** Elements with a key that can be pressed now; those of the open panel come first. */
function pageKeys() {
  const all = [...document.querySelectorAll("[data-key]")].filter(
    (element) => element.checkVisibility() && !element.disabled,
  );
  const inPanel = all.filter((element) => panel.contains(element));
  return [...inPanel, ...all.filter((element) => !panel.contains(element))];
}

function target(key) {
  return pageKeys().find((element) => element.dataset.key === key);
}

function isTyping(element) {
  if (!(element instanceof Element)) return false;
  if (element.closest("textarea, select, [contenteditable=''], [contenteditable=true]")) return true;
  const input = element.closest("input");
  return Boolean(input) && !["checkbox", "radio", "button", "submit", "reset"].includes(input.type);
}

const OURS = { "/": openPalette, "?": openShortcuts, z: undoLast };

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  if (event.defaultPrevented || event.repeat || event.isComposing) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target) || document.querySelector("dialog[open]") || !singleKeys()) return;
  const element = target(event.key);
  if (element) {
    event.preventDefault();
    element.click();
    return;
  }
  const act = OURS[event.key];
  const fixed = keys.querySelector(`[data-fixed="${CSS.escape(event.key)}"]`);
  if (act) {
    event.preventDefault();
    act();
  } else if (fixed) {
    event.preventDefault();
    follow(fixed.dataset.href, fixed.dataset.opens);
  }
});
