/**
 * The board of a location, as it is now: pushed over a socket, read over HTTP while that is lost.
 *
 * `queueSocket({url, protocols, stateUrl, onBoard, onState})`
 *   url         of the socket, a path on this host; protocols its proof, e.g. ["visit", token];
 *   stateUrl    gives the same board over HTTP: {at, build, queue};
 *   onBoard(board)  {at, build, queue}: the whole board; `at` in milliseconds since 1970;
 *   onState(state)  "open", "lost" (trying again; what is shown may be old), "polled" (the socket is
 *                   lost, and HTTP answers), "ended" (no right any more; it does not try again).
 * Returns `{close()}`.
 *
 * A board that is older than the last one is not passed on, whichever way it came.
 */

import { line } from "../js/line.js";

const POLL_EVERY = 5_000;
const POLL_WITHIN = 8_000;
/** A socket that has told no board for so long is read over HTTP besides. */
const QUIET_FOR = 45_000;
/** Spread: when a server goes, all of its screens come at once. */
const POLL_SPREAD = 500;

export function queueSocket({ url, protocols = [], stateUrl, headers = {}, onBoard, onState = () => {} }) {
  let state = "";
  let newest = 0;
  let polling = false;
  const timers = { poll: 0 };

  function later(name, ms, act) {
    window.clearTimeout(timers[name]);
    timers[name] = window.setTimeout(act, ms);
  }

  function forget(...names) {
    for (const name of names) window.clearTimeout(timers[name]);
  }

  function become(next) {
    if (state === next || state === "ended") return;
    state = next;
    onState(next);
  }

  function show(board) {
    if (board.at < newest) return;
    newest = board.at;
    onBoard({ at: board.at, build: board.build, queue: board.queue });
  }

  function lost() {
    if (state !== "polled") become("lost");
    if (!polling) later("poll", Math.random() * POLL_SPREAD, poll);
  }

  function end() {
    become("ended");
    close();
  }

  function hear(message) {
    if (message.queue === undefined) return; // a ping, "unsure", or of a newer server
    socket.settled();
    later("poll", QUIET_FOR, poll);
    show(message);
    become("open");
  }

  async function poll() {
    if (polling || state === "ended") return;
    polling = true;
    try {
      const answer = await fetch(stateUrl, {
        headers: { Accept: "application/json", ...headers },
        cache: "no-store",
        redirect: "manual",
        signal: AbortSignal.timeout(POLL_WITHIN),
      });
      if (answer.type === "opaqueredirect" || answer.status === 401) {
        end();
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      show(await answer.json());
      if (state !== "open") become("polled");
    } catch {
      if (state !== "open") become("lost");
    } finally {
      polling = false;
      if (state !== "ended") {
        later("poll", state === "open" ? QUIET_FOR : POLL_EVERY * (0.8 + Math.random() * 0.4), poll);
      }
    }
  }

  function close() {
    socket.close();
    forget(...Object.keys(timers));
    window.removeEventListener("offline", lose);
  }

  /** The browser knows that there is no network: no need to wait for a ping to fail. */
  function lose() {
    socket.lose();
  }

  const socket = line({ url, protocols, onMessage: hear, onLost: lost, onEnded: end });
  window.addEventListener("offline", lose);
  later("poll", POLL_EVERY, poll);
  socket.open();

  return {
    close() {
      state = "ended";
      close();
    },
  };
}
