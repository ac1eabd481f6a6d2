//! Turns the keys of a bus of kind Kafka into its settings.

use super::{
    KafkaBus,
    options::{self, Options},
};
use crate::{
    config::{
        Problem,
        bus::{RawBus, non_empty, refuse_userinfo},
        secret::Secrets,
    },
    telemetry::chain,
};

/// The bus that `raw` means, if it is one of this kind.
pub(in crate::config::bus) fn resolve(
    name: &str,
    raw: RawBus,
    secrets: Secrets,
) -> Result<KafkaBus, Problem> {
    if raw.servers.is_some() {
        return Err(Problem::new("servers", "a bus of kind kafka has `brokers`"));
    }
    let is_nats = raw.tls.is_some() || raw.inbox_prefix.is_some() || raw.jetstream.is_given();
    if is_nats {
        return Err(Problem::new("", "a bus of kind kafka has no `tls`, `jetstream` or `inbox_prefix`"));
    }
    let brokers = non_empty("brokers", raw.brokers, "kafka-1:9092")?;
    refuse_userinfo(
        "brokers",
        &brokers,
        "`options.\"sasl.username\"` and `secret_options.\"sasl.password\"`",
    )?;
    brokers.iter().try_for_each(|broker| require_broker(broker))?;
    let Options { open, secret } = options::resolve(raw.options, raw.secret_options, secrets)?;
    let bus = KafkaBus {
        name: name.to_owned(),
        brokers,
        options: open,
        secret_options: secret,
        allow_plaintext_credentials: raw.allow_plaintext_credentials,
        ..KafkaBus::default()
    };
    if secrets.are_read {
        bus.files().try_for_each(|file| file.require()).map_err(|err| Problem::new("", chain(&err)))?;
    }
    bus.resolved()
}

/// Refuses what is not `host` or `host:port`: the client would take a port by its last 16 bits, and a list as one entry.
fn require_broker(broker: &str) -> Result<(), Problem> {
    let parsed = url::Url::parse(&format!("kafka://{broker}"));
    let is_address = parsed.is_ok_and(|url| {
        url.host_str().is_some_and(|host| !host.is_empty()) && url.port() != Some(0) && url.path().is_empty()
    });
    if is_address && !broker.contains([',', '/', '?', '#', '%', '@']) && !broker.contains(char::is_whitespace)
    {
        return Ok(());
    }
    let reason = format!("`{broker}` is not a broker such as kafka-1:9092, with a port from 1 to 65535");
    Err(Problem::new("brokers", reason))
}
