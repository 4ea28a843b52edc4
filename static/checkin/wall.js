/** The wall screen: draws the board, calls out who is called, and says how old it is when it is. */

import { queueSocket } from "./queue_socket.js";
import { keeper } from "./wall_keeper.js";
import { voice } from "./wall_voice.js";

const BEFORE = 3;
/** A call that is older is not called out any more: a screen that comes back would shout. */
const CALL_OUT_SECONDS = 60;
const CODE_EVERY = 20_000;
const CODE_DIES_AFTER = 100_000;
const AWAKE_MS = 4_000;
const SOUND = "wall.sound";
const KNOWN = "wall.known";

const wall = document.getElementById("wall");
const words = wall.dataset;
const part = (name) => document.getElementById(`wall-${name}`);
const language = words.language;
const timeOf = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit", timeZone: words.zone });
const dateOf = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long", timeZone: words.zone });
const partsOf = new Intl.DateTimeFormat("en", { hour: "numeric", minute: "numeric", hourCycle: "h23", timeZone: words.zone });

let board = JSON.parse(part("board").textContent);
/** Which calls this screen has called out: `token:calls:at`; only those that still stand. They
 *  outlive loading the page anew, so that no call is lost or repeated by it. */
let known = null;
let lost = false;
/** How far this machine's clock is behind the server's, in milliseconds. */
let behind = 0;

const speaker = voice(language);
const keep = keeper({ build: words.build, minuteOfDay, isIdle, isBusy: () => speaker.isBusy() });

// --- What the browser keeps; one that keeps nothing is asked again --------------------------------

function kept(place, name) {
  try {
    return window[place].getItem(name);
  } catch {
    return null;
  }
}

function keepIn(place, name, value) {
  try {
    window[place].setItem(name, value);
  } catch {
    // nothing is lost but a touch
  }
}

// --- Drawing ---------------------------------------------------------------------------------------

/** "A007" as it is spoken: "A 7". */
function spoken(token) {
  return token.replace(/^(\D*)0*(\d+)$/, "$1 $2").trim();
}

function filled(pattern, values) {
  return pattern.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

function text(className, value, tag = "span") {
  const element = document.createElement(tag);
  element.className = className;
  const inner = document.createElement("bdi");
  inner.textContent = value ?? "";
  element.append(inner);
  return element;
}

function callOf(call) {
  const made = part("call").content.cloneNode(true);
  made.querySelector(".wall-token").textContent = call.token;
  made.querySelector(".wall-room bdi").textContent = call.room ?? "";
  made.querySelector(".wall-doctor bdi").textContent = call.doctor ?? "";
  return made;
}

function rowOf(one) {
  const row = document.createElement("li");
  row.className = "wall-row";
  const wait = document.createElement("span");
  wait.className = "wall-wait";
  wait.textContent = one.to === null ? "" : filled(words.wait, { low: one.from, high: one.to });
  row.append(text("wall-token", one.token, "strong"), text("wall-doctor", one.doctor), wait);
  return row;
}

function draw() {
  const { called, waiting } = board.queue;
  part("last").replaceChildren(...called.slice(0, 1).map(callOf));
  part("before").replaceChildren(
    ...called.slice(1, 1 + BEFORE).map((call) => {
      const card = document.createElement("li");
      card.className = "wall-card";
      card.append(callOf(call));
      return card;
    }),
  );
  part("nobody").hidden = called.length > 0;
  part("empty").hidden = waiting.length > 0;
  part("list").replaceChildren(...waiting.slice(0, Number(words.shown)).map(rowOf));
  fit();
}

/** The token in the largest letters that leave it whole. */
function fitLast() {
  const last = part("last");
  const token = last.querySelector(".wall-token");
  last.style.setProperty("--fit", "1");
  if (token === null) return;
  const room = last.clientWidth * 0.96;
  if (token.scrollWidth > room) last.style.setProperty("--fit", String(room / token.scrollWidth));
}

/** As many rows as the screen holds; how many more there are is said. */
function fit() {
  fitLast();
  const list = part("list");
  const more = part("more");
  const total = board.queue.waiting.length;
  for (const row of list.children) row.hidden = false;
  more.hidden = true;
  const scrolls = getComputedStyle(document.body).overflowY !== "hidden";
  let shown = list.children.length;
  if (!scrolls && list.scrollHeight > list.clientHeight) {
    more.hidden = false; // it takes room itself
    while (shown > 1 && list.scrollHeight > list.clientHeight) list.children[--shown].hidden = true;
  }
  more.hidden = total <= shown;
  more.textContent = filled(words.more, { count: total - shown });
}

// --- Calling out -----------------------------------------------------------------------------------

function knownBefore() {
  const text = kept("sessionStorage", KNOWN);
  return text === null ? null : new Set(JSON.parse(text));
}

const keyOf = (call) => `${call.token}:${call.calls}:${call.at}`;

function callOut() {
  const { called } = board.queue;
  const before = known ?? knownBefore();
  known = new Set(called.map(keyOf));
  keepIn("sessionStorage", KNOWN, JSON.stringify([...known]));
  const fresh = called.filter(
    (call) => !before?.has(keyOf(call)) && board.at / 1000 - call.at < CALL_OUT_SECONDS,
  );
  if (before === null || fresh.length === 0) return;
  const said = fresh.reverse().map((call) =>
    filled(call.room ? words.sayRoom : words.say, { token: spoken(call.token), room: call.room }),
  );
  for (const sentence of said) speaker.say(sentence);
  part("announcer").textContent = said.join(" ");
  const last = part("last");
  last.classList.remove("wall-fresh");
  void last.offsetWidth; // begins the animation anew
  last.classList.add("wall-fresh");
}

// --- Time ------------------------------------------------------------------------------------------

function now() {
  return new Date(Date.now() + behind);
}

function minuteOfDay() {
  const [hour, minute] = partsOf.format(now()).split(":").map(Number);
  return hour * 60 + minute;
}

function isIdle() {
  return board.queue.called.length === 0 && board.queue.waiting.length === 0 && !speaker.isBusy();
}

function tick() {
  const moment = now();
  const time = part("time");
  const shown = timeOf.format(moment);
  if (time.textContent !== shown) {
    time.textContent = shown;
    time.dateTime = moment.toISOString();
    part("date").textContent = dateOf.format(moment);
  }
}

function tellAge() {
  const note = part("lost");
  note.hidden = !lost;
  if (lost) note.querySelector("span").textContent = filled(words.lost, { time: timeOf.format(new Date(board.at)) });
}

/** Sets `behind` by the server's clock; a second or two do not matter on a wall. */
async function setClock() {
  try {
    const answer = await fetch(words.state, { cache: "no-store", redirect: "manual" });
    const told = Date.parse(answer.headers.get("Date") ?? "");
    if (answer.ok && !Number.isNaN(told)) behind = Math.abs(told - Date.now()) > 3_000 ? told - Date.now() : 0;
  } catch {
    // the next hour will do
  }
}

// --- The changing code -----------------------------------------------------------------------------

function showCode() {
  const picture = document.getElementById("wall-qr");
  if (picture === null) return;
  const source = picture.getAttribute("src");
  let shownAt = Date.now();
  window.setInterval(() => {
    const next = new Image();
    next.onload = () => {
      picture.src = next.src;
      shownAt = Date.now();
      picture.closest("aside").hidden = false;
    };
    next.onerror = () => {
      // A code of the past only makes people try in vain.
      if (Date.now() - shownAt > CODE_DIES_AFTER) picture.closest("aside").hidden = true;
    };
    next.src = `${source}?at=${Math.floor(Date.now() / CODE_EVERY)}`;
  }, CODE_EVERY);
}

// --- Sound and setting up --------------------------------------------------------------------------

const remembered = () => kept("localStorage", SOUND);
const remember = (value) => keepIn("localStorage", SOUND, value);

function tellSound() {
  part("sound").hidden = !speaker.isSilent() || remembered() === "off";
}

async function soundOn() {
  await speaker.wake();
  tellSound();
}

let sleepTimer = 0;
function wakePointer() {
  document.body.classList.add("wall-awake");
  window.clearTimeout(sleepTimer);
  sleepTimer = window.setTimeout(() => document.body.classList.remove("wall-awake"), AWAKE_MS);
}

part("start").addEventListener("click", () => {
  remember("on");
  soundOn();
});
part("quiet").addEventListener("click", () => {
  remember("off");
  speaker.mute(true);
  tellSound();
});
part("try").addEventListener("click", async () => {
  remember("on");
  speaker.mute(false);
  await soundOn();
  const call = board.queue.called[0] ?? board.queue.waiting[0] ?? { token: "A001" };
  speaker.say(filled(words.say, { token: spoken(call.token) }));
});
part("full").addEventListener("click", () => document.documentElement.requestFullscreen?.());
for (const type of ["pointerdown", "keydown"]) {
  document.addEventListener(type, () => {
    if (remembered() !== "off") soundOn();
  });
}
for (const type of ["pointermove", "pointerdown", "keydown"]) document.addEventListener(type, wakePointer);

// --- Beginning -------------------------------------------------------------------------------------

speaker.mute(remembered() === "off");
draw();
callOut();
tick();
tellSound();
showCode();
setClock();
window.setInterval(tick, 1_000);
window.setInterval(setClock, 3_600_000);
window.setTimeout(tellSound, 1_000); // a context that may sound says so a moment later
window.addEventListener("resize", fit);

queueSocket({
  url: words.socket,
  protocols: ["device"],
  stateUrl: words.state,
  headers: { "X-Kairos-Device": "1" },
  onBoard(next) {
    board = next;
    draw();
    callOut();
    tellAge();
    keep.built(next.build);
  },
  onState(state) {
    wall.dataset.live = state;
    lost = state === "lost";
    tellAge();
    if (state === "ended") keep.leave();
  },
});
