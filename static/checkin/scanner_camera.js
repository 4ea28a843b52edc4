/**
 * The camera's part of the scanner page: its buttons, its picture, and why there is none.
 *
 * `cameraPart({addresses, words, onCode})`: `addresses` is what `decoder.js` opens, or null where
 * the library is missing. The camera starts by itself where it was allowed before.
 */

import { openCamera } from "./camera.js";
import { openDecoder } from "./decoder.js";

const KEPT_CAMERA = "kairos-scanner-camera"; // which one, not what it saw
const by = (id) => document.getElementById(id);

function keptCamera() {
  try {
    return window.localStorage.getItem(KEPT_CAMERA) || undefined;
  } catch {
    return undefined;
  }
}

function keepCamera(deviceId) {
  try {
    window.localStorage.setItem(KEPT_CAMERA, deviceId);
  } catch {
    // Next time the browser chooses.
  }
}

async function wasAllowed() {
  try {
    return (await navigator.permissions.query({ name: "camera" })).state === "granted";
  } catch {
    return false; // this browser does not tell
  }
}

export function cameraPart({ addresses, words, onCode }) {
  const { texts } = words;
  const [view, video, veil, start] = [by("view"), by("video"), by("veil"), by("start")];
  const [stop, torch, field, list] = [by("stop"), by("torch"), by("cameras-field"), by("cameras")];
  let decoder = null;
  let camera = null;
  let awake = null; // the screen stays on while the camera does
  let lit = false;

  function show(state, text) {
    view.dataset.state = state;
    veil.hidden = state === "on";
    start.hidden = state === "starting" || state === "unable";
    stop.hidden = state !== "on";
    by("trouble").textContent = text;
    if (state !== "on") {
      torch.hidden = true;
      field.hidden = true;
    }
  }

  async function stayAwake() {
    awake = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
  }

  async function offerCameras() {
    const found = await camera.cameras();
    list.replaceChildren(
      ...found.map(({ id, label }, index) => {
        const name = label || texts.camera.replace("{number}", index + 1);
        return new Option(name, id, false, id === camera.deviceId);
      }),
    );
    field.hidden = found.length < 2;
  }

  function showTorch() {
    torch.hidden = !camera?.torch;
    torch.setAttribute("aria-pressed", String(lit));
  }

  function close() {
    camera?.close();
    camera = null;
    awake?.release();
    awake = null;
    lit = false;
  }

  async function open(deviceId) {
    close();
    show("starting", texts.starting);
    try {
      decoder ??= await openDecoder(addresses);
    } catch {
      show("unable", texts.noDecoder);
      return;
    }
    try {
      camera = await openCamera({ video, decoder, deviceId, onCode });
    } catch (error) {
      if (deviceId && error.name === "missing") {
        await open(); // the camera of last time is not plugged in
        return;
      }
      show("off", texts[error.name] ?? texts.busy);
      return;
    }
    show("on", "");
    showTorch();
    if (camera.deviceId) keepCamera(camera.deviceId);
    await Promise.all([offerCameras(), stayAwake()]);
  }

  async function light() {
    lit = !lit;
    await camera.torch(lit).catch(() => {
      lit = false;
    });
    showTorch();
  }

  start.addEventListener("click", () => open(keptCamera()));
  stop.addEventListener("click", () => {
    close();
    show("off", texts.off);
    start.focus();
  });
  torch.addEventListener("click", light);
  list.addEventListener("change", () => open(list.value));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && camera) stayAwake();
  });

  async function begin() {
    if (addresses === null) {
      show("unable", texts.noDecoder);
    } else if (!navigator.mediaDevices?.getUserMedia) {
      show("unable", window.isSecureContext ? texts.missing : texts.insecure);
    } else if (await wasAllowed()) {
      await open(keptCamera());
    } else {
      show("off", texts.off);
    }
  }
  begin();
}
