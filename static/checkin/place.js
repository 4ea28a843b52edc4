/**
 * A patient's place in the queue, as it is now. The board of the location is pushed; when one's own
 * token stands elsewhere on it, the page reads itself again: at once for a call, else a moment later,
 * so that a full waiting room does not ask all together. Every half minute it reads itself anyway.
 */

import { offerPush } from "./push.js";
import { queueSocket } from "./queue_socket.js";

const READ_EVERY = 30_000;
const READ_EVERY_ALONE = 10_000;
const SPREAD = 2_000;
const WITHIN = 8_000;
const NOTES = [[880, 0], [660, 0.25], [880, 0.5]];

const root = document.getElementById("place");
const said = document.getElementById("place-said");
const state = document.getElementById("place-state");
const title = document.title;
const sockets = new Map();
const refused = new Set();
let audio = null;
let due = 0;
let dueAt = Infinity;
let reading = false;
let shown = root.innerHTML;
let told = summary();
let wasCalled = called();

function spots() {
  return [...root.querySelectorAll("[data-token]")];
}

function called() {
  return spots().filter((spot) => spot.dataset.state === "CALLED").map((spot) => spot.dataset.token).join();
}

function summary() {
  return [...root.querySelectorAll("[data-said]")].map((spot) => spot.dataset.said).join(" ").trim();
}

// --- Reading the page again ----------------------------------------------------------------------

function readWithin(ms) {
  const at = performance.now() + ms;
  if (at >= dueAt) return;
  window.clearTimeout(due);
  dueAt = at;
  due = window.setTimeout(read, ms);
}

async function read() {
  dueAt = Infinity;
  if (reading) {
    readWithin(SPREAD);
    return;
  }
  reading = true;
  try {
    const answer = await fetch(root.dataset.part, {
      headers: { "X-Requested-With": "place" },
      cache: "no-store",
      signal: AbortSignal.timeout(WITHIN),
    });
    if (answer.status === 404) {
      window.location.reload(); // the link is over, or the visit is gone: the page says so
      return;
    }
    if (!answer.ok || new URL(answer.url).pathname !== window.location.pathname) throw new Error();
    show(await answer.text());
    state.hidden = true;
  } catch {
    state.textContent = state.dataset.lost;
    state.hidden = false;
  } finally {
    reading = false;
    if (spots().length) readWithin(sockets.size ? READ_EVERY : READ_EVERY_ALONE);
  }
}

function show(html) {
  if (html === shown) return;
  shown = html;
  root.innerHTML = html;
  tell();
  listen();
}

/** Say what is new to who cannot see it, and call who looks elsewhere. */
function tell() {
  const now = summary();
  if (now !== told) {
    told = now;
    said.textContent = now;
  }
  const callNow = called();
  document.title = callNow ? `● ${root.dataset.called} · ${title}` : title;
  if (callNow && callNow !== wasCalled) ring();
  wasCalled = callNow;
}

function ring() {
  navigator.vibrate?.([400, 150, 400, 150, 400]);
  if (audio?.state !== "running") return;
  for (const [frequency, start] of NOTES) {
    const from = audio.currentTime + start;
    const tone = new OscillatorNode(audio, { frequency });
    const volume = new GainNode(audio, { gain: 0.25 });
    volume.gain.setTargetAtTime(0, from + 0.15, 0.03);
    tone.connect(volume).connect(audio.destination);
    tone.start(from);
    tone.stop(from + 0.3);
  }
}

// --- The board, as it is pushed ------------------------------------------------------------------

/** One socket for each location where one waits and may listen: with the link, or signed in. */
function listen() {
  const wanted = new Map(spots().map((spot) => [spot.dataset.location, spot.dataset.link]));
  for (const [location, socket] of sockets) {
    if (wanted.has(location)) continue;
    socket.close();
    sockets.delete(location);
  }
  for (const [location, link] of wanted) {
    if (sockets.has(location) || refused.has(location)) continue;
    if (!link && root.dataset.signedIn !== "1") continue; // it has nothing to show at the door
    let places = null;
    sockets.set(
      location,
      queueSocket({
        url: `/ws/queue/${location}`,
        protocols: link ? ["visit", link] : [],
        stateUrl: `${root.dataset.board}${location}`,
        onBoard: ({ queue }) => {
          const found = ours(queue, location);
          if (places === null ? isStale(queue, location) : found !== places) {
            readWithin(found.includes("CALLED") ? 0 : Math.random() * SPREAD);
          }
          places = found;
        },
        onState: (now) => {
          if (now !== "ended") return;
          sockets.delete(location);
          refused.add(location);
          if (spots().length) readWithin(READ_EVERY_ALONE);
        },
      }),
    );
  }
}

function spotsAt(location) {
  return spots().filter((spot) => spot.dataset.location === location);
}

/** Whether the page shows something else than the board: something changed before it listened. */
function isStale(queue, location) {
  return spotsAt(location).some(({ dataset }) => {
    const waits = queue.waiting.find((row) => row.token === dataset.token);
    const called = queue.called.some((row) => row.token === dataset.token);
    return String(waits?.position ?? "") !== dataset.position || called !== (dataset.state === "CALLED");
  });
}

/** Where one's own tokens stand on a board. */
function ours(queue, location) {
  const tokens = new Set(spotsAt(location).map((spot) => spot.dataset.token));
  const mine = (rows) => rows.filter((row) => tokens.has(row.token));
  return JSON.stringify([
    mine(queue.waiting).map(({ token, position, from, to }) => [token, position, from, to]),
    mine(queue.called).map(({ token, room, calls }) => ["CALLED", token, room, calls]),
  ]);
}

// Browsers are silent until somebody has touched the page.
document.addEventListener(
  "pointerdown",
  () => {
    audio ??= window.AudioContext ? new AudioContext() : null;
    if (audio?.state === "suspended") audio.resume().catch(() => {});
  },
  { passive: true },
);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && spots().length) readWithin(0);
});

if (wasCalled) document.title = `● ${root.dataset.called} · ${title}`;
if (spots().length) {
  listen();
  readWithin(sockets.size ? READ_EVERY : READ_EVERY_ALONE);
  offerPush(document.getElementById("push"));
}
