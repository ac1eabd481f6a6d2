//! Publishes to a Kafka topic: proved when all in-sync replicas have the record.
//!
//! Uses the same client as Kafka's sinks, with one record a batch, so that a result concerns one publication. After a
//! failure the client is dropped with its queue, and the next publication opens another.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::{Publication, PublishError, Publisher, address, lazy::Lazy, listed};
use crate::{
    bus::{
        Finding,
        kafka::{
            check_topics,
            client::Client,
            deliveries::{Deliveries as _, Verdict},
            fault::Fault,
            ledger::Ledger,
            properties::Batching,
            record::{RecordWriter, in_trace},
            topic::Topic,
        },
    },
    command::policy::SIGNATURE_HEADER,
    config::KafkaSink,
};

/// How long the cluster may take for a publication.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(20);
/// How long closing waits for publications in flight.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);

/// A Kafka topic to publish to, or several.
#[derive(Debug)]
pub(super) struct KafkaPublisher {
    sink: KafkaSink,
    /// The topic of publications without an address.
    topic: Option<String>,
    client: Lazy<Client<Ledger>>,
}

impl KafkaPublisher {
    pub(super) fn new(sink: KafkaSink) -> Self {
        Self { topic: sink.topic.fixed(None), sink, client: Lazy::new() }
    }

    async fn put(&self, publication: &Publication) -> Result<(), PublishError> {
        let topic = address(publication, self.topic.as_deref(), &self.sink.name)?;
        let client = self.client().await?;
        // The client would wait without end for a topic that does not exist.
        if let Err(fault) = client.require_topic(topic).await {
            return Err(self.topic_refused(&client, topic, fault).await);
        }
        let signed = publication.signature.as_deref().map(|signature| (SIGNATURE_HEADER, signature));
        let record = RecordWriter::new(self.sink.encoding)
            .write(&publication.attributes, &publication.payload)
            .map(|record| {
                record.with_header(signed).with_header(publication.traceparent.as_deref().map(in_trace))
            });
        match client.publish(topic, record, PUBLISH_PATIENCE).await {
            Verdict::Delivered => Ok(()),
            Verdict::Rejected(reason) => Err(PublishError::TooLarge {
                sink: self.sink.name.clone(),
                bytes: publication.payload.len(),
                payload_bytes_max: None,
                reason,
            }),
            Verdict::Undelivered(fault) => Err(self.given_up(&client, fault).await),
        }
    }

    async fn client(&self) -> Result<Arc<Client<Ledger>>, PublishError> {
        // Only the cluster is asked for: topics are checked with each publication.
        let topics = Topic::Many(self.sink.topic.clone());
        let opening = Client::connect(&self.sink.name, &self.sink.bus, &topics, Batching::One);
        let client = self.client.get(|client| client.context().deliveries.fault().is_none(), opening).await;
        client.map_err(|fault| fault.into_error(&self.sink.name).into())
    }

    async fn topic_refused(&self, client: &Arc<Client<Ledger>>, topic: &str, fault: Fault) -> PublishError {
        match fault {
            Fault::NoTopic(reason) | Fault::Misconfigured(reason) if self.topic.as_deref() != Some(topic) => {
                PublishError::Address { sink: self.sink.name.clone(), address: topic.to_owned(), reason }
            }
            fault => self.given_up(client, fault).await,
        }
    }

    /// Drops the failed client: another one may have newer credentials.
    async fn given_up(&self, client: &Arc<Client<Ledger>>, fault: Fault) -> PublishError {
        self.client.give_up(client).await;
        fault.into_error(&self.sink.name).into()
    }
}

impl Publisher for KafkaPublisher {
    fn publish<'a>(&'a self, publication: &'a Publication) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(self.put(publication))
    }

    fn require_private<'a>(&'a self, _address: &'a str) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(client) = self.client.take().await {
                client.close(CLOSE_PATIENCE).await;
            }
        })
    }
}

/// Whether all of `topics` exist.
pub(super) async fn check(sink: &KafkaSink, topics: &BTreeSet<String>) -> Result<Vec<Finding>, PublishError> {
    if let Some(topic) = topics.first().filter(|_| topics.len() == 1) {
        return Ok(check_topics(sink, vec![Topic::One(topic.clone())]).await?);
    }
    let topic = Topic::Many(sink.topic.clone());
    let client = Client::<()>::connect(&sink.name, &sink.bus, &topic, Batching::One).await;
    let client = client.map_err(|fault| fault.into_error(&sink.name))?;
    let known = client.fetch_topics().await.map_err(|fault| fault.into_error(&sink.name))?;
    client.close(CLOSE_PATIENCE).await;
    let missing: Vec<_> = topics.iter().filter(|topic| !known.contains(*topic)).collect();
    let finding = if missing.is_empty() {
        Finding { is_warning: false, text: format!("all {} topics are there", topics.len()) }
    } else {
        let text = format!(
            "there is no topic {}, and what goes there would wait without end: create them, or let the brokers do so with \
             `auto.create.topics.enable`",
            listed(&missing)
        );
        Finding { is_warning: true, text }
    };
    Ok(vec![finding])
}
