/**
 * What a scan sounds and feels like, for whoever looks at the patient and not at the screen.
 *
 * `openFeedback()` gives `{give(kind), muted, toggle(), wake()}`; `kind` is "good", "ask", "bad" or
 * "kept". Browsers are silent until somebody has touched the page: `wake()` on the first touch.
 */

const MUTED = "kairos-scanner-muted";
/* Notes as [frequency in Hz, start, length in seconds]; buzzes in milliseconds. */
const SOUNDS = {
  good: { wave: "sine", notes: [[880, 0, 0.1], [1320, 0.11, 0.16]], buzz: [80] },
  ask: { wave: "sine", notes: [[660, 0, 0.12], [660, 0.18, 0.12]], buzz: [60, 60, 60] },
  bad: { wave: "square", notes: [[196, 0, 0.4]], buzz: [250, 80, 250] },
  kept: { wave: "sine", notes: [[520, 0, 0.12]], buzz: [40] },
};
const LOUDNESS = 0.25;

function remembered() {
  try {
    return window.localStorage.getItem(MUTED) === "1";
  } catch {
    return false; // the browser keeps nothing here
  }
}

function remember(muted) {
  try {
    window.localStorage.setItem(MUTED, muted ? "1" : "0");
  } catch {
    // It lasts until the page is closed.
  }
}

export function openFeedback() {
  let muted = remembered();
  let audio = null;

  function wake() {
    audio ??= window.AudioContext ? new AudioContext() : null;
    if (audio?.state === "suspended") audio.resume().catch(() => {});
  }

  function sound({ wave, notes }) {
    if (muted || audio?.state !== "running") return;
    for (const [frequency, start, length] of notes) {
      const from = audio.currentTime + start;
      const tone = new OscillatorNode(audio, { type: wave, frequency });
      const volume = new GainNode(audio, { gain: LOUDNESS });
      volume.gain.setTargetAtTime(0, from + length * 0.7, 0.03); // no click at the end
      tone.connect(volume).connect(audio.destination);
      tone.start(from);
      tone.stop(from + length + 0.1);
    }
  }

  function give(kind) {
    sound(SOUNDS[kind]);
    if (navigator.userActivation?.hasBeenActive !== false) navigator.vibrate?.(SOUNDS[kind].buzz);
  }

  function toggle() {
    muted = !muted;
    remember(muted);
    if (!muted) {
      wake();
      give("good");
    }
  }

  return {
    give,
    toggle,
    wake,
    get muted() {
      return muted;
    },
  };
}
