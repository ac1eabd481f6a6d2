// Whether all is well, and what to do if not.

import { attribute, each, h, id, prose, text } from "./dom.js";

const GRADES = { well: "All is well", attention: "Needs a look", trouble: "Trouble", unknown: "Not known" };

let announced = "";

export function showVerdict(verdict) {
  attribute(id("verdict"), "data-grade", verdict.grade);
  text(id("sentence"), verdict.sentence);
  document.title = `${GRADES[verdict.grade]} · oktabus`;
  each(id("concerns"), verdict.concerns, (concern) => `${concern.about} ${concern.what}`, makeConcern);
  // Said aloud when it changes, and not each time that a number does.
  const said = verdict.concerns.map((concern) => concern.about).join(" ") + verdict.grade;
  if (said !== announced) {
    announced = said;
    text(id("announcement"), verdict.grade === "well" ? GRADES.well : `${GRADES[verdict.grade]}: ${verdict.sentence}`);
  }
}

export function showUnknown(sentence) {
  attribute(id("verdict"), "data-grade", "unknown");
  text(id("sentence"), sentence);
  each(id("concerns"), [], () => "", makeConcern);
  document.title = "oktabus";
}

function makeConcern() {
  const [what, detail, remedy] = [h("strong"), h("p", { class: "detail" }), h("p", { class: "remedy" })];
  const node = h("li", {}, h("p", {}, what), detail, remedy);
  const update = (concern) => {
    attribute(node, "data-grade", concern.grade);
    text(what, `${concern.about[0].toUpperCase()}${concern.about.slice(1)} ${concern.what}.`);
    text(detail, concern.detail);
    detail.hidden = !concern.detail;
    prose(remedy, concern.remedy);
  };
  return { node, update };
}
