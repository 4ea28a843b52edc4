// The time kept for the visit that is being booked: its countdown, and giving it back on leaving.
//
// The server renders the hold (book_hold.html); this counts it down. An unattended form does not
// keep its time for ever: once it is over, it is asked for again only when somebody goes on typing.

const kept = { id: "", release: "", element: null, until: 0, soon: false, over: false };
let ticking = 0;

const node = () => document.querySelector("#book-hold [data-hold]");
const again = () => window.htmx?.trigger("#book-hold", "hold");

function said(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function look() {
  const timer = node();
  if (timer === kept.element) return;
  clearInterval(ticking);
  kept.element = timer;
  if (!timer) {
    kept.id = "";
    return;
  }
  if (timer.dataset.hold !== kept.id) {
    kept.id = timer.dataset.hold;
    kept.release = timer.dataset.release;
    kept.soon = kept.over = false;
  }
  kept.until = Date.now() + Number(timer.dataset.seconds) * 1000;
  tick();
  ticking = setInterval(tick, 1000);
}

function tick() {
  const timer = node();
  if (!timer) return;
  const left = (kept.until - Date.now()) / 1000;
  timer.querySelector("[data-left]").textContent = said(left);
  timer.classList.toggle("hold-soon", left <= 60);
  if (left <= 60 && left > 0 && !kept.soon) {
    kept.soon = true;
    const announcer = document.getElementById("announcer");
    if (announcer) announcer.textContent = timer.dataset.soon;
  }
  if (left <= 0 && !kept.over) {
    kept.over = true;
    clearInterval(ticking);
    timer.hidden = true;
    timer.parentElement.querySelector("[data-over]").hidden = false;
  }
}

/** Give the time back, also while the page is being left. */
function release() {
  if (!kept.id) return;
  const token = document.querySelector("#book [name=csrfmiddlewaretoken], [name=csrfmiddlewaretoken]");
  const body = new FormData();
  body.set("csrfmiddlewaretoken", token?.value ?? "");
  body.set("beacon", "1");
  navigator.sendBeacon(kept.release, body);
  kept.id = "";
  clearInterval(ticking);
}

// Whoever goes on typing after the time ran out wants it still.
for (const kind of ["input", "pointerdown"]) {
  document.addEventListener(kind, (event) => {
    if (kept.over && event.target.closest?.("#book") && !event.target.closest("button, a")) {
      kept.over = false;
      again();
    }
  });
}

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-again]")) {
    event.preventDefault();
    again();
  }
});

document.addEventListener("desk:close", release);
window.addEventListener("pagehide", release);
window.addEventListener("pageshow", (event) => {
  if (event.persisted) again();
});

// Booked: the hold has become the visit.
document.body.addEventListener("desk:done", () => {
  kept.id = "";
  clearInterval(ticking);
});

// Something else takes the form's place in the panel.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr } = event.detail;
  if (event.detail.shouldSwap && kept.id && target.querySelector?.("#book") && !xhr.responseText.includes(kept.id)) release();
});

// A time that was won while the form was being closed is given back as well.
document.body.addEventListener("htmx:beforeSend", (event) => {
  const { target, xhr } = event.detail;
  if (target?.id !== "book-hold" && target?.id !== "book-when") return;
  xhr.addEventListener("loadend", () => {
    const found = /data-hold="([^"]+)" data-release="([^"]+)"/.exec(xhr.responseText);
    if (!found || document.contains(target) || node()) return;
    [, kept.id, kept.release] = found;
    release();
  });
});

document.body.addEventListener("htmx:afterSwap", look);
look();
