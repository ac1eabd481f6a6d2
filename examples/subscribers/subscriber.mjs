// Reacts to users that are deactivated: a durable JetStream consumer with nats.js
// (`npm install @nats-io/transport-node @nats-io/jetstream`).
//
// Run it with NATS_URL, after `oktabus run --config examples/microservices.toml`.

import { connect } from "@nats-io/transport-node";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";

const connection = await connect({ servers: process.env.NATS_URL ?? "nats://127.0.0.1:4222" });
const manager = await jetstreamManager(connection);
await manager.consumers.add("OKTA", {
  durable_name: "offboarding-javascript",
  filter_subject: "okta.acme.okta.user.lifecycle.deactivate",
  ack_policy: AckPolicy.Explicit,
  max_deliver: 20,
});
const consumer = await jetstream(connection).consumers.get("OKTA", "offboarding-javascript");
for await (const message of await consumer.consume()) {
  const event = message.json();
  const users = (event.target ?? []).filter((target) => target.type === "User").map((target) => target.alternateId);
  // The id is the same for every copy of the event: what was done for it once is not done again.
  console.log(message.headers.get("Nats-Msg-Id"), "offboard", users.join(", "));
  // Only now: without it the message comes again.
  message.ack();
}
