// The queue as it lives: read again when something changed, run by single keys and arrows.
import { live } from "../js/live.js";
import { announce, toast } from "./panel.js";

document.documentElement.classList.add("has-script");

const list = document.getElementById("queue-list");
const state = document.getElementById("live");
const said = document.getElementById("queue-said");
const next = document.getElementById("queue-next");
const filter = document.querySelector("[data-goto]");
let chosen = ""; // the row that keys act on: the one with the focus, or the last that was acted on
let mine = ""; // whom this page itself has called: the toast has said it

filter?.addEventListener("change", () => filter.requestSubmit());

// --- What has changed -----------------------------------------------------------------------------

let running = null;
let again = false;
let pressed = null; // while a pointer is down in the list, nothing moves away under it

function refresh() {
  if (running) {
    again = true;
    return;
  }
  running = read().finally(() => {
    running = null;
    if (again) {
      again = false;
      refresh();
    }
  });
}

async function read() {
  const url = new URL(list.dataset.url, location.href);
  url.searchParams.set("have", list.dataset.stamp);
  let answer;
  try {
    answer = await fetch(url, { headers: { "X-Requested-With": "fetch" }, redirect: "manual" });
  } catch {
    setTimeout(refresh, 2000); // the state beside the title says it meanwhile
    return;
  }
  if (answer.type === "opaqueredirect") signedOut();
  if (answer.status >= 500 || answer.status === 429) setTimeout(refresh, 2000);
  if (answer.status !== 200) return;
  const html = await answer.text();
  if (pressed) await new Promise((resolve) => (pressed.after = resolve));
  list.dataset.stamp = answer.headers.get("X-Queue-Stamp");
  apply(html);
}

function apply(html) {
  const before = calls();
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const row = focused?.closest(".entry")?.id;
  const holder = document.createElement("template");
  holder.innerHTML = html;
  list.replaceChildren(holder.content);
  window.htmx.process(list);
  if (focused) {
    const same = focused.id && document.getElementById(focused.id);
    const kin = row && document.getElementById(row);
    (same || kin?.querySelector("button") || kin?.querySelector("a") || next)?.focus({ preventScroll: true });
  }
  mark();
  const fresh = [...list.querySelectorAll("[data-called]")].filter(
    (one) => before.get(one.id) !== one.dataset.called && one.id !== mine,
  );
  if (fresh.length) announce(fresh.map((one) => one.dataset.said).join(" "));
  mine = "";
}

function calls() {
  return new Map([...list.querySelectorAll("[data-called]")].map((one) => [one.id, one.dataset.called]));
}

/** To the sign-in page; but a form that lies open is kept only when it is sent, so it may be. */
function signedOut() {
  if (!document.querySelector("#panel form :is(input:not([type=hidden]), select, textarea)")) location.reload();
}

list?.addEventListener("pointerdown", () => (pressed = {}));
for (const end of ["pointerup", "pointercancel"]) {
  document.addEventListener(end, () => {
    const held = pressed;
    pressed = null;
    if (held?.after) setTimeout(held.after); // after the click that follows
  });
}

if (state && list) {
  const words = state.querySelector(".live-text");
  live({
    url: state.dataset.socket,
    onAll: refresh,
    onChange: refresh,
    onState: (now) => {
      if (state.dataset.state === now) return;
      state.dataset.state = now;
      words.textContent = words.dataset[now];
      if (now === "ended") signedOut();
    },
  });
}

// --- What was done here ---------------------------------------------------------------------------

document.body.addEventListener("queue:done", (event) => {
  const { said: words, undo, entry, once } = event.detail;
  said.replaceChildren();
  if (entry) chosen = mine = `e${entry}`;
  if (once) document.querySelector("#queue-call [name=once]").value = once;
  toast(words, undo);
  refresh();
});
document.body.addEventListener("desk:done", () => {
  said?.replaceChildren();
  refresh();
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt.matches?.(".entry-acts, #queue-call") && !event.detail.successful) refresh();
});

// --- By keyboard ----------------------------------------------------------------------------------

function rows() {
  return [...list.querySelectorAll(".entry")];
}

/** Give the keys to one row: the chosen one, else the first that is called or seen. */
function mark() {
  if (!list) return;
  const row =
    (chosen && document.getElementById(chosen)) ||
    list.querySelector(".entry.CALLED") ||
    list.querySelector(".entry.IN_SERVICE");
  for (const other of list.querySelectorAll(".current")) {
    if (other === row) continue;
    other.classList.remove("current");
    for (const button of other.querySelectorAll("[data-key]")) delete button.dataset.key;
  }
  row?.classList.add("current");
  for (const button of row?.querySelectorAll("[data-act-key]") ?? []) button.dataset.key = button.dataset.actKey;
}

list?.addEventListener("focusin", (event) => {
  const row = event.target.closest(".entry");
  if (!row || row.id === chosen) return;
  chosen = row.id;
  mark();
});

document.addEventListener("keydown", (event) => {
  if (!["ArrowDown", "ArrowUp"].includes(event.key) || event.defaultPrevented) return;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target !== document.body && !list?.contains(event.target)) return;
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.id === chosen);
  const to = at < 0 ? 0 : at + (event.key === "ArrowDown" ? 1 : -1);
  const row = all[Math.min(Math.max(to, 0), all.length - 1)];
  event.preventDefault();
  row.querySelector(".entry-name a").focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
});

mark();
