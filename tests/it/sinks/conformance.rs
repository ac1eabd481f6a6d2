//! What every sink must do, written once. A sink takes part with a [`Bench`] and a row at the end.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use oktabus::{
    config::{Encoding, SinkConfig},
    message::{Message, Messages},
    sink::{Receipt, Settled, Sink, SinkFactory as _},
};
use tokio::time::timeout;

use super::arrived::{Arrived, by_user};
use crate::support::{
    events::{batch, batch_of, batches, event, event_with_padding, origin},
    tools::eventually,
};

/// A place where a sink can be tried, and a reader of what arrived there that shares no code with the sink.
pub(super) trait Bench: Sized {
    /// A place that no other test uses, on a bus that other tests may use too.
    async fn new(encoding: Encoding) -> Self;

    /// How to reach the place.
    fn config(&self) -> SinkConfig;

    /// How `message` is to arrive.
    fn expected(&self, message: &Message<'_>) -> Arrived;

    /// All that is there now, in an order that keeps the order of each user's events.
    async fn arrived(&self) -> Vec<Arrived>;
}

/// A bench on a bus that is a program of its own.
pub(super) trait BusBench: Bench {
    /// A payload of so many bytes is more than the bus takes.
    const TOO_LARGE_BYTES: usize;

    /// Like [`Bench::new`], on a bus of its own, which may be disturbed.
    async fn alone(encoding: Encoding) -> Self;

    /// Kills the bus without warning.
    fn kill(&mut self);

    /// Starts the bus again, where it was and on what it had kept.
    async fn restart(&mut self);

    /// Stops the bus so that its connections stay open and nothing answers any more.
    fn freeze(&mut self);

    /// Lets the bus go on after [`BusBench::freeze`].
    fn thaw(&mut self);
}

/// Longer than any case may take, so that a receipt that is never resolved fails its test.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long closing may take even if the bus does not answer.
const CLOSE_DEADLINE: Duration = Duration::from_secs(10);

async fn open(bench: &impl Bench) -> Box<dyn Sink> {
    bench.config().open(&origin(), None).await.unwrap()
}

async fn settled(receipt: Receipt) -> Settled {
    receipt.await.unwrap()
}

/// Publishes all of `batch` and waits until it is settled without a rejection.
async fn deliver(sink: &mut Box<dyn Sink>, batch: &Arc<Messages>) {
    let receipt = sink.publish(batch, 0).await.unwrap();
    assert_eq!(settled(receipt).await.rejected(), []);
}

/// Delivers `batches` as a route does: several at once, and after a failure again from the first message not delivered.
pub(super) async fn deliver_persistently(sink: &mut Box<dyn Sink>, batches: &[Arc<Messages>]) {
    let mut rest: Vec<_> = batches.iter().map(|batch| (batch, 0)).collect();
    while !rest.is_empty() {
        let mut receipts = Vec::new();
        for (batch, from) in &rest {
            receipts.push(sink.publish(batch, *from).await.unwrap());
        }
        let failures = join_all(receipts).await.into_iter().map(Result::err);
        let Some((index, failure)) =
            failures.enumerate().find_map(|(index, failure)| Some((index, failure?)))
        else {
            return;
        };
        rest.drain(..index);
        rest[0].1 = failure.first_undelivered;
        eventually("the sink to recover", async || sink.recover().await.ok()).await;
    }
}

/// Asserts that the messages of `batches` and nothing else arrived, each once, with all that belongs to it, and each
/// user's in order.
async fn assert_arrived(bench: &impl Bench, batches: &[Arc<Messages>]) {
    let expected = batches.iter().flat_map(|batch| batch.messages()).map(|message| bench.expected(&message));
    assert_eq!(by_user(bench.arrived().await), by_user(expected));
}

async fn everything_arrives_as_it_is(bench: impl Bench) {
    let mut sink = open(&bench).await;
    let batch = batch(0..500);
    deliver(&mut sink, &batch).await;
    sink.close().await;
    assert_arrived(&bench, &[batch]).await;
}

async fn the_structured_form_arrives_as_it_is(bench: impl Bench) {
    everything_arrives_as_it_is(bench).await;
}

async fn an_empty_batch_is_settled(bench: impl Bench) {
    let mut sink = open(&bench).await;
    deliver(&mut sink, &batch(0..0)).await;
    sink.close().await;
    assert_arrived(&bench, &[]).await;
}

async fn several_batches_may_be_unsettled(bench: impl Bench) {
    let mut sink = open(&bench).await;
    let batches = batches(6, 200);
    let mut receipts = Vec::new();
    for batch in &batches {
        receipts.push(sink.publish(batch, 0).await.unwrap());
    }
    for receipt in receipts {
        assert_eq!(settled(receipt).await.rejected(), []);
    }
    sink.close().await;
    assert_arrived(&bench, &batches).await;
}

async fn publishing_starts_where_it_is_told(bench: impl Bench) {
    let mut sink = open(&bench).await;
    let receipt = sink.publish(&batch(0..100), 60).await.unwrap();
    let _ = settled(receipt).await;
    let receipt = sink.publish(&batch(100..110), 10).await.unwrap();
    let _ = settled(receipt).await;
    sink.close().await;
    assert_arrived(&bench, &[batch(60..100)]).await;
}

async fn closing_does_not_wait_for_receipts(bench: impl Bench) {
    let mut sink = open(&bench).await;
    let _receipt = sink.publish(&batch(0..500), 0).await.unwrap();
    timeout(CLOSE_DEADLINE, sink.close()).await.expect("closing takes too long");
}

async fn a_message_too_large_is_rejected_alone<B: BusBench>(bench: B) {
    let mut sink = open(&bench).await;
    let mut events: Vec<_> = (0..100).map(event).collect();
    events[40] = event_with_padding(40, B::TOO_LARGE_BYTES);
    let receipt = sink.publish(&batch_of(events.clone()), 0).await.unwrap();

    let settled = settled(receipt).await;
    let [rejected] = settled.rejected() else { panic!("{:?}", settled.rejected()) };
    assert_eq!(rejected.index, 40);
    assert!(rejected.reason.contains("bytes"), "{}", rejected.reason);
    sink.close().await;
    events.remove(40);
    assert_arrived(&bench, &[batch_of(events)]).await;
}

async fn a_restart_of_the_bus_loses_and_repeats_nothing(mut bench: impl BusBench) {
    let mut sink = open(&bench).await;
    let batches = batches(8, 500);
    let (before, during) = batches.split_at(2);
    deliver_persistently(&mut sink, before).await;
    let restart = async {
        bench.kill();
        bench.restart().await;
    };
    tokio::join!(deliver_persistently(&mut sink, during), restart);
    sink.close().await;
    assert_arrived(&bench, &batches).await;
}

async fn a_bus_that_does_not_answer_is_told(mut bench: impl BusBench) {
    let mut sink = open(&bench).await;
    deliver(&mut sink, &batch(0..100)).await;
    assert_eq!(sink.stall_reason()(), None);

    bench.freeze();
    let receipt = sink.publish(&batch(100..200), 0).await.unwrap();
    eventually("the trouble to be told", async || sink.stall_reason()()).await;
    bench.thaw();
    if receipt.await.is_err() {
        eventually("the sink to recover", async || sink.recover().await.ok()).await;
        deliver(&mut sink, &batch(100..200)).await;
    }
    eventually("the trouble to be over", async || sink.stall_reason()().is_none().then_some(())).await;
    sink.close().await;
}

async fn closing_does_not_wait_for_a_bus_that_does_not_answer(mut bench: impl BusBench) {
    let mut sink = open(&bench).await;
    bench.freeze();
    let _receipt = sink.publish(&batch(0..100), 0).await.unwrap();
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

/// The cases of a sink of any kind.
macro_rules! any_sink {
    ($bench:ty) => {
        case!(everything_arrives_as_it_is, <$bench>::new(Encoding::Binary));
        case!(an_empty_batch_is_settled, <$bench>::new(Encoding::Binary));
        case!(several_batches_may_be_unsettled, <$bench>::new(Encoding::Binary));
        case!(publishing_starts_where_it_is_told, <$bench>::new(Encoding::Binary));
        case!(closing_does_not_wait_for_receipts, <$bench>::new(Encoding::Binary));
    };
}

/// The cases of a sink on a bus: those of any kind, and more.
macro_rules! bus_sink {
    ($bench:ty) => {
        any_sink!($bench);
        case!(the_structured_form_arrives_as_it_is, <$bench>::new(Encoding::Structured));
        case!(a_message_too_large_is_rejected_alone, <$bench>::new(Encoding::Binary));
        case!(a_restart_of_the_bus_loses_and_repeats_nothing, <$bench>::alone(Encoding::Binary));
        case!(a_bus_that_does_not_answer_is_told, <$bench>::alone(Encoding::Binary));
        case!(closing_does_not_wait_for_a_bus_that_does_not_answer, <$bench>::alone(Encoding::Binary));
    };
}

// One row a sink.

#[cfg(feature = "kafka")]
mod kafka {
    use super::{super::kafka::KafkaBench, Bench as _, BusBench as _, Encoding};
    bus_sink!(KafkaBench);
}

#[cfg(feature = "nats")]
mod nats {
    use super::{super::nats::NatsBench, Bench as _, BusBench as _, Encoding};
    bus_sink!(NatsBench);
}

#[cfg(feature = "nats")]
mod nats_in_batches {
    use super::{super::nats::NatsBatchesBench, Bench as _, BusBench as _, Encoding};
    bus_sink!(NatsBatchesBench);
}

#[cfg(feature = "nats")]
mod nats_fast {
    use super::{super::nats::NatsFastBench, Bench as _, BusBench as _, Encoding};
    bus_sink!(NatsFastBench);
}

mod file {
    use super::{super::file::FileBench, Bench as _, Encoding};
    any_sink!(FileBench);
}
