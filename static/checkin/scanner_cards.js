/**
 * Answers of the server, drawn for somebody who has a second to look.
 *
 * `openCards({words, language})` gives
 *   `toneOf(answer)`   "good", "info", "ask", "warn" or "bad",
 *   `card(answer, {when, onChoose, onDismiss})`   a card; `onChoose({appointment_ids | everyone})`,
 *   `simple({tone, title, hint, when})`           a card with nothing but words,
 *   `row(answer, at)`  a line for the list of what was before,
 *   `waiting(at)`      a line for a scan that is not sent yet,
 *   `note(card, text)`.
 * The words and shapes are in templates/checkin/scan_cards.html.
 */

const GOOD = "CHECKED_IN";
const CHOOSE = "CHOOSE";

const copy = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);
const part = (element, name) => element.querySelector(`[data-${name}]`);

function fill(element, name, text) {
  const found = part(element, name);
  found.textContent = text ?? "";
  found.hidden = !text;
}

function filled(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export function openCards({ words, language }) {
  const { codes, texts } = words;
  const number = new Intl.NumberFormat(language);

  const clockIn = (timeZone) =>
    new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit", timeZone });
  const here = clockIn(undefined);
  const clock = (milliseconds) => here.format(milliseconds);
  const timeOf = (moment, visit) => clockIn(visit.timezone).format(new Date(moment));
  const together = (...parts) => parts.filter(Boolean).join(" · ");

  function toneOf({ outcome, code }) {
    if (outcome === GOOD) return "good";
    if (outcome === CHOOSE) return "ask";
    return codes[code]?.tone ?? "bad";
  }

  const titleOf = ({ outcome, code, detail }) => {
    if (outcome === GOOD) return texts.checkedIn;
    if (outcome === CHOOSE) return texts.which;
    return codes[code]?.title ?? detail ?? code;
  };

  /** What to do next; with the hours and the place where the answer tells them. */
  function hintOf({ outcome, code, detail, location }, visit) {
    if (outcome === GOOD) return "";
    if (code === "WRONG_LOCATION" && location) {
      return filled(texts.otherPlace, { location: location.name });
    }
    if (code === "TOO_EARLY" && visit?.opens_at) {
      return filled(texts.opensAt, { time: timeOf(visit.opens_at, visit) });
    }
    if (code === "TOO_LATE" && visit?.closes_at) {
      return filled(texts.closedAt, { time: timeOf(visit.closes_at, visit) });
    }
    return codes[code]?.hint || (detail === codes[code]?.title ? "" : detail);
  }

  const placeOf = ({ position }) =>
    position && filled(texts.place, { place: number.format(position) });

  const waitOf = ({ wait }) =>
    wait && filled(texts.wait, { from: number.format(wait.from), to: number.format(wait.to) });

  /** Of a visit that fared otherwise than the whole: how. Else its place in the queue. */
  const saidOf = (visit, answer) =>
    visit.outcome === GOOD || visit.code === answer.code
      ? placeOf(visit)
      : together(codes[visit.code]?.title, hintOf(visit, visit));

  function visitItem(visit, answer) {
    const item = copy("visit");
    fill(item, "token", visit.token);
    fill(item, "patient", visit.patient);
    fill(item, "what", together(timeOf(visit.starts_at, visit), visit.service));
    fill(item, "where", together(visit.doctor, visit.room));
    fill(item, "said", saidOf(visit, answer));
    fill(item, "wait", waitOf(visit));
    item.dataset.outcome = visit.outcome;
    return item;
  }

  function choices(visits, onChoose) {
    const open = visits.map((visit) => {
      const button = copy("choice");
      fill(button, "time", timeOf(visit.starts_at, visit));
      fill(button, "patient", visit.patient);
      fill(button, "what", together(visit.service, visit.doctor));
      button.addEventListener("click", () => onChoose({ appointment_ids: [visit.appointment] }));
      return button;
    });
    const all = document.createElement("button");
    all.className = "button scan-option";
    all.type = "button";
    all.textContent = texts.all;
    all.addEventListener("click", () => onChoose({ everyone: true }));
    return [...open, all];
  }

  function simple({ tone, title, hint, when }) {
    const element = copy("card");
    element.dataset.tone = tone;
    part(element, "icon").replaceWith(copy(`icon-${tone}`));
    fill(element, "title", title);
    fill(element, "hint", hint);
    fill(element, "note", "");
    fill(element, "when", when && filled(texts.scannedAt, { time: clock(when) }));
    return element;
  }

  function card(answer, { when, onChoose, onDismiss } = {}) {
    const visits = answer.visits ?? [];
    const tone = toneOf(answer);
    const hint = hintOf(answer, visits[0]);
    const element = simple({ tone, title: titleOf(answer), hint, when });
    if (answer.outcome === CHOOSE && onChoose) {
      part(element, "choose").append(...choices(visits, onChoose));
    } else {
      part(element, "visits").append(...visits.map((visit) => visitItem(visit, answer)));
    }
    if (onDismiss) {
      const button = part(element, "dismiss");
      button.hidden = false;
      button.textContent = texts.dismiss;
      button.addEventListener("click", onDismiss);
    }
    return element;
  }

  function line({ tone, at, title, patient, token }) {
    const element = copy("row");
    element.dataset.tone = tone;
    part(element, "icon").replaceWith(copy(`icon-${tone}`));
    fill(element, "time", clock(at));
    fill(element, "patient", patient);
    fill(element, "title", title);
    fill(element, "token", token);
    return element;
  }

  function row(answer, at) {
    const visits = answer.visits ?? [];
    const patient = [...new Set(visits.map((one) => one.patient))].join(", ");
    const [token] = visits.map((one) => one.token);
    return line({ tone: toneOf(answer), at, title: titleOf(answer), patient, token });
  }

  const waiting = (at) => line({ tone: "kept", at, title: texts.waits });

  /** Say something below a card's words. */
  const note = (element, text) => fill(element, "note", text);

  return { toneOf, card, simple, row, waiting, note };
}
