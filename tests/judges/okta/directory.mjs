// The official Okta SDK for Node.js as client of the simulator: the life of a user from create to delete, and refusals.
//
//   node directory.mjs CONFIGURATION     CONFIGURATION is JSON, the SDK's own
//
// Prints JSON: what it did and saw, step by step, as `directory.py` does.

import { createRequire } from 'node:module';

import { refused, steps } from './steps.mjs';

const require = createRequire(new URL('../../../.tools/judges-okta-node/', import.meta.url));
const okta = require('@okta/okta-sdk-nodejs');

const client = new okta.Client({ ...JSON.parse(process.argv[2]), testing: { disableHttpsCheck: true } });
const { userApi, groupApi, applicationApi } = client;
const login = 'grace.hopper@acme.example';
const profile = { firstName: 'Grace', lastName: 'Hopper', email: login, login };
const body = { profile, credentials: { password: { value: 'Compiler1952' } } };

async function count(collection) {
  let found = 0;
  await (await collection).each(() => { found += 1; });
  return found;
}

const status = async () => (await userApi.getUser({ userId: login })).status;

const user = await userApi.createUser({ body });
const userId = user.id;
steps.push(`create: ${user.status}`);
await refused('create again', () => userApi.createUser({ body }));
const got = await userApi.getUser({ userId });
steps.push(`get: ${got.profile.lastName}`);
const updated = await userApi.updateUser({ userId, user: { profile: { title: 'Admiral' } } });
steps.push(`update: ${updated.profile.title} ${updated.profile.firstName}`);
const search = `profile.login eq "${login}"`;
steps.push(`search: ${await count(userApi.listUsers({ search }))}`);
const group = await groupApi.createGroup({ group: { profile: { name: 'Navy' } } });
steps.push(`group: ${group.profile.name} ${group.type}`);
await groupApi.assignUserToGroup({ groupId: group.id, userId });
steps.push(`members: ${await count(groupApi.listGroupUsers({ groupId: group.id }))}`);
await groupApi.unassignUserFromGroup({ groupId: group.id, userId });
steps.push(`members: ${await count(groupApi.listGroupUsers({ groupId: group.id }))}`);
await userApi.suspendUser({ userId });
steps.push(`suspend: ${await status()}`);
await refused('suspend again', () => userApi.suspendUser({ userId }));
await userApi.unsuspendUser({ userId });
steps.push(`unsuspend: ${await status()}`);
await refused('activate', () => userApi.activateUser({ userId, sendEmail: false }));
await userApi.deactivateUser({ userId });
steps.push(`deactivate: ${await status()}`);
await userApi.deleteUser({ userId });
await refused('get deleted', () => userApi.getUser({ userId }));
await refused('delete again', () => userApi.deleteUser({ userId }));
await groupApi.deleteGroup({ groupId: group.id });
await refused('get deleted group', () => groupApi.getGroup({ groupId: group.id }));
steps.push(`users: ${await count(userApi.listUsers({ limit: 100 }))}`);
steps.push(`groups: ${await count(groupApi.listGroups({ limit: 5 }))}`);
steps.push(`apps: ${await count(applicationApi.listApplications({ limit: 7 }))}`);
console.log(JSON.stringify({ steps }));
