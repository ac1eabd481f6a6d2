//! The Kafka sink that delivers at least once: an idempotent producer whose messages are followed until the cluster has them.
//!
//! The client retries without end what may pass, in order and without repeating; [`Sink::stall_reason`] reports it. What it
//! gives up fails the batch, and [`Sink::recover`] starts anew with another client, because a producer that has given
//! up a message is not trusted with the order of the next.
//!
//! A cluster judges record batches, not records. When it refuses one for what is in it, the messages from there on are
//! published again with one record a batch, so that the verdict falls on the one message that deserves it.

use std::{
    mem,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use okta_system_log::event::Events;
use rdkafka::producer::Producer as _;
use tokio::{sync::oneshot, task::coop};

use super::stall_reason;
use crate::{
    bus::kafka::{
        client::{Client, Producer, STALL},
        deliveries::Deliveries as _,
        fault::Fault,
        ledger::{Ledger, Outcome, Rejection},
        properties::{Batching, batch_bytes},
        record::{RecordWriter, in_trace},
        record_bytes_max,
        topic::{KnownTopics, Topic},
    },
    config::KafkaSink,
    message::{Attributes, Messages, Origin},
    sink::{BatchError, Receipt, Rejected, Settled, Sink, SinkError, StallReason},
};

/// How long closing waits for messages on their way.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);

/// A Kafka topic to publish to, or several.
#[derive(Debug)]
pub(in crate::sink) struct Kafka {
    config: KafkaSink,
    topic: Topic,
    /// Those of several topics that this client has been told of.
    known_topics: KnownTopics,
    client: Client<Ledger>,
    writer: RecordWriter,
    /// Of the message at hand.
    attributes: Attributes,
    /// The page whose messages are published with one record a batch, if there is one.
    taken_apart: Option<Weak<Events>>,
    /// What a record may have, by the client and the topic.
    record_bytes_max: Option<usize>,
}

impl Kafka {
    /// Connects, and looks whether the topic is there, if there is only one.
    pub(in crate::sink) async fn open(config: &KafkaSink, origin: &Origin) -> Result<Self, SinkError> {
        let topic = Topic::new(&config.topic, origin);
        let client = connect(config, &topic, Batching::Many, None).await?;
        let record_bytes_max = record_bytes_max(config, &topic).await;
        let record_bytes_max = record_bytes_max.map_err(|fault| fault.into_error(&config.name))?;
        let client =
            if batch_bytes(&config.bus, record_bytes_max) == batch_bytes(&config.bus, Some(usize::MAX)) {
                client
            } else {
                // Only the cluster says what the topic takes.
                client.close(Duration::ZERO).await;
                connect(config, &topic, Batching::Many, record_bytes_max).await?
            };
        Ok(Self {
            config: config.clone(),
            topic,
            known_topics: KnownTopics::default(),
            client,
            writer: RecordWriter::new(config.encoding),
            attributes: Attributes::default(),
            taken_apart: None,
            record_bytes_max,
        })
    }

    fn ledger(&self) -> &Ledger {
        &self.client.context().deliveries
    }

    async fn replace_client(&mut self, batching: Batching) -> Result<(), SinkError> {
        let client = connect(&self.config, &self.topic, batching, self.record_bytes_max).await?;
        self.taken_apart = None;
        self.known_topics = KnownTopics::default();
        mem::replace(&mut self.client, client).close(Duration::ZERO).await;
        Ok(())
    }

    /// After a refusal the messages of the first page are taken apart; those of the next one, once that is settled, are not.
    async fn choose_batching(&mut self, page: Weak<Events>) -> Result<(), SinkError> {
        let is_apart = self.client.context().batching == Batching::One;
        if !is_apart || self.taken_apart.get_or_insert_with(|| Weak::clone(&page)).ptr_eq(&page) {
            return Ok(());
        }
        while !self.ledger().is_idle() {
            if self.ledger().stalled_for().is_some_and(|stalled_for| stalled_for >= STALL) {
                // Whoever publishes must not wait for a cluster that is away; one by one is slow, and right.
                return Ok(());
            }
            self.ledger().settled_some().await;
        }
        match self.ledger().fault() {
            Some(_) => Ok(()),
            None => self.replace_client(Batching::Many).await,
        }
    }

    /// Hands messages over until all are, or leaves those that could not be in `unsent`.
    async fn hand_over_all(
        &mut self,
        batch: &Messages,
        from: usize,
        unsent: &mut Unsent,
    ) -> Result<(), Fault> {
        if let Some(fault) = self.ledger().fault() {
            return Err(fault);
        }
        let mut topic = String::new();
        for index in from..batch.len() {
            let Some(message) = batch.get(index) else { break };
            self.topic.render(&message, &mut topic);
            self.require_topic(&topic).await?;
            self.attributes.fill(&message, &self.config.key);
            let record = self.writer.write(&self.attributes, message.payload);
            let record = record.map(|record| record.with_header(message.traceparent.map(in_trace)));
            // What is rejected is settled, and told with the rest.
            let _ = self.client.hand_over(&topic, unsent.ticket, record).await?;
            unsent.ticket += 1;
            coop::consume_budget().await;
        }
        Ok(())
    }

    /// The client would take a message for a topic that does not exist, and tell of it half a minute later.
    async fn require_topic(&mut self, topic: &str) -> Result<(), Fault> {
        if matches!(self.topic, Topic::One(_)) || self.known_topics.has(topic) {
            return Ok(());
        }
        self.client.require_topic(topic).await?;
        self.known_topics.add(topic);
        Ok(())
    }
}

impl Sink for Kafka {
    /// What the client and the topic take at most of a record.
    fn message_bytes_max(&self) -> Option<usize> {
        self.record_bytes_max
    }

    /// Hands the messages of `batch` from the one at `from` on to the client, which has room for all that a route may have
    /// in flight. Waits for room if the bus's options give it less. Dropped before it returns, it leaves a sink that must
    /// recover.
    fn publish<'a>(
        &'a mut self,
        batch: &'a Arc<Messages>,
        from: usize,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        async move {
            self.choose_batching(Arc::downgrade(batch.page())).await?;
            let (first_ticket, outcome) = self.ledger().enter(from..batch.len());
            let mut unsent =
                Unsent { producer: Arc::clone(&self.client.producer), ticket: first_ticket, fault: None };
            let handed_over = self.hand_over_all(batch, from, &mut unsent).await;
            unsent.abandon(handed_over.err());
            Ok(receipt(self.config.name.clone(), from, outcome))
        }
        .boxed()
    }

    fn stall_reason(&self) -> StallReason {
        stall_reason(&self.client, &self.config.name)
    }

    fn is_cut_off(&self) -> bool {
        self.client.is_cut_off()
    }

    /// Starts anew with another client.
    fn recover(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        let batching = match self.ledger().fault() {
            Some(Fault::RefusedBatch(_)) => Batching::One,
            _ => Batching::Many,
        };
        async move {
            self.replace_client(batching).await?;
            // Somebody may have changed it: what comes next is shortened to what the topic takes now. If it would refuse
            // everything, it says so of each record.
            match record_bytes_max(&self.config, &self.topic).await {
                Ok(limit) if limit != self.record_bytes_max => {
                    self.record_bytes_max = limit;
                    self.replace_client(batching).await?;
                }
                Ok(_) | Err(_) => {}
            }
            Ok(())
        }
        .boxed()
    }

    /// Gives messages on their way a moment, and lets go of the cluster.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move { self.client.close(CLOSE_PATIENCE).await }.boxed()
    }
}

/// A client for topics that take `record_bytes_max`.
async fn connect(
    config: &KafkaSink,
    topic: &Topic,
    batching: Batching,
    record_bytes_max: Option<usize>,
) -> Result<Client<Ledger>, SinkError> {
    let KafkaSink { name, bus, .. } = config;
    let more = batch_bytes(bus, record_bytes_max).into_iter().collect();
    let client = Client::connect_with(name, bus, topic, batching, more).await;
    Ok(client.map_err(|fault| fault.into_error(name))?)
}

/// The messages of the youngest batch, from the one with this ticket on, that the client does not have. If there are any when
/// this is dropped, whoever waits for them is told.
struct Unsent {
    producer: Arc<Producer<Ledger>>,
    ticket: usize,
    fault: Option<Fault>,
}

impl Unsent {
    /// Says why there are any left, if there are.
    fn abandon(mut self, fault: Option<Fault>) {
        self.fault = fault;
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        let cut_short = || Fault::Poisoned("publishing was cut short".to_owned());
        let fault = self.fault.take().unwrap_or_else(cut_short);
        self.producer.context().deliveries.abandon(self.ticket, &fault);
    }
}

fn receipt(sink: String, from: usize, outcome: oneshot::Receiver<Outcome>) -> Receipt {
    Box::pin(async move {
        let closed = |_| Outcome {
            rejected: Vec::new(),
            undelivered: Some((from, Fault::Unreachable("the sink was closed".to_owned()))),
        };
        let Outcome { rejected, undelivered } = outcome.await.unwrap_or_else(closed);
        let rejected = rejected.into_iter().map(|Rejection { index, reason }| Rejected { index, reason });
        let Some((first_undelivered, fault)) = undelivered else {
            return Ok(Settled { rejected: rejected.collect(), mark: None });
        };
        let rejected = rejected.filter(|rejected| rejected.index < first_undelivered).collect();
        Err(BatchError { first_undelivered, rejected, error: fault.into_error(&sink).into() })
    })
}
