//! The Kafka sinks: one that delivers at least once, and one that commits messages and checkpoint in transactions.

mod at_least_once;
mod transactional;

use std::sync::Arc;

use rdkafka::producer::Producer as _;

pub(super) use at_least_once::Kafka;
use transactional::transactional_id;
pub(super) use transactional::{TransactionalKafka, read_checkpoint};

use super::{Stall, StallReason};
use crate::{
    bus::{
        BusError, Finding,
        kafka::{
            check_topics, checkpoint_topic,
            client::{Client, STALL},
            deliveries::Deliveries as _,
            ledger::Ledger,
            topic::Topic,
        },
    },
    config::{KafkaSink, KafkaTransactions},
    message::Origin,
};

/// Tells of the cluster and of the topics of messages of `origins`.
pub(super) async fn check(config: &KafkaSink, origins: &[Origin]) -> Result<Vec<Finding>, BusError> {
    let mut topics: Vec<_> = origins.iter().map(|origin| Topic::new(&config.topic, origin)).collect();
    topics.sort_by_key(Topic::to_string);
    topics.dedup_by_key(|topic| topic.to_string());
    let mut findings = check_topics(config, topics).await?;
    if let Some(KafkaTransactions { checkpoint_topic }) = &config.transactions {
        findings.extend(checkpoint_topic::check(config, checkpoint_topic).await?);
        findings.extend(origins.iter().map(|origin| untried(origin, checkpoint_topic)));
    }
    Ok(findings)
}

/// What cannot be tried without harm.
fn untried(origin: &Origin, checkpoint_topic: &str) -> Finding {
    let id = transactional_id(&origin.route_identity(), checkpoint_topic);
    let text = format!(
        "the route commits as the transactional id `{id}`; whether this user may is not tried, because that would fence a daemon \
         that runs: with access control it needs WRITE and DESCRIBE on this transactional id, and READ, WRITE and DESCRIBE on \
         the topic of checkpoints"
    );
    Finding { is_warning: false, text }
}

/// Asks why `client` of the sink `name` makes no progress.
fn stall_reason(client: &Client<Ledger>, name: &str) -> StallReason {
    // Not to hold a client that is being replaced.
    let producer = Arc::downgrade(&client.producer);
    let name = name.to_owned();
    Box::new(move || {
        let producer = producer.upgrade()?;
        let context = producer.context();
        let stalled_for = context.deliveries.stalled_for().filter(|stalled_for| *stalled_for >= STALL)?;
        match context.last_error() {
            Some(fault) => Some(Stall::from(&fault.into_error(&name))),
            None => {
                let stalled_for_s = stalled_for.as_secs();
                let reason = format!("{name}: the cluster has acknowledged nothing for {stalled_for_s} s");
                Some(Stall::transient(reason))
            }
        }
    })
}
