// Asks the daemon how everything stands, and shows it for as long as somebody looks.

import { allowActions, wireActions } from "./actions.js";
import { follow, getJson, getText, token } from "./api.js";
import { showCommands } from "./commands.js";
import { attribute, id, text } from "./dom.js";
import { showHistory, showRoutes } from "./routes.js";
import { showBudget, showConfiguration, showLetters, showSearches, showSinks } from "./tables.js";
import { showRouteNames, wireTail } from "./tail.js";
import { showUnknown, showVerdict } from "./verdict.js";
import { span } from "./words.js";

const HISTORY_EVERY = 10_000;
const AGAIN_FIRST = 1_000;
const AGAIN_MAX = 15_000;

let following = null;
let again = AGAIN_FIRST;

function show(overview) {
  showVerdict(overview.verdict);
  const up = (Date.parse(overview.now) - Date.parse(overview.up_since)) / 1000;
  text(id("about"), `version ${overview.version}, up for ${span(up)}`);
  showRoutes(overview);
  showSearches(overview);
  showBudget(overview);
  showSinks(overview);
  showCommands(overview);
  showLetters(overview);
  showRouteNames(overview.routes);
}

function link(state, said) {
  attribute(id("link"), "data-state", state);
  text(id("link"), said);
}

/** Says what may be seen and done, and asks for the token where one is needed. */
async function enter() {
  const access = await getJson("api/access");
  allowActions(access.may_act);
  id("locked").hidden = access.may_read;
  id("content").hidden = !access.may_read;
  id("token-button").hidden = !access.needs_token;
  text(id("token-button"), access.may_read ? "Forget token" : "Enter token");
  text(id("acting"), access.may_act ? "What you change here is logged and audited." : access.needs_token ? "" : "To pause a route or release a limit from here, set admin.token_file.");
  if (!access.may_read) {
    const ready = await getText("readyz");
    showUnknown(ready.ok ? "The daemon is ready." : "The daemon is in trouble.");
    link("locked", "token needed");
  }
  return access.may_read;
}

async function showRest() {
  showHistory(await getJson("api/history"));
}

async function run() {
  following?.abort();
  const mine = new AbortController();
  following = mine;
  while (!mine.signal.aborted) {
    try {
      if (!(await enter())) return;
      showConfiguration(await getJson("api/configuration"));
      await showRest();
      await follow("api/stream", mine.signal, (kind, data) => kind === "overview" && show(data), () => {
        link("live", "live");
        again = AGAIN_FIRST;
      });
    } catch (err) {
      if (mine.signal.aborted) return;
      link("lost", "no answer");
      showUnknown(err.status ? err.message : "The daemon does not answer. It may be stopped, or the way to it is cut.");
    }
    if (mine.signal.aborted) return;
    await new Promise((resolve) => setTimeout(resolve, again));
    again = Math.min(again * 2, AGAIN_MAX);
  }
}

function wireToken() {
  id("token-button").addEventListener("click", () => {
    if (!token.get()) return id("token").focus();
    token.set("");
    run();
  });
  id("token-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    token.set(id("token").value.trim());
    text(id("token-trouble"), "");
    const access = await getJson("api/access").catch(() => null);
    if (!access?.may_read) {
      token.set("");
      text(id("token-trouble"), access ? "This is not the token." : "The daemon does not answer.");
      return;
    }
    id("token").value = "";
    await run();
  });
}

wireActions();
wireTail();
wireToken();
run();
setInterval(() => document.hidden || id("content").hidden || showRest().catch(() => {}), HISTORY_EVERY);
// A tab that nobody looks at watches nothing.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    following?.abort();
    link("idle", "not watching");
  } else {
    run();
  }
});
