/**
 * Sends the kept scans whenever there is a chance to, from one window at a time.
 *
 * `syncOutbox({addresses, isBusy, onWaiting, onAnswer, onState})`
 *   addresses               {url, clockUrl}: where scans go, and who tells the time;
 *   isBusy(nonce)           the page is sending this one itself;
 *   onWaiting(scans)        these wait to be sent;
 *   onAnswer(scan, answer)  an answer came: resolves to whether the scan may be forgotten now;
 *   onState(state)          "sent" (nothing is left to send), "waiting", "gone" (not paired).
 * Returns `{soon(wasAnswered), now(), refresh(), forget(nonce), hold(nonce)}`; a scan on hold is answered, and
 * kept until `forget`.
 *
 * A scan is forgotten only after its answer has come. An answer lost on the way comes again, since
 * the server knows the scan by its nonce.
 */

import "./outbox.js";

const { CHUNK, NoAnswer, all, remove, sendKept } = globalThis.kairosOutbox;
const LOCK = "kairos-scanner-outbox";
const RETRY_FIRST = 2_000;
const RETRY_LAST = 60_000;
export const SYNC_TAG = "kairos-scans";

/** One window alone; elsewhere the same nonce twice does no harm either. */
function alone(act) {
  if (!navigator.locks) return act();
  return navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => (lock ? act() : null));
}

export function syncOutbox({ addresses, isBusy, onWaiting, onAnswer, onState }) {
  const shown = new Set(); // answered; kept until somebody has read what the answer says
  const windows = "BroadcastChannel" in window ? new BroadcastChannel(LOCK) : null;
  let timer = 0;
  let tries = 0;
  let running = false;

  const waiting = async () =>
    (await all()).filter(({ nonce }) => !shown.has(nonce) && !isBusy(nonce));

  async function refresh() {
    const scans = await waiting();
    onWaiting(scans);
    return scans;
  }

  function later(wait = 0) {
    window.clearTimeout(timer);
    const pause = Math.max(wait, Math.min(RETRY_LAST, RETRY_FIRST * 2 ** tries));
    tries += 1;
    timer = window.setTimeout(run, pause * (1 + Math.random() / 2));
  }

  async function forget(nonce) {
    await remove(nonce);
    shown.delete(nonce);
    windows?.postMessage("changed");
  }

  async function answered(scan, answer) {
    shown.add(scan.nonce);
    if (onAnswer(scan, answer)) await forget(scan.nonce);
  }

  async function sendAll() {
    for (let scans = await refresh(); scans.length; scans = await refresh()) {
      const answers = await sendKept(addresses, scans.slice(0, CHUNK));
      for (const [scan, answer] of answers) await answered(scan, answer);
      if (!answers.length) throw new NoAnswer("none answered");
    }
  }

  async function run() {
    if (running) return;
    running = true;
    window.clearTimeout(timer);
    timer = 0;
    try {
      await alone(sendAll);
      const left = (await refresh()).length;
      tries = left ? tries : 0;
      onState(left ? "waiting" : "sent");
      if (left) later(); // another window is at it
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      onState(error.gone ? "gone" : "waiting");
      if (!error.gone) later(error.wait);
      await refresh();
    } finally {
      running = false;
    }
  }

  /**
   * Send what is kept, if anything: now where the server has just answered, else in a moment. If the
   * page closes before, the browser does it.
   */
  async function soon(wasAnswered) {
    const scans = await refresh();
    if (!scans.length) return;
    if (wasAnswered) now();
    else if (!running && !timer) later();
    const registration = await navigator.serviceWorker?.getRegistration();
    registration?.sync?.register(SYNC_TAG).catch(() => {});
  }

  function now() {
    tries = 0;
    run();
  }

  window.addEventListener("online", now);
  document.addEventListener("visibilitychange", () => document.hidden || now());
  windows?.addEventListener("message", refresh);
  now();
  const hold = (nonce) => shown.add(nonce);

  return { soon, now, refresh, forget, hold };
}
