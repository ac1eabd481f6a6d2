//! How large a record may be: what the client hands over at most, and what the topic takes.

use super::{
    check::describe_topic,
    client::off_runtime,
    properties::{Batching, client_config},
    topic::Topic,
};
use crate::config::KafkaSink;

/// The smaller of the client's and the topic's limit in bytes, as far as they can be known. The topic counts compressed
/// batches, so that a record which is larger than this might still pass; what is smaller always does.
pub(super) async fn record_bytes_max(config: &KafkaSink, topic: &Topic) -> Option<usize> {
    let (config, topic) = (config.clone(), topic.clone());
    let limits = off_runtime(move || {
        let properties = client_config(&config.bus, Batching::Many)?;
        let of_client = properties.create_native_config().and_then(|native| native.get("message.max.bytes"));
        let topic = match &topic {
            Topic::One(topic) => describe_topic(&properties, topic),
            // Which topics there will be is not known; what one of them refuses, it refuses with the reason.
            Topic::Many(_) => None,
        };
        let of_topic = topic.and_then(|topic| topic.get("max.message.bytes")?.value.clone());
        Ok([of_client.ok(), of_topic])
    });
    // A topic that we may not describe has a limit all the same: its brokers tell it by refusing.
    let limits = limits.await.unwrap_or_default();
    limits.into_iter().flatten().filter_map(|limit| limit.parse().ok()).min()
}
