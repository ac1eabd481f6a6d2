"""The official Okta SDK for Python as client of the simulator: reads the System Log to its end, and a refusal.

python3 sdk.py CONFIGURATION     CONFIGURATION is JSON, the SDK's own, with `since` and `until` beside it

Prints JSON: the events' uuids in the order in which they came, or the error as the SDK sees it.
"""

import asyncio
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / ".tools/judges-okta-python/python"))

from links import Links  # noqa: E402
from okta.client import Client  # noqa: E402


async def read(configuration, query):
    client = Client(configuration)
    links = Links(client)
    uuids = []
    after = None
    while True:
        page, _, error = await client.list_log_events(limit=1000, after=after, **query)
        if error:
            return {
                "status": getattr(error, "status", None),
                "code": getattr(error, "error_code", None),
                "message": str(error),
            }
        uuids.extend(event.uuid for event in page)
        after = links.next_cursor()
        if after is None:
            return {"uuids": uuids}


configuration = json.loads(sys.argv[1])
names = [name for name in ("since", "until", "filter") if name in configuration]
query = {name: configuration.pop(name) for name in names}
print(json.dumps(asyncio.run(read(configuration, query))))
