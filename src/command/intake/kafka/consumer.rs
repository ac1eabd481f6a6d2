//! The thread that polls: it alone calls the client, which blocks when a partition goes to another.

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
/// How long one question for the topic waits.
const ANSWER_WAIT: Duration = Duration::from_secs(1);
/// How far commits may lag behind what is done.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// After how long a commit whose fate we were not told is made sure of.
const SURE_AFTER: Duration = Duration::from_secs(5);
/// How long reading waits for news while something is being worked on, and may be done.
const BUSY_WAIT: Duration = Duration::from_millis(50);
/// How long it waits while nothing is.
const IDLE_WAIT: Duration = Duration::from_millis(500);

/// Records on their way to whoever asks for the next one. Nothing is read while so many are in hand; those of partitions that
/// went and came back may be here twice.
const RECORDS_MAX: usize = IN_HAND_MAX * 2;

/// A record that was read, and the acknowledgement that goes with it.
pub(super) type Read = (Record, KafkaAcknowledgement);

/// What the thread hands over.
#[derive(Debug)]
pub(super) struct Polled {
    pub(super) records: mpsc::Receiver<Read>,
    /// The first of what somebody must change, until it is told.
    pub(super) faults: mpsc::Receiver<Fault>,
}

/// A consumer with the thread's means.
pub(super) struct Poller {
    consumer: BaseConsumer<Context>,
    state: Arc<ConsumerState>,
    credentials: Credentials,
    records: mpsc::Sender<Read>,
    faults: mpsc::Sender<Fault>,
    committed_at: Instant,
    /// Since when there have been commits whose fate we were not told.
    unsure_since: Option<Instant>,
}

impl Poller {
    /// Connects, looks whether the topic is there, and joins the group. Blocking.
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

    /// Polls on a thread of its own until the consumer is closed or nobody listens.
    pub(super) fn start(self) -> Result<thread::JoinHandle<()>, Fault> {
        let started = thread::Builder::new().name("kafka-intake".to_owned()).spawn(move || self.run());
        started.map_err(|err| Fault::Unreachable(format!("cannot start a thread: {err}")))
    }

    fn run(mut self) {
        if let Err(fault) = self.poll() {
            self.tell(fault);
        }
        let Self { consumer, state, .. } = self;
        // Leaves the group, and so lets go of the partitions one by one.
        drop(consumer);
        // Another has them, or will: nothing of this consumer is begun any more.
        state.offsets().revoke_all();
    }

    /// Polls until the consumer is closed, or gives why it is of no more use.
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
                // Who is not let in any more cannot commit; what was done comes again, and is recognised.
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
            // The loop ends with the next look.
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            // Nothing of it is committed, and another consumer reads it again.
            Err(TrySendError::Full(_)) => Err(Fault::Poisoned(
                "the client gives more records than it was asked for, and is replaced".to_owned(),
            )),
        }
    }

    /// Tells of `err` what somebody must change; gives it if the client is of no more use.
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
        // An earlier one is not heard yet. `trouble` has the last one.
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
        // A partition that went away in the meantime has nothing to be paused or resumed.
        if !pause.is_empty() {
            let _ = self.consumer.pause(&list(&pause));
        }
        if !resume.is_empty() {
            let _ = self.consumer.resume(&list(&resume));
        }
    }
}

/// A client of the cluster that has seen the topic, and is in no group yet. Blocking.
pub(super) fn connect(bus: &KafkaBus, context: Context) -> Result<BaseConsumer<Context>, Fault> {
    let properties = consumer_config(bus, &context.group)?;
    let topic = context.topic.clone();
    let consumer: BaseConsumer<Context> =
        properties.create_with_context(context).map_err(|err| Fault::from_client(&err, &topic))?;
    require_topic(&consumer)?;
    Ok(consumer)
}

/// Waits until the cluster has told of the topic. Blocking.
fn require_topic(consumer: &BaseConsumer<Context>) -> Result<(), Fault> {
    let context = consumer.context();
    let start = Instant::now();
    loop {
        let asked = consumer.fetch_metadata(Some(&context.topic), ANSWER_WAIT);
        // Why nobody answers is told in an event.
        while let Some(told) = consumer.poll(Duration::ZERO) {
            if let Err(err) = told {
                context.note(&err);
            }
        }
        let err = match asked {
            Ok(metadata) => match metadata.topics().first().and_then(MetadataTopic::error) {
                // The client asks about the group at once, and tells only once that we may not be in it.
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
