//! The polling thread: only it calls the client, which blocks during a rebalance.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::KafkaError,
    message::BorrowedMessage,
    metadata::MetadataTopic,
    types::RDKafkaErrorCode as Code,
};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{
    acknowledgement::{ConsumerState, KafkaAcknowledgement},
    offsets::{Flow, IN_HAND_MAX},
    rebalance::Context,
    record::Record,
};
use crate::bus::kafka::{credentials::Credentials, fault::Fault, properties::consumer_config};
use crate::config::KafkaBus;

/// How long the cluster may take to answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// How long one query of the topic waits.
const ANSWER_WAIT: Duration = Duration::from_secs(1);
/// How far commits may lag behind completed records.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// When a commit without a known result is repeated.
const SURE_AFTER: Duration = Duration::from_secs(5);
/// How long a poll waits while records are being executed.
const BUSY_WAIT: Duration = Duration::from_millis(50);
/// How long a poll waits while none is.
const IDLE_WAIT: Duration = Duration::from_millis(500);

/// Records that wait to be taken. Nothing is read while so many are in hand; records of a partition that was revoked
/// and assigned again may be here twice.
const RECORDS_MAX: usize = IN_HAND_MAX * 2;

/// A record that was read, with its acknowledgement.
pub(super) type Read = (Record, KafkaAcknowledgement);

/// What the thread produces.
#[derive(Debug)]
pub(super) struct Polled {
    pub(super) records: mpsc::Receiver<Read>,
    /// The first fault that somebody must fix, until it is reported.
    pub(super) faults: mpsc::Receiver<Fault>,
}

/// A consumer on its thread.
pub(super) struct Poller {
    consumer: BaseConsumer<Context>,
    state: Arc<ConsumerState>,
    credentials: Credentials,
    records: mpsc::Sender<Read>,
    faults: mpsc::Sender<Fault>,
    committed_at: Instant,
    /// Since when there are commits without a known result.
    unsure_since: Option<Instant>,
}

impl Poller {
    /// Connects, checks that the topic exists, and joins the group. Blocking.
    pub(super) fn open(bus: &Arc<KafkaBus>, context: Context) -> Result<(Self, Polled), Fault> {
        let (topic, state) = (context.topic.clone(), Arc::clone(&context.state));
        let credentials = Credentials::of(bus);
        let consumer = connect(bus, context)?;
        consumer.subscribe(&[&topic]).map_err(|err| Fault::from_client(&err, &topic))?;
        let (records, polled_records) = mpsc::channel(RECORDS_MAX);
        let (faults, polled_faults) = mpsc::channel(1);
        let committed_at = Instant::now();
        let poller = Self { consumer, state, credentials, records, faults, committed_at, unsure_since: None };
        Ok((poller, Polled { records: polled_records, faults: polled_faults }))
    }

    /// Polls on its own thread until the consumer is closed or nobody listens.
    pub(super) fn start(self) -> Result<thread::JoinHandle<()>, Fault> {
        let started = thread::Builder::new().name("kafka-intake".to_owned()).spawn(move || self.run());
        started.map_err(|err| Fault::Unreachable(format!("cannot start a thread: {err}")))
    }

    fn run(mut self) {
        if let Err(fault) = self.poll() {
            self.tell(fault);
        }
        let Self { consumer, state, .. } = self;
        // Leaves the group, which releases the partitions one by one.
        drop(consumer);
        // Other consumers have the partitions, or will: no further record is started.
        state.offsets().revoke_all();
    }

    /// Polls until the consumer is closed, or returns why it is unusable.
    fn poll(&mut self) -> Result<(), Fault> {
        while !self.state.is_closing() && !self.records.is_closed() {
            self.commit_now_and_then();
            self.regulate();
            let wait = if self.state.offsets().has_in_hand() { BUSY_WAIT } else { IDLE_WAIT };
            match self.consumer.poll(wait) {
                None => {}
                Some(Ok(message)) => self.hand_out(&message)?,
                Some(Err(err)) => self.survive(&err)?,
            }
            let trouble = self.state.last_error.last();
            if let Some(fault) = self.credentials.outdated(trouble.as_ref()) {
                // A client without access cannot commit; completed records are delivered again and recognised.
                if trouble.is_none() {
                    self.consumer.context().commit_surely(&self.consumer);
                }
                return Err(fault);
            }
        }
        self.consumer.context().commit_surely(&self.consumer);
        Ok(())
    }

    fn hand_out(&self, message: &BorrowedMessage<'_>) -> Result<(), Fault> {
        self.state.last_error.forget();
        let position = self.state.offsets().receive(message.partition(), message.offset());
        let Some(position) = position else { return Ok(()) };
        let record = Record::of(message);
        let acknowledgement = KafkaAcknowledgement::new(Arc::clone(&self.state), position, record.clone());
        match self.records.try_send((record, acknowledgement)) {
            // The next check ends the loop.
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            // None of it is committed, and another consumer reads it again.
            Err(TrySendError::Full(_)) => Err(Fault::Poisoned(
                "the client gives more records than it was asked for, and is replaced".to_owned(),
            )),
        }
    }

    /// Reports a fault of `err` that somebody must fix; returns it if the client is unusable.
    fn survive(&self, err: &KafkaError) -> Result<(), Fault> {
        let is_known = self.state.last_error.last().is_some_and(|fault| fault.is_specific());
        let fault = self.consumer.context().note(err);
        if matches!(err, KafkaError::MessageConsumptionFatal(_)) {
            return Err(fault);
        }
        if fault.is_specific() && !is_known {
            self.tell(fault);
        }
        Ok(())
    }

    fn tell(&self, fault: Fault) {
        // The earlier one was not taken yet. `trouble` has the last one.
        let _ = self.faults.try_send(fault);
    }

    fn commit_now_and_then(&mut self) {
        if self.committed_at.elapsed() < COMMIT_EVERY {
            return;
        }
        self.committed_at = Instant::now();
        let context = self.consumer.context();
        if self.unsure_since.is_some_and(|since| since.elapsed() >= SURE_AFTER) {
            self.unsure_since = None;
            context.commit_surely(&self.consumer);
        } else if context.commit(&self.consumer, CommitMode::Async) {
            self.unsure_since.get_or_insert_with(Instant::now);
        }
    }

    fn regulate(&self) {
        let Flow { pause, resume } = self.state.offsets().regulate();
        let list = |partitions: &[i32]| {
            let mut list = TopicPartitionList::with_capacity(partitions.len());
            for partition in partitions {
                list.add_partition(&self.consumer.context().topic, *partition);
            }
            list
        };
        // A partition that was revoked in the meantime needs no pause or resume.
        if !pause.is_empty() {
            let _ = self.consumer.pause(&list(&pause));
        }
        if !resume.is_empty() {
            let _ = self.consumer.resume(&list(&resume));
        }
    }
}

/// A client of the cluster that has found the topic, and is in no group yet. Blocking.
pub(super) fn connect(bus: &KafkaBus, context: Context) -> Result<BaseConsumer<Context>, Fault> {
    let properties = consumer_config(bus, &context.group)?;
    let topic = context.topic.clone();
    let consumer: BaseConsumer<Context> =
        properties.create_with_context(context).map_err(|err| Fault::from_client(&err, &topic))?;
    require_topic(&consumer)?;
    Ok(consumer)
}

/// Waits until the cluster has described the topic. Blocking.
fn require_topic(consumer: &BaseConsumer<Context>) -> Result<(), Fault> {
    let context = consumer.context();
    let start = Instant::now();
    loop {
        let asked = consumer.fetch_metadata(Some(&context.topic), ANSWER_WAIT);
        // The reason for missing answers comes in an event.
        while let Some(told) = consumer.poll(Duration::ZERO) {
            if let Err(err) = told {
                context.note(&err);
            }
        }
        let err = match asked {
            Ok(metadata) => match metadata.topics().first().and_then(MetadataTopic::error) {
                // The client queries the group at once, but reports only that access was denied.
                None => {
                    return context.state.last_error.last().filter(Fault::is_specific).map_or(Ok(()), Err);
                }
                Some(error) => KafkaError::MetadataFetch(Code::from(error)),
            },
            Err(err) => err,
        };
        let fault = context.fault_of(&err);
        let last_error = context.state.last_error.last().filter(Fault::is_specific);
        if let Some(last_error) = last_error {
            return Err(last_error);
        }
        if fault.is_specific() || start.elapsed() >= ANSWER_PATIENCE {
            return Err(fault);
        }
    }
}
