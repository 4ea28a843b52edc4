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

const RETRY_FIRST = 500;
const RETRY_LAST = 5_000;
const PING_EVERY = 10_000;
const ANSWER_WITHIN = 5_000;
const ALL_WHILE_OPEN = 30_000;
const ALL_WHILE_UNSURE = 5_000;
const ALL_AT_MOST_EVERY = 1_000;

export function live({ url, onChange = () => {}, onAll = () => {}, onState = () => {} }) {
  const address = new URL(url, window.location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";

  let socket = null;
  let state = "";
  let version = null;
  let tries = 0;
  let askedAllAt = -Infinity;
  const timers = { retry: 0, ping: 0, answer: 0, all: 0, soon: 0 };

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

  function connect() {
    forget("retry");
    drop();
    version = null;
    socket = new WebSocket(address);
    socket.onmessage = hear;
    socket.onclose = (event) => closed(event.code);
    expectAnswer();
  }

  /** Lets go of the socket at once; its own good-bye may take minutes on a dead network. */
  function drop() {
    forget("ping", "answer");
    if (socket === null) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
    socket = null;
  }

  function closed(code) {
    drop();
    if (code >= 4400 && code < 4500) {
      end("ended");
      return;
    }
    if (state === "open") {
      // Not at once: whoever took the socket away may have the page's address down too.
      later("all", ALL_WHILE_UNSURE, askAll);
    }
    become("lost");
    const longest = Math.min(RETRY_FIRST * 2 ** tries, RETRY_LAST);
    tries += 1;
    later("retry", longest * (0.5 + Math.random() / 2), connect);
  }

  function expectAnswer() {
    later("answer", ANSWER_WITHIN, () => closed(0));
  }

  function ping() {
    if (socket === null || socket.readyState !== WebSocket.OPEN) return;
    socket.send('{"type":"ping"}');
    expectAnswer();
  }

  function hear(event) {
    const message = JSON.parse(event.data);
    forget("answer");
    later("ping", PING_EVERY, ping);
    switch (message.type) {
      case "snapshot":
        tries = 0;
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
        tries = 0;
        become("unsure");
        askAll();
        break;
      default: // of a newer server: nothing that this page knows how to show
    }
  }

  /** Back from sleep, from another tab, or on a network again. */
  function wake() {
    if (document.visibilityState === "hidden") return;
    if (socket === null) connect();
    else ping();
    askAll();
  }

  function end(last) {
    drop();
    forget(...Object.keys(timers));
    window.removeEventListener("online", wake);
    document.removeEventListener("visibilitychange", wake);
    if (last) become(last);
  }

  window.addEventListener("online", wake);
  document.addEventListener("visibilitychange", wake);
  later("all", ALL_WHILE_UNSURE, askAll);
  connect();

  return { close: () => end("") };
}
