//! What is known of a topic before the first record: whether it suits the sink, and how large a record may be.

use super::{
    check::topic_settings,
    client::off_runtime,
    fault::Fault,
    properties::{Batching, client_config},
    topic::Topic,
};
use crate::config::KafkaSink;

/// The smaller of the client's and the topic's limit in bytes, as far as they can be known. The topic counts compressed
/// batches, so that a record which is larger than this might still pass; what is smaller always does. Fails if the topic would
/// refuse whatever `config` publishes.
pub(crate) async fn record_bytes_max(config: &KafkaSink, topic: &Topic) -> Result<Option<usize>, Fault> {
    let (config, topic) = (config.clone(), topic.clone());
    off_runtime(move || {
        let properties = client_config(&config.bus, Batching::Many)?;
        let of_client = properties.create_native_config().and_then(|native| native.get("message.max.bytes"));
        let of_client = of_client.ok().and_then(|limit| limit.parse().ok());
        let settings = match &topic {
            Topic::One(topic) => topic_settings(&config.bus, topic)?,
            // Which topics there will be is not known; what one of them refuses, it refuses with the reason.
            Topic::Many(_) => None,
        };
        // A topic that we may not describe has limits too: its brokers refuse what exceeds them.
        let Some(settings) = settings else { return Ok(of_client) };
        match settings.refusal(&config) {
            Some(reason) => Err(Fault::Misconfigured(reason)),
            None => Ok([of_client, settings.record_bytes_max()].into_iter().flatten().min()),
        }
    })
    .await
}
