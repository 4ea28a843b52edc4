/**
 * A page's ear: hears that something changed and asks the page to read it again.
 *
 * `live({url, onChange, onAll, onState})` keeps a socket open to `url` (a path on this host).
 *   onChange(changes, version)  these parts changed;
 *   onAll()                     anything may have changed: read everything again;
 *   onState(state)              "open", "unsure" (messages may be missing), "lost" (trying again),
 *                               "ended" (signed out or no right; it does not try again).
 * Returns `{close()}`.
 *
 * Whatever is lost on the way, the page is right again soon: `onAll` comes with every connection,
 * with every gap in the numbers, every 30 seconds, and every 5 while nothing is sure.
 */

import { line } from "./line.js";

const ALL_WHILE_OPEN = 30_000;
const ALL_WHILE_UNSURE = 5_000;
const ALL_AT_MOST_EVERY = 1_000;

export function live({ url, onChange = () => {}, onAll = () => {}, onState = () => {} }) {
  let state = "";
  let version = null;
  let askedAllAt = -Infinity;
  const timers = { all: 0, soon: 0 };

  function later(name, ms, act) {
    window.clearTimeout(timers[name]);
    timers[name] = window.setTimeout(act, ms);
  }

  function forget(...names) {
    for (const name of names) window.clearTimeout(timers[name]);
  }

  function become(next) {
    if (state === next) return;
    state = next;
    onState(next);
  }

  /** At most once a second, and never not at all. */
  function askAll() {
    const wait = askedAllAt + ALL_AT_MOST_EVERY - performance.now();
    if (wait > 0) {
      later("soon", wait, askAll);
      return;
    }
    forget("soon");
    askedAllAt = performance.now();
    later("all", state === "open" ? ALL_WHILE_OPEN : ALL_WHILE_UNSURE, askAll);
    onAll();
  }

  function lost() {
    version = null;
    // Not at once: whoever took the socket away may have the page's address down too.
    if (state === "open") later("all", ALL_WHILE_UNSURE, askAll);
    become("lost");
  }

  function hear(message) {
    switch (message.type) {
      case "snapshot":
        socket.settled();
        version = message.version;
        become("open");
        askAll();
        break;
      case "changed": {
        const expected = version !== null && message.version === version + 1;
        version = message.version;
        if (expected) onChange(message.changes, version);
        else askAll();
        break;
      }
      case "ping":
        if (state === "open" && message.version !== version) {
          version = message.version;
          askAll();
        }
        break;
      case "unsure":
        socket.settled();
        become("unsure");
        askAll();
        break;
      default: // of a newer server: nothing that this page knows how to show
    }
  }

  function end(last) {
    socket.close();
    forget(...Object.keys(timers));
    if (last) become(last);
  }

  const socket = line({
    url,
    onMessage: hear,
    onLost: lost,
    onEnded: () => end("ended"),
    onWake: askAll,
  });
  later("all", ALL_WHILE_UNSURE, askAll);
  socket.open();

  return { close: () => end("") };
}
