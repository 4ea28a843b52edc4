/**
 * The page's side of `decoder_worker.js`.
 *
 * `openDecoder({worker, library, wasm})` takes three addresses and resolves to
 * `{read(image): Promise<text or null>, close()}`; it rejects when the library cannot be loaded.
 * `image` is an ImageData; it is handed over and cannot be used afterwards.
 */

const OPEN_WITHIN = 20_000;

export function openDecoder({ worker: address, library, wasm }) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(address);
    const waiting = new Map();
    let last = 0;

    function close() {
      worker.terminate();
      for (const answer of waiting.values()) answer(null);
      waiting.clear();
    }

    function fail(reason) {
      window.clearTimeout(timer);
      close();
      reject(new Error(reason));
    }

    function read(image) {
      last += 1;
      const id = last;
      return new Promise((answer) => {
        waiting.set(id, answer);
        worker.postMessage({ id, image }, [image.data.buffer]);
      });
    }

    const timer = window.setTimeout(() => fail("not loaded in time"), OPEN_WITHIN);
    worker.addEventListener("error", (event) => fail(event.message || "not loaded"));
    worker.addEventListener("message", ({ data }) => {
      if (data.failed) {
        fail(data.failed);
      } else if (data.ready) {
        window.clearTimeout(timer);
        resolve({ read, close });
      } else {
        waiting.get(data.id)?.(data.text);
        waiting.delete(data.id);
      }
    });
    // Absolute, because a worker reads addresses from where it lies itself.
    const here = window.location.href;
    worker.postMessage({ library: new URL(library, here).href, wasm: new URL(wasm, here).href });
  });
}
