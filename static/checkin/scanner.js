/**
 * The scanner page: a code comes from the camera, a hand scanner or the field; an answer is shown.
 *
 * Each code is kept (`outbox.js`) before it is sent and forgotten when it is answered, so that
 * nothing is lost when the network or the page goes away in between.
 */

import { openCards } from "./scanner_cards.js";
import { cameraPart } from "./scanner_camera.js";
import { openFeedback } from "./feedback.js";
import { hearWedge } from "./wedge.js";
import { syncOutbox } from "./outbox_sync.js";
import "./outbox.js";

const { NoAnswer, add, codeIn, moment, newNonce, remove, send } = globalThis.kairosOutbox;
const config = JSON.parse(document.getElementById("scan-config").textContent);
const { texts } = config.words;
const by = (id) => document.getElementById(id);

/* A code that stays before the camera is one scan; so is the same within so many milliseconds. */
const SAME_SCAN = 3_000;
const MOST_ROWS = 8; // of a list; its number tells of the rest
const TODAY = "kairos-scanner-today";

const cards = openCards({ words: config.words, language: config.language });
const feedback = openFeedback();
const SOUND_OF = { good: "good", info: "good", ask: "ask", warn: "bad", bad: "bad" };

// --- The big card ---

let shownRow = null; // what becomes a line of the list when the next card comes
let shownKept = ""; // the scan that the card says is saved
let showing = 0;
const idle = by("result").firstElementChild;

function remember(row) {
  by("recent-list").prepend(row);
  while (by("recent-list").children.length > MOST_ROWS) by("recent-list").lastElementChild.remove();
  by("recent").hidden = false;
}

function show(element, tone) {
  if (shownRow) remember(shownRow);
  shownRow = null;
  shownKept = "";
  by("result").dataset.tone = tone;
  by("result").replaceChildren(element);
}

function showBusy() {
  show(cards.simple({ tone: "busy", title: texts.sending, hint: "" }), "busy");
}

function showKept({ nonce, scanned_at: when }) {
  const hint = by("gone").hidden ? texts.keptHint : config.words.codes.DEVICE_REVOKED.hint;
  show(cards.simple({ tone: "kept", title: texts.kept, hint, when }), "kept");
  shownKept = nonce;
  feedback.give("kept");
}

function showAnswer(answer, scan) {
  const tone = cards.toneOf(answer);
  const card = cards.card(answer, { onChoose: (choice) => choose(card, scan, choice) });
  show(card, tone);
  shownRow = cards.row(answer, scan.scanned_at);
  feedback.give(SOUND_OF[tone]);
}

// --- Counting ---

function countToday(more = 0) {
  const today = new Date().toDateString();
  let count = 0;
  try {
    const kept = JSON.parse(window.localStorage.getItem(TODAY) ?? "{}");
    count = (kept.day === today ? kept.count : 0) + more;
    window.localStorage.setItem(TODAY, JSON.stringify({ day: today, count }));
  } catch {
    count = Number(by("today").textContent) + more;
  }
  by("today").textContent = new Intl.NumberFormat(config.language).format(count);
}

// --- Connected or not ---

function showNet(connected) {
  by("net").dataset.state = connected ? "online" : "offline";
  const word = connected ? texts.online : texts.offline;
  if (by("net-word").textContent !== word) by("net-word").textContent = word;
}

function showGone() {
  by("gone").hidden = false;
  by("gone").scrollIntoView({ block: "nearest" });
}

// --- What waits, and what came back ---

const inFlight = new Set(); // being sent for the first time: no waiting scan yet
const openCardsOf = new Map();

function onWaiting(scans) {
  by("waiting-count").textContent = new Intl.NumberFormat(config.language).format(scans.length);
  by("waiting").hidden = scans.length === 0;
  by("waiting-list").replaceChildren(
    ...scans.slice(-MOST_ROWS).reverse().map((scan) => cards.waiting(scan.scanned_at)),
  );
}

function closeOpen(nonce) {
  openCardsOf.get(nonce)?.remove();
  openCardsOf.delete(nonce);
  by("open").hidden = openCardsOf.size === 0;
}

/**
 * An answer to a scan that had to wait, or was overtaken by the next one. What needs somebody stays
 * until they are done with it; gives whether it may be forgotten now.
 */
function onAnswer(scan, answer) {
  showNet(true);
  const isShown = scan.nonce === shownKept;
  if (answer.outcome === "CHECKED_IN" || answer.code === "ALREADY_CHECKED_IN") {
    if (isShown) showAnswer(answer, scan);
    else remember(cards.row(answer, scan.scanned_at));
    return true;
  }
  if (isShown) show(idle, "idle"); // its own card takes over
  const done = async () => {
    closeOpen(scan.nonce);
    await outbox.forget(scan.nonce);
  };
  const item = document.createElement("li");
  const card = cards.card(answer, {
    when: scan.scanned_at,
    onDismiss: done,
    onChoose: (choice) => choose(card, scan, choice, done),
  });
  item.append(card);
  by("open-list").append(item);
  openCardsOf.set(scan.nonce, item);
  by("open").hidden = false;
  feedback.give(SOUND_OF[cards.toneOf(answer)]);
  return false;
}

function onState(state) {
  if (state === "gone") showGone();
  else by("gone").hidden = true;
  if (state !== "waiting") showNet(state === "sent" && navigator.onLine);
}

const outbox = syncOutbox({
  addresses: config.addresses,
  isBusy: (nonce) => inFlight.has(nonce),
  onWaiting,
  onAnswer,
  onState,
});

// --- A scan ---

/** The answer to a scan, or null when there is none yet. */
async function answerOf(scan) {
  if (!navigator.onLine) {
    showNet(false);
    return null;
  }
  showBusy();
  try {
    const answer = await send(config.addresses.scan, scan);
    showNet(true);
    return answer;
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    if (error.gone) showGone();
    else showNet(false);
    return null;
  }
}

async function scanned(text) {
  showing += 1;
  const mine = showing;
  countToday(1);
  const code = codeIn(text);
  if (!code) {
    await scannedOther(text, () => mine === showing);
    return;
  }
  const scan = { nonce: newNonce(), qr_code: code, ...moment() };
  inFlight.add(scan.nonce);
  let answer = null;
  try {
    await add(scan);
    answer = await answerOf(scan);
    await settle(scan, answer, mine);
  } finally {
    inFlight.delete(scan.nonce);
  }
  await outbox.soon(answer !== null);
}

/** Show what came of a scan, and forget it once it is answered. */
async function settle(scan, answer, mine) {
  const isLast = mine === showing; // else the next one was scanned meanwhile
  if (!answer) {
    if (isLast) showKept(scan);
  } else if (isLast) {
    showAnswer(answer, scan);
    await remove(scan.nonce);
  } else if (onAnswer(scan, answer)) {
    await remove(scan.nonce);
  } else {
    outbox.hold(scan.nonce);
  }
}

/** Not a code of ours. It may say anything, a name too: it is told to the server, but not kept. */
async function scannedOther(text, isLast) {
  const scan = { nonce: newNonce(), qr_code: text.slice(0, 400), ...moment() };
  const invalid = { outcome: "REFUSED", code: "INVALID_QR_CODE", visits: [] };
  const answer = (await answerOf(scan)) ?? invalid;
  if (isLast()) showAnswer(answer, scan);
}

/** Send a scan again with what was chosen. Nothing of a choice is kept: it needs the network. */
async function choose(card, scan, choice, done) {
  const buttons = card.querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  const which = JSON.stringify(choice);
  scan.choices ??= {}; // pressed again after no answer, it is the same question
  scan.choices[which] ??= newNonce();
  try {
    const again = { ...scan, nonce: scan.choices[which] };
    const answer = await send(config.addresses.scan, again, choice);
    await done?.();
    if (!done) shownRow = null; // it was asked in the big card, which its answer replaces
    showAnswer(answer, scan);
    by("result").focus();
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    if (error.gone) showGone();
    cards.note(card, texts.noChoice);
    feedback.give("bad");
    for (const button of buttons) button.disabled = false;
  }
}

// --- Where codes come from ---

let lastText = "";
let lastAt = -Infinity;

/** The same code, again and again, is one scan. */
function onCode(text) {
  const again = text === lastText && performance.now() - lastAt < SAME_SCAN;
  lastText = text;
  lastAt = performance.now();
  if (!again) scanned(text);
}

function onEntry(event) {
  event.preventDefault();
  const text = by("typed").value.trim();
  by("typed").value = "";
  if (text) onCode(text);
}

function showSound() {
  by("sound").setAttribute("aria-pressed", String(!feedback.muted));
}

function begin() {
  by("entry").addEventListener("submit", onEntry);
  hearWedge(onCode);
  by("sound").addEventListener("click", () => {
    feedback.toggle();
    showSound();
  });
  for (const touch of ["pointerdown", "keydown"]) window.addEventListener(touch, feedback.wake);
  window.addEventListener("offline", () => showNet(false));
  window.addEventListener("online", () => showNet(true));
  showSound();
  showNet(navigator.onLine);
  countToday();
  cameraPart({ addresses: config.decoder, words: config.words, onCode });
}

async function keepPage() {
  if (!navigator.serviceWorker) return;
  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    if (data === "sync") outbox.now();
  });
  await navigator.serviceWorker.register(config.serviceWorker);
}

begin();
keepPage().catch(() => {}); // where it cannot be, the page needs the network to open
