"""The official Okta SDK for Python as client of the simulator: the life of a user from create to delete, and refusals.

python3 directory.py CONFIGURATION     CONFIGURATION is JSON, the SDK's own

Prints JSON: what it did and saw, step by step, as `directory.mjs` does.
"""

import asyncio
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / ".tools/judges-okta-python/python"))

from links import Links  # noqa: E402
from okta.client import Client  # noqa: E402
from okta.models import AddGroupRequest, CreateUserRequest, UpdateUserRequest  # noqa: E402
from steps import done, refused, steps  # noqa: E402

LOGIN = "grace.hopper@acme.example"
PROFILE = {"firstName": "Grace", "lastName": "Hopper", "email": LOGIN, "login": LOGIN}
BODY = CreateUserRequest.from_dict({"profile": PROFILE, "credentials": {"password": {"value": "Compiler1952"}}})


async def count(links, call, **query):
    """All pages."""
    found, after = 0, None
    while True:
        page, _, error = await call(after=after, **query)
        assert error is None, error
        found += len(page)
        after = links.next_cursor()
        if after is None:
            return found


async def live(client):
    links = Links(client)

    async def status():
        return (await done(client.get_user(LOGIN))).status.value

    user = await done(client.create_user(BODY))
    steps.append(f"create: {user.status.value}")
    await refused("create again", client.create_user(BODY))
    got = await done(client.get_user(user.id))
    steps.append(f"get: {got.profile.last_name}")
    update = UpdateUserRequest.from_dict({"profile": {"title": "Admiral"}})
    updated = await done(client.update_user(user.id, update))
    steps.append(f"update: {updated.profile.title} {updated.profile.first_name}")
    search = f'profile.login eq "{LOGIN}"'
    steps.append(f"search: {await count(links, client.list_users, search=search)}")
    group = await done(client.add_group(AddGroupRequest.from_dict({"profile": {"name": "Navy"}})))
    steps.append(f"group: {group.profile.actual_instance.name} {group.type.value}")
    await done(client.assign_user_to_group(group.id, user.id))
    steps.append(f"members: {await count(links, client.list_group_users, group_id=group.id)}")
    await done(client.unassign_user_from_group(group.id, user.id))
    steps.append(f"members: {await count(links, client.list_group_users, group_id=group.id)}")
    await done(client.suspend_user(user.id))
    steps.append(f"suspend: {await status()}")
    await refused("suspend again", client.suspend_user(user.id))
    await done(client.unsuspend_user(user.id))
    steps.append(f"unsuspend: {await status()}")
    await refused("activate", client.activate_user(user.id, send_email=False))
    await done(client.deactivate_user(user.id))
    steps.append(f"deactivate: {await status()}")
    await done(client.delete_user(user.id))
    await refused("get deleted", client.get_user(user.id))
    await refused("delete again", client.delete_user(user.id))
    await done(client.delete_group(group.id))
    await refused("get deleted group", client.get_group(group.id))
    steps.append(f"users: {await count(links, client.list_users, limit=100)}")
    steps.append(f"groups: {await count(links, client.list_groups, limit=5)}")
    steps.append(f"apps: {await count(links, client.list_applications, limit=7)}")


asyncio.run(live(Client(json.loads(sys.argv[1]))))
print(json.dumps({"steps": steps}))
