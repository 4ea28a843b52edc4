/**
 * The check-in page on a patient's phone: a form is sent once, and, where the clinic asks for it,
 * with the place of the phone. Without this script it is sent as it is.
 */

const FIND_WITHIN = 10_000;

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => send(event, form));
}

// Back from the next page: a browser that kept this one would show its button as it was left.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

async function send(event, form) {
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  const button = form.querySelector("button[data-busy]");
  if (button) button.textContent = button.dataset.busy;
  if (!("where" in form.dataset) || !form.elements.latitude) return;
  event.preventDefault();
  const waiting = form.querySelector("[data-waiting]");
  if (waiting) waiting.hidden = false;
  const found = await where();
  if (found) {
    form.elements.latitude.value = found.latitude;
    form.elements.longitude.value = found.longitude;
    form.elements.accuracy.value = found.accuracy;
  }
  form.submit();
}

/** Where the phone is; null when it does not say. */
function where() {
  return new Promise((resolve) => {
    if (!navigator.geolocation) {
      resolve(null);
      return;
    }
    navigator.geolocation.getCurrentPosition(
      (position) => resolve(position.coords),
      () => resolve(null),
      { enableHighAccuracy: true, timeout: FIND_WITHIN, maximumAge: 60_000 },
    );
  });
}
