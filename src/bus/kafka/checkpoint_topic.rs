//! The topic that keeps checkpoints: whether it is there and suits, and its creation. Knows no checkpoint.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    types::RDKafkaErrorCode as Code,
};
use tokio::runtime::Handle;

use super::{
    check::{Layout, topic_settings, warning},
    client::{Client, off_runtime},
    fault::Fault,
    properties::{Batching, client_config},
    settings::{CHECKPOINT_BYTES, Settings},
    topic::Topic,
};
use crate::{
    bus::{BusError, Finding},
    config::{KafkaBus, KafkaSink},
};

/// What the topic is created with. One record a route is enough for ever; segments are closed early, since only closed ones
/// are compacted, so that little is read at a start.
const SETTINGS: [(&str, &str); 4] = [
    ("cleanup.policy", "compact"),
    ("segment.ms", "3600000"),
    ("segment.bytes", "16777216"),
    ("min.cleanable.dirty.ratio", "0.1"),
];
/// All routes of all daemons write little, and whoever starts reads all partitions.
const PARTITIONS: i32 = 1;
/// As many copies as the cluster gives by default.
const REPLICATION: i32 = -1;
const TOPIC_AUTHORIZATION_FAILED: &str = "TOPIC_AUTHORIZATION_FAILED";
const CREATION_PATIENCE: Duration = Duration::from_secs(10);

/// Requires the topic to be there and to keep the last record of each key for ever. Creates it if it is missing.
pub(crate) async fn require(config: &KafkaSink, topic: &str) -> Result<(), Fault> {
    let (name, bus, topic) = (config.name.clone(), Arc::clone(&config.bus), topic.to_owned());
    off_runtime(move || {
        if find(&name, &bus, &topic)?.is_none() {
            create(&bus, &topic)?;
            tracing::info!(sink = name, topic, "the topic of checkpoints is created");
            // Brokers learn of it one after another.
            find(&name, &bus, &topic)?.ok_or_else(|| not_there_yet(&topic))?;
        }
        let refusal = topic_settings(&bus, &topic)?.and_then(|settings| refusal(&settings, &bus, &topic));
        refusal.map_or(Ok(()), Err)
    })
    .await
}

/// Whether the topic is there. Creates nothing.
pub(crate) async fn exists(config: &KafkaSink, topic: &str) -> Result<bool, Fault> {
    let (name, bus, topic) = (config.name.clone(), Arc::clone(&config.bus), topic.to_owned());
    off_runtime(move || Ok(find(&name, &bus, &topic)?.is_some())).await
}

/// Findings about the topic. Creates nothing.
pub(crate) async fn check(config: &KafkaSink, topic: &str) -> Result<Vec<Finding>, BusError> {
    let (name, bus, topic) = (config.name.clone(), Arc::clone(&config.bus), topic.to_owned());
    let findings = off_runtime(move || {
        let Some(layout) = find(&name, &bus, &topic)? else { return Ok(vec![missing(&bus, &topic)]) };
        let text = format!("checkpoints: {}", layout.describe(&topic));
        let mut findings = vec![Finding { is_warning: false, text }];
        if layout.brokers > 1 {
            // A cluster of one broker is told of with the topic of events.
            findings
                .extend(layout.warnings().into_iter().map(|text| warning(format!("checkpoints: {text}"))));
        }
        match topic_settings(&bus, &topic)? {
            Some(settings) => {
                if let Some(refusal) = refusal(&settings, &bus, &topic) {
                    return Err(refusal);
                }
                let warnings = settings.warnings_of_checkpoints(&layout);
                findings.extend(warnings.into_iter().map(|text| warning(format!("checkpoints: {text}"))));
            }
            None => findings.push(warning(format!(
                "the settings of the topic `{topic}` cannot be seen: see yourself that `cleanup.policy` is `compact` alone, \
                 or checkpoints are lost: `kafka-configs.sh --bootstrap-server {} --describe --entity-type topics \
                 --entity-name {topic}`",
                bus.brokers.join(",")
            ))),
        }
        Ok(findings)
    });
    findings.await.map_err(|fault| fault.into_error(&config.name))
}

/// What the cluster says of the topic, if it is there. Brokers that create topics on first use do not create this one.
/// Blocking.
fn find(name: &str, bus: &Arc<KafkaBus>, topic: &str) -> Result<Option<Layout>, Fault> {
    let options = [("allow.auto.create.topics", "false".to_owned())];
    let client = Client::<()>::build(name, bus, &Topic::One(topic.to_owned()), Batching::Many, &options)?;
    match client.fetch_topic(topic) {
        Ok(metadata) => Ok(Some(Layout::of(&metadata))),
        Err(Fault::NoTopic(_)) => Ok(None),
        // The cluster says the same of a topic that is not there.
        Err(Fault::Refused(reason)) if reason.starts_with(TOPIC_AUTHORIZATION_FAILED) => {
            Err(Fault::Refused(format!(
                "{TOPIC_AUTHORIZATION_FAILED}: this user may not see the topic `{topic}` for checkpoints: grant it READ, WRITE \
                 and DESCRIBE on the topic, and if it does not exist, CREATE, or create it: {}",
                creation(bus, topic)
            )))
        }
        Err(fault) => Err(fault),
    }
}

/// Blocking.
fn create(bus: &KafkaBus, topic: &str) -> Result<(), Fault> {
    if bus.token.is_some() {
        return Err(Fault::NoTopic(format!(
            "the topic `{topic}` for checkpoints does not exist, and cannot be created with a token: create it: {}",
            creation(bus, topic)
        )));
    }
    let admin = client_config(bus, Batching::Many)?.create::<AdminClient<DefaultClientContext>>();
    let admin = admin.map_err(|err| Fault::from_client(&err, topic))?;
    let mut new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(REPLICATION));
    for (name, value) in SETTINGS {
        new = new.set(name, value);
    }
    let options = AdminOptions::new().request_timeout(Some(CREATION_PATIENCE));
    let created = Handle::current().block_on(admin.create_topics([&new], &options));
    let created = created.map_err(|err| Fault::from_client(&err, topic))?;
    match created.into_iter().next() {
        // Somebody else was faster.
        None | Some(Ok(_) | Err((_, Code::TopicAlreadyExists))) => Ok(()),
        Some(Err((_, code @ (Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed)))) => {
            Err(Fault::Refused(format!(
                "the topic `{topic}` for checkpoints does not exist, and this user may not create it ({code}): grant it CREATE \
                 on the topic, or create it: {}",
                creation(bus, topic)
            )))
        }
        Some(Err((_, code))) => Err(Fault::Misconfigured(format!(
            "the topic `{topic}` for checkpoints does not exist, and the cluster does not create it ({code}): create it: {}",
            creation(bus, topic)
        ))),
    }
}

fn not_there_yet(topic: &str) -> Fault {
    Fault::NoTopic(format!(
        "the topic `{topic}` for checkpoints was created, and the cluster does not show it yet"
    ))
}

fn missing(bus: &KafkaBus, topic: &str) -> Finding {
    let command = creation(bus, topic);
    if bus.token.is_some() {
        return warning(format!("there is no topic `{topic}` for checkpoints: create it: {command}"));
    }
    let text = format!(
        "there is no topic `{topic}` for checkpoints: it will be created, compacted and with the cluster's replication factor, \
         if this user may CREATE it; if not: {command}"
    );
    Finding { is_warning: false, text }
}

/// The command that creates the topic.
fn creation(bus: &KafkaBus, topic: &str) -> String {
    let settings: Vec<_> = SETTINGS.iter().map(|(name, value)| format!(" --config {name}={value}")).collect();
    format!(
        "`kafka-topics.sh --bootstrap-server {} --create --topic {topic} --partitions {PARTITIONS}{}`",
        bus.brokers.join(","),
        settings.concat()
    )
}

/// Why the topic cannot keep checkpoints, with the command that changes it.
fn refusal(settings: &Settings, bus: &KafkaBus, topic: &str) -> Option<Fault> {
    let (why, setting) = if !settings.is_compacted_alone() {
        (
            "would lose checkpoints: its `cleanup.policy` must be `compact` alone".to_owned(),
            "cleanup.policy=compact".to_owned(),
        )
    } else {
        let bytes = settings.too_small_for_checkpoints()?;
        let why = format!(
            "takes records of {bytes} bytes at most (`max.message.bytes`), and checkpoints grow larger"
        );
        (why, format!("max.message.bytes={CHECKPOINT_BYTES}"))
    };
    Some(Fault::Misconfigured(format!(
        "the topic `{topic}` {why}: `kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {topic} \
         --add-config {setting}`",
        bus.brokers.join(",")
    )))
}
