/**
 * What a wall screen says: a chime, then the call in the page's language, one after the other.
 *
 * A browser makes no sound before somebody has touched the page, unless it was started with
 * `--autoplay-policy=no-user-gesture-required`. `isSilent()` tells whether that is so.
 */

const GAIN = 0.35;
const TONES = [
  { hertz: 659.3, at: 0 },
  { hertz: 523.3, at: 0.35 },
];
const CHIME_MS = 1_300;
/** Some speech engines never say that they have ended. */
const SPEAKS_AT_MOST_MS = 12_000;
const WAITING_AT_MOST = 12;

export function voice(language) {
  const Context = window.AudioContext;
  const context = Context === undefined ? null : new Context();
  const waiting = [];
  let busy = false;
  let muted = false;

  function chime() {
    if (context === null || context.state !== "running") return false;
    for (const { hertz, at } of TONES) {
      const start = context.currentTime + at;
      const tone = new OscillatorNode(context, { type: "sine", frequency: hertz });
      const gain = new GainNode(context, { gain: 0 });
      gain.gain.setValueAtTime(0, start);
      gain.gain.linearRampToValueAtTime(GAIN, start + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.001, start + 0.9);
      tone.connect(gain).connect(context.destination);
      tone.onended = () => gain.disconnect();
      tone.start(start);
      tone.stop(start + 0.95);
    }
    return true;
  }

  /** The best voice of this machine for the language; null: it has none, and the chime is all. */
  function voiceOf() {
    const base = language.split("-")[0];
    const fitting = window.speechSynthesis.getVoices().filter((one) => one.lang.split(/[-_]/)[0] === base);
    return fitting.find((one) => one.localService) ?? fitting[0] ?? null;
  }

  function speak(text, done) {
    const speech = window.speechSynthesis;
    const found = speech === undefined ? null : voiceOf();
    if (found === null) {
      done();
      return;
    }
    const said = new SpeechSynthesisUtterance(text);
    said.voice = found;
    said.lang = found.lang;
    said.rate = 0.9;
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      window.clearTimeout(timer);
      done();
    };
    const timer = window.setTimeout(() => {
      speech.cancel();
      end();
    }, SPEAKS_AT_MOST_MS);
    said.onend = said.onerror = end;
    speech.speak(said);
  }

  function next() {
    const text = waiting.shift();
    if (text === undefined || muted) {
      busy = false;
      waiting.length = 0;
      return;
    }
    busy = true;
    const pause = chime() ? CHIME_MS : 0;
    window.setTimeout(() => speak(text, () => window.setTimeout(next, 400)), pause);
  }

  // Asked for early: some browsers load their list of voices only then.
  window.speechSynthesis?.getVoices();

  return {
    /** Say it after what is still to be said. Of too many, the oldest are left out. */
    say(text) {
      if (muted) return;
      waiting.push(text);
      while (waiting.length > WAITING_AT_MOST) waiting.shift();
      if (!busy) next();
    },
    isBusy: () => busy,
    isSilent: () => context !== null && context.state !== "running",
    async wake() {
      await context?.resume();
    },
    mute(value) {
      muted = value;
      if (muted) window.speechSynthesis?.cancel();
    },
  };
}
