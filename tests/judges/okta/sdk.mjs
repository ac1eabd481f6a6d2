// The official Okta SDK for Node.js as client of the simulator: reads the System Log to its end, and a refusal.
//
//   node sdk.mjs CONFIGURATION     CONFIGURATION is JSON, the SDK's own, with `since` and `until` beside it
//
// Prints JSON: the events' uuids in the order in which they came, or the error as the SDK sees it.

import { createRequire } from 'node:module';

const require = createRequire(new URL('../../../.tools/judges-okta-node/', import.meta.url));
const okta = require('@okta/okta-sdk-nodejs');

const { since, until, filter, ...configuration } = JSON.parse(process.argv[2]);
const client = new okta.Client({ ...configuration, testing: { disableHttpsCheck: true } });
try {
  const uuids = [];
  const events = await client.systemLogApi.listLogEvents({ since, until, filter, limit: 1000 });
  await events.each((event) => { uuids.push(event.uuid); });
  console.log(JSON.stringify({ uuids }));
} catch (error) {
  console.log(JSON.stringify({ status: error.status, code: error.errorCode, summary: error.errorSummary, message: error.message }));
}
