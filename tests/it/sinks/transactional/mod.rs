//! What every sink must do that commits messages and their checkpoint at a stroke, written once. A bus takes part with a
//! [`CommitBench`] and a row at the end.

#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;

use std::{
    collections::BTreeMap,
    ops::Range,
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
    sink::{CommitError, CommitReceipt, SinkError, TransactionalFactory, TransactionalSink},
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
pub(super) fn fresh_origin() -> Arc<Origin> {
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

/// Commits each of `batches` in a transaction of its own, as a route does: the checkpoint is how many are.
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

async fn a_part_of_a_page_is_committed_alone(bench: impl CommitBench) {
    let mut sink = open_fenced(&bench).await;
    let page = batch(0..100);
    for (range, checkpoint) in [(0..70, "in the middle"), (70..100, "at the end")] {
        assert_eq!(sink.stage(&page, range.clone()).await.unwrap(), []);
        commit(&mut sink, checkpoint).await.unwrap();
        assert_committed(&bench, &[batch(0..range.end)]).await;
        assert_eq!(last(&mut sink).await, Some(checkpoint.into()));
    }
    sink.close().await;
}

async fn a_transaction_without_messages_moves_the_checkpoint(bench: impl CommitBench) {
    let mut sink = open_fenced(&bench).await;
    for checkpoint in ["one", "two"] {
        commit(&mut sink, checkpoint).await.unwrap();
        assert_eq!(last(&mut sink).await, Some(checkpoint.into()));
    }
    sink.close().await;
    assert_committed(&bench, &[]).await;
}

async fn nothing_is_seen_of_what_was_given_up(bench: impl CommitBench) {
    let mut sink = open_fenced(&bench).await;
    stage(&mut sink, &batch(0..200)).await;
    assert_eq!(begin_anew(&mut sink).await.unwrap(), None);
    let committed = batch(200..400);
    stage(&mut sink, &committed).await;
    commit(&mut sink, "one").await.unwrap();
    stage(&mut sink, &batch(400..600)).await;
    sink.close().await;

    let mut sink = open_fenced(&bench).await;
    assert_eq!(last(&mut sink).await, Some("one".into()));
    let later = batch(600..700);
    stage(&mut sink, &later).await;
    commit(&mut sink, "two").await.unwrap();
    sink.close().await;
    assert_committed(&bench, &[committed, later]).await;
}

async fn the_next_is_staged_while_the_last_is_being_committed(bench: impl CommitBench) {
    let mut sink = open_fenced(&bench).await;
    let batches = batches(8, 100);
    let mut outstanding = None;
    for batch in &batches {
        stage(&mut sink, batch).await;
        if let Some(receipt) = outstanding.take() {
            let receipt: CommitReceipt = receipt;
            receipt.await.unwrap();
        }
        outstanding = Some(sink.commit("so far".into()).await.unwrap());
    }
    outstanding.unwrap().await.unwrap();
    sink.close().await;
    assert_committed(&bench, &batches).await;
}

async fn whoever_looks_disturbs_nobody(bench: impl CommitBench) {
    let mut writer = open_fenced(&bench).await;
    let staged = batch(0..100);
    stage(&mut writer, &staged).await;
    let mut looker = open(&bench).await;
    assert_eq!(last(&mut looker).await, None);
    looker.recover().await.unwrap();
    assert_eq!(last(&mut looker).await, None);
    commit(&mut writer, "one").await.unwrap();
    eventually("the looker to see it", async || last(&mut looker).await.filter(|found| found == "one")).await;
    commit(&mut writer, "two").await.unwrap();
    eventually("the looker to see it", async || last(&mut looker).await.filter(|found| found == "two")).await;
    looker.close().await;
    commit(&mut writer, "three").await.unwrap();
    writer.close().await;
    assert_committed(&bench, &[staged]).await;
}

async fn whoever_was_fenced_commits_nothing(bench: impl CommitBench) {
    let mut first = open_fenced(&bench).await;
    let by_first = batch(0..100);
    stage(&mut first, &by_first).await;
    commit(&mut first, "by the first").await.unwrap();
    stage(&mut first, &batch(100..200)).await;

    let mut second = open_fenced(&bench).await;
    assert_eq!(last(&mut second).await, Some("by the first".into()));
    let by_second = batch(200..300);
    stage(&mut second, &by_second).await;
    commit(&mut second, "by the second").await.unwrap();

    let fenced = commit(&mut first, "by the first, late").await.unwrap_err();
    assert!(matches!(fenced, CommitError::Fenced(_)), "{fenced:?}");
    assert_committed(&bench, &[Arc::clone(&by_first), Arc::clone(&by_second)]).await;
    first.recover().await.unwrap();
    assert_eq!(last(&mut first).await, Some("by the second".into()));

    let by_second_again = batch(300..310);
    stage(&mut second, &by_second_again).await;
    commit(&mut second, "by the second again").await.unwrap();
    first.close().await;
    second.close().await;
    assert_committed(&bench, &[by_first, by_second, by_second_again]).await;
}

async fn a_message_too_large_is_given_by_staging_and_the_rest_is_committed<B: CommitBench>(bench: B) {
    let mut sink = open_fenced(&bench).await;
    let mut events: Vec<_> = (0..100).map(event).collect();
    events[40] = event_with_padding(40, B::TOO_LARGE_BYTES);
    let rejected = sink.stage(&batch_of(events.clone()), 0..100).await.unwrap();
    let [rejected] = &rejected[..] else { panic!("{rejected:?}") };
    assert_eq!(rejected.index, 40);
    assert!(rejected.reason.contains("bytes"), "{}", rejected.reason);
    commit(&mut sink, "one").await.unwrap();
    sink.close().await;
    events.remove(40);
    assert_committed(&bench, &[batch_of(events)]).await;
}

async fn what_the_bus_refuses_is_told_and_nothing_is_committed<B: CommitBench>(bench: B) {
    let mut sink = open_fenced(&bench).await;
    let first = batch(0..10);
    stage(&mut sink, &first).await;
    commit(&mut sink, "one").await.unwrap();
    bench.take_less().await;
    let mut events: Vec<_> = (10..60).map(event).collect();
    events[20] = event_with_padding(30, B::LARGE_BYTES);
    let page = batch_of(events.clone());

    // Alone it is refused too, so that whoever looks for it finds it; a sink that has learned the limit meanwhile gives it when it
    // is staged.
    for range in [0..50, 20..21] {
        eventually("a refusal", async || {
            let error = refusal(&mut sink, &page, range.clone()).await;
            let found = begin_anew(&mut sink).await.unwrap();
            assert_eq!(found, Some("one".into()));
            error.is_none_or(|error| matches!(error, CommitError::Refused { .. })).then_some(())
        })
        .await;
    }
    assert_committed(&bench, &[Arc::clone(&first)]).await;
    for range in [0..20, 21..50] {
        assert_eq!(sink.stage(&page, range).await.unwrap(), []);
    }
    commit(&mut sink, "two").await.unwrap();
    sink.close().await;
    events.remove(20);
    assert_committed(&bench, &[first, batch_of(events)]).await;
}

/// Why these messages are not committed; none if staging has given them.
async fn refusal(sink: &mut BoxedSink, page: &Arc<Messages>, range: Range<usize>) -> Option<CommitError> {
    match sink.stage(page, range).await {
        Ok(rejected) if rejected.is_empty() => Some(commit(sink, "never").await.unwrap_err()),
        Ok(_) => None,
        Err(error) => Some(error.into()),
    }
}

async fn a_commit_that_is_not_waited_for_is_done_or_not(bench: impl CommitBench) {
    let mut sink = open_fenced(&bench).await;
    let (mut done, mut cut_short) = (0, 0);
    let batches = batches(20, 30);
    while done < batches.len() {
        let attempt =
            timeout(Duration::from_millis(cut_short), commit_one(&mut sink, &batches[done], done + 1));
        if let Ok(committed) = attempt.await {
            committed.unwrap();
            done += 1;
            continue;
        }
        cut_short += 1;
        let found = committed_batches(begin_anew(&mut sink).await.unwrap());
        assert!(found == done || found == done + 1, "{done} were committed, and {found} are");
        done = found;
    }
    assert!(cut_short > 2, "nothing was cut short");
    sink.close().await;
    assert_committed(&bench, &batches).await;
}

async fn a_bus_that_is_killed_loses_and_repeats_nothing(mut bench: impl CommitBench) {
    let mut sink = open_fenced(&bench).await;
    let batches = batches(30, 100);
    for delivered in [5, 20] {
        deliver_persistently(&mut sink, &batches[..delivered]).await;
        // A lone broker of Kafka 4.3 that is killed while it writes the ends of a transaction into its partitions may leave them
        // out for good; nobody can read on then.
        eventually("the commits to be seen", async || {
            let messages: usize = batches[..delivered].iter().map(|batch| batch.len()).sum();
            (bench.committed().await.len() == messages).then_some(())
        })
        .await;
        stage(&mut sink, &batches[delivered]).await;
        bench.kill();
        let commit = async { sink.commit((delivered + 1).to_string().into()).await?.await };
        let (committed, ()) = tokio::join!(commit, bench.restart());
        if let Err(error) = committed {
            assert!(matches!(error, CommitError::Sink(_)), "{error:?}");
            let found = eventually("the sink to begin anew", async || begin_anew(&mut sink).await.ok()).await;
            assert!((delivered..=delivered + 1).contains(&committed_batches(found)));
        }
    }
    deliver_persistently(&mut sink, &batches).await;
    sink.close().await;
    assert_committed(&bench, &batches).await;
}

async fn a_bus_that_does_not_answer_is_told(mut bench: impl CommitBench) {
    let mut sink = open_fenced(&bench).await;
    let batches = batches(2, 100);
    deliver_persistently(&mut sink, &batches[..1]).await;
    assert_eq!(sink.stall_reason()(), None);
    bench.freeze();
    stage(&mut sink, &batches[1]).await;
    let receipt = sink.commit("2".into()).await.unwrap();
    eventually("the trouble to be told", async || sink.stall_reason()()).await;
    bench.thaw();
    if receipt.await.is_err() {
        eventually("the sink to begin anew", async || begin_anew(&mut sink).await.ok()).await;
        deliver_persistently(&mut sink, &batches).await;
    }
    eventually("the trouble to be over", async || sink.stall_reason()().is_none().then_some(())).await;
    sink.close().await;
    assert_committed(&bench, &batches).await;
}

async fn closing_does_not_wait_for_a_bus_that_does_not_answer(mut bench: impl CommitBench) {
    let mut sink = open_fenced(&bench).await;
    // The first use of a route that was taken over may ask the bus what it holds.
    stage(&mut sink, &batch(0..50)).await;
    bench.freeze();
    stage(&mut sink, &batch(50..100)).await;
    let _receipt = sink.commit("one".into()).await.unwrap();
    timeout(CLOSE_DEADLINE, sink.close()).await.expect("closing takes too long");
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
        case!(a_part_of_a_page_is_committed_alone, <$bench>::new());
        case!(a_transaction_without_messages_moves_the_checkpoint, <$bench>::new());
        case!(nothing_is_seen_of_what_was_given_up, <$bench>::new());
        case!(the_next_is_staged_while_the_last_is_being_committed, <$bench>::new());
        case!(whoever_looks_disturbs_nobody, <$bench>::new());
        case!(whoever_was_fenced_commits_nothing, <$bench>::new());
        case!(a_message_too_large_is_given_by_staging_and_the_rest_is_committed, <$bench>::new());
        case!(what_the_bus_refuses_is_told_and_nothing_is_committed, <$bench>::new());
        case!(a_commit_that_is_not_waited_for_is_done_or_not, <$bench>::new());
        case!(a_bus_that_is_killed_loses_and_repeats_nothing, <$bench>::alone());
        case!(a_bus_that_does_not_answer_is_told, <$bench>::alone());
        case!(closing_does_not_wait_for_a_bus_that_does_not_answer, <$bench>::alone());
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
