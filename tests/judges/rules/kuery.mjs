// Reads KQL, one JSON string a line, and prints for each what Kibana's own package makes of it: the tree of its grammar,
// and the query that Elasticsearch gets.
//
//     node kuery.mjs < queries.jsonl

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../../../.tools/judges-rules-node/", import.meta.url));
const { fromKueryExpression, toElasticsearchQuery } = require("@cybernetex/kbn-es-query");

for await (const line of createInterface({ input: process.stdin })) {
  const tree = fromKueryExpression(JSON.parse(line));
  console.log(JSON.stringify({ tree, query: toElasticsearchQuery(tree) }));
}
