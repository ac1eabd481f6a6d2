//! What every sink must do that commits messages and their checkpoint at a stroke, written once. A bus takes part with a
//! [`CommitBench`] and a row at the end.

#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use oktabus::{
    config::SinkConfig,
    message::{Messages, Origin},
    sink::{CommitError, SinkError, TransactionalFactory, TransactionalSink},
};
use tokio::time::timeout;

use super::arrived::{Arrived, by_user};
use crate::support::{
    events::{batch, batch_of, batches, event, event_with_padding, origin},
    tools::eventually,
};

/// A place where a transactional sink can be tried, and a reader of what is committed there that shares no code with it.
trait CommitBench: Sized {
    /// A payload of so many bytes is more than the client or the server takes of any message.
    const TOO_LARGE_BYTES: usize;
    /// A payload of so many bytes is more than the place takes after [`CommitBench::take_less`], and less than that before.
    const LARGE_BYTES: usize;

    /// A place that no other test uses, on a bus that other tests may use too.
    async fn new() -> Self;

    /// The same on a bus of its own, which may be disturbed.
    async fn alone() -> Self;

    /// How to reach the place.
    fn config(&self) -> SinkConfig;

    /// The route, which no other test has.
    fn origin(&self) -> Arc<Origin>;

    /// All messages that are committed, in an order that keeps the order of each user's events.
    async fn committed(&self) -> Vec<Arrived>;

    /// Has the place take smaller messages from now on.
    async fn take_less(&self);

    fn kill(&mut self);

    async fn restart(&mut self);

    fn freeze(&mut self);

    fn thaw(&mut self);
}

type BoxedSink = Box<dyn TransactionalSink>;

/// Longer than any case may take, so that a receipt that is never resolved fails its test.
const DEADLINE: Duration = Duration::from_secs(180);
/// How long closing may take even if the bus does not answer.
const CLOSE_DEADLINE: Duration = Duration::from_secs(10);

/// A route that no other test has.
fn fresh_origin() -> Arc<Origin> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let route = format!("system-log/route-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    Arc::new(Origin { route, ..Origin::clone(&origin()) })
}

async fn open(bench: &impl CommitBench) -> BoxedSink {
    TransactionalFactory::open(&bench.config(), &bench.origin()).await.unwrap()
}

/// Opens a sink that may write.
async fn open_fenced(bench: &impl CommitBench) -> BoxedSink {
    let mut sink = open(bench).await;
    sink.last_checkpoint().await.unwrap();
    sink.fence().await.unwrap();
    sink.last_checkpoint().await.unwrap();
    sink
}

async fn last(sink: &mut BoxedSink) -> Option<Bytes> {
    sink.last_checkpoint().await.unwrap()
}

async fn stage(sink: &mut BoxedSink, batch: &Arc<Messages>) {
    assert_eq!(sink.stage(batch, 0..batch.len()).await.unwrap(), []);
}

/// Commits what is staged, and waits until it is.
async fn commit(sink: &mut BoxedSink, checkpoint: &'static str) -> Result<(), CommitError> {
    sink.commit(checkpoint.into()).await?.await
}

/// Does what a route does after an error. Gives the last checkpoint.
async fn begin_anew(sink: &mut BoxedSink) -> Result<Option<Bytes>, SinkError> {
    sink.recover().await?;
    sink.last_checkpoint().await?;
    sink.fence().await?;
    sink.last_checkpoint().await
}

/// Commits each of `batches` in a transaction of its own, as a route does: the checkpoint is how many are. `staged` is called
/// when a transaction is staged.
async fn deliver_persistently(sink: &mut BoxedSink, batches: &[Arc<Messages>]) {
    let mut done = committed_batches(last(sink).await);
    while done < batches.len() {
        match commit_one(sink, &batches[done], done + 1).await {
            Ok(()) => done += 1,
            Err(CommitError::Sink(_)) => {
                let found = eventually("the sink to begin anew", async || begin_anew(sink).await.ok()).await;
                let found = committed_batches(found);
                assert!(found == done || found == done + 1, "{done} were committed, and {found} are");
                done = found;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

async fn commit_one(sink: &mut BoxedSink, batch: &Arc<Messages>, number: usize) -> Result<(), CommitError> {
    assert_eq!(sink.stage(batch, 0..batch.len()).await?, []);
    sink.commit(number.to_string().into()).await?.await
}

fn committed_batches(checkpoint: Option<Bytes>) -> usize {
    checkpoint.map_or(0, |bytes| str::from_utf8(&bytes).unwrap().parse().unwrap())
}

/// The payloads of each user's events in their order.
fn payloads(arrived: Vec<Arrived>) -> BTreeMap<String, Vec<String>> {
    let payloads = |events: Vec<Arrived>| events.into_iter().map(|event| event.payload).collect();
    by_user(arrived).into_iter().map(|(user, events)| (user, payloads(events))).collect()
}

/// Asserts that a reader of what is committed sees the messages of `batches` and nothing else, each once.
async fn assert_committed(bench: &impl CommitBench, batches: &[Arc<Messages>]) {
    let messages = batches.iter().flat_map(|batch| batch.messages());
    let expected = messages.map(|message| Arrived::bare(message.payload)).collect();
    assert_eq!(payloads(bench.committed().await), payloads(expected));
}

async fn messages_and_checkpoint_are_committed_and_read_back(bench: impl CommitBench) {
    let mut sink = open(&bench).await;
    assert_eq!(last(&mut sink).await, None);
    sink.fence().await.unwrap();
    assert_eq!(last(&mut sink).await, None);
    let batches = batches(3, 200);
    stage(&mut sink, &batches[0]).await;
    stage(&mut sink, &batches[1]).await;
    commit(&mut sink, "one").await.unwrap();
    assert_eq!(last(&mut sink).await, Some("one".into()));
    assert_committed(&bench, &batches[..2]).await;
    stage(&mut sink, &batches[2]).await;
    commit(&mut sink, "two").await.unwrap();
    sink.close().await;

    let mut sink = open(&bench).await;
    assert_eq!(last(&mut sink).await, Some("two".into()));
    assert_eq!(last(&mut sink).await, Some("two".into()), "asked again");
    sink.fence().await.unwrap();
    assert_eq!(last(&mut sink).await, Some("two".into()));
    sink.close().await;
    assert_committed(&bench, &batches).await;
}

/// One case as a test.
macro_rules! case {
    ($case:ident, $bench:expr) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let case = super::$case($bench.await);
            tokio::time::timeout(super::DEADLINE, case).await.expect("the case takes too long");
        }
    };
}

/// The cases of a bus.
macro_rules! transactional_sink {
    ($bench:ty) => {
        case!(messages_and_checkpoint_are_committed_and_read_back, <$bench>::new());
    };
}

// One row a bus.

#[cfg(feature = "kafka")]
mod on_kafka {
    use super::{CommitBench as _, kafka::KafkaCommits};
    transactional_sink!(KafkaCommits);
}

#[cfg(feature = "nats")]
mod on_nats {
    use super::{CommitBench as _, nats::NatsCommits};
    transactional_sink!(NatsCommits);
}
