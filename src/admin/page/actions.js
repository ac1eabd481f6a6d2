// What changes something: a button, and a dialog that says what it does before it is done.

import { postJson } from "./api.js";
import { h, id, text } from "./dom.js";

const TEXTS = {
  pause_route: ["Pause", (about) => `Pause route ${about}?`, "It reads nothing more until somebody resumes it, also after a restart. What was read is still delivered. Events wait at Okta, which keeps them for 90 days."],
  resume_route: ["Resume", (about) => `Resume route ${about}?`, "It goes on where it stands, and catches up."],
  pause_commands: ["Pause", (about) => `Pause commands ${about}?`, "No command is begun until somebody resumes them, also after a restart. They wait in their queue."],
  resume_commands: ["Resume", (about) => `Resume commands ${about}?`, "Commands that wait are carried out."],
  retry_dead_letters: ["Deliver again", (about) => `Deliver the dead letters of route ${about} again?`, "The oldest 500 go to the sink of the route once more, with the same ids, as it is configured now. Those that it takes are removed; the others are kept, with the new reason in the answer."],
  release_limit: ["Release", (about, limit) => `Release the limit ${limit} of ${about}?`, "Commands that it refuses are carried out again, up to the limit."],
};

let mayAct = false;
let current = null;
let opener = null;

export function allowActions(allowed) {
  mayAct = allowed;
  document.body.toggleAttribute("data-acts", allowed);
}

/** A button that asks, and does it if that is confirmed. */
export function actionButton(action, about, limit) {
  const [label, title] = TEXTS[action];
  const name = title(about, limit).replace("?", "");
  return h("button", { type: "button", class: "act", "aria-label": name, on: { click: (event) => ask(action, about, limit, event.target) } }, label);
}

function ask(action, about, limit, from) {
  if (!mayAct) return;
  current = { action, about, limit, confirm: about };
  opener = from;
  const [label, title, what] = TEXTS[action];
  text(id("action-title"), title(about, limit));
  text(id("action-text"), what);
  text(id("action-confirm"), label);
  text(id("action-trouble"), "");
  id("action-reason").value = "";
  id("action").showModal();
  id("action-reason").focus();
}

export function wireActions() {
  const dialog = id("action");
  id("action-cancel").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => opener?.isConnected && opener.focus());
  id("action-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = id("action-confirm");
    button.disabled = true;
    try {
      const answer = await postJson("api/actions", { ...current, reason: id("action-reason").value || undefined });
      text(id("announcement"), answer.done);
      dialog.close();
    } catch (err) {
      text(id("action-trouble"), err.message || "The daemon does not answer.");
    } finally {
      button.disabled = false;
    }
  });
}
