//! Parcels to a Kafka topic: proved when all in-sync replicas have them.
//!
//! The client is that of the Kafka sink, with one record a batch so that a verdict is on one parcel. After a failure it
//! is given up with what it still has, and the next parcel gets another one.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::BaseRecord,
    types::RDKafkaErrorCode as Code,
};
use tokio::{sync::Mutex, time::timeout};

use super::{OutletError, Parcel, address, listed};
use crate::{
    config::{Encoding, KafkaSink},
    event::{CONTENT_TYPE, STRUCTURED_CONTENT_TYPE},
    sink::{
        Finding, SinkError,
        kafka::{
            check_topics,
            client::Client,
            fault::Fault,
            ledger::{Ledger, Outcome, Verdict},
            properties::Batching,
            topic::Topic,
        },
    },
};

/// How long the cluster may take to have a parcel.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(20);
/// How long closing waits for parcels on their way.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);
const HEADERS_MAX: usize = 9;

/// A Kafka topic to publish to, or several.
#[derive(Debug)]
pub(super) struct KafkaOutlet {
    sink: KafkaSink,
    /// Where parcels go that have no address.
    topic: Option<String>,
    /// None until the first parcel, and after a failure.
    client: Mutex<Option<Arc<Client>>>,
}

impl KafkaOutlet {
    pub(super) fn new(sink: KafkaSink) -> Self {
        Self { topic: sink.topic.fixed(None), sink, client: Mutex::default() }
    }

    pub(super) async fn publish(&self, parcel: &Parcel) -> Result<(), OutletError> {
        let topic = address(parcel, self.topic.as_deref(), &self.sink.name)?;
        let in_sink = |fault: Fault| OutletError::from(fault.into_error(&self.sink.name));
        let client = self.client(topic).await?;
        // The client would take a record for a topic that does not exist, and wait for it without end.
        if let Err(fault) = client.require_topic(topic).await {
            return Err(match fault {
                Fault::NoTopic(reason) | Fault::Misconfigured(reason)
                    if self.topic.as_deref() != Some(topic) =>
                {
                    OutletError::Address { outlet: self.sink.name.clone(), address: topic.to_owned(), reason }
                }
                fault => {
                    // Another client may have better credentials.
                    self.give_up(&client).await;
                    in_sink(fault)
                }
            });
        }
        let ledger = &client.context().ledger;
        let (ticket, outcome) = ledger.enter(0..1);
        self.hand_over(&client, parcel, topic, ticket);
        let fault = match timeout(PUBLISH_PATIENCE, outcome).await {
            Ok(Ok(Outcome { rejected, undelivered: None })) => {
                return match rejected.into_iter().next() {
                    None => Ok(()),
                    Some(rejected) => Err(self.too_large(parcel, rejected.reason)),
                };
            }
            Ok(Ok(Outcome { undelivered: Some((_, fault)), .. })) => fault,
            Ok(Err(_)) => Fault::Unreachable("the outlet was closed".to_owned()),
            Err(_) => client.context().complaint().unwrap_or_else(|| {
                Fault::Unreachable(format!("the cluster has not acknowledged within {PUBLISH_PATIENCE:?}"))
            }),
        };
        self.give_up(&client).await;
        Err(in_sink(fault))
    }

    pub(super) async fn close(self) {
        if let Some(client) = self.client.into_inner().and_then(Arc::into_inner) {
            client.close(CLOSE_PATIENCE).await;
        }
    }

    async fn client(&self, topic: &str) -> Result<Arc<Client>, SinkError> {
        let mut client = self.client.lock().await;
        if let Some(client) = client.as_ref().filter(|client| client.context().ledger.fault().is_none()) {
            return Ok(Arc::clone(client));
        }
        // The cluster alone is asked for: which topics there are is looked at parcel by parcel.
        let topics = Topic::Many(self.sink.topic.clone());
        let connected = Client::connect(&self.sink, &topics, Batching::One).await;
        let connected = connected.map_err(|fault| fault.into_error(&self.sink.name))?;
        tracing::debug!(sink = self.sink.name, topic, "connected for outcomes");
        Ok(Arc::clone(client.insert(Arc::new(connected))))
    }

    fn hand_over(&self, client: &Client, parcel: &Parcel, topic: &str, ticket: usize) {
        let ledger: &Ledger = &client.context().ledger;
        let (headers, value) = match self.sink.encoding {
            Encoding::Binary => (binary_headers(parcel), Ok(parcel.payload.clone())),
            Encoding::Structured => {
                let headers = OwnedHeaders::new_with_capacity(1);
                (
                    insert(headers, "content-type", STRUCTURED_CONTENT_TYPE),
                    parcel.attributes.structured(&parcel.payload),
                )
            }
        };
        let value = match value {
            Ok(value) => value,
            Err(err) => return ledger.settle(ticket, Verdict::Rejected(format!("it is not JSON: {err}"))),
        };
        let key = Some(parcel.attributes.partition_key.as_str()).filter(|key| !key.is_empty());
        let mut record = BaseRecord::with_opaque_to(topic, ticket).payload(&value[..]).headers(headers);
        record.key = key;
        if let Err((err, _)) = client.producer.send(record) {
            let verdict = match err.rdkafka_error_code() {
                Some(Code::MessageSizeTooLarge) => Verdict::Rejected(err.to_string()),
                _ => Verdict::Undelivered(client.fault(&err, topic)),
            };
            ledger.settle(ticket, verdict);
        }
    }

    /// Lets the next parcel have another client, unless it has one already.
    async fn give_up(&self, failed: &Arc<Client>) {
        let mut client = self.client.lock().await;
        if client.as_ref().is_some_and(|client| Arc::ptr_eq(client, failed)) {
            *client = None;
        }
    }

    fn too_large(&self, parcel: &Parcel, reason: String) -> OutletError {
        OutletError::TooLarge {
            outlet: self.sink.name.clone(),
            bytes: parcel.payload.len(),
            payload_bytes_max: None,
            reason,
        }
    }
}

/// Whether all of `topics` are there.
pub(super) async fn check(sink: &KafkaSink, topics: &BTreeSet<String>) -> Result<Vec<Finding>, OutletError> {
    if let Some(topic) = topics.first().filter(|_| topics.len() == 1) {
        return Ok(check_topics(sink, vec![Topic::One(topic.clone())]).await?);
    }
    let client = Client::connect(sink, &Topic::Many(sink.topic.clone()), Batching::One).await;
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

fn binary_headers(parcel: &Parcel) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(HEADERS_MAX);
    for (name, value) in parcel.attributes.pairs() {
        headers = insert(headers, &format!("ce_{name}"), value);
    }
    insert(headers, "content-type", CONTENT_TYPE)
}

fn insert(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
}
