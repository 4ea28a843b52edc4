/**
 * Reads QR codes out of pictures, away from the page's own thread.
 *
 * A worker of the classic kind, because the library is a classic script. It is told once where the
 * library lies (`{library, wasm}`, answered by `{ready}` or `{failed}`), then gets pictures
 * (`{id, image}`), each answered by `{id, text}`: the text of a code, or null.
 */
"use strict";

/* QR codes alone: every further format costs time and finds "codes" in a patterned shirt. */
const OPTIONS = {
  formats: ["QRCode"],
  maxNumberOfSymbols: 1,
  tryHarder: true,
  tryRotate: true,
  tryInvert: true, // a phone in dark mode may show it light on dark
  tryDownscale: true,
  textMode: "Plain",
};

async function open({ library, wasm }) {
  self.importScripts(library);
  await self.ZXingWASM.prepareZXingModule({
    overrides: { locateFile: () => wasm },
    fireImmediately: true,
  });
}

async function read(image) {
  const [found] = await self.ZXingWASM.readBarcodes(image, OPTIONS);
  return found && found.isValid ? found.text : null;
}

self.addEventListener("message", async ({ data }) => {
  if (data.library) {
    try {
      await open(data);
      self.postMessage({ ready: true });
    } catch (error) {
      self.postMessage({ failed: String(error) });
    }
    return;
  }
  let text = null;
  try {
    text = await read(data.image);
  } catch {
    // A picture that cannot be read holds no code.
  }
  self.postMessage({ id: data.id, text });
});
