/**
 * A hand scanner that acts as a keyboard: a burst of keys, then Enter, wherever the focus is.
 *
 * `hearWedge(onCode)` calls `onCode(text)` with what was scanned. Somebody who types in a field is
 * left alone; the Enter of a burst presses no button and sends no form.
 */

/* Milliseconds between two keys. In a field somebody may type, of whom a quick one needs 90;
   elsewhere nobody does, and a scanner on the air may be slow. */
const IN_FIELD = 60;
const ELSEWHERE = 500;
const SHORTEST = 6;

const isField = (element) => element instanceof HTMLInputElement;

export function hearWedge(onCode) {
  let text = "";
  let last = 0;

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const inBurst = event.timeStamp - last <= (isField(event.target) ? IN_FIELD : ELSEWHERE);
    if (event.key === "Enter" || event.key === "Tab") {
      const scanned = inBurst && text.length >= SHORTEST ? text : "";
      text = "";
      if (!scanned) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (isField(event.target)) event.target.value = "";
      onCode(scanned);
      return;
    }
    if (event.key.length !== 1) return; // Shift and its like
    text = inBurst ? text + event.key : event.key;
    last = event.timeStamp;
  }

  window.addEventListener("keydown", onKey, { capture: true });
}
