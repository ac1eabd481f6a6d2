//! The Kafka sink that delivers exactly once: the messages of a transaction and the checkpoint of their route become visible at a
//! stroke.
//!
//! The route's identity is the transactional id, by which the cluster lets one client at a time commit, and the key of the
//! checkpoint in a compacted topic. Only what is read to the end that the topic had after [`TransactionalSink::fence`] is final:
//! whatever is committed later is ours.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::{
    sync::oneshot,
    task::{coop, spawn_blocking},
};

use super::stall_reason;
use crate::{
    bus::{
        BusError,
        kafka::{
            checkpoint_topic,
            client::off_runtime_while_awaited,
            fault::Fault,
            latest::{Latest, LatestReader},
            ledger::Outcome,
            partition::partition_of,
            properties::batch_bytes_max,
            record::{Record, RecordWriter, in_trace},
            record_bytes_max,
            topic::{KnownTopics, Topic},
            transactions::{TransactionFault, TransactionalClient},
        },
    },
    config::{DEFAULT_CHECKPOINT_TOPIC, KafkaSink, KafkaTransactions},
    message::{Attributes, Messages, Origin},
    sink::{CommitError, CommitReceipt, KeptCheckpoint, Rejected, SinkError, StallReason, TransactionalSink},
};

/// What a transactional id begins with.
const ID_PREFIX: &str = "oktabus/";
/// So that a transaction ends long before its timeout.
const MESSAGES_MAX: usize = 10_000;
/// How long what is committed may take to be read, beside transactions that are open.
const READ_PATIENCE: Duration = Duration::from_secs(15);

/// The transactional id of the route with this identity. Routes with other topics of checkpoints are not each other's rivals,
/// and do not fence each other.
pub(super) fn transactional_id(identity: &str, checkpoint_topic: &str) -> String {
    match checkpoint_topic {
        DEFAULT_CHECKPOINT_TOPIC => format!("{ID_PREFIX}{identity}"),
        other => format!("{ID_PREFIX}{identity}@{other}"),
    }
}

/// Reads the checkpoint of the route of `origin`. Disturbs nobody and creates nothing. None: there is none.
pub(in crate::sink) async fn read_checkpoint(
    config: &KafkaSink,
    transactions: &KafkaTransactions,
    origin: &Origin,
) -> Result<Option<KeptCheckpoint>, BusError> {
    let (topic, identity) = (&transactions.checkpoint_topic, origin.route_identity());
    let of_sink = |fault: Fault| fault.into_error(&config.name);
    if !checkpoint_topic::exists(config, topic).await.map_err(of_sink)? {
        return Ok(None);
    }
    let (place, place_id) = (place_of_checkpoint(&identity, topic), id_of_checkpoint_place(topic));
    let (config, topic) = (config.clone(), topic.clone());
    let name = config.name.clone();
    let read = off_runtime_while_awaited(move |token| {
        let mut reader = LatestReader::open(&config.name, &config.bus, &topic, &identity)?;
        let ends = reader.committed_ends(token)?;
        reader.read_until(&ends, READ_PATIENCE, token)?;
        Ok(reader.latest().and_then(|latest| latest.value.clone()))
    });
    let bytes = read.await.map_err(|fault: Fault| fault.into_error(&name))?;
    Ok(bytes.map(|bytes| KeptCheckpoint { bytes, place, place_id }))
}

fn place_of_checkpoint(identity: &str, topic: &str) -> String {
    format!(
        "the last record with the key `{identity}` in the topic `{topic}`, which a tombstone (a record without a value) removes"
    )
}

fn id_of_checkpoint_place(topic: &str) -> String {
    format!("kafka {topic}")
}

/// A Kafka topic to commit to, or several, and the topic of checkpoints.
#[derive(Debug)]
pub(in crate::sink) struct TransactionalKafka {
    config: KafkaSink,
    checkpoint_topic: String,
    /// The route's: the key of its checkpoint.
    identity: String,
    topic: Topic,
    /// Those of several topics that this client has been told of.
    known_topics: KnownTopics,
    client: TransactionalClient,
    is_fenced: bool,
    /// Reads checkpoints until the last one is known.
    reader: Option<LatestReader>,
    /// Where the checkpoint is written; the key chooses it as long as nothing was read.
    partition: Option<i32>,
    writer: RecordWriter,
    /// Of the message at hand.
    attributes: Attributes,
    /// What a record may have, by the client and the topic.
    record_bytes_max: Option<usize>,
    /// The ids of staged messages that are alone in their record batches, by ticket: if such a batch is refused, it is for them.
    alone: BTreeMap<usize, String>,
}

impl TransactionalKafka {
    /// Connects, looks whether the topic is there, if there is only one, and sees to the topic of checkpoints.
    pub(in crate::sink) async fn open(
        config: &KafkaSink,
        transactions: &KafkaTransactions,
        origin: &Origin,
    ) -> Result<Self, SinkError> {
        let KafkaTransactions { checkpoint_topic } = transactions;
        let (topic, identity) = (Topic::new(&config.topic, origin), origin.route_identity());
        let of_sink = |fault: Fault| fault.into_error(&config.name);
        checkpoint_topic::require(config, checkpoint_topic).await.map_err(of_sink)?;
        let record_bytes_max = record_bytes_max(config, &topic).await.map_err(of_sink)?;
        let id = transactional_id(&identity, checkpoint_topic);
        let client = connect(config, &topic, &id, record_bytes_max).await.map_err(of_sink)?;
        Ok(Self {
            config: config.clone(),
            checkpoint_topic: checkpoint_topic.clone(),
            identity,
            topic,
            known_topics: KnownTopics::default(),
            client,
            is_fenced: false,
            reader: None,
            partition: None,
            writer: RecordWriter::new(config.encoding),
            attributes: Attributes::default(),
            record_bytes_max,
            alone: BTreeMap::new(),
        })
    }

    fn error(&self, fault: Fault) -> SinkError {
        fault.into_error(&self.config.name).into()
    }

    /// Reads on to the end of what is committed, or of what was written before now if the route is ours.
    async fn read(&mut self) -> Result<Option<Bytes>, Fault> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.open_reader().await?,
        };
        let ends = match self.is_fenced {
            true => Some(self.client.ends(&self.checkpoint_topic, reader.partitions().to_vec()).await?),
            false => None,
        };
        let patience = READ_PATIENCE + if self.is_fenced { self.client.timeout() } else { Duration::ZERO };
        // Dropped half way, it is opened again.
        let reader = off_runtime_while_awaited(move |token| {
            let mut reader = reader;
            let ends = ends.map_or_else(|| reader.committed_ends(token), Ok)?;
            reader.read_until(&ends, patience, token)?;
            Ok(reader)
        })
        .await?;
        let latest = reader.latest().cloned();
        let own = partition_of(self.identity.as_bytes(), reader.partitions().len());
        let own = reader.partitions().get(own).copied();
        self.partition = latest.as_ref().map(|latest| latest.partition).or(own);
        match self.is_fenced {
            true => let_go(Some(reader)),
            false => self.reader = Some(reader),
        }
        Ok(latest.and_then(|Latest { value, .. }| value))
    }

    async fn open_reader(&self) -> Result<LatestReader, Fault> {
        let Self { config, checkpoint_topic, identity, .. } = self;
        let (config, topic, identity) = (config.clone(), checkpoint_topic.clone(), identity.clone());
        off_runtime_while_awaited(move |_| LatestReader::open(&config.name, &config.bus, &topic, &identity))
            .await
    }

    async fn connect_again(&mut self) -> Result<TransactionalClient, Fault> {
        checkpoint_topic::require(&self.config, &self.checkpoint_topic).await?;
        // Somebody may have changed it: what comes next is shortened to what the topic takes now. If it would refuse
        // everything, it says so of each record.
        if let Ok(limit) = record_bytes_max(&self.config, &self.topic).await {
            self.record_bytes_max = limit;
        }
        let id = transactional_id(&self.identity, &self.checkpoint_topic);
        connect(&self.config, &self.topic, &id, self.record_bytes_max).await
    }

    async fn stage_all(&mut self, messages: &Messages, range: Range<usize>) -> Result<Vec<Rejected>, Fault> {
        match self.begin().await {
            Ok(()) => {}
            // The commit tells it.
            Err(TransactionFault::Refused { .. }) => return Ok(Vec::new()),
            Err(TransactionFault::Broken(fault)) => return Err(fault),
            Err(TransactionFault::Fenced(reason)) => return Err(Fault::Poisoned(reason)),
        }
        let batch_bytes = batch_bytes_max(&self.config.bus, self.record_bytes_max);
        let range = range.start..range.end.min(messages.len());
        let client = self.client.client();
        let (mut ticket, _) = client.context().deliveries.enter(range.clone());
        let (mut topic, mut rejected) = (String::new(), Vec::new());
        for index in range {
            let Some(message) = messages.get(index) else { break };
            self.topic.render(&message, &mut topic);
            if matches!(self.topic, Topic::Many(_)) && !self.known_topics.has(&topic) {
                // The client would take a message for a topic that does not exist.
                client.require_topic(&topic).await?;
                self.known_topics.add(&topic);
            }
            self.attributes.fill(&message, &self.config.key);
            let record = self.writer.write(&self.attributes, message.payload);
            let record = record.map(|record| record.with_header(message.traceparent.map(in_trace)));
            let is_alone =
                record.as_ref().is_ok_and(|record| batch_bytes.is_some_and(|most| record.bytes() > most));
            if is_alone {
                let mut id = String::new();
                message.write_id(&mut id);
                self.alone.insert(ticket, id);
            }
            match client.hand_over(&topic, ticket, record).await {
                Ok(Some(reason)) => rejected.push(Rejected { index, reason }),
                Ok(None) => {}
                Err(fault) => match self.client.fault(fault).await {
                    TransactionFault::Refused { .. } => break,
                    TransactionFault::Broken(fault) => return Err(fault),
                    TransactionFault::Fenced(reason) => return Err(Fault::Poisoned(reason)),
                },
            }
            ticket += 1;
            coop::consume_budget().await;
        }
        Ok(rejected)
    }

    async fn begin(&mut self) -> Result<(), TransactionFault> {
        if !self.is_fenced {
            let reason = "nothing may be written before the route is taken over".to_owned();
            return Err(Fault::Poisoned(reason).into());
        }
        self.client.begin().await
    }

    async fn commit_all(&mut self, checkpoint: Bytes) -> Result<CommitReceipt, TransactionFault> {
        let last = match self.hand_over_checkpoint(checkpoint).await {
            Err(TransactionFault::Refused { reason, .. }) => return Err(self.client.refusal(reason).await),
            handed_over => handed_over?,
        };
        let committed = self.client.commit(last);
        let (name, alone) = (self.config.name.clone(), std::mem::take(&mut self.alone));
        Ok(Box::pin(async move {
            let closed = Fault::Unreachable("the sink was closed".to_owned());
            let committed = committed.await.unwrap_or(Err(TransactionFault::Broken(closed)));
            committed.map_err(|fault| commit_error(fault, &name, &alone))
        }))
    }

    /// Gives what will be told of it.
    async fn hand_over_checkpoint(
        &mut self,
        checkpoint: Bytes,
    ) -> Result<oneshot::Receiver<Outcome>, TransactionFault> {
        self.begin().await?;
        let client = self.client.client();
        let (ticket, last) = client.context().deliveries.enter(0..1);
        let record = Record::plain(&self.identity, checkpoint, self.partition);
        match client.hand_over(&self.checkpoint_topic, ticket, Ok(record)).await {
            Ok(None) => Ok(last),
            Ok(Some(reason)) => {
                Err(Fault::Misconfigured(format!("the checkpoint cannot be written: {reason}")).into())
            }
            Err(fault) => Err(self.client.fault(fault).await),
        }
    }
}

impl TransactionalSink for TransactionalKafka {
    fn last_checkpoint(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SinkError>> {
        async move { self.read().await.map_err(|fault| self.error(fault)) }.boxed()
    }

    fn fence(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        async move {
            self.client.init().await.map_err(|fault| self.error(fault))?;
            self.is_fenced = true;
            Ok(())
        }
        .boxed()
    }

    fn stage<'a>(
        &'a mut self,
        messages: &'a Arc<Messages>,
        range: Range<usize>,
    ) -> BoxFuture<'a, Result<Vec<Rejected>, SinkError>> {
        async move { self.stage_all(messages, range).await.map_err(|fault| self.error(fault)) }.boxed()
    }

    fn commit(&mut self, checkpoint: Bytes) -> BoxFuture<'_, Result<CommitReceipt, CommitError>> {
        async move {
            let committing = self.commit_all(checkpoint).await;
            committing.map_err(|fault| commit_error(fault, &self.config.name, &self.alone))
        }
        .boxed()
    }

    fn checkpoint_place(&self) -> String {
        place_of_checkpoint(&self.identity, &self.checkpoint_topic)
    }

    fn checkpoint_place_id(&self) -> String {
        id_of_checkpoint_place(&self.checkpoint_topic)
    }

    fn messages_max(&self) -> usize {
        MESSAGES_MAX
    }

    fn message_bytes_max(&self) -> Option<usize> {
        self.record_bytes_max
    }

    fn stall_reason(&self) -> StallReason {
        stall_reason(self.client.client(), &self.config.name)
    }

    fn recover(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        async move {
            let client = self.connect_again().await.map_err(|fault| self.error(fault))?;
            self.is_fenced = false;
            self.known_topics = KnownTopics::default();
            self.alone.clear();
            let_go(self.reader.take());
            std::mem::replace(&mut self.client, client).close().await;
            Ok(())
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            let_go(self.reader);
            self.client.close().await;
        }
        .boxed()
    }
}

async fn connect(
    config: &KafkaSink,
    topic: &Topic,
    id: &str,
    record_bytes_max: Option<usize>,
) -> Result<TransactionalClient, Fault> {
    TransactionalClient::connect(&config.name, &config.bus, topic, id, record_bytes_max).await
}

/// A consumer blocks while it is closed.
fn let_go(reader: Option<LatestReader>) {
    if let Some(reader) = reader {
        drop(spawn_blocking(move || drop(reader)));
    }
}

fn commit_error(fault: TransactionFault, sink: &str, alone: &BTreeMap<usize, String>) -> CommitError {
    match fault {
        TransactionFault::Refused { reason, tickets } => {
            let ids = tickets.iter().filter_map(|ticket| alone.get(ticket).cloned());
            CommitError::Refused { reason, ids: ids.collect() }
        }
        TransactionFault::Fenced(reason) => CommitError::Fenced(reason),
        TransactionFault::Broken(fault) => CommitError::Sink(fault.into_error(sink).into()),
    }
}
