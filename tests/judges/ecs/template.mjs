// What Elasticsearch would refuse or lose of a document by the mappings in deploy/elastic, and what of them Elastic would
// map otherwise.

import { readFileSync } from "node:fs";
import { isIP } from "node:net";

const file = new URL("../../../deploy/elastic/component-template.json", import.meta.url);
const { mappings } = JSON.parse(readFileSync(file, "utf8")).template;

// Elasticsearch's own limit.
const FLATTENED_DEPTH_MAX = 20;

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isScalar = (value) => ["string", "number", "boolean"].includes(typeof value);

const FITS = {
  boolean: (value) => typeof value === "boolean",
  constant_keyword: (value) => typeof value === "string",
  date: (value) => typeof value === "string" && !Number.isNaN(Date.parse(value)),
  flattened: (value) => isObject(value) && fitsFlattened(value, 1),
  float: (value) => typeof value === "number",
  geo_point: (value) => Math.abs(value?.lat) <= 90 && Math.abs(value?.lon) <= 180,
  integer: (value) => Number.isInteger(value) && Math.abs(value) < 2 ** 31,
  ip: (value) => isIP(value) !== 0,
  keyword: isScalar,
  long: (value) => Number.isSafeInteger(value),
  match_only_text: isScalar,
  wildcard: isScalar,
};

function fitsFlattened(value, depth) {
  if (depth > FLATTENED_DEPTH_MAX) return false;
  if (Array.isArray(value)) return value.every((element) => fitsFlattened(element, depth));
  if (!isObject(value)) return true;
  return Object.entries(value).every(([name, inner]) => !name.includes("\0") && fitsFlattened(inner, depth + 1));
}

/** What is wrong with `value` at `path` by `mapping`. */
function* problemsOf(value, path, mapping) {
  if (mapping === undefined) {
    yield `${path} has no mapping`;
  } else if (Array.isArray(value)) {
    for (const element of value) yield* problemsOf(element, path, mapping);
  } else if (mapping.properties !== undefined) {
    if (!isObject(value)) {
      yield `${path} is no object: ${JSON.stringify(value)}`;
      return;
    }
    for (const [name, inner] of Object.entries(value)) {
      yield* mapping.subobjects === false
        ? problemsOfDotted(inner, name, path, mapping)
        : problemsOf(inner, `${path}.${name}`, mapping.properties[name]);
    }
  } else if (!FITS[mapping.type]?.(value)) {
    yield `${path} does not fit ${mapping.type}: ${JSON.stringify(value)}`;
  }
}

/** Where there are no objects in objects, names are joined by dots, and the object itself needs a mapping too. */
function* problemsOfDotted(value, name, path, mapping) {
  const own = mapping.properties[name];
  if (isObject(value) && own?.type === "keyword") {
    for (const [inner, more] of Object.entries(value)) yield* problemsOfDotted(more, `${name}.${inner}`, path, mapping);
  } else {
    yield* problemsOf(value, `${path}.${name}`, own);
  }
}

/** What is wrong with a document. */
export function* problemsOfMapping(document) {
  for (const [name, value] of Object.entries(document)) yield* problemsOf(value, name, mappings.properties[name]);
}

/** The fields that have a mapping, with their types. */
export function* mappedFields(properties = mappings.properties, path = "") {
  for (const [name, mapping] of Object.entries(properties)) {
    if (mapping.properties === undefined) yield [`${path}${name}`, mapping.type];
    else yield* mappedFields(mapping.properties, `${path}${name}.`);
  }
}
