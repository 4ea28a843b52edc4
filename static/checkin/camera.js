/**
 * The camera, read for QR codes.
 *
 * `openCamera({video, decoder, facing, deviceId, onCode})` starts the camera in the <video> and
 * calls `onCode(text)` for every picture that holds a code, so many times for a code that stays.
 * It resolves to
 *   `torch`            whether there is a light: null, or `(on) => Promise`,
 *   `deviceId`         which camera it became,
 *   `cameras()`        Promise of the cameras there are, as [{id, label}],
 *   `close()`.
 * It rejects with an Error whose `name` is one of `TROUBLE`.
 */

/** Why there is no picture. */
export const TROUBLE = Object.freeze({
  refused: "refused",
  missing: "missing",
  busy: "busy",
  insecure: "insecure",
});

/* Enough for a code the size of a thumbnail, little enough for an old phone. */
const LONGEST_SIDE = 1280;
const PAUSE = 60; // milliseconds between two pictures: the phone shall stay cool

const REASONS = {
  NotAllowedError: TROUBLE.refused,
  SecurityError: TROUBLE.refused,
  NotFoundError: TROUBLE.missing,
  OverconstrainedError: TROUBLE.missing,
  NotReadableError: TROUBLE.busy,
  AbortError: TROUBLE.busy,
};

function trouble(name) {
  const error = new Error(name);
  error.name = name;
  return error;
}

async function streamOf({ facing, deviceId }) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw trouble(window.isSecureContext ? TROUBLE.missing : TROUBLE.insecure);
  }
  const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: { ideal: facing } };
  const video = { ...which, width: { ideal: 1280 }, height: { ideal: 720 } };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: false, video });
  } catch (error) {
    throw trouble(REASONS[error.name] ?? TROUBLE.busy);
  }
}

function torchOf(track) {
  if (!track.getCapabilities?.().torch) return null;
  return (on) => track.applyConstraints({ advanced: [{ torch: on }] });
}

async function cameras() {
  const all = await navigator.mediaDevices.enumerateDevices();
  return all
    .filter((one) => one.kind === "videoinput" && one.deviceId)
    .map((one) => ({ id: one.deviceId, label: one.label }));
}

export async function openCamera({ video, decoder, facing = "environment", deviceId, onCode }) {
  const stream = await streamOf({ facing, deviceId });
  const [track] = stream.getVideoTracks();
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  let open = true;
  let timer = 0;

  function picture() {
    const { videoWidth: width, videoHeight: height } = video;
    if (!width || !height || document.hidden) return null;
    const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    pen.drawImage(video, 0, 0, canvas.width, canvas.height);
    return pen.getImageData(0, 0, canvas.width, canvas.height);
  }

  async function look() {
    const image = picture();
    const text = image && (await decoder.read(image));
    if (!open) return;
    if (text) onCode(text);
    timer = window.setTimeout(look, PAUSE);
  }

  function close() {
    open = false;
    window.clearTimeout(timer);
    for (const one of stream.getTracks()) one.stop();
    video.srcObject = null;
  }

  video.srcObject = stream;
  video.muted = true;
  video.playsInline = true; // iOS would show it full screen
  try {
    await video.play();
  } catch {
    close();
    throw trouble(TROUBLE.busy);
  }
  look();
  return { torch: torchOf(track), deviceId: track.getSettings().deviceId, cameras, close };
}
