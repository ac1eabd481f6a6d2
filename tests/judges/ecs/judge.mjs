// Judges ECS documents on standard input, one JSON object a line, by the field list of npm's @elastic/ecs, and by the
// index template in deploy/elastic: what Elasticsearch would refuse, and which fields it would not index.
//
// Prints one JSON object: how many documents there were, how many of each category, and what is wrong with those that
// are invalid. Ends with 1 if any is. `okta` is the custom field set of Elastic's Okta integration: the template alone
// judges it.
//
//     node judge.mjs < documents.jsonl

import { createRequire } from "node:module";
import { isIP } from "node:net";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { mappedFields, problemsOfMapping } from "./template.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../../.tools/judges-ecs-node");
const { EcsFlat } = createRequire(join(root, "judge.cjs"))("@elastic/ecs/generated/ecs_flat.js");

// Fields of ECS 9.4 that the package does not have yet, and that Elastic's Okta integration uses; `entity.target` may
// hold several. https://www.elastic.co/docs/reference/ecs/ecs-entity
const NEWER = {
  "device.product.name": { type: "keyword", normalize: [] },
  "entity.target.id": { type: "keyword", normalize: ["array"] },
  "entity.target.name": { type: "keyword", normalize: ["array"] },
  "entity.target.sub_type": { type: "keyword", normalize: ["array"] },
};
const fields = { ...EcsFlat, ...NEWER };
// Elastic's integrations have these constant in each of their data streams.
const CONSTANT = ["event.dataset", "event.module"];

const SHOWN_MAX = 20;
const CUSTOM = "okta";
const isText = (value) => typeof value === "string" && value !== "";

const TYPES = {
  boolean: (value) => typeof value === "boolean",
  constant_keyword: isText,
  date: (value) => isText(value) && !Number.isNaN(Date.parse(value)),
  float: (value) => typeof value === "number",
  geo_point: (value) => Math.abs(value?.lat) <= 90 && Math.abs(value?.lon) <= 180,
  ip: (value) => isIP(value) !== 0,
  keyword: isText,
  long: (value) => Number.isSafeInteger(value),
  match_only_text: isText,
  wildcard: isText,
};

function* problemsOfField(path, field, value) {
  const values = Array.isArray(value) ? value : [value];
  if (field.normalize.includes("array") !== Array.isArray(value)) {
    yield `${path} is ${Array.isArray(value) ? "" : "not "}an array`;
  }
  for (const element of values) {
    if (!TYPES[field.type]?.(element)) yield `${path} is no ${field.type}: ${JSON.stringify(element)}`;
    const allowed = field.allowed_values?.map(({ name }) => name);
    if (allowed && !allowed.includes(element)) yield `${path} cannot be ${element}`;
  }
}

function* problemsOf(value, path) {
  const field = fields[path];
  if (field && !["object", "nested", "flattened"].includes(field.type)) {
    yield* problemsOfField(path, field, value);
  } else if (value === null || typeof value !== "object" || Array.isArray(value)) {
    yield `${path} is no field of ECS`;
  } else {
    for (const [name, inner] of Object.entries(value)) yield* problemsOf(inner, `${path}.${name}`);
  }
}

function* problemsOfTypes({ category, type }) {
  const categories = fields["event.category"].allowed_values.filter(({ name }) => category.includes(name));
  const expected = categories.flatMap(({ expected_event_types }) => expected_event_types ?? []);
  for (const name of type) {
    if (!expected.includes(name)) yield `event.type ${name} is not expected of ${category}`;
  }
}

function judge(document) {
  const problems = [];
  for (const [name, value] of Object.entries(document)) {
    if (name !== CUSTOM) problems.push(...problemsOf(value, name));
  }
  for (const path of ["@timestamp", "ecs.version", "event.kind", "event.category", "event.type", "event.outcome"]) {
    if (path.split(".").reduce((value, name) => value?.[name], document) === undefined) problems.push(`no ${path}`);
  }
  if (problems.length === 0) problems.push(...problemsOfTypes(document.event));
  return [...problems, ...problemsOfMapping(document)];
}

/** What the template has otherwise than Elastic's list. */
function* problemsOfTemplate() {
  for (const [path, type] of mappedFields()) {
    if (path.startsWith(`${CUSTOM}.`)) continue;
    const expected = CONSTANT.includes(path) ? "constant_keyword" : fields[path]?.type;
    if (type !== expected) yield `the template has ${path} as ${type}, and Elastic as ${expected}`;
  }
}

let documents = 0;
let invalid = 0;
const categories = {};
const shown = [];
for await (const line of createInterface({ input: process.stdin })) {
  documents += 1;
  const document = JSON.parse(line);
  const problems = judge(document);
  const category = [document.event?.category].flat().join("|");
  categories[category] = (categories[category] ?? 0) + 1;
  if (problems.length > 0) {
    invalid += 1;
    if (shown.length < SHOWN_MAX) shown.push({ line: documents, action: document.event?.action, problems });
  }
}
const template = [...problemsOfTemplate()];
if (template.length > 0) {
  invalid += 1;
  shown.push({ problems: template });
}
console.log(JSON.stringify({ documents, invalid, categories, shown }));
process.exitCode = invalid > 0 ? 1 : 0;
