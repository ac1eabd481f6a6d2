//! Looks whether a topic can be published to and keeps what it is given. Publishes and creates nothing.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier},
    client::DefaultClientContext,
    metadata::Metadata,
};
use tokio::runtime::Handle;

use super::{
    client::{Client, off_runtime},
    fault::Fault,
    properties::{Batching, client_config},
    topic::Topic,
};
use crate::{
    config::KafkaSink,
    event::Origin,
    sink::{Finding, SinkError},
};

const SETTINGS_PATIENCE: Duration = Duration::from_secs(5);

/// Tells of the cluster and of the topics of messages of `origins`.
pub(in crate::sink) async fn check(
    config: &KafkaSink,
    origins: &[Origin],
) -> Result<Vec<Finding>, SinkError> {
    let mut topics: Vec<_> = origins.iter().map(|origin| Topic::new(&config.topic, origin)).collect();
    topics.sort_by_key(Topic::to_string);
    topics.dedup_by_key(|topic| topic.to_string());
    check_topics(config, topics).await
}

/// Tells of the cluster and of `topics`.
pub(crate) async fn check_topics(config: &KafkaSink, topics: Vec<Topic>) -> Result<Vec<Finding>, SinkError> {
    let sink = config.clone();
    let findings = off_runtime(move || {
        let mut findings = Vec::new();
        for topic in &topics {
            findings.extend(look(&sink, topic)?);
        }
        Ok(findings)
    });
    findings.await.map_err(|fault| fault.into_error(&config.name))
}

/// Blocking.
fn look(config: &KafkaSink, topic: &Topic) -> Result<Vec<Finding>, Fault> {
    let mut properties = client_config(&config.bus, Batching::Many)?;
    properties.set("allow.auto.create.topics", "false");
    let client = Client::build(config, topic, &properties, Batching::Many)?;
    let topic = match topic {
        Topic::One(topic) => topic,
        Topic::Many(template) => {
            client.fetch_cluster()?;
            let text = format!(
                "the cluster answers; events choose the topics `{template}`: each must exist, or be created by the brokers"
            );
            return Ok(vec![Finding { is_warning: false, text }]);
        }
    };
    let metadata = match client.fetch_topic(topic) {
        Ok(metadata) => metadata,
        Err(Fault::NoTopic(reason)) => return Ok(vec![warning(reason)]),
        Err(fault) => return Err(fault),
    };
    let layout = Layout::of(&metadata);
    let mut findings = vec![Finding { is_warning: false, text: layout.describe(topic) }];
    findings.extend(layout.warnings().into_iter().map(warning));
    if let Some(settings) = topic_settings(&properties, topic) {
        findings.extend(settings.warnings(&layout).into_iter().map(warning));
    }
    Ok(findings)
}

fn warning(text: String) -> Finding {
    Finding { is_warning: true, text }
}

/// How a topic is spread over a cluster.
#[derive(Debug, Clone, Copy)]
struct Layout {
    brokers: usize,
    partitions: usize,
    /// Those of the partition that has the fewest.
    copies: usize,
    copies_in_sync: usize,
    partitions_without_leader: usize,
}

impl Layout {
    fn of(metadata: &Metadata) -> Self {
        let partitions = metadata.topics().first().map_or(&[][..], |topic| topic.partitions());
        let fewest = |copies: Option<usize>| copies.unwrap_or_default();
        Self {
            brokers: metadata.brokers().len(),
            partitions: partitions.len(),
            copies: fewest(partitions.iter().map(|partition| partition.replicas().len()).min()),
            copies_in_sync: fewest(partitions.iter().map(|partition| partition.isr().len()).min()),
            partitions_without_leader: partitions.iter().filter(|partition| partition.leader() < 0).count(),
        }
    }

    fn describe(&self, topic: &str) -> String {
        let Self { brokers, partitions, copies, .. } = self;
        format!("the topic `{topic}` has {partitions} partitions of {copies} copies on {brokers} brokers")
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.copies < 2 {
            warnings.push(
                "there is one copy of each partition, which is lost with its broker: raise the replication factor"
                    .to_owned(),
            );
        }
        if self.partitions_without_leader > 0 {
            warnings.push(format!(
                "{} partitions have no leader: their events wait",
                self.partitions_without_leader
            ));
        }
        warnings
    }
}

/// Settings of a topic that decide what becomes of events.
#[derive(Debug, Default)]
struct Settings {
    cleanup_policy: String,
    in_sync_copies_min: usize,
}

/// All settings of a topic; nothing if we may not see them. Blocking.
pub(super) fn describe_topic(properties: &ClientConfig, topic: &str) -> Option<ConfigResource> {
    let admin: AdminClient<DefaultClientContext> = properties.create().ok()?;
    let options = AdminOptions::new().request_timeout(Some(SETTINGS_PATIENCE));
    let resource = ResourceSpecifier::Topic(topic);
    let described = admin.describe_configs([&resource], &options);
    Handle::current().block_on(described).ok()?.pop()?.ok()
}

/// Nothing if we may not see them. Blocking.
fn topic_settings(properties: &ClientConfig, topic: &str) -> Option<Settings> {
    let resource = describe_topic(properties, topic)?;
    Some(Settings {
        cleanup_policy: setting(&resource, "cleanup.policy")?.to_owned(),
        in_sync_copies_min: setting(&resource, "min.insync.replicas")?.parse().ok()?,
    })
}

fn setting<'a>(resource: &'a ConfigResource, name: &str) -> Option<&'a str> {
    resource.get(name)?.value.as_deref()
}

impl Settings {
    fn warnings(&self, layout: &Layout) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.cleanup_policy.contains("compact") {
            warnings.push(
                "the topic is compacted to the last event of each key: set its `cleanup.policy` to `delete`"
                    .to_owned(),
            );
        }
        let min = self.in_sync_copies_min;
        if layout.copies >= 2 && min < 2 {
            warnings.push(
                "an event counts as delivered with a single copy: set the topic's `min.insync.replicas` to 2"
                    .to_owned(),
            );
        }
        if layout.copies_in_sync < min {
            warnings.push(format!(
                "a partition has {} copies in sync of the {min} that `min.insync.replicas` demands: its events wait",
                layout.copies_in_sync
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Layout =
        Layout { brokers: 3, partitions: 6, copies: 3, copies_in_sync: 3, partitions_without_leader: 0 };

    fn settings(cleanup_policy: &str, in_sync_copies_min: usize) -> Settings {
        Settings { cleanup_policy: cleanup_policy.to_owned(), in_sync_copies_min }
    }

    #[test]
    fn a_sound_topic_gives_no_warning() {
        assert!(SOUND.warnings().is_empty());
        assert!(settings("delete", 2).warnings(&SOUND).is_empty());
    }

    #[test]
    fn what_would_lose_or_hold_up_events_is_told() {
        let told = |warnings: Vec<String>, what: &str| {
            assert!(warnings.iter().any(|warning| warning.contains(what)), "{what}: {warnings:?}");
        };
        told(Layout { copies: 1, ..SOUND }.warnings(), "replication factor");
        told(Layout { partitions_without_leader: 2, ..SOUND }.warnings(), "2 partitions have no leader");
        told(settings("compact,delete", 2).warnings(&SOUND), "compacted");
        told(settings("delete", 1).warnings(&SOUND), "`min.insync.replicas` to 2");
        told(settings("delete", 2).warnings(&Layout { copies_in_sync: 1, ..SOUND }), "1 copies in sync");
    }
}
