"""The official Okta SDK for Python as judge of event hooks: reads the one that is there, and lives through another's life.

python3 hooks.py CONFIGURATION     CONFIGURATION is JSON, the SDK's own

Prints JSON: `ours`, the first hook as the SDK reads it, and `steps`, as `hooks.mjs` does.
"""

import asyncio
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / ".tools/judges-okta-python/python"))

from okta.client import Client  # noqa: E402
from okta.models import EventHook  # noqa: E402
from steps import done, refused, steps  # noqa: E402


def hook(name, items):
    scheme = {"type": "HEADER", "key": "Authorization", "value": "secret"}
    channel = {"type": "HTTP", "version": "1.0.0", "config": {"uri": "https://127.0.0.1:1/", "authScheme": scheme}}
    return EventHook.from_dict({"name": name, "events": {"type": "EVENT_TYPE", "items": items}, "channel": channel})


def text(value):
    return getattr(value, "value", value)


async def live(client):
    first = (await done(client.list_event_hooks()))[0]
    ours = {
        "name": first.name,
        "status": text(first.status),
        "verificationStatus": text(first.verification_status),
        "type": text(first.events.type),
        "types": len(first.events.items),
        "auth": first.channel.config.auth_scheme.key,
    }
    made = await done(client.create_event_hook(hook("judged", ["user.lifecycle.create"])))
    steps.append(f"create: {text(made.status)} {text(made.verification_status)}")
    steps.append(f"list: {len(await done(client.list_event_hooks()))}")
    items = ["user.lifecycle.create", "user.session.start"]
    replaced = await done(client.replace_event_hook(made.id, hook("renamed", items)))
    steps.append(f"replace: {replaced.name} {len(replaced.events.items)}")
    await refused("verify", client.verify_event_hook(made.id))
    await refused("delete", client.delete_event_hook(made.id))
    steps.append(f"deactivate: {text((await done(client.deactivate_event_hook(made.id))).status)}")
    steps.append(f"activate: {text((await done(client.activate_event_hook(made.id))).status)}")
    await done(client.deactivate_event_hook(made.id))
    await done(client.delete_event_hook(made.id))
    error = (await client.get_event_hook(made.id))[-1]
    steps.append(f"deleted: {error.status} {error.error_code}" if error else "deleted: no")
    return ours


ours = asyncio.run(live(Client(json.loads(sys.argv[1]))))
print(json.dumps({"ours": ours, "steps": steps}))
