// Commands: what they wait for, what became of the last ones, and limits that have tripped.

import { actionButton } from "./actions.js";
import { attribute, each, h, id, row, table, text } from "./dom.js";
import { makeFact } from "./routes.js";
import { clock, number, when } from "./words.js";

const HEADS = ["Ended", "Action", "Status", "Command"];

export function showCommands(overview) {
  id("commands-section").hidden = overview.commands.length === 0;
  each(id("commands"), overview.commands, (commands) => commands.commands, make);

  function make({ commands: name }) {
    const state = h("span", { class: "state" });
    const action = h("span");
    const tripped = h("ul", { class: "plain" });
    const facts = h("dl", { class: "facts" });
    const recent = table(`The last outcomes of ${name}`, HEADS);
    const none = h("p", { class: "muted" }, "No outcome since the start.");
    const node = h("div", { class: "group" }, h("div", { class: "head" }, h("h3", {}, name), state, action), tripped, facts, none, recent.node);
    let offered = "";
    const update = (commands) => {
      const trouble = Object.values(commands.troubles)[0];
      const [word, grade] = trouble ? ["in trouble", "trouble"] : commands.paused ? ["paused", "attention"] : [commands.phase, commands.phase === "running" ? "well" : "attention"];
      text(state, word);
      attribute(state, "data-grade", grade);
      const wanted = commands.paused ? "resume_commands" : "pause_commands";
      if (wanted !== offered) action.replaceChildren(actionButton(wanted, name));
      offered = wanted;
      each(tripped, commands.tripped, (limit) => limit, (limit) => ({
        node: h("li", {}, h("span", { class: "state", "data-grade": "trouble" }, `the limit ${limit} has tripped`), actionButton("release_limit", name, limit)),
        update: () => {},
      }));
      const count = (value) => (value ? number(value) : "0");
      const pause = commands.paused;
      const said = [
        ["At work", count(commands.held)],
        ["Waiting for others", count(commands.waiting)],
        ["Until their time", count(commands.parked)],
        ["Awaiting approval", count(commands.awaits_approval)],
        ...Object.entries(commands.outcomes).map(([status, total]) => [status.replaceAll("_", " "), number(total)]),
        ["Paused", pause && `by ${pause.by ?? "somebody"}, ${when(pause.at, overview.now)}${pause.reason ? `: ${pause.reason}` : ""}`],
        ["Trouble", trouble],
      ];
      each(facts, said.filter(([, value]) => value), ([term]) => term, makeFact);
      none.hidden = commands.recent.length > 0;
      recent.node.hidden = commands.recent.length === 0;
      each(recent.body, commands.recent, (outcome) => `${outcome.at} ${outcome.command_id}`, makeOutcome);
    };
    return { node, update };
  }
}

function makeOutcome(outcome) {
  const { node, cells } = row(HEADS);
  const [at, action, status, command] = cells;
  const isWell = ["done", "already", "dry_run"].includes(outcome.status);
  text(at, clock(outcome.at));
  text(action, outcome.action);
  status.append(h("span", { class: "state", "data-grade": isWell ? "well" : "trouble" }, outcome.code ? `${outcome.status}: ${outcome.code}` : outcome.status));
  text(command, outcome.command_id);
  return { node, update: () => {} };
}
