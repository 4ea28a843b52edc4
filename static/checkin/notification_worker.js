// The part of a service worker that shows what was pushed: importScripts() it, there is nothing to call.
// A message holds title, body, tag, lang and dir. Browsers take the right to push away from pages that
// show nothing, so that something is shown even for a message that cannot be read.

self.addEventListener("push", (event) => {
  let message = {};
  try {
    message = event.data ? event.data.json() : {};
  } catch {
    // Shown without words of its own.
  }
  const options = { body: message.body || "", tag: message.tag, lang: message.lang, dir: message.dir };
  if (message.tag) {
    options.renotify = true;
  }
  options.requireInteraction = true;
  options.vibrate = [300, 150, 300];
  event.waitUntil(self.registration.showNotification(message.title || "Kairos", options));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(comeBack());
});

async function comeBack() {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const place = pages.find((page) => new URL(page.url).pathname.endsWith("/place")) || pages[0];
  return place ? place.focus() : self.clients.openWindow(self.registration.scope);
}
