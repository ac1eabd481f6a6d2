// The official Okta SDK for Node.js as somebody who looks at an org: answers questions about what is there.
//
//   node eyes.mjs CONFIGURATION     CONFIGURATION is JSON, the SDK's own
//
// Each line on standard input is a question, JSON with what to look at: `user`, `group`, `app` and `transaction` by id,
// `roles` of the user, `client` for what an OAuth client has of the user, `zone` by id,
// `search` for users, `name` for groups by the beginning of their names, `log` for the log. Each line on standard output
// is its answer, JSON: what the SDK sees of each, or with which status and code it is refused. As `eyes.py` does.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(new URL('../../../.tools/judges-okta-node/', import.meta.url));
const okta = require('@okta/okta-sdk-nodejs');

// What it has seen before is of no interest: things change.
const client = new okta.Client({ ...JSON.parse(process.argv[2]), cacheMiddleware: null, testing: { disableHttpsCheck: true } });
const { userApi, userFactorApi, groupApi, applicationApi, systemLogApi, roleAssignmentApi, networkZoneApi } = client;

async function seen(look) {
  try {
    return await look();
  } catch (error) {
    if (error.status === undefined) throw error;
    return `${error.status} ${error.errorCode}`;
  }
}

const all = (list, shown) => seen(async () => {
  const items = [];
  await (await list()).each((item) => { items.push(shown(item)); });
  return items.sort();
});

const ofUser = async (userId) => ({
  user: await seen(async () => {
    const { status, profile } = await userApi.getUser({ userId });
    return { status, login: profile.login, title: profile.title ?? null, costCenter: profile.costCenter ?? null };
  }),
  factors: await all(() => userFactorApi.listFactors({ userId }), (factor) => factor.factorType),
  groups: await all(() => userApi.listUserGroups({ userId }), (group) => group.profile.name),
  apps: await all(() => userApi.listAppLinks({ userId }), (link) => link.label),
});

const ofGroup = async (groupId) => ({
  group: await seen(async () => {
    const { profile } = await groupApi.getGroup({ groupId });
    return { name: profile.name, description: profile.description ?? null };
  }),
  members: await all(() => groupApi.listGroupUsers({ groupId }), (user) => user.profile.login),
});

const ofAssignments = async (appId, userId, groupId) => ({
  app_user: userId && await seen(async () => (await applicationApi.getApplicationUser({ appId, userId })).id),
  app_group: groupId && await seen(async () => (await applicationApi.getApplicationGroupAssignment({ appId, groupId })).id),
});

const ofClient = async (userId, clientId) => ({
  tokens: await all(() => userApi.listRefreshTokensForUserAndClient({ userId, clientId }), (token) => token.clientId),
  grants: await all(() => userApi.listGrantsForUserAndClient({ userId, clientId }), (grant) => grant.clientId),
});

const ofZone = (zoneId) => seen(async () => {
  const { name, usage, gateways } = await networkZoneApi.getNetworkZone({ zoneId });
  return { name, usage, gateways: (gateways ?? []).map((gateway) => gateway.value).sort() };
});

const events = (query) => all(() => systemLogApi.listLogEvents(query), (event) => event.uuid);
// With an end, or the log would be read for ever.
const soon = () => new Date(Date.now() + 60_000).toISOString();
const roleName = (role) => (role.type === 'CUSTOM' ? `${role.role} on ${role.resource_set ?? role['resource-set']}` : role.type);
const caused = (id) => all(
  () => systemLogApi.listLogEvents({ filter: `transaction.id eq "${id}"`, until: soon() }),
  (event) => event.eventType,
);

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  console.log(JSON.stringify({
    ...(asked.user && await ofUser(asked.user)),
    ...(asked.group && await ofGroup(asked.group)),
    ...(asked.app && await ofAssignments(asked.app, asked.user, asked.group)),
    ...(asked.roles && {
      roles: await all(() => roleAssignmentApi.listAssignedRolesForUser({ userId: asked.user }), roleName),
    }),
    ...(asked.client && await ofClient(asked.user, asked.client)),
    ...(asked.zone && { zone: await ofZone(asked.zone) }),
    ...(asked.search && { found_users: await all(() => userApi.listUsers({ search: asked.search }), (user) => user.id) }),
    ...(asked.name && { found_groups: await all(() => groupApi.listGroups({ q: asked.name }), (group) => group.id) }),
    ...(asked.log && { events: await events(asked.log) }),
    ...(asked.transaction && { caused: await caused(asked.transaction) }),
  }));
}
