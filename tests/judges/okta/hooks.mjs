// The official Okta SDK for Node.js as judge of event hooks: reads the one that is there, and lives through another's life.
//
//   node hooks.mjs CONFIGURATION     CONFIGURATION is JSON, the SDK's own
//
// Prints JSON: `ours`, the first hook as the SDK reads it, and `steps`, as `hooks.py` does.

import { createRequire } from 'node:module';

import { refused, steps } from './steps.mjs';

const require = createRequire(new URL('../../../.tools/judges-okta-node/', import.meta.url));
const okta = require('@okta/okta-sdk-nodejs');

const client = new okta.Client({ ...JSON.parse(process.argv[2]), testing: { disableHttpsCheck: true } });
const { eventHookApi } = client;

async function all() {
  const hooks = [];
  const found = await eventHookApi.listEventHooks();
  for await (const hook of found) { hooks.push(hook); }
  return hooks;
}

const hook = (name, items) => ({
  name,
  events: { type: 'EVENT_TYPE', items },
  channel: {
    type: 'HTTP',
    version: '1.0.0',
    config: { uri: 'https://127.0.0.1:1/', authScheme: { type: 'HEADER', key: 'Authorization', value: 'secret' } },
  },
});

const [first] = await all();
const ours = {
  name: first.name,
  status: first.status,
  verificationStatus: first.verificationStatus,
  type: first.events.type,
  types: first.events.items.length,
  auth: first.channel.config.authScheme.key,
};
const made = await eventHookApi.createEventHook({ eventHook: hook('judged', ['user.lifecycle.create']) });
const eventHookId = made.id;
steps.push(`create: ${made.status} ${made.verificationStatus}`);
steps.push(`list: ${(await all()).length}`);
const items = ['user.lifecycle.create', 'user.session.start'];
const replaced = await eventHookApi.replaceEventHook({ eventHookId, eventHook: hook('renamed', items) });
steps.push(`replace: ${replaced.name} ${replaced.events.items.length}`);
await refused('verify', () => eventHookApi.verifyEventHook({ eventHookId }));
await refused('delete', () => eventHookApi.deleteEventHook({ eventHookId }));
steps.push(`deactivate: ${(await eventHookApi.deactivateEventHook({ eventHookId })).status}`);
steps.push(`activate: ${(await eventHookApi.activateEventHook({ eventHookId })).status}`);
await eventHookApi.deactivateEventHook({ eventHookId });
await eventHookApi.deleteEventHook({ eventHookId });
try {
  await eventHookApi.getEventHook({ eventHookId });
  steps.push('deleted: no');
} catch (error) {
  steps.push(`deleted: ${error.status} ${error.errorCode}`);
}
console.log(JSON.stringify({ ours, steps }));
