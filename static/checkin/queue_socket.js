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

const RETRY_FIRST = 500;
const RETRY_LAST = 5_000;
const PING_EVERY = 10_000;
const ANSWER_WITHIN = 5_000;
const POLL_EVERY = 5_000;
const POLL_WITHIN = 8_000;
/** A socket that has told no board for so long is read over HTTP besides. */
const QUIET_FOR = 45_000;

export function queueSocket({ url, protocols = [], stateUrl, headers = {}, onBoard, onState = () => {} }) {
  const address = new URL(url, window.location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";

  let socket = null;
  let state = "";
  let tries = 0;
  let newest = 0;
  let polling = false;
  const timers = { retry: 0, ping: 0, answer: 0, poll: 0 };

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
      become("ended");
      close();
      return;
    }
    if (state !== "polled") become("lost");
    const longest = Math.min(RETRY_FIRST * 2 ** tries, RETRY_LAST);
    tries += 1;
    later("retry", longest * (0.5 + Math.random() / 2), connect);
    // Spread: when a server goes, all of its screens come at once.
    if (!polling) later("poll", Math.random() * RETRY_FIRST, poll);
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
    if (message.queue === undefined) return; // a ping, "unsure", or of a newer server
    tries = 0;
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
        become("ended");
        close();
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

  /** Back from sleep, from another tab, or on a network again. */
  function wake() {
    if (document.visibilityState === "hidden") return;
    if (socket === null) connect();
    else ping();
  }

  function close() {
    drop();
    forget(...Object.keys(timers));
    window.removeEventListener("online", wake);
    window.removeEventListener("offline", lose);
    document.removeEventListener("visibilitychange", wake);
  }

  /** The browser knows that there is no network: no need to wait for a ping to fail. */
  function lose() {
    closed(0);
  }

  window.addEventListener("online", wake);
  window.addEventListener("offline", lose);
  document.addEventListener("visibilitychange", wake);
  later("poll", POLL_EVERY, poll);
  connect();

  return {
    close() {
      state = "ended";
      close();
    },
  };
}
