// The panel beside the board: links marked data-panel open in it, acts answer into it, toasts undo.

const panel = document.getElementById("panel");
const toasts = document.getElementById("toasts");
let opener = null;

/** Open `url` in the panel; `from` gets the focus back when it is closed. */
export function open(url, from = document.activeElement) {
  opener = from?.id ? from.id : null;
  panel.setAttribute("aria-busy", "true");
  return window.htmx
    .ajax("GET", url, { target: "#panel", swap: "innerHTML" })
    .finally(() => panel.removeAttribute("aria-busy"));
}

export function close() {
  if (!panel.hasChildNodes()) return;
  panel.dispatchEvent(new CustomEvent("desk:close", { bubbles: true }));
  panel.replaceChildren();
  document.body.classList.remove("panel-open");
  document.getElementById(opener)?.focus();
}

/** Tell the screen reader, without showing it. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** A short sentence at the edge of the screen, with a button that takes the act back. */
export function toast(text, undo) {
  const item = document.createElement("div");
  item.className = "toast";
  const words = document.createElement("span");
  words.textContent = text;
  item.append(words);
  if (undo) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button button-quiet";
    button.textContent = undo.label;
    button.dataset.undo = undo.id;
    button.addEventListener("click", () => {
      item.remove();
      takeBack(undo);
    });
    item.append(button);
  }
  toasts.replaceChildren(item);
  clearTimeout(toast.timer);
  const fade = () => item.remove();
  toast.timer = setTimeout(fade, 12000);
  item.addEventListener("pointerenter", () => clearTimeout(toast.timer));
  item.addEventListener("focusin", () => clearTimeout(toast.timer));
  item.addEventListener("pointerleave", () => (toast.timer = setTimeout(fade, 6000)));
}

/** The last offer to undo, by keyboard. */
export function undoLast() {
  toasts.querySelector("[data-undo]")?.click();
}

function takeBack(undo) {
  const base = toasts.dataset.undoUrl.replace(/\/day$/, "");
  window.htmx.ajax("POST", `${base}/visits/${undo.id}/undo`, {
    target: "#panel",
    swap: "innerHTML",
    values: { version: undo.version, at_once: "1" },
    headers: { "X-CSRFToken": csrf() },
  });
}

/** The token that a POST of ours has to carry. */
export function csrf() {
  return document.querySelector("[name=csrfmiddlewaretoken]").value;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-panel]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
    event.preventDefault();
    open(link.href, link);
  } else if (event.target.closest("[data-close-panel]")) {
    event.preventDefault();
    close();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) close();
});

document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== panel) return;
  document.body.classList.toggle("panel-open", panel.hasChildNodes());
  const wanted = panel.querySelector("[autofocus]") ?? panel.querySelector("h2");
  if (wanted) {
    if (!wanted.matches("a, button, input, select, textarea")) wanted.tabIndex = -1;
    wanted.focus({ preventScroll: false });
  }
});

// A refused form comes back with a 4xx: it is shown like any other answer.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const status = event.detail.xhr.status;
  if (status >= 400 && status < 600 && event.detail.xhr.responseText.trimStart().startsWith("<") === false) return;
  if (status >= 400) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});

// A form that is a page of its own has nothing beside it: the answer leads on to the next page.
document.body.addEventListener("htmx:configRequest", (event) => {
  if (document.querySelector(".panel-alone")) event.detail.headers["X-Page-Alone"] = "1";
});

document.body.addEventListener("htmx:sendError", () => {
  toast(panel.dataset.offline);
});

document.body.addEventListener("desk:done", (event) => {
  const { said, to, undo } = event.detail;
  toast(said, undo);
  if (to) open(to, document.getElementById(opener));
  else close();
});
