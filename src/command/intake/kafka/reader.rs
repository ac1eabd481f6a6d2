//! The thread that reads: it alone calls the client, which blocks when a partition goes to another.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::KafkaError,
    metadata::MetadataTopic,
    types::RDKafkaErrorCode as Code,
};
use tokio::sync::mpsc;

use super::{
    context::Context,
    desk::Desk,
    letter::Letter,
    offsets::{Flow, Spot},
};
use crate::config::KafkaBus;
use crate::sink::kafka::{credentials::Credentials, fault::Fault, properties::consumer_config};

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

/// What the thread hands over.
pub(super) type Read = Result<(Spot, Letter), Fault>;

/// A consumer with the thread's means.
pub(super) struct Reader {
    consumer: BaseConsumer<Context>,
    desk: Arc<Desk>,
    credentials: Credentials,
    /// Unbounded, because what is read is bounded by what is open.
    messages: mpsc::UnboundedSender<Read>,
    committed_at: Instant,
    /// Since when there have been commits whose fate we were not told.
    unsure_since: Option<Instant>,
}

impl Reader {
    /// Connects, and looks whether the topic is there. Blocking.
    pub(super) fn open(
        bus: &Arc<KafkaBus>,
        context: Context,
        messages: mpsc::UnboundedSender<Read>,
    ) -> Result<Self, Fault> {
        let (topic, desk) = (context.topic.clone(), Arc::clone(&context.desk));
        let credentials = Credentials::of(bus);
        let consumer = connect(bus, context)?;
        consumer.subscribe(&[&topic]).map_err(|err| Fault::from_client(&err, &topic))?;
        Ok(Self { consumer, desk, credentials, messages, committed_at: Instant::now(), unsure_since: None })
    }

    /// Reads on a thread of its own until the desk is closed or nobody listens.
    pub(super) fn start(self) -> Result<thread::JoinHandle<()>, Fault> {
        let started = thread::Builder::new().name("kafka-intake".to_owned()).spawn(move || self.run());
        started.map_err(|err| Fault::Unreachable(format!("cannot start a thread: {err}")))
    }

    fn run(mut self) {
        while !self.desk.is_closing() && !self.messages.is_closed() {
            self.hand_out_again();
            self.commit_now_and_then();
            self.regulate();
            let wait = if self.desk.state().offsets.has_open() { BUSY_WAIT } else { IDLE_WAIT };
            match self.consumer.poll(wait) {
                None => {}
                Some(Ok(message)) => {
                    self.desk.complaint.forget();
                    let spot = self.desk.state().offsets.receive(message.partition(), message.offset());
                    if let Some(spot) = spot {
                        self.hand_out(Ok((spot, Letter::of(&message))));
                    }
                }
                Some(Err(err)) if self.survives(&err) => {}
                Some(Err(_)) => return,
            }
            let trouble = self.desk.complaint.last();
            if let Some(fault) = self.credentials.outdated(trouble.as_ref()) {
                self.hand_out(Err(fault));
                // Who is not let in any more cannot commit; what was done comes again, and is recognised.
                if trouble.is_some() {
                    return;
                }
                break;
            }
        }
        self.consumer.context().commit_surely(&self.consumer);
    }

    /// Tells of `err` what somebody must change. Whether the client goes on.
    fn survives(&self, err: &KafkaError) -> bool {
        let is_known = self.desk.complaint.last().is_some_and(|fault| fault.is_specific());
        let fault = self.consumer.context().note(err);
        let is_fatal = matches!(err, KafkaError::MessageConsumptionFatal(_));
        if is_fatal || fault.is_specific() && !is_known {
            self.hand_out(Err(fault));
        }
        !is_fatal
    }

    fn hand_out(&self, read: Read) {
        // Nobody listens any more: the loop ends with the next look.
        let _ = self.messages.send(read);
    }

    fn hand_out_again(&self) {
        let due = self.desk.state().due(Instant::now());
        due.into_iter().for_each(|again| self.hand_out(Ok(again)));
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
        let Flow { pause, resume } = self.desk.state().offsets.regulate();
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
                None => return context.desk.complaint.last().filter(Fault::is_specific).map_or(Ok(()), Err),
                Some(error) => KafkaError::MetadataFetch(Code::from(error)),
            },
            Err(err) => err,
        };
        let fault = context.fault_of(&err);
        let complaint = context.desk.complaint.last().filter(Fault::is_specific);
        if let Some(complaint) = complaint {
            return Err(complaint);
        }
        if fault.is_specific() || start.elapsed() >= ANSWER_PATIENCE {
            return Err(fault);
        }
    }
}
