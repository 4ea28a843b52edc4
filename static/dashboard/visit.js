// The forms of a visit's card: whoever opens one can write at once.

import { announce } from "./panel.js";

document.addEventListener(
  "toggle",
  (event) => {
    const ask = event.target;
    if (!ask.matches?.("details[data-ask]") || !ask.open || !ask.isConnected) return;
    if (document.activeElement?.id === "trouble") return; // what happened is read first
    ask.querySelector("select, input:not([type=hidden]), textarea")?.focus();
  },
  true, // it does not bubble
);

// A time is chosen or typed, never both.
document.addEventListener("input", (event) => {
  const form = event.target.closest?.("#move-form");
  if (!form) return;
  if (event.target.name === "time" && event.target.value) {
    form.querySelector("[name=starts_at][value=other]").checked = true;
  } else if (event.target.name === "starts_at" && event.target.value !== "other") {
    form.elements.time.value = "";
  }
});

// The patient's link is copied by a button where the browser allows it; it can be selected anyway.
function showCopy() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
  }
}

document.body.addEventListener("htmx:afterSwap", showCopy);
showCopy();

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  await navigator.clipboard.writeText(field.value);
  announce(button.dataset.copied);
  button.textContent = button.dataset.copied;
});
