// Judges an AsyncAPI document on standard input by AsyncAPI's own parser. Prints what is wrong with it, one JSON object a
// line, and ends with 1 if anything is.
//
//     node judge.mjs < document.json

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const tools = new URL("../../../.tools/judges-asyncapi-node/", import.meta.url);
const { Parser } = createRequire(tools)("@asyncapi/parser");

const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
// What is only a recommendation (a licence, a contact) has a severity above that of a warning.
const wrong = diagnostics.filter((diagnostic) => diagnostic.severity <= 1);
for (const { code, message, path } of wrong) {
  console.log(JSON.stringify({ code, message, path: path.join("/") }));
}
process.exitCode = document && wrong.length === 0 ? 0 : 1;
