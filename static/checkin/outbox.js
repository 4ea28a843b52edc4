/**
 * The scans that have no answer yet: kept in the browser, sent to the server, forgotten when answered.
 *
 * What is kept is the code as it was read (it says nothing about a person), the scan's own number
 * (`nonce`) and when it was. Names, answers and choices are never kept.
 *
 * Loaded by the page and by its service worker, of which not every browser takes modules: so it is
 * a plain script that leaves `kairosOutbox` behind.
 */
globalThis.kairosOutbox = (() => {
  "use strict";

  const DATABASE = "kairos-scanner";
  const STORE = "scans";
  const ANSWER_WITHIN = 8_000; // somebody stands there and waits
  const ANSWERS_WITHIN = 40_000;
  const CHUNK = 25; // a batch holds the token counter of its place until it is done
  /* A code of ours, bare or at the end of an address (checkin/codes.py). */
  const CODE = /(?:^|\/)([A-Z2-7]{76})\/?$/;
  /* The server's clock is told in whole seconds; less of a difference is none. */
  const CLOCK_TOLERANCE = 2_000;
  /* Not answers: the same scan may fare better in a while. */
  const AGAIN = new Set(["RATE_LIMIT_EXCEEDED", "LOCK_TIMEOUT", "SERVICE_UNAVAILABLE"]);
  const NO_LONGER = new Set(["DEVICE_REVOKED", "NOT_AUTHENTICATED", "TOKEN_REVOKED", "TOKEN_EXPIRED"]);

  /** No answer came. `gone`: none will, the device is not paired any more. */
  class NoAnswer extends Error {
    constructor(reason, { gone = false, wait = 0 } = {}) {
      super(reason);
      this.gone = gone;
      this.wait = wait; // milliseconds that the server asks to wait
    }
  }

  /** The code in a scanned text; null when it is not one of ours. */
  function codeIn(text) {
    const found = text.length <= 400 ? CODE.exec(text.trim().toUpperCase()) : null;
    return found ? found[1] : null;
  }

  /** A number that no other scan has. */
  function newNonce() {
    if (crypto.randomUUID) return crypto.randomUUID();
    const bytes = crypto.getRandomValues(new Uint8Array(16)); // also where the page is not secure
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // --- Kept in the browser ---

  const memory = new Map(); // where the browser keeps nothing: private windows, full disks
  let database = null;

  function settled(request) {
    return new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
      request.onblocked = () => reject(new Error("blocked"));
    });
  }

  function opened() {
    if (database === null) {
      database = (async () => {
        const request = indexedDB.open(DATABASE, 1);
        request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "nonce" });
        return settled(request);
      })().catch(() => false);
    }
    return database;
  }

  async function inStore(mode, act, otherwise) {
    const found = await opened();
    if (!found) return otherwise();
    const transaction = found.transaction(STORE, mode, { durability: "strict" });
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const [result] = await Promise.all([settled(act(transaction.objectStore(STORE))), done]);
    return result;
  }

  /** Keep a scan until it is answered. */
  async function add({ nonce, qr_code, scanned_at, sure }) {
    const scan = { nonce, qr_code, scanned_at, sure };
    const keep = () => memory.set(nonce, scan);
    await inStore("readwrite", (store) => store.put(scan), keep).catch(keep);
  }

  /** Forget a scan. */
  async function remove(nonce) {
    memory.delete(nonce);
    // Not forgotten, it is only asked again, and answered the same.
    await inStore("readwrite", (store) => store.delete(nonce), () => {}).catch(() => {});
  }

  /** The scans that are kept, oldest first. */
  async function all() {
    const none = () => [];
    const kept = await inStore("readonly", (store) => store.getAll(), none).catch(none);
    return [...kept, ...memory.values()].sort((one, other) => one.scanned_at - other.scanned_at);
  }

  // --- What time it is ---

  let offset = null; // of the server's clock to ours, in milliseconds; null: not known yet

  function hearClock(response, sentAt) {
    const told = Date.parse(response.headers.get("Date") ?? "");
    if (Number.isNaN(told)) return;
    const found = told + 500 - (sentAt + Date.now()) / 2;
    offset = Math.abs(found) < CLOCK_TOLERANCE ? 0 : Math.round(found);
  }

  /** The moment in milliseconds, and whether it is the server's (`sure`) or our own clock's. */
  function moment() {
    return { scanned_at: Date.now() + (offset ?? 0), sure: offset !== null };
  }

  const rfc3339 = (milliseconds) => new Date(milliseconds).toISOString();

  /** A kept scan as the server takes it. Its time and `sent_at` are by one and the same clock. */
  function asSent({ nonce, qr_code, scanned_at, sure }) {
    return { nonce, qr_code, scanned_at: rfc3339(scanned_at + (sure ? 0 : (offset ?? 0))) };
  }

  // --- Sending ---

  /** Ask the server for its time, unless it is known. Throws NoAnswer. */
  async function learnClock(clockUrl) {
    if (offset !== null) return;
    const sentAt = Date.now();
    try {
      hearClock(await fetch(clockUrl, { cache: "no-store" }), sentAt);
    } catch (error) {
      throw new NoAnswer(error.name);
    }
  }

  async function post(url, body, within) {
    const sentAt = Date.now();
    let response;
    let data;
    try {
      response = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Kairos-Device": "1" },
        body: JSON.stringify({ ...body, sent_at: rfc3339(sentAt + (offset ?? 0)) }),
        cache: "no-store",
        redirect: "error",
        signal: AbortSignal.timeout?.(within),
      });
      data = await response.json(); // the log-in page of a café's network is none
    } catch (error) {
      throw new NoAnswer(error.name);
    }
    hearClock(response, sentAt);
    return { response, data };
  }

  function refusedWholly(response, data) {
    const gone = response.status === 401 || NO_LONGER.has(data.code);
    if (gone || response.status >= 500 || response.status === 429 || AGAIN.has(data.code)) {
      const wait = 1000 * (Number(response.headers.get("Retry-After")) || 0);
      throw new NoAnswer(data.code ?? "", { gone, wait });
    }
  }

  /** Refused before anything was asked: too long, malformed. */
  function refusal(data) {
    if (!data.code) throw new NoAnswer("not ours");
    return { outcome: "REFUSED", code: data.code, detail: data.detail ?? "", visits: [] };
  }

  /**
   * Send one scan and give its answer. Choices go along in `more`.
   * Throws NoAnswer when it is to be sent again.
   */
  async function send(url, scan, more = {}) {
    const { response, data } = await post(url, { ...asSent(scan), ...more }, ANSWER_WITHIN);
    refusedWholly(response, data);
    if (data.outcome) return data;
    return refusal(data);
  }

  /** Send kept scans, at most `CHUNK` of them; give the answers as [[scan, answer]]. */
  async function sendKept({ url, clockUrl }, scans) {
    await learnClock(clockUrl); // some scans are told by the server's clock, some by ours
    const { response, data } = await post(url, { scans: scans.map(asSent) }, ANSWERS_WITHIN);
    refusedWholly(response, data);
    if (response.ok) {
      const answers = new Map((data.results ?? []).map((one) => [one.nonce, one]));
      return scans
        .map((scan) => [scan, answers.get(scan.nonce)])
        .filter(([, answer]) => answer && !AGAIN.has(answer.code));
    }
    if (scans.length === 1) {
      return [[scans[0], refusal(data)]];
    }
    // One of them is not acceptable; the others shall not wait for it for ever.
    const each = [];
    for (const scan of scans) each.push(...(await sendKept({ url, clockUrl }, [scan])));
    return each;
  }

  return { CHUNK, NoAnswer, add, all, codeIn, moment, newNonce, remove, send, sendKept };
})();
