// Whether all is well, and what to do if not.

import { attribute, each, h, id, text } from "./dom.js";

const GRADES = { well: "All is well", attention: "Needs a look", trouble: "Trouble", unknown: "Not known" };

let announced = "";

export function showVerdict(verdict) {
  attribute(id("verdict"), "data-grade", verdict.grade);
  text(id("sentence"), verdict.sentence);
  document.title = `${GRADES[verdict.grade]} · oktabus`;
  each(id("findings"), verdict.findings, (finding) => `${finding.about} ${finding.what}`, makeFinding);
  // Said aloud when it changes, and not each time that a number does.
  const said = verdict.findings.map((finding) => finding.about).join(" ") + verdict.grade;
  if (said !== announced) {
    announced = said;
    text(id("announcement"), verdict.grade === "well" ? GRADES.well : `${GRADES[verdict.grade]}: ${verdict.sentence}`);
  }
}

export function showUnknown(sentence) {
  attribute(id("verdict"), "data-grade", "unknown");
  text(id("sentence"), sentence);
  each(id("findings"), [], () => "", makeFinding);
  document.title = "oktabus";
}

function makeFinding() {
  const [what, detail, remedy] = [h("strong"), h("p", { class: "detail" }), h("p", { class: "remedy" })];
  const node = h("li", {}, h("p", {}, what), detail, remedy);
  const update = (finding) => {
    attribute(node, "data-grade", finding.grade);
    text(what, `${finding.about[0].toUpperCase()}${finding.about.slice(1)} ${finding.what}.`);
    text(detail, finding.detail);
    detail.hidden = !finding.detail;
    text(remedy, finding.remedy);
  };
  return { node, update };
}
