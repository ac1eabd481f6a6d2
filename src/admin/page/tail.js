// Events as they are delivered, and one of them beside its rendering in each format.

import { follow, postJson } from "./api.js";
import { each, h, id, prose, text } from "./dom.js";
import { clock, number } from "./words.js";

const SHOWN_MAX = 200;

let events = [];
let seen = 0;
let missed = 0;
let serial = 0;
let watching = null;
let drawing = 0;

export function wireTail() {
  id("tail-form").addEventListener("submit", (event) => {
    event.preventDefault();
    watching ? stop("Paused.") : watch();
  });
  id("tail-clear").addEventListener("click", () => {
    [events, seen, missed] = [[], 0, 0];
    draw();
  });
  id("event-close").addEventListener("click", () => {
    id("event").hidden = true;
    id("tail-toggle").focus();
  });
  for (const name of ["tail-route", "tail-type", "tail-outcome", "tail-text"]) {
    id(name).addEventListener("change", () => watching && watch());
  }
  // A tab that nobody looks at uses up no room.
  document.addEventListener("visibilitychange", () => document.hidden && watching && stop("Paused while the tab was not to be seen."));
}

export function showRouteNames(routes) {
  each(id("tail-route"), [{ route: "" }, ...routes], ({ route }) => route, ({ route }) => ({ node: h("option", { value: route }, route || "all"), update: () => {} }));
}

function stop(said) {
  watching?.abort();
  watching = null;
  text(id("tail-toggle"), "Watch");
  text(id("tail-status"), `${said} ${counts()}`);
}

async function watch() {
  watching?.abort();
  const mine = new AbortController();
  watching = mine;
  text(id("tail-toggle"), "Pause");
  const wanted = new URLSearchParams();
  const conditions = { route: "tail-route", event_type: "tail-type", outcome: "tail-outcome", text: "tail-text" };
  for (const [name, field] of Object.entries(conditions)) {
    const value = id(field).value.trim();
    if (value) wanted.set(name, value);
  }
  try {
    for (;;) {
      await follow(`api/tail?${wanted}`, mine.signal, take, draw);
      if (mine.signal.aborted) return;
    }
  } catch (err) {
    if (!mine.signal.aborted) stop(err.message || "The daemon does not answer.");
  }
}

function take(kind, data) {
  if (kind === "passed") {
    seen += 1;
    serial += 1;
    events.unshift({ serial, passed: data });
    events.length = Math.min(events.length, SHOWN_MAX);
  }
  if (kind === "missed") missed += data;
  // Many come at once; they are drawn together.
  drawing ||= requestAnimationFrame(draw);
}

function counts() {
  const more = missed ? `, ${number(missed)} more passed too fast to be shown` : "";
  return `${number(seen)} seen${more}.`;
}

function draw() {
  drawing = 0;
  id("tail-scroll").hidden = events.length === 0;
  if (watching) text(id("tail-status"), seen || missed ? `Watching. ${counts()}` : "Watching. Nothing has passed yet.");
  each(id("tail"), events, (event) => event.serial, make);
}

/** A member of an event, if it is a text: an event may have anything in its place. */
function word(value) {
  return typeof value === "string" ? value : "";
}

function make({ passed }) {
  const event = passed.event;
  const result = word(event?.outcome?.result);
  const who = word(event?.actor?.alternateId) || word(event?.actor?.displayName);
  const button = h(
    "button",
    { type: "button", on: { click: () => show(passed) } },
    h("span", { class: "time" }, clock(word(event?.published) || passed.at)),
    h("span", { class: "type" }, word(event?.eventType) || "an event without a type"),
    h("span", { class: "state", "data-grade": ["FAILURE", "DENY"].includes(result) ? "trouble" : "none" }, result),
    h("span", { class: "who" }, who),
    h("span", { class: "muted" }, passed.route),
  );
  return { node: h("li", {}, button), update: () => {} };
}

async function show(passed) {
  id("event").hidden = false;
  text(id("event-title"), word(passed.event?.eventType) || "An event");
  text(id("event-raw"), pretty(passed.event));
  prose(id("event-why"), "");
  text(id("event-rendered"), "");
  id("event-formats").replaceChildren();
  id("event-title").focus();
  try {
    const formats = await postJson("api/render", { event: passed.event });
    choose(formats, formats.find(({ format }) => format === passed.format) ?? formats[0]);
  } catch (err) {
    prose(id("event-why"), err.message || "The daemon does not answer.");
  }
}

function choose(formats, chosen) {
  prose(id("event-why"), chosen.explanation);
  text(id("event-rendered"), pretty(chosen.payload));
  const buttons = formats.map((rendered) => {
    const isChosen = rendered === chosen;
    const button = h("button", { type: "button", role: "radio", "aria-checked": String(isChosen), tabindex: isChosen ? 0 : -1 }, rendered.format);
    button.addEventListener("click", () => pick(rendered));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      pick(formats[(formats.indexOf(rendered) + step + formats.length) % formats.length]);
    });
    return button;
  });
  id("event-formats").replaceChildren(...buttons);
  function pick(rendered) {
    choose(formats, rendered);
    id("event-formats").querySelector("[aria-checked=true]").focus();
  }
}

const pretty = (value) => JSON.stringify(value, null, 2);
