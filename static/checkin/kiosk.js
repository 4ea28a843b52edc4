/**
 * The kiosk's screens, without a history: each link and form of `#kiosk` is fetched, and what comes
 * takes the place of the screen. Nothing of a person stays: not in the address, not behind the back
 * button, not in the browser's storage.
 */

import { openCamera } from "./camera.js";
import { openDecoder } from "./decoder.js";
import { openFeedback } from "./feedback.js";
import { hearWedge } from "./wedge.js";

const STILL_AFTER = 30_000; // without a touch
const LEAVE_AFTER = 10; // seconds that the question stays
const LOOK_AGAIN = 5 * 60_000; // whether the device is still paired, and the page still the newest
const ANSWER_WITHIN = 15_000;

const feedback = openFeedback();
const here = () => document.getElementById("kiosk");
let touched = Date.now();
let asking = null;
let busy = false;
let camera = null;
let decoder = null;
let cameraWanted = 0;

// --- Screens ---------------------------------------------------------------------------------------

function show(text) {
  const next = new DOMParser().parseFromString(text, "text/html");
  const screen = next.getElementById("kiosk");
  if (!screen) return false;
  if (screen.dataset.build !== here().dataset.build && screen.dataset.screen === "start") {
    window.location.reload(); // a newer page was put in place, and nobody is here
    return true;
  }
  document.documentElement.lang = next.documentElement.lang;
  document.documentElement.dir = next.documentElement.dir;
  document.title = next.title;
  here().replaceWith(document.adoptNode(screen));
  arrived();
  return true;
}

function troubled() {
  const { offlineTitle: title, offlineAdvice: advice } = here().dataset;
  closeCamera();
  const body = here().querySelector(".kiosk-body");
  const heading = Object.assign(document.createElement("h1"), { id: "kiosk-title", tabIndex: -1 });
  heading.textContent = title;
  const words = Object.assign(document.createElement("p"), { className: "kiosk-lead" });
  words.textContent = advice;
  const card = Object.assign(document.createElement("div"), {
    className: "kiosk-result kiosk-warn",
  });
  card.append(heading, words);
  body.replaceChildren(card);
  here().dataset.screen = "trouble";
  heading.focus();
}

async function go(address, body = null) {
  if (busy) return;
  busy = true;
  here().setAttribute("aria-busy", "true");
  const method = body ? "POST" : "GET";
  try {
    const answer = await fetch(address, {
      method,
      body,
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    });
    const ended = new URL(answer.url).pathname;
    if (answer.redirected && ended === here().dataset.pair) {
      window.location.replace(ended);
      return;
    }
    if (!show(await answer.text())) troubled();
  } catch {
    troubled();
  } finally {
    busy = false;
    here().removeAttribute("aria-busy");
  }
}

const home = () => go(here().dataset.home);

function fieldsOf(form, submitter) {
  const fields = new URLSearchParams(new FormData(form));
  if (submitter?.name) fields.append(submitter.name, submitter.value);
  return fields;
}

function scanned(code) {
  const form = document.getElementById("kiosk-scan");
  if (busy || !form) return;
  touch();
  closeCamera();
  const fields = fieldsOf(form);
  fields.set("code", code);
  go(form.action, fields);
}

function arrived() {
  touch();
  closeCamera();
  const screen = here();
  const sound = screen.querySelector("[data-sound]");
  if (sound) feedback.give(sound.dataset.sound);
  for (const keys of screen.querySelectorAll("[data-keys]")) offerKeys(keys);
  screen.querySelector("#kiosk-title")?.focus();
  if (screen.dataset.screen === "show") startCamera();
}

// --- Keypad ----------------------------------------------------------------------------------------

function offerKeys(keys) {
  const input = document.getElementById(keys.dataset.keys);
  input.inputMode = "none"; // ours is larger than the tablet's
  keys.hidden = false;
  keys.addEventListener("click", ({ target }) => {
    const { value } = target.closest("button") ?? {};
    if (value === "back") {
      input.value = input.value.slice(0, -1);
    } else if (value && input.value.length < input.maxLength) {
      input.value += value;
    }
  });
}

// --- Camera ----------------------------------------------------------------------------------------

function closeCamera() {
  cameraWanted += 1; // one that is still opening is not wanted any more
  camera?.close();
  camera = null;
}

async function startCamera() {
  const { worker, library, wasm } = here().dataset;
  const trouble = document.getElementById("kiosk-trouble");
  const box = document.getElementById("kiosk-camera");
  closeCamera();
  const wanted = cameraWanted;
  try {
    if (!worker) throw new Error("no decoder");
    box.hidden = false;
    decoder ??= await openDecoder({ worker, library, wasm });
    const video = document.getElementById("kiosk-video");
    const opened = await openCamera({ video, decoder, facing: "user", onCode: scanned });
    if (wanted !== cameraWanted) {
      opened.close();
      return;
    }
    camera = opened;
    box.dataset.state = "on";
  } catch {
    if (wanted !== cameraWanted) return;
    box.hidden = !worker;
    trouble.hidden = false;
  }
}

// --- Somebody there? -------------------------------------------------------------------------------

function touch() {
  touched = Date.now();
  if (!asking) return;
  asking = null;
  document.getElementById("kiosk-still")?.close();
}

function ask(now) {
  const dialog = document.getElementById("kiosk-still");
  if (!dialog) {
    home();
    return;
  }
  asking = now;
  dialog.showModal();
}

function watch() {
  const now = Date.now();
  const { screen } = here().dataset;
  const idle = now - touched;
  if (busy) return;
  if (screen === "start" || screen === "trouble") {
    if (idle >= (screen === "start" ? LOOK_AGAIN : STILL_AFTER)) {
      touched = now;
      home();
    }
    return;
  }
  const leaves = here().querySelector("[data-leave]");
  if (leaves) {
    if (idle >= Number(leaves.dataset.leave) * 1000) home();
    return;
  }
  if (asking) {
    const left = LEAVE_AFTER - Math.floor((now - asking) / 1000);
    const count = document.getElementById("kiosk-count");
    if (count) count.textContent = String(Math.max(0, left));
    if (left <= 0) {
      asking = null;
      home();
    }
  } else if (idle >= STILL_AFTER) {
    ask(now);
  }
}

// --- What is touched -------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  feedback.wake();
  const button = event.target.closest("#kiosk-still button");
  if (button) {
    touch();
    if (button.value === "leave") home();
    return;
  }
  if (event.target.closest("#kiosk-open")) {
    startCamera();
    return;
  }
  const link = event.target.closest("#kiosk a[href]");
  if (!link) return;
  event.preventDefault();
  go(link.href);
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.closest("#kiosk")) return;
  event.preventDefault();
  go(form.action, fieldsOf(form, event.submitter));
});

for (const kind of ["pointerdown", "keydown"]) {
  document.addEventListener(kind, () => {
    // The question is answered by its buttons.
    if (!asking) touch();
  });
}
document.addEventListener("cancel", touch, { capture: true });
document.addEventListener("contextmenu", (event) => event.preventDefault());
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.replace(here().dataset.home);
});

document.body.classList.add("scripted");
hearWedge(scanned);
if (here().dataset.screen === "start") {
  arrived();
  window.setInterval(watch, 500);
} else {
  window.location.replace(here().dataset.home); // its own address is the first screen's alone
}
