// Routes: one line each, with a chart of the last hour, and the details for whoever opens them.

import { actionButton } from "./actions.js";
import { bars, line } from "./chart.js";
import { attribute, each, h, id, row, table, text } from "./dom.js";
import { number, rate, span, when } from "./words.js";

const HEADS = ["Route", "State", "Lag", "Rate", "Last hour", "To", "Action"];
const PHASES = {
  starting: ["starting", "attention"],
  reading: ["catching up", "well"],
  at_tail: ["live", "well"],
  paused: ["paused", "attention"],
  standby: ["standby", "well"],
  superseded: ["taken over", "trouble"],
  ended: ["ended", "attention"],
};

/** Events come all the time: a route that reads and is not behind is live. */
const LIVE_WITHIN = 60;

const open = new Set();
let history = {};
let body = null;
let last = null;

export const troubleOf = (route) => route.state_trouble ?? route.sink_trouble ?? route.okta_trouble;

export function showHistory(charts) {
  history = charts;
  if (last) showRoutes(last);
}

export function showRoutes(overview) {
  last = overview;
  if (!body) {
    const made = table("Routes: state, lag, rate, a chart of the last hour, sink and action", HEADS);
    body = made.body;
    id("routes").append(made.node);
  }
  const items = overview.routes.flatMap((route) => [
    { kind: "row", route, overview },
    { kind: "details", route, overview },
  ]);
  each(body, items, (item) => `${item.kind} ${item.route.route}`, (item) => (item.kind === "row" ? makeRow(item) : makeDetails(item)));
}

function makeRow({ route: { route: name } }) {
  const { node, cells } = row(HEADS);
  const [nameCell, state, lag, speed, chart, to, action] = cells;
  const detailsId = `details-${name.replaceAll(/[^\w-]/g, "-")}`;
  const toggle = h("button", { type: "button", class: "toggle", "aria-controls": detailsId, "aria-expanded": "false" }, name);
  toggle.addEventListener("click", () => {
    open.has(name) ? open.delete(name) : open.add(name);
    showRoutes(last);
  });
  nameCell.append(toggle);
  state.append(h("span", { class: "state" }));
  let [drawn, offered] = ["", ""];
  const update = ({ route }) => {
    attribute(toggle, "aria-expanded", String(open.has(name)));
    const trouble = troubleOf(route);
    const phase = route.phase === "reading" && route.lag_seconds < LIVE_WITHIN ? "at_tail" : route.phase;
    const [word, grade] = trouble ? ["in trouble", "trouble"] : PHASES[phase];
    text(state.firstChild, word);
    attribute(state.firstChild, "data-grade", grade);
    text(lag, lagOf(route));
    text(speed, rate(route.rate));
    text(to, route.setup ? `${route.setup.sink}, ${route.setup.format}` : "");
    const hour = history[name];
    const shape = JSON.stringify(hour?.rate);
    if (hour && shape !== drawn) {
      drawn = shape;
      chart.replaceChildren(bars(hour.rate, 28, `Rate over the last hour: ${most(hour.rate, rate)}`));
    }
    const wanted = route.paused ? "resume_route" : "pause_route";
    if (wanted !== offered) {
      offered = wanted;
      action.replaceChildren(actionButton(wanted, name));
    }
  };
  return { node, update };
}

/** In seconds, and in events where there are some and it is known how many. */
function lagOf(route) {
  const events = route.lag_events;
  return events ? `${span(route.lag_seconds)}, ${eventCount(events)}` : span(route.lag_seconds);
}

const eventCount = (events) => `${number(events)} ${events === 1 ? "event" : "events"}`;

function makeDetails({ route: { route: name } }) {
  const detailsId = `details-${name.replaceAll(/[^\w-]/g, "-")}`;
  const charts = h("div", { class: "columns even" });
  const facts = h("dl", { class: "facts" });
  const cell = h("td", { role: "cell", colspan: HEADS.length }, charts, facts);
  const node = h("tr", { role: "row", class: "details", id: detailsId, hidden: true }, cell);
  let drawn = "";
  const update = ({ route, overview }) => {
    node.hidden = !open.has(name);
    if (node.hidden) return;
    const hour = history[name];
    const shape = JSON.stringify(hour);
    if (hour && shape !== drawn) {
      drawn = shape;
      const [fast, behind] = [most(hour.rate, rate), most(hour.lag_seconds, span)];
      charts.replaceChildren(
        figure("Messages a second", fast, bars(hour.rate, 64, `Messages a second over the last hour: ${fast}`)),
        figure("Lag", behind, line(hour.lag_seconds, 64, `Lag over the last hour: ${behind}`)),
      );
    }
    each(facts, factsOf(route, overview), ([term]) => term, makeFact);
  };
  return { node, update };
}

function most(values, said) {
  const known = values.filter((value) => value != null);
  return known.length ? `at most ${said(Math.max(...known))}` : "not known yet";
}

function figure(title, note, chart) {
  return h("figure", {}, h("figcaption", {}, h("strong", {}, title), ` ${note}`), chart, h("p", { class: "axis", "aria-hidden": "true" }, h("span", {}, "an hour ago"), h("span", {}, "now")));
}

function factsOf(route, { now, streams, doorbells }) {
  const setup = route.setup;
  const stream = setup?.reads === "stream" ? streams.find(({ stream }) => stream === setup.source) : null;
  const doorbell = stream && doorbells.find(({ org }) => org === stream.org);
  const ring = doorbell?.last_ring_at ? `last rung ${when(doorbell.last_ring_at, now)}` : "not rung since the start";
  const facts = [
    ["Reads", setup && `${setup.reads} ${setup.source} of ${setup.org}`],
    ["Wants", setup && (setup.selection.join("; ") || "all events")],
    ["Redacts", setup && (setup.redacts ? "yes" : "no")],
    ["Delivered", number(route.delivered)],
    ["Not delivered", route.lag_events == null ? null : `${eventCount(route.lag_events)} of those that were read`],
    ["Newest event", route.published_max && when(route.published_max, now)],
    ["Cursor moved", route.advanced_at && when(route.advanced_at, now)],
    ["Polls", stream && `every ${span(stream.poll_interval_seconds)} while nothing happens`],
    ["Doorbell", doorbell && `${doorbell.kind}, ${ring}`],
    ["Held", route.held ? `${number(route.held)} messages, until it is known whether they are wrong or the sink` : null],
    ["Possible gaps", route.possible_gaps ? number(route.possible_gaps) : null],
    ["Paused", route.paused && `by ${route.paused.by}, ${when(route.paused.at, now)}${route.paused.reason ? `: ${route.paused.reason}` : ""}`],
    ["Trouble", troubleOf(route)],
  ];
  return facts.filter(([, value]) => value);
}

export function makeFact([term]) {
  const value = h("dd");
  return { node: h("div", {}, h("dt", {}, term), value), update: ([, said]) => text(value, said) };
}
