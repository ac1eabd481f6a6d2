"""The official Okta SDK for Python as somebody who looks at an org: answers questions about what is there.

python3 eyes.py CONFIGURATION     CONFIGURATION is JSON, the SDK's own

Questions on standard input and answers on standard output are those of `eyes.mjs`.
"""

import asyncio
import json
import pathlib
import sys
from datetime import UTC, datetime, timedelta

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / ".tools/judges-okta-python/python"))

from links import Links  # noqa: E402
from okta.client import Client  # noqa: E402


class Eyes:
    def __init__(self, client):
        self.client, self.links = client, Links(client)

    async def one(self, call, shown):
        item, _, error = await call
        return f"{error.status} {error.error_code}" if error else shown(item)

    async def all(self, call, shown, **query):
        items, after = [], {}
        while True:
            page, _, error = await call(**query, **after)
            if error:
                return f"{error.status} {error.error_code}"
            items += [shown(item) for item in page]
            cursor = self.links.next_cursor()
            if cursor is None:
                return sorted(items)
            after = {"after": cursor}

    async def of_user(self, user):
        client = self.client

        def shown(found):
            profile = found.profile
            return {
                "status": found.status.value,
                "login": profile.login,
                "title": profile.title,
                "costCenter": profile.cost_center,
            }

        return {
            "user": await self.one(client.get_user(user), shown),
            "factors": await self.all(client.list_factors, lambda factor: text(factor.factor_type), user_id=user),
            "groups": await self.all(client.list_user_groups, name_of_group, id=user),
            "apps": await self.all(client.list_app_links, lambda link: link.label, id=user),
        }

    async def of_group(self, group):
        def shown(found):
            profile = found.profile.actual_instance
            return {"name": profile.name, "description": profile.description}

        members = self.all(self.client.list_group_users, lambda user: user.profile.login, group_id=group)
        return {"group": await self.one(self.client.get_group(group), shown), "members": await members}

    async def of_assignments(self, app, user, group):
        client = self.client
        of_user = client.get_application_user
        of_group = client.get_application_group_assignment
        return {
            "app_user": user and await self.one(of_user(app, user), identity),
            "app_group": group and await self.one(of_group(app, group), identity),
        }

    async def of_client(self, user, client):
        of = {"user_id": user, "client_id": client}
        tokens = self.all(self.client.list_refresh_tokens_for_user_and_client, client_of, **of)
        grants = self.all(self.client.list_grants_for_user_and_client, client_of, **of)
        return {"tokens": await tokens, "grants": await grants}

    async def of_zone(self, zone):
        def shown(found):
            found = getattr(found, "actual_instance", found)
            gateways = sorted(gateway.value for gateway in found.gateways or [])
            return {"name": found.name, "usage": text(found.usage), "gateways": gateways}

        return {"zone": await self.one(self.client.get_network_zone(zone), shown)}

    async def answer(self, asked):
        client, answer = self.client, {}
        user, group, app = (asked.get(name) for name in ("user", "group", "app"))
        if user:
            answer |= await self.of_user(user)
        if group:
            answer |= await self.of_group(group)
        if app:
            answer |= await self.of_assignments(app, user, group)
        if asked.get("roles"):
            answer["roles"] = await self.all(self.client.list_assigned_roles_for_user, role_name, user_id=user)
        if asked.get("client"):
            answer |= await self.of_client(user, asked["client"])
        if asked.get("zone"):
            answer |= await self.of_zone(asked["zone"])
        if asked.get("search"):
            answer["found_users"] = await self.all(client.list_users, identity, search=asked["search"])
        if asked.get("name"):
            answer["found_groups"] = await self.all(client.list_groups, identity, q=asked["name"])
        if asked.get("log"):
            answer["events"] = await self.all(client.list_log_events, lambda event: event.uuid, **asked["log"])
        if asked.get("transaction"):
            # With an end, or the log would be read for ever.
            query = {"filter": f'transaction.id eq "{asked["transaction"]}"', "until": soon()}
            answer["caused"] = await self.all(client.list_log_events, lambda event: event.event_type, **query)
        return answer


def text(value):
    """An enumeration's value, or a text as it is."""
    return getattr(value, "value", value)


def soon():
    return (datetime.now(UTC) + timedelta(minutes=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def client_of(found):
    return found.client_id


def role_name(found):
    role = getattr(found, "actual_instance", found)
    if text(role.type) == "CUSTOM":
        return f"{role.role} on {role.resource_set}"
    return text(role.type)


def identity(found):
    return found.id


def name_of_group(group):
    return group.profile.actual_instance.name


async def look(client):
    eyes = Eyes(client)
    for line in sys.stdin:
        print(json.dumps(await eyes.answer(json.loads(line))), flush=True)


asyncio.run(look(Client(json.loads(sys.argv[1]))))
