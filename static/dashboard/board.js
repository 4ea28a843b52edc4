// The board as it lives: refetched when something changed, walked by arrow keys, visits moved by
// drag or by cut and paste.
import { live } from "../js/live.js";
import { singleKeys } from "./palette.js";
import { announce, csrf } from "./panel.js";

document.documentElement.classList.add("has-script");

const board = document.getElementById("board");
const columns = document.getElementById("columns");
const state = document.getElementById("live");

// --- The day picker and the filters go on by themselves -----------------------------------------

const picker = document.querySelector("[data-goto]");
picker?.addEventListener("change", (event) => {
  if (event.target.matches("select") || event.target.value) picker.requestSubmit();
});

// --- What has changed ------------------------------------------------------------------------------

let running = null;
let queued; // undefined: nothing; null: everything; else doctors

/** Fetch the columns that are no longer as they stand here; `only` these doctors, or all. */
export function refresh(only = null) {
  if (running) {
    queued = queued === null || only === null ? null : [...(queued ?? []), ...only];
    return running;
  }
  running = fetchColumns(only).finally(() => {
    running = null;
    const next = queued;
    queued = undefined;
    if (next !== undefined) refresh(next);
  });
  return running;
}

async function fetchColumns(only) {
  if (!columns) return;
  const url = new URL(board.dataset.columns, location.href);
  const have = [...columns.children].map((column) => `${column.id}:${column.dataset.stamp}`);
  url.searchParams.set("have", have.join(","));
  if (only) url.searchParams.set("only", [...new Set(only)].join(","));
  let answer;
  try {
    answer = await fetch(url, { headers: { "X-Requested-With": "fetch" }, redirect: "manual" });
  } catch {
    setTimeout(() => refresh(only), 2000); // the state beside the toolbar says it meanwhile
    return;
  }
  if (answer.type === "opaqueredirect") return signedOut();
  if (answer.status >= 500 || answer.status === 429) setTimeout(() => refresh(only), 2000);
  if (answer.status !== 200) return;
  const range = answer.headers.get("X-Board-Range");
  if (dragging) await new Promise((resolve) => (dragging.after = resolve));
  apply(await answer.text(), only ? null : answer.headers.get("X-Board-Keys"), range, Boolean(only));
}

function apply(html, keys, range, part) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const focused = document.activeElement?.closest("#columns") ? document.activeElement : null;
  const back = focused && { id: focused.id, column: focused.closest(".column")?.id };
  for (const fresh of [...holder.content.children]) {
    const old = document.getElementById(fresh.id);
    if (old) old.replaceWith(fresh);
    else columns.append(fresh);
    fresh.classList.add("fresh");
  }
  if (keys !== null) {
    const order = keys.split(" ");
    for (const column of [...columns.children]) if (!order.includes(column.id)) column.remove();
    order.forEach((key, place) => {
      const column = document.getElementById(key);
      if (column && columns.children[place] !== column) columns.insertBefore(column, columns.children[place]);
    });
  }
  setRange(range, part);
  if (back && !document.contains(focused)) {
    const same = document.getElementById(back.id);
    (same ?? document.querySelector(`#${CSS.escape(back.column)} .column-head a`))?.focus({ preventScroll: true });
  }
  if (cutting) markCut();
  tick();
  announce(board.dataset.updated);
}

/** Which hours are shown; a part of the board can only ask for more of them. */
function setRange(range, part) {
  let [from, to] = range.split("-").map(Number);
  const [shownFrom, shownTo] = rangeShown();
  if (part) [from, to] = [Math.min(from, shownFrom), Math.max(to, shownTo)];
  board.classList.remove(`from-${shownFrom}`, `to-${shownTo}`);
  board.classList.add(`from-${from}`, `to-${to}`);
}

function rangeShown() {
  const number = (name) => Number([...board.classList].find((one) => one.startsWith(name)).slice(name.length));
  return [number("from-"), number("to-")];
}

// --- Live -----------------------------------------------------------------------------------------

function affected(changes) {
  const start = Number(board.dataset.start);
  const days = board.dataset.week === undefined ? 1 : 7;
  const end = start + days * 25 * 3600;
  const here = changes.filter((one) => one.doctor === null || (one.from < end && one.to > start));
  if (here.some((one) => one.doctor === null)) return null;
  const shown = new Set([...columns.children].map((column) => column.dataset.doctor));
  return here.map((one) => one.doctor).filter((doctor) => shown.has(doctor));
}

/** To the sign-in page; but a form that lies open is kept only when it is sent, so it may be. */
function signedOut() {
  if (!document.querySelector("#panel form :is(input:not([type=hidden]), select, textarea)")) location.reload();
}

if (state) {
  const words = state.querySelector(".live-text");
  live({
    url: state.dataset.socket,
    onAll: () => (board ? refresh() : refreshList()),
    onChange: (changes) => {
      if (!board) return refreshList();
      const doctors = affected(changes);
      if (doctors === null || board.dataset.week !== undefined) refresh();
      else if (doctors.length) refresh(doctors);
    },
    onState: (now) => {
      if (state.dataset.state === now) return;
      state.dataset.state = now;
      words.textContent = words.dataset[now];
      if (now === "ended") signedOut();
    },
  });
}

/** The list is small: the page is asked for again, and its rows take the place of these. */
async function refreshList() {
  const list = document.getElementById("day-list");
  if (!list) return;
  const answer = await fetch(location.href, { redirect: "manual" }).catch(() => null);
  if (!answer || answer.status !== 200) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("day-list");
  if (!fresh || fresh.tBodies[0].innerHTML === list.tBodies[0].innerHTML) return;
  const focused = document.activeElement?.id;
  list.tBodies[0].replaceWith(fresh.tBodies[0]);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

document.body.addEventListener("desk:done", () => (board ? refresh() : refreshList()));

// --- Now -------------------------------------------------------------------------------------------

const line = document.getElementById("now");

function tick() {
  if (!board) return;
  const now = Date.now() / 1000;
  const waiting = ".visit.SCHEDULED, .visit.CONFIRMED";
  for (const card of columns.querySelectorAll(waiting)) {
    const start = Number(card.closest(".column").dataset.start) + Number(card.dataset.t) * 60;
    const isLate = now > start + 300 && now < start + 12 * 3600;
    card.classList.toggle("late", isLate);
    if (isLate) card.dataset.late = board.dataset.late;
  }
  const start = Number(board.dataset.start);
  const passed = (now - start) / 60;
  const [from, to] = rangeShown();
  const inside = now >= start && now < Number(board.dataset.end) && passed >= from * 60 && passed <= to * 60;
  line.hidden = !inside || board.dataset.week !== undefined;
  line.style.setProperty("--h", Math.floor(passed / 60));
  line.style.setProperty("--m", Math.floor(passed % 60));
  line.firstElementChild.textContent = new Date().toLocaleTimeString(document.documentElement.lang, {
    hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: board.dataset.zone,
  });
}
if (board) {
  tick();
  setInterval(tick, 20000);
  if (!line.hidden) board.scrollTop = Math.max(0, line.offsetTop - board.clientHeight / 3);
}

// --- By keyboard -----------------------------------------------------------------------------------

const CELL = ".visit, .free";

function minuteOf(cell) {
  return Number(cell.dataset.t);
}

function step(cell, key) {
  const cells = [...cell.closest(".column").querySelectorAll(CELL)];
  if (key === "ArrowDown") return cells[cells.indexOf(cell) + 1];
  if (key === "ArrowUp") return cells[cells.indexOf(cell) - 1];
  if (key === "Home") return cells[0];
  if (key === "End") return cells[cells.length - 1];
  const forwards = (key === "ArrowRight") === (document.documentElement.dir !== "rtl");
  let column = cell.closest(".column");
  for (;;) {
    column = forwards ? column.nextElementSibling : column.previousElementSibling;
    if (!column) return undefined;
    const there = [...column.querySelectorAll(CELL)];
    if (there.length) {
      const distance = (one) => Math.abs(minuteOf(one) - minuteOf(cell));
      return there.reduce((best, one) => (distance(one) < distance(best) ? one : best));
    }
  }
}

board?.addEventListener("keydown", (event) => {
  const cell = event.target.closest(CELL);
  if (!cell || event.altKey) return;
  const held = event.ctrlKey || event.metaKey;
  if (!held && ["ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) {
    const next = step(cell, event.key);
    if (next) {
      event.preventDefault();
      next.focus();
      next.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  } else if (event.key.toLowerCase() === "x" && cell.matches("[data-movable]")) {
    event.preventDefault();
    event.stopPropagation();
    cut(cell);
  } else if (event.key.toLowerCase() === "v" && cutting && cell.matches(".free")) {
    event.preventDefault();
    event.stopPropagation();
    paste(cell);
  } else if (event.key === "Escape" && cutting) {
    event.stopPropagation();
    letBe();
  }
});

// --- Cut and paste ----------------------------------------------------------------------------------

let cutting = null;

function cut(card) {
  letBe(true);
  cutting = { id: card.id, version: card.dataset.v, address: card.href };
  board.classList.add("cutting");
  markCut();
  announce(board.dataset.cut);
}

function markCut() {
  document.getElementById(cutting.id)?.classList.add("cut");
}

function letBe(quietly = false) {
  if (!cutting) return;
  document.getElementById(cutting.id)?.classList.remove("cut");
  cutting = null;
  board.classList.remove("cutting");
  if (!quietly) announce(board.dataset.letBe);
}

function paste(free) {
  const wanted = new URL(free.href).searchParams;
  const moved = cutting;
  letBe(true);
  move(moved, { doctor: wanted.get("doctor"), starts_at: wanted.get("starts_at"), location: wanted.get("location") ?? "" });
}

// A click on a free time while a visit is cut puts it there.
board?.addEventListener("click", (event) => {
  const free = event.target.closest(".free");
  if (!free || !cutting) return;
  event.preventDefault();
  event.stopPropagation();
  paste(free);
}, true);

// "x" while a visit lies open in the panel cuts it on the board, instead of opening the form.
document.addEventListener("keydown", (event) => {
  if (event.key !== "x" || event.ctrlKey || event.metaKey || event.altKey || !singleKeys()) return;
  if (event.target.closest("input, select, textarea, [contenteditable]")) return;
  const link = document.querySelector("#panel #visit-move");
  const id = link && new URL(link.href).pathname.split("/").at(-2);
  const card = id && document.getElementById(`v${id}`);
  if (!card?.matches("[data-movable]")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  cut(card);
  (card.closest(".column").querySelector(".free") ?? card).focus();
}, true);

function move(visit, to) {
  const address = `${visit.address.split("?")[0]}/move`;
  window.htmx.ajax("POST", address, {
    target: "#panel",
    swap: "innerHTML",
    values: { ...to, version: visit.version, at_once: "1" },
    headers: { "X-CSRFToken": csrf() },
  });
}

// --- Drag (mouse and pen; on a touch screen a visit is moved from its card) ----------------------------

let dragging = null;

board?.addEventListener("pointerdown", (event) => {
  const card = event.target.closest(".visit[data-movable]");
  if (!card || event.button !== 0 || event.pointerType === "touch") return;
  const box = card.getBoundingClientRect();
  dragging = { card, x: event.clientX, y: event.clientY, grip: event.clientY - box.top, length: box.height, on: false };
});

document.addEventListener("pointermove", (event) => {
  if (!dragging) return;
  if (!dragging.on) {
    if (Math.hypot(event.clientX - dragging.x, event.clientY - dragging.y) < 6) return;
    dragging.on = true;
    dragging.card.classList.add("dragged");
    dragging.ghost = document.createElement("div");
    dragging.ghost.className = "drag-ghost";
    dragging.ghost.style.setProperty("block-size", `${dragging.length}px`);
  }
  event.preventDefault();
  place(event);
});

function place(event) {
  const column = document.elementsFromPoint(event.clientX, event.clientY)
    .map((one) => one.closest?.(".column")).find(Boolean);
  dragging.to = null;
  if (!column) return dragging.ghost.remove();
  const day = column.querySelector(".column-day");
  const [from] = rangeShown();
  const hour = day.getBoundingClientRect().height / (rangeShown()[1] - from);
  const snap = Math.min(Number(column.dataset.step), event.shiftKey ? 5 : 15) || 5;
  const y = event.clientY - dragging.grip - day.getBoundingClientRect().top;
  const minute = Math.max(0, Math.round(((y / hour) * 60 + from * 60) / snap) * snap);
  const at = new Date((Number(column.dataset.start) + minute * 60) * 1000);
  dragging.to = { doctor: column.dataset.doctor, starts_at: at.toISOString(), location: "" };
  dragging.ghost.style.setProperty("inset-block-start", `${((minute - from * 60) / 60) * hour}px`);
  const shown = at.toLocaleTimeString(document.documentElement.lang, {
    hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: board.dataset.zone,
  });
  dragging.ghost.textContent = board.dataset.drop.replace("%s", shown);
  day.append(dragging.ghost);
}

function drop(event, keep) {
  if (!dragging) return;
  const { card, on, ghost, to, after } = dragging;
  dragging = null;
  ghost?.remove();
  card.classList.remove("dragged");
  after?.();
  if (!on) return;
  // The click that follows the release must not open the card.
  const swallow = (click) => {
    click.preventDefault();
    click.stopPropagation();
  };
  document.addEventListener("click", swallow, { capture: true, once: true });
  setTimeout(() => document.removeEventListener("click", swallow, { capture: true }), 50);
  if (keep && to) move({ version: card.dataset.v, address: card.href }, to);
}

document.addEventListener("pointerup", (event) => drop(event, true));
document.addEventListener("pointercancel", (event) => drop(event, false));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && dragging?.on) drop(event, false);
});
board?.addEventListener("dragstart", (event) => event.preventDefault());
