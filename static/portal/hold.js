// The time that is held while the form is filled in: shown running down, and given back when the
// page is left. Without this file the page says until when it is held.

const box = document.querySelector("[data-hold]");
const text = box?.querySelector("[data-hold-text]");
const said = box?.querySelector("[data-hold-said]");
const ends = Date.now() + Number(box?.dataset.seconds) * 1000;
// Seconds at which it is said aloud, once each.
const moments = new Map([[120, box?.dataset.minutes], [60, box?.dataset.minute], [30, box?.dataset.half]]);
let isKept = Boolean(box);
let isSending = false;
let timer;

function left() {
  return Math.max(0, Math.ceil((ends - Date.now()) / 1000));
}

function clock(seconds) {
  const format = new Intl.NumberFormat(document.documentElement.lang, { minimumIntegerDigits: 2 });
  const whole = new Intl.NumberFormat(document.documentElement.lang);
  return `${whole.format(Math.floor(seconds / 60))}:${format.format(seconds % 60)}`;
}

function lose() {
  isKept = false;
  clearInterval(timer);
  text.textContent = box.dataset.gone;
  said.textContent = box.dataset.gone;
  box.classList.add("hold-gone");
  box.querySelector("form")?.remove();
}

function tick() {
  const seconds = left();
  if (seconds === 0) {
    lose();
    return;
  }
  text.textContent = `${box.dataset.left} ${clock(seconds)}`;
  for (const [moment, words] of moments) {
    if (seconds <= moment) {
      if (seconds > moment - 5) said.textContent = words;
      moments.delete(moment);
    }
  }
}

if (box) {
  tick();
  timer = setInterval(tick, 1000);
  document.addEventListener("submit", (event) => {
    if (isSending) event.preventDefault(); // a second click
    isSending = true;
  });
  document.addEventListener("click", (event) => {
    // Whoever goes to sign in comes back to this time.
    if (event.target.closest("a[data-keeps-hold]")) isSending = true;
  });
  addEventListener("pagehide", () => {
    if (!isKept || isSending) return;
    const body = new FormData();
    body.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
    body.set("hold", box.dataset.id);
    navigator.sendBeacon(box.dataset.release, body);
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    isSending = false;
    if (isKept) lose();
  });
}
