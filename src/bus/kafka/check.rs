//! Checks whether a topic can be published to and retains records. Publishes and creates nothing.

use std::time::Duration;

use rdkafka::{
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
    metadata::Metadata,
};
use tokio::runtime::Handle;

use super::{
    client::{Client, off_runtime},
    fault::Fault,
    properties::{Batching, client_config, require_options},
    settings::Settings,
    topic::Topic,
};
use crate::{
    bus::{BusError, Finding},
    config::{KafkaBus, KafkaSink},
};

const SETTINGS_PATIENCE: Duration = Duration::from_secs(5);

/// Whether the client accepts the options of `bus`. Reads no secret.
pub(in crate::bus) fn check_options(bus: &KafkaBus) -> Result<(), BusError> {
    require_options(bus).map_err(|fault| fault.into_error(&bus.name))
}

/// Findings about the cluster and about `topics`.
pub(crate) async fn check_topics(config: &KafkaSink, topics: Vec<Topic>) -> Result<Vec<Finding>, BusError> {
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
    let options = [("allow.auto.create.topics", "false".to_owned())];
    let client = Client::<()>::build(&config.name, &config.bus, topic, Batching::Many, &options)?;
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
    match topic_settings(&config.bus, topic)? {
        Some(settings) => {
            if let Some(reason) = settings.refusal(config) {
                return Err(Fault::Misconfigured(reason));
            }
            findings.extend(settings.warnings(&layout).into_iter().map(warning));
        }
        None => findings.push(warning(format!(
            "the settings of the topic `{topic}` cannot be seen{}: see yourself that `cleanup.policy` is `delete` and \
             `min.insync.replicas` is 2",
            if config.bus.token.is_some() { " with a token" } else { " by this user, who may not DESCRIBE_CONFIGS" }
        ))),
    }
    Ok(findings)
}

pub(super) fn warning(text: String) -> Finding {
    Finding { is_warning: true, text }
}

/// How a topic is spread over a cluster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) brokers: usize,
    pub(super) partitions: usize,
    /// Those of the partition that has the fewest.
    pub(super) copies: usize,
    pub(super) copies_in_sync: usize,
    pub(super) partitions_without_leader: usize,
}

impl Layout {
    pub(super) fn of(metadata: &Metadata) -> Self {
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

    pub(super) fn describe(&self, topic: &str) -> String {
        let Self { brokers, partitions, copies, .. } = self;
        format!("the topic `{topic}` has {partitions} partitions of {copies} copies on {brokers} brokers")
    }

    pub(super) fn warnings(&self) -> Vec<String> {
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

/// The settings of `topic`; none if we may not read them, or cannot: rdkafka's admin client supports no tokens.
/// Blocking.
pub(super) fn topic_settings(bus: &KafkaBus, topic: &str) -> Result<Option<Settings>, Fault> {
    if bus.token.is_some() {
        return Ok(None);
    }
    let properties = client_config(bus, Batching::Many)?;
    let admin = properties.create::<AdminClient<DefaultClientContext>>();
    let admin = admin.map_err(|err| Fault::from_client(&err, topic))?;
    let options = AdminOptions::new().request_timeout(Some(SETTINGS_PATIENCE));
    let resource = ResourceSpecifier::Topic(topic);
    let described = Handle::current().block_on(admin.describe_configs([&resource], &options));
    // Settings that the user may not read, or that do not arrive in time, are no findings.
    let described = described.ok().and_then(|mut described| described.pop()?.ok());
    Ok(described.as_ref().map(Settings::of))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Layout =
        Layout { brokers: 3, partitions: 6, copies: 3, copies_in_sync: 3, partitions_without_leader: 0 };

    #[test]
    fn a_sound_layout_gives_no_warning() {
        assert!(SOUND.warnings().is_empty());
    }

    #[test]
    fn a_layout_that_would_lose_or_hold_up_events_is_told() {
        let told = |warnings: Vec<String>, what: &str| {
            assert!(warnings.iter().any(|warning| warning.contains(what)), "{what}: {warnings:?}");
        };
        told(Layout { copies: 1, ..SOUND }.warnings(), "replication factor");
        told(Layout { partitions_without_leader: 2, ..SOUND }.warnings(), "2 partitions have no leader");
    }
}
