/**
 * Lets the scanner page open with the network down, and sends kept scans when it is up again.
 *
 * The page's address, its files and their version are told by `/scan/sw.js`, which loads this one.
 * One version is kept, whole: page and files of two versions never meet.
 */
"use strict";

const { version, page, assets, addresses, freshFirst, syncTag } = self.kairosScanner;
const PREFIX = "kairos-scan-";
const CACHE = `${PREFIX}${version}`;
const PAGE_WITHIN = 4_000;
const known = new Set(assets.map((path) => new URL(path, self.location.origin).href));

async function precache() {
  const cache = await caches.open(CACHE);
  await cache.addAll(assets.map((path) => new Request(path, { cache: "no-cache" })));
  await keepPage(cache, await fetch(page, { redirect: "manual", cache: "no-store" }));
}

/** Keep the page for when there is no network, if it is of this very version. */
async function keepPage(cache, response) {
  if (response.ok && response.headers.get("X-Scanner-Version") === version) {
    await cache.put(page, response);
  }
}

async function forgetOlder() {
  const names = await caches.keys();
  const older = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(older.map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function kept(address) {
  return (await caches.open(CACHE)).match(address);
}

async function pageOf(request) {
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout?.(PAGE_WITHIN) });
    // A server that is there but broken is no better than none.
    if (response.status >= 500) return (await kept(page)) ?? response;
    if (response.ok) await keepPage(await caches.open(CACHE), response.clone());
    return response;
  } catch {
    return (await kept(page)) ?? Response.error();
  }
}

async function assetOf(request) {
  if (!freshFirst) return (await kept(request.url)) ?? fetch(request);
  try {
    return await fetch(request);
  } catch {
    return (await kept(request.url)) ?? Response.error();
  }
}

/**
 * Nobody reads the answers here, so nothing is forgotten: the page asks again when it opens, and
 * hears the same.
 */
async function sendKept() {
  const { CHUNK, all, sendKept: send } = self.kairosOutbox;
  const windows = await self.clients.matchAll({ type: "window" });
  if (windows.length) {
    for (const one of windows) one.postMessage("sync");
    return;
  }
  const scans = await all();
  for (let first = 0; first < scans.length; first += CHUNK) {
    await send(addresses, scans.slice(first, first + CHUNK));
  }
}

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(precache());
});

self.addEventListener("activate", (event) => event.waitUntil(forgetOlder()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const address = new URL(request.url);
  if (request.mode === "navigate" && address.pathname === page) {
    event.respondWith(pageOf(request));
  } else if (known.has(request.url)) {
    event.respondWith(assetOf(request));
  }
});

self.addEventListener("sync", (event) => {
  if (event.tag === syncTag) event.waitUntil(sendKept());
});
