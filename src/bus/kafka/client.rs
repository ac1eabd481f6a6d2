//! One client of a cluster: built, tried, used until it fails or is closed. Blocking calls stay on blocking threads.

use std::{
    collections::BTreeSet,
    fmt,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rdkafka::{
    error::KafkaError,
    metadata::Metadata,
    producer::{BaseProducer, Producer as _},
    types::RDKafkaErrorCode as Code,
};
use tokio_util::sync::CancellationToken;

use super::{
    context::Context,
    credentials::Credentials,
    deliveries::Deliveries,
    fault::Fault,
    properties::{Batching, client_config},
    topic::Topic,
};
use crate::config::KafkaBus;

/// How long the cluster may take to answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// The first wait for an answer; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// How long brokers that create topics may take to create one.
const CREATION_PATIENCE: Duration = Duration::from_secs(3);
const CREATION_LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Messages in flight without any answer from the cluster for this long are reported.
pub(crate) const STALL: Duration = Duration::from_secs(1);
/// What librdkafka's own functions say of a cluster that does not answer in time.
const NO_ANSWER: KafkaError = KafkaError::MetadataFetch(Code::OperationTimedOut);
/// How long the poller waits for news before it looks whether it is still needed. (rdkafka's own producer with a
/// thread wakes ten times a second and spins for a moment each time, which is one percent of a core.)
const IDLE_WAIT: Duration = Duration::from_millis(500);

/// librdkafka's client with our context.
pub(crate) type Producer<D> = BaseProducer<Context<D>>;

/// A producer and its thread.
pub(crate) struct Client<D: Deliveries> {
    pub(crate) producer: Arc<Producer<D>>,
    /// Serves the client's callbacks. Ends soon after all other owners have dropped the producer, and destroys it, so
    /// that nothing else blocks on that.
    poller: JoinHandle<()>,
}

impl<D: Deliveries> Client<D> {
    /// Builds a client of `bus` for the sink or the commands `name` and waits until the cluster answers it, with word of the
    /// topic if there is only one.
    pub(crate) async fn connect(
        name: &str,
        bus: &Arc<KafkaBus>,
        topic: &Topic,
        batching: Batching,
    ) -> Result<Self, Fault> {
        Self::connect_with(name, bus, topic, batching, Vec::new()).await
    }

    /// The same with `more` properties.
    pub(crate) async fn connect_with(
        name: &str,
        bus: &Arc<KafkaBus>,
        topic: &Topic,
        batching: Batching,
        more: Vec<(&'static str, String)>,
    ) -> Result<Self, Fault> {
        let (name, bus, topic) = (name.to_owned(), Arc::clone(bus), topic.clone());
        off_runtime(move || {
            let client = Self::build(&name, &bus, &topic, batching, &more)?;
            match &topic {
                Topic::One(topic) => drop(client.fetch_topic(topic)?),
                Topic::Many(_) => client.fetch_cluster()?,
            }
            Ok(client)
        })
        .await
    }

    /// Builds a client with `more` properties in addition to those of the bus; it begins to connect at once. Blocking;
    /// to be called within a runtime.
    pub(super) fn build(
        name: &str,
        bus: &Arc<KafkaBus>,
        topic: &Topic,
        batching: Batching,
        more: &[(&str, String)],
    ) -> Result<Self, Fault> {
        let topic = topic.to_string();
        let credentials = Credentials::of(bus);
        let mut properties = client_config(bus, batching)?;
        for (property, value) in more {
            properties.set(*property, value);
        }
        let context = Context::new(name, bus, &topic, batching);
        let producer = properties.create_with_context(context);
        let producer = Arc::new(producer.map_err(|err| Fault::from_client(&err, &topic))?);
        let polled = Arc::clone(&producer);
        let poller =
            thread::Builder::new().name("kafka".to_owned()).spawn(move || poll(&polled, credentials));
        let poller = poller.map_err(|err| Fault::Unreachable(format!("cannot start a thread: {err}")))?;
        Ok(Self { producer, poller })
    }

    /// The context, with what the client has reported since it was built.
    pub(crate) fn context(&self) -> &Context<D> {
        self.producer.context()
    }

    /// The fault of the cluster behind `err`, which the client returned for a message to `topic`. After a fatal error
    /// the client refuses messages, perhaps before it has reported the reason to the context.
    pub(super) fn fault(&self, err: &KafkaError, topic: &str) -> Fault {
        let cause = match err.rdkafka_error_code() {
            Some(Code::Fatal) => self.producer.client().fatal_error(),
            _ => None,
        };
        match cause {
            Some((code, told)) => Fault::from_fatal(code, topic, &told),
            None => self.context().fault(err, topic),
        }
    }

    /// Waits until the metadata of `topic` has arrived.
    pub(crate) async fn require_topic(&self, topic: &str) -> Result<(), Fault> {
        let (producer, topic) = (Arc::clone(&self.producer), topic.to_owned());
        off_runtime(move || fetch_topic(&producer, &topic).map(drop)).await
    }

    /// The names of all topics that we may see.
    pub(crate) async fn fetch_topics(&self) -> Result<BTreeSet<String>, Fault> {
        let producer = Arc::clone(&self.producer);
        off_runtime(move || {
            let ask = |wait| producer.client().fetch_metadata(None, wait);
            let metadata = ask_until_answered(&producer, ask, |err| Fault::from_client(&err, ""))?;
            Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
        })
        .await
    }

    /// What the cluster knows of `topic`. Blocking.
    pub(super) fn fetch_topic(&self, topic: &str) -> Result<Metadata, Fault> {
        fetch_topic(&self.producer, topic)
    }

    /// Waits until the cluster has answered with its id. Blocking.
    pub(super) fn fetch_cluster(&self) -> Result<(), Fault> {
        let ask = |wait| self.producer.client().fetch_cluster_id(wait).map(drop).ok_or(NO_ANSWER);
        ask_until_answered(&self.producer, ask, |err| Fault::from_client(&err, ""))
    }

    /// Whether the client has reported why nothing in flight is delivered.
    pub(crate) fn is_cut_off(&self) -> bool {
        let context = self.context();
        context.deliveries.stalled_for().is_some_and(|stalled_for| stalled_for >= STALL)
            && context.last_error().is_some()
    }

    /// Waits up to `patience` for messages in flight, unless they cannot arrive, and gives up the rest.
    pub(crate) async fn close(self, patience: Duration) {
        let closed = off_runtime(move || {
            let is_idle = self.context().deliveries.stalled_for().is_none();
            let is_worth_waiting = !is_idle && !self.is_cut_off();
            if is_worth_waiting && self.producer.flush(patience).is_err() {
                tracing::debug!("the cluster did not answer for all messages in time");
            }
            self.context().close();
            let Self { producer, poller } = self;
            drop(producer);
            // A panic of the thread has been reported, and what it left undone ends with the process.
            let _ = poller.join();
            Ok(())
        });
        // It fails only while the runtime shuts down, when nothing waits for the result.
        let _ = closed.await;
    }
}

impl<D: Deliveries> fmt::Debug for Client<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("context", self.context()).finish_non_exhaustive()
    }
}

/// Asks the cluster for `topic` until it is there; brokers that create topics need a moment. Blocking.
fn fetch_topic<D: Deliveries>(producer: &Producer<D>, topic: &str) -> Result<Metadata, Fault> {
    let start = Instant::now();
    loop {
        let ask = |wait| producer.client().fetch_metadata(Some(topic), wait);
        let metadata = ask_until_answered(producer, ask, |err| Fault::from_client(&err, topic))?;
        match topic_error(&metadata) {
            None => return Ok(metadata),
            Some(code) if is_being_created(code) && start.elapsed() < CREATION_PATIENCE => {
                thread::sleep(CREATION_LOOK_AGAIN_AFTER);
            }
            Some(code) => return Err(Fault::from_code(code, topic, &code.to_string())),
        }
    }
}

/// Asks until the cluster answers, or until the client reports an error that a retry does not cure.
fn ask_until_answered<T, D: Deliveries>(
    producer: &Producer<D>,
    ask: impl Fn(Duration) -> Result<T, KafkaError>,
    fault: impl Fn(KafkaError) -> Fault,
) -> Result<T, Fault> {
    let start = Instant::now();
    let mut wait = FIRST_WAIT;
    loop {
        let err = match ask(wait) {
            Ok(answer) => return Ok(answer),
            Err(err) => err,
        };
        let last_error = producer.context().last_error();
        let left = ANSWER_PATIENCE.saturating_sub(start.elapsed());
        if left.is_zero() || last_error.as_ref().is_some_and(Fault::is_specific) {
            return Err(last_error.unwrap_or_else(|| fault(err)));
        }
        wait = (wait * 2).min(left);
    }
}

/// Serves the client, and gives it up when it must be built anew.
fn poll<D: Deliveries>(producer: &Arc<Producer<D>>, mut credentials: Credentials) {
    let context = producer.context();
    while Arc::strong_count(producer) > 1 {
        producer.poll(IDLE_WAIT);
        if context.deliveries.fault().is_none()
            && let Some(fault) = credentials.outdated(context.last_error().as_ref())
        {
            context.deliveries.give_up(&fault);
        }
    }
}

/// Runs `work`, which blocks, on a thread that may be blocked.
pub(crate) async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|err| Err(Fault::Unreachable(format!("the client's work was cut short: {err}"))))
}

/// The same. The token is cancelled if nobody waits for `work` any more.
pub(crate) async fn off_runtime_while_awaited<T: Send + 'static>(
    work: impl FnOnce(&CancellationToken) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let token = CancellationToken::new();
    let _guard = token.clone().drop_guard();
    off_runtime(move || work(&token)).await
}

/// The error of the one topic that was asked for.
fn topic_error(metadata: &Metadata) -> Option<Code> {
    metadata.topics().first()?.error().map(Code::from)
}

fn is_being_created(code: Code) -> bool {
    matches!(code, Code::UnknownTopicOrPartition | Code::LeaderNotAvailable)
}
