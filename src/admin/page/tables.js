// Searches, budgets, sinks, dead letters and the configuration.

import { actionButton } from "./actions.js";
import { attribute, each, h, id, row, svg, table, text } from "./dom.js";
import { makeFact } from "./routes.js";
import { moment, number, span, when } from "./words.js";

const tables = new Map();

/** The rows of the table in `place`, which is made with the first of them. */
function rows(place, caption, heads, items, key, update) {
  let body = tables.get(place);
  if (!body) {
    const made = table(caption, heads);
    body = made.body;
    tables.set(place, body);
    id(place).append(made.node);
  }
  each(body, items, key, () => {
    const { node, cells } = row(heads);
    return { node, update: (item) => update(item, cells) };
  });
}

export function showSearches(overview) {
  const items = overview.routes.filter((route) => route.setup?.reads === "search");
  id("searches-section").hidden = items.length === 0;
  const schedule = (route) => overview.searches.find((search) => search.name === route.setup.source)?.schedule ?? "";
  rows("searches", "Searches: schedule, next and last slot", ["Search", "Schedule", "Next slot", "Last slot", "Found"], items, (route) => route.route, (route, [name, due, next, last, found]) => {
    const search = route.search ?? {};
    text(name, route.route);
    text(due, schedule(route));
    text(next, search.running ? `running, since ${when(search.running, overview.now)}` : search.next_slot ? when(search.next_slot, overview.now) : "–");
    attribute(next, "title", search.next_slot && moment(search.next_slot));
    text(last, search.last_slot ? when(search.last_slot, overview.now) : "none since the start");
    attribute(last, "title", search.last_slot && moment(search.last_slot));
    text(found, search.last_total == null ? "–" : `${number(search.last_total)} in ${span(search.last_milliseconds / 1000)}`);
  });
}

export function showBudget(overview) {
  const items = overview.orgs.flatMap((org) => org.buckets.map((bucket) => ({ org, bucket })));
  rows("budget", "Rate limits of each org: what this daemon used of what it may use", ["Org and bucket", "Used", "Of Okta's limit"], items, ({ org, bucket }) => `${org.org} ${bucket.bucket}`, ({ org, bucket }, [name, used, limit]) => {
    text(name, `${org.org} ${bucket.bucket}`);
    const allowed = bucket.allowed ?? 0;
    if (!used.firstChild) used.append(makeMeter(`Requests of ${org.org} used in ${bucket.bucket}`), h("span"));
    const [meter, said] = used.children;
    attribute(meter, "hidden", allowed ? null : "");
    attribute(meter, "aria-valuemax", Math.max(allowed, 1));
    attribute(meter, "aria-valuenow", Math.min(bucket.used, allowed));
    attribute(meter.lastChild, "width", allowed ? ((Math.min(bucket.used, allowed) / allowed) * 100).toFixed(1) : 0);
    text(said, allowed ? `${number(bucket.used)} of ${number(allowed)}` : number(bucket.used));
    const waiting = bucket.waiting_seconds ? `; waits ${span(bucket.waiting_seconds)}` : "";
    const share = `share ${Math.round(org.budget_share * 100)} %`;
    text(limit, bucket.limit == null ? `not known yet, ${share}` : `${number(bucket.limit)}, ${share}; others used ${number(bucket.others)}${waiting}`);
  });
}

function makeMeter(label) {
  const shape = { class: "meter", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "meter", "aria-label": label, "aria-valuemin": 0 };
  return svg("svg", shape, svg("rect", { class: "room", width: 100, height: 10 }), svg("rect", { height: 10 }));
}

export function showSinks(overview) {
  rows("sinks", "Sinks: kind, place and state", ["Sink", "Kind", "Place", "State"], overview.sinks, (sink) => sink.name, (sink, [name, kind, place, state]) => {
    text(name, sink.name);
    text(kind, `${sink.kind}, ${sink.delivery}`);
    text(place, sink.servers.length ? `${sink.place} at ${sink.servers.join(", ")}` : sink.place);
    if (!state.firstChild) state.append(h("span", { class: "state" }));
    const [word, grade] = sink.trouble ? ["in trouble", "trouble"] : sink.routes.length ? ["well", "well"] : ["not used", "none"];
    text(state.firstChild, word);
    attribute(state.firstChild, "data-grade", grade);
  });
}

export function showLetters(overview) {
  const routes = overview.routes.map((route) => ({ name: `route ${route.route}`, route: route.route, count: route.dead_letters, newest: route.recent_dead_letters }));
  const commands = overview.commands.map((commands) => ({ name: `commands ${commands.commands}`, count: commands.dead_letters, newest: [] }));
  const items = [...routes, ...commands].filter((item) => item.count > 0);
  text(id("letters").firstElementChild ?? id("letters").appendChild(h("p", { class: "muted" })), items.length ? "Since the start. The newest reasons:" : "None since the start.");
  id("letters").classList.toggle("empty", items.length === 0);
  rows("letters", "Dead letters since the start", ["Of", "Number", "Newest reasons", ""], items, (item) => item.name, (item, [name, count, reasons, action]) => {
    text(name, item.name);
    text(count, number(item.count));
    if (item.route && !action.firstChild) action.append(actionButton("retry_dead_letters", item.route));
    each(reasons, item.newest, (letter) => `${letter.at}${letter.id}`, (letter) => ({
      node: h("p", { title: letter.id }, letter.reason, h("span", { class: "muted" }, ` ${moment(letter.at)}`)),
      update: () => {},
    }));
  });
}

export function showConfiguration(setup) {
  const groups = [
    ...setup.orgs.map((org) => [`org ${org.name}`, [["Address", org.url], ["Share of each rate limit", `${Math.round(org.budget_share * 100)} %`]]]),
    ...setup.routes.map((route) => [`route ${route.name}`, [["Reads", `${route.reads} ${route.source} of ${route.org}`], ["Sink", route.sink], ["Format", route.format], ["Wants", route.selection.join("; ") || "all events"], ["Redacts", route.redacts ? "yes" : "no"]]]),
    ...setup.searches.map((search) => [`search ${search.name}`, [["Org", search.org], ["Schedule", search.schedule], ["Filter", search.filter], ["Keywords", search.q]]]),
    ...setup.sinks.map((sink) => [`sink ${sink.name}`, [["Kind", sink.kind], ["Place", sink.place], ["Servers", sink.servers.join(", ")], ["Delivery", sink.delivery]]]),
    ...setup.commands.map((commands) => [`commands ${commands.name}`, [["Org", commands.org], ["Come from", commands.intake], ["Outcomes go to", commands.outcomes], ["Allowed", commands.allow.join(", ") || "nothing"], ["Approved by a second key", commands.approval.join(", ")], ["Limits", commands.limits.join("; ")], ["Signature", commands.signature_required ? "required" : "not required"], ["Audit", commands.audit]]]),
    ["daemon", [["State", setup.state], ["This page", setup.admin], ["Standby", setup.standby ? "yes" : "no"]]],
  ];
  each(id("configuration"), groups, ([name]) => name, ([name]) => {
    const facts = h("dl", { class: "facts" });
    const node = h("details", {}, h("summary", {}, name), facts);
    return { node, update: ([, said]) => each(facts, said.filter(([, value]) => value), ([term]) => term, makeFact) };
  });
}
