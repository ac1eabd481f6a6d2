#!/usr/bin/env bash
# Reacts to users that are deactivated: a durable JetStream consumer with the `nats` command and `jq`.
#
# Run it with NATS_URL, after `oktabus run --config examples/microservices.toml`.
set -euo pipefail

nats consumer add OKTA offboarding-bash --pull --deliver all --ack explicit --max-deliver 20 \
  --filter okta.acme.okta.user.lifecycle.deactivate --replay instant --defaults >/dev/null

while :; do
  # A message that is not acknowledged comes again, so it is acknowledged by `--ack` only once it was taken.
  event=$(nats consumer next OKTA offboarding-bash --raw --ack --timeout 30s 2>/dev/null) || continue
  # The uuid is the same for every copy of the event: what was done for it once is not done again.
  jq -r '[.uuid, "offboard", ([.target[]? | select(.type == "User") | .alternateId] | join(", "))] | join(" ")' <<<"$event"
done
