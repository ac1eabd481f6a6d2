"""Reacts to users that are deactivated: a durable JetStream consumer with nats-py (`pip install nats-py`).

Run it with NATS_URL, after `oktabus run --config examples/microservices.toml`.
"""

import asyncio
import json
import os

import nats
from nats.js.api import ConsumerConfig


async def main() -> None:
    connection = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    jetstream = connection.jetstream()
    subscription = await jetstream.pull_subscribe(
        "okta.acme.okta.user.lifecycle.deactivate",
        durable="offboarding-python",
        stream="OKTA",
        config=ConsumerConfig(ack_wait=30, max_deliver=20),
    )
    while True:
        try:
            messages = await subscription.fetch(10, timeout=30)
        except nats.errors.TimeoutError:
            continue
        for message in messages:
            event = json.loads(message.data)
            users = [target["alternateId"] for target in event.get("target") or [] if target.get("type") == "User"]
            # The id is the same for every copy of the event: what was done for it once is not done again.
            print(message.headers["Nats-Msg-Id"], "offboard", ", ".join(users), flush=True)
            # Only now: without it the message comes again.
            await message.ack()


if __name__ == "__main__":
    asyncio.run(main())
