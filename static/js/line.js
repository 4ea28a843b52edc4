/**
 * A socket that comes back: it notices silence, and connects again with growing, spread pauses.
 *
 * `line({url, protocols, onMessage, onLost, onEnded, onWake})`
 *   url         of the socket, a path on this host; protocols its proof, if the cookie is none;
 *   onMessage(message)  what the server said, parsed;
 *   onLost()    the connection is gone; it tries again by itself;
 *   onEnded()   there is no right to it any more; it does not try again;
 *   onWake()    back from sleep, from another tab, or on a network again.
 * Returns `{open(), close(), lose(), settled()}`: `lose` when something else knows that it is gone,
 * `settled` when the server said what it is there for, so that the next pause is short again.
 */

const RETRY_FIRST = 500;
const RETRY_LAST = 5_000;
const PING_EVERY = 10_000;
const ANSWER_WITHIN = 5_000;

export function line({
  url,
  protocols = [],
  onMessage,
  onLost = () => {},
  onEnded = () => {},
  onWake = () => {},
}) {
  const address = new URL(url, window.location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";

  let socket = null;
  let tries = 0;
  const timers = { retry: 0, ping: 0, answer: 0 };

  function later(name, ms, act) {
    window.clearTimeout(timers[name]);
    timers[name] = window.setTimeout(act, ms);
  }

  function forget(...names) {
    for (const name of names) window.clearTimeout(timers[name]);
  }

  function connect() {
    forget("retry");
    drop();
    socket = new WebSocket(address, protocols);
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
      close();
      onEnded();
      return;
    }
    const longest = Math.min(RETRY_FIRST * 2 ** tries, RETRY_LAST);
    tries += 1;
    later("retry", longest * (0.5 + Math.random() / 2), connect);
    onLost();
  }

  function lose() {
    closed(0);
  }

  function expectAnswer() {
    later("answer", ANSWER_WITHIN, lose);
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
    onMessage(message);
  }

  function wake() {
    if (document.visibilityState === "hidden") return;
    if (socket === null) connect();
    else ping();
    onWake();
  }

  function close() {
    drop();
    forget(...Object.keys(timers));
    window.removeEventListener("online", wake);
    document.removeEventListener("visibilitychange", wake);
  }

  function open() {
    window.addEventListener("online", wake);
    document.addEventListener("visibilitychange", wake);
    connect();
  }

  function settled() {
    tries = 0;
  }

  return { open, close, lose, settled };
}
