//! The properties of librdkafka's client: what oktabus sets, what the user may set, and what must stay as it is.

use std::time::Duration;

use rdkafka::{ClientConfig, config::RDKafkaLogLevel, error::KafkaError, types::RDKafkaConfRes};
use secrecy::ExposeSecret;

use super::fault::Fault;
use crate::{config::KafkaBus, telemetry::chain};

/// What a client does with its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batching {
    /// As many in one record batch as there are.
    Many,
    /// One record per batch, so that an error of a batch is one of that record.
    One,
}

/// Properties that the user cannot change.
const PROMISED: [(&str, &str); 3] = [
    ("enable.idempotence", "true"),
    ("acks", "all"),
    // Retry without end: a message given up would be a hole in the order. `Sink::trouble` reports it.
    ("message.timeout.ms", "0"),
];

const BATCH_BYTES_NAME: &str = "batch.size";
const DEFAULT_BATCH_BYTES: &str = "1000000";

/// What the user may set otherwise.
const DEFAULTS: [(&str, &str); 10] = [
    ("client.id", "oktabus"),
    // Where Java's clients put a key.
    ("partitioner", "murmur2_random"),
    ("compression.type", "zstd"),
    // On System Log events level 1 packs as tightly as the default level, at twice the speed.
    ("compression.level", "1"),
    ("linger.ms", "10"),
    (BATCH_BYTES_NAME, DEFAULT_BATCH_BYTES),
    // What is on its way is bounded by what its route may have in flight. A second bound below that one would make whoever
    // publishes wait without end while the cluster is away.
    ("queue.buffering.max.messages", "0"),
    ("queue.buffering.max.kbytes", "2147483647"),
    ("socket.keepalive.enable", "true"),
    ("log.connection.close", "false"),
];

/// Properties that the user may not set, and why.
const REFUSED: [(&str, &str); 7] = [
    ("enable.idempotence", "without it a retry may repeat or reorder messages"),
    ("acks", "a message counts as delivered once all in-sync replicas have it"),
    ("message.timeout.ms", "a message given up would be lost; what stalls is shown in the status instead"),
    ("retries", "a message given up would be lost; what stalls is shown in the status instead"),
    ("queuing.strategy", "messages with one key must stay in order"),
    ("delivery.report.only.error", "a message counts as delivered only once the cluster says so"),
    (
        "transactional.id",
        "it is the route's, by which one writer at a time commits: a sink with `delivery = \"exactly_once\"` sets it",
    ),
];

/// Properties of a consumer that the user cannot change.
const PROMISED_TO_READERS: [(&str, &str); 5] = [
    // An offset is committed once the outcome of its command is durable, and by nobody else.
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "false"),
    ("isolation.level", "read_committed"),
    // A group that is new, or whose offsets the cluster has forgotten, misses no command.
    ("auto.offset.reset", "earliest"),
];

/// What the user may set otherwise for a consumer.
const DEFAULTS_OF_READERS: [(&str, &str); 7] = [
    ("client.id", "oktabus"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    // A daemon that was killed and started again gets its partitions back when this is over.
    ("session.timeout.ms", "10000"),
    // Commands are small and are carried out slowly: more would only be read again after a restart.
    ("queued.min.messages", "1000"),
    ("queued.max.messages.kbytes", "8192"),
    ("socket.keepalive.enable", "true"),
    ("log.connection.close", "false"),
];

/// Properties of a consumer that the user may not set, and why.
const REFUSED_FOR_READERS: [(&str, &str); 6] = [
    ("enable.auto.commit", "an offset is committed once the outcome of its command is durable"),
    ("enable.auto.offset.store", "an offset is committed once the outcome of its command is durable"),
    ("enable.partition.eof", "the end of a partition is nothing that has an outcome"),
    ("isolation.level", "a command of a transaction that was aborted was never given"),
    ("auto.offset.reset", "a group whose offsets the cluster has forgotten would pass commands over"),
    ("group.id", "the group belongs to the intake: set `group` there"),
];

/// librdkafka's second names of properties in the tables above.
const SECOND_NAMES: [(&str, &str); 5] = [
    ("request.required.acks", "acks"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("message.send.max.retries", "retries"),
    ("compression.codec", "compression.type"),
    ("queue.buffering.max.ms", "linger.ms"),
];

/// The properties of a client of `bus`. Reads the secrets, which is blocking I/O on small files.
pub(crate) fn client_config(bus: &KafkaBus, batching: Batching) -> Result<ClientConfig, Fault> {
    let mut config = assembled(bus, &DEFAULTS, &REFUSED)?;
    for (name, value) in PROMISED {
        config.set(name, value);
    }
    if batching == Batching::One {
        config.set("batch.num.messages", "1");
    }
    tried(config, bus)
}

/// How long the cluster lets a transaction be open, unless the user sets it.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);
const TRANSACTION_TIMEOUT_NAME: &str = "transaction.timeout.ms";

/// How long the cluster lets a transaction of a client of `bus` be open before it aborts it.
pub(crate) fn transaction_timeout(bus: &KafkaBus) -> Duration {
    let set = bus.options.get(TRANSACTION_TIMEOUT_NAME).and_then(|timeout| timeout.parse().ok());
    set.map_or(TRANSACTION_TIMEOUT, Duration::from_millis)
}

/// What makes a client of `bus` one that makes transactions as `id`, for topics that take `record_bytes_max`.
pub(super) fn of_transactions(
    bus: &KafkaBus,
    id: &str,
    record_bytes_max: Option<usize>,
) -> Vec<(&'static str, String)> {
    let timeout = transaction_timeout(bus).as_millis().to_string();
    let mut properties = vec![
        ("transactional.id", id.to_owned()),
        (TRANSACTION_TIMEOUT_NAME, timeout.clone()),
        // What has not arrived by then is in no transaction, and librdkafka wants it so.
        ("message.timeout.ms", timeout),
        // So that the end of a partition is what was written, and not what is committed.
        ("isolation.level", "read_uncommitted".to_owned()),
    ];
    properties.extend(batch_bytes(bus, record_bytes_max));
    properties
}

/// The size of record batches for topics that take `record_bytes_max`: no larger, so that none refuses records together that
/// it would take one by one.
pub(crate) fn batch_bytes(bus: &KafkaBus, record_bytes_max: Option<usize>) -> Option<(&'static str, String)> {
    record_bytes_max?;
    Some((BATCH_BYTES_NAME, batch_bytes_max(bus, record_bytes_max)?.to_string()))
}

/// Bytes of a record batch of such a client. A record that is larger is alone in its batch.
pub(crate) fn batch_bytes_max(bus: &KafkaBus, record_bytes_max: Option<usize>) -> Option<usize> {
    let set = bus.options.get(BATCH_BYTES_NAME).map_or(DEFAULT_BATCH_BYTES, String::as_str);
    let set = set.parse::<usize>().ok()?;
    Some(record_bytes_max.map_or(set, |bytes_max| set.min(bytes_max)))
}

/// The properties of a consumer of `bus` in `group`. Reads the secrets, which is blocking I/O on small files.
pub(crate) fn consumer_config(bus: &KafkaBus, group: &str) -> Result<ClientConfig, Fault> {
    let mut config = assembled(bus, &DEFAULTS_OF_READERS, &REFUSED_FOR_READERS)?;
    for (name, value) in PROMISED_TO_READERS {
        config.set(name, value);
    }
    config.set("group.id", group);
    tried(config, bus)
}

/// Whether a client of `bus` would take its options. Reads no secret.
pub(crate) fn require_options(bus: &KafkaBus) -> Result<(), Fault> {
    tried(without_secrets(bus, &DEFAULTS, &REFUSED)?, bus).map(drop)
}

/// The properties of `bus` over the `defaults`.
fn assembled(
    bus: &KafkaBus,
    defaults: &[(&str, &str)],
    refused: &[(&str, &str)],
) -> Result<ClientConfig, Fault> {
    let trusted = bus.files().try_for_each(|file| file.require());
    trusted.map_err(|err| Fault::Misconfigured(chain(&err)))?;
    let mut config = without_secrets(bus, defaults, refused)?;
    for (name, secret) in &bus.secret_options {
        let value =
            secret.read().map_err(|err| Fault::Misconfigured(format!("`{name}`: {}", chain(&err))))?;
        config.set(permitted(name, value.expose_secret(), refused)?, value.expose_secret());
    }
    Ok(config)
}

fn without_secrets(
    bus: &KafkaBus,
    defaults: &[(&str, &str)],
    refused: &[(&str, &str)],
) -> Result<ClientConfig, Fault> {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Warning);
    config.set("bootstrap.servers", bus.brokers.join(","));
    for (name, value) in defaults {
        config.set(*name, *value);
    }
    for (name, value) in &bus.options {
        config.set(permitted(name, value, refused)?, value);
    }
    Ok(config)
}

/// `config`, if librdkafka takes it. Of several properties that it does not take, the same one is told each time.
fn tried(config: ClientConfig, bus: &KafkaBus) -> Result<ClientConfig, Fault> {
    let Err(err) = config.create_native_config() else { return Ok(config) };
    let alone = |(name, value): (&str, &str)| {
        let alone = ClientConfig::from_iter([(name.to_owned(), value.to_owned())]);
        alone.create_native_config().err()
    };
    let first = config.config_map().into_iter().find_map(alone).unwrap_or(err);
    Err(Fault::Misconfigured(explain(&first, bus)))
}

/// The first name of the property `name`, if the user may give it this value.
fn permitted<'a>(name: &'a str, value: &str, refused: &[(&str, &str)]) -> Result<&'a str, Fault> {
    let first_name =
        SECOND_NAMES.iter().find(|(second, _)| *second == name).map_or(name, |(_, first)| *first);
    if let Some((_, reason)) = refused.iter().find(|(refused, _)| *refused == first_name) {
        return Err(Fault::Misconfigured(format!("the option `{name}` cannot be set: {reason}")));
    }
    if first_name == "partitioner" && value == "random" {
        return Err(Fault::Misconfigured(
            "the option `partitioner` cannot be `random`: messages with one key must stay in order"
                .to_owned(),
        ));
    }
    Ok(first_name)
}

/// Names the property that librdkafka does not take, without the value of a secret.
fn explain(err: &KafkaError, bus: &KafkaBus) -> String {
    match err {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, name, _) => {
            format!("the option `{name}` is unknown to librdkafka: see its CONFIGURATION.md for the names")
        }
        KafkaError::ClientConfig(_, _, name, _) if bus.secret_options.contains_key(name) => {
            format!("the value of the option `{name}` is not one that librdkafka takes")
        }
        KafkaError::ClientConfig(_, description, name, value) => {
            format!("the option `{name}` cannot be `{value}`: {description}")
        }
        err => err.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::config::Secret;

    fn bus(options: &[(&str, &str)]) -> KafkaBus {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        KafkaBus {
            name: "kafka".to_owned(),
            brokers: vec!["a:9092".to_owned(), "b:9092".to_owned()],
            options: options.collect(),
            ..KafkaBus::default()
        }
    }

    fn effective(options: &[(&str, &str)], name: &str) -> String {
        let config = client_config(&bus(options), Batching::Many).unwrap();
        config.create_native_config().unwrap().get(name).unwrap()
    }

    fn refusal(options: &[(&str, &str)]) -> String {
        client_config(&bus(options), Batching::Many).unwrap_err().reason().to_owned()
    }

    #[test]
    fn what_the_user_sets_wins_by_either_name() {
        assert_eq!(effective(&[], "compression.type"), "zstd");
        assert_eq!(effective(&[("compression.type", "gzip")], "compression.codec"), "gzip");
        assert_eq!(effective(&[("compression.codec", "gzip")], "compression.type"), "gzip");
        assert_eq!(effective(&[("queue.buffering.max.ms", "7")], "linger.ms"), "7");
        assert_eq!(effective(&[], "bootstrap.servers"), "a:9092,b:9092");
    }

    #[test]
    fn no_option_breaks_a_promise() {
        for (name, value) in [
            ("enable.idempotence", "false"),
            ("acks", "1"),
            ("request.required.acks", "0"),
            ("message.timeout.ms", "1000"),
            ("delivery.timeout.ms", "1000"),
            ("retries", "0"),
            ("message.send.max.retries", "0"),
            ("queuing.strategy", "lifo"),
            ("delivery.report.only.error", "true"),
            ("transactional.id", "mine"),
            ("partitioner", "random"),
        ] {
            let refusal = refusal(&[(name, value)]);
            assert!(refusal.contains(&format!("`{name}` cannot be")), "{refusal}");
        }
        assert_eq!(effective(&[], "enable.idempotence"), "true");
        assert_eq!(effective(&[], "acks"), "-1");
        assert_eq!(effective(&[], "message.timeout.ms"), "0");
    }

    #[test]
    fn no_option_lets_a_reader_lose_a_command() {
        for (name, value) in [
            ("enable.auto.commit", "true"),
            ("enable.auto.offset.store", "true"),
            ("isolation.level", "read_uncommitted"),
            ("auto.offset.reset", "latest"),
            ("group.id", "other"),
        ] {
            let refusal = consumer_config(&bus(&[(name, value)]), "ours").unwrap_err();
            assert!(refusal.reason().contains(&format!("`{name}` cannot be")), "{refusal:?}");
        }
        let config = consumer_config(&bus(&[("acks", "1"), ("session.timeout.ms", "9000")]), "ours").unwrap();
        let native = config.create_native_config().unwrap();
        for (name, value) in [
            ("enable.auto.commit", "false"),
            ("isolation.level", "read_committed"),
            ("group.id", "ours"),
            ("session.timeout.ms", "9000"),
            ("auto.offset.reset", "smallest"),
        ] {
            assert_eq!(native.get(name).unwrap().trim_end_matches('\0'), value, "{name}");
        }
    }

    fn of_transactions_of(options: &[(&str, &str)], record_bytes_max: Option<usize>) -> ClientConfig {
        let bus = bus(options);
        let mut config = client_config(&bus, Batching::Many).unwrap();
        for (name, value) in of_transactions(&bus, "oktabus/acme/siem", record_bytes_max) {
            config.set(name, value);
        }
        config
    }

    #[test]
    fn a_record_has_as_long_as_its_transaction_and_the_user_may_say_how_long() {
        for (options, timeout) in [(&[][..], "30000"), (&[("transaction.timeout.ms", "9000")], "9000")] {
            let native = of_transactions_of(options, None).create_native_config().unwrap();
            for name in ["transaction.timeout.ms", "message.timeout.ms"] {
                assert_eq!(native.get(name).unwrap(), timeout, "{name}");
            }
            assert_eq!(native.get("transactional.id").unwrap(), "oktabus/acme/siem");
        }
        // librdkafka looks at how they fit together only when a client is built.
        let client = of_transactions_of(&[], None).create::<rdkafka::producer::BaseProducer>();
        assert!(client.is_ok(), "{:?}", client.err());
    }

    #[test]
    fn batches_of_a_transaction_are_no_larger_than_what_the_topic_takes() {
        for (options, bytes_max, expected) in [
            (&[][..], None, "1000000"),
            (&[], Some(2_000_000), "1000000"),
            (&[], Some(20_000), "20000"),
            (&[("batch.size", "5000")], Some(20_000), "5000"),
        ] {
            let native = of_transactions_of(options, bytes_max).create_native_config().unwrap();
            assert_eq!(native.get("batch.size").unwrap(), expected, "{bytes_max:?}");
        }
    }

    #[test]
    fn a_property_that_is_wrong_is_named() {
        let unknown = refusal(&[("linger.seconds", "1")]);
        assert!(unknown.contains("`linger.seconds` is unknown"), "{unknown}");
        let invalid = refusal(&[("linger.ms", "soon")]);
        assert!(invalid.contains("`linger.ms`") && invalid.contains("soon"), "{invalid}");
    }

    #[test]
    fn of_several_properties_that_are_wrong_the_same_one_is_told_each_time() {
        let names: Vec<_> = (0..20).map(|number| format!("no.such.property.{number:02}")).collect();
        let options: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
        for _ in 0..20 {
            let refusal = refusal(&options);
            assert!(refusal.contains("`no.such.property.00`"), "{refusal}");
        }
    }

    #[test]
    fn the_queue_has_room_for_all_that_a_route_may_have_in_flight() {
        assert_eq!(effective(&[], "queue.buffering.max.messages"), "0");
        assert_eq!(effective(&[("queue.buffering.max.messages", "7")], "queue.buffering.max.messages"), "7");
    }

    #[test]
    fn a_secret_that_is_wrong_is_named_and_not_shown() {
        let mut bus = bus(&[]);
        bus.secret_options.insert("linger.ms".to_owned(), Secret::Inline(SecretString::from("hunter2")));
        let fault = client_config(&bus, Batching::Many).unwrap_err();
        assert!(fault.reason().contains("`linger.ms`") && !fault.reason().contains("hunter2"), "{fault:?}");
    }
}
