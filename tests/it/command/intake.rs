//! What every intake must do, written once. A bus takes part with a [`Queue`] and a row at the end.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use oktabus::{
    command::{
        intake::{Delivery, Intake},
        message::PAYLOAD_BYTES_MAX,
    },
    config::IntakeConfig,
};
use tokio::time::timeout;

use crate::support::tools::eventually;

/// A queue to try an intake on, and a view of it that shares no code with the intake.
pub(super) trait Queue: Sized {
    /// A queue that no other test uses. What is not acknowledged comes again within some seconds.
    async fn new() -> Self;

    /// Like [`Queue::new`], on a bus of its own, which may be disturbed.
    async fn alone() -> Self;

    /// How to read the queue.
    fn config(&self) -> IntakeConfig;

    /// Puts a message there. Those of one user stay in order.
    async fn put(&self, user: usize, payload: &[u8]);

    /// How many messages are not acknowledged, read or not.
    async fn left(&self) -> u64;

    /// Kills the bus without warning.
    fn kill(&mut self);

    /// Starts the bus again, where it was and on what it had kept.
    async fn restart(&mut self);
}

/// Longer than any case may take.
const DEADLINE: Duration = Duration::from_secs(100);
/// How long a message may take that is there.
const PATIENCE: Duration = Duration::from_secs(40);

/// Twice as long as a server waits for a word about a message that it has given.
const LONGER_THAN_A_SERVER_WAITS: Duration = Duration::from_secs(4);

const USERS: usize = 12;

async fn open(queue: &impl Queue) -> Intake {
    Intake::open(&queue.config(), "provisioning").await.unwrap()
}

async fn fill(queue: &impl Queue, numbers: std::ops::Range<usize>) {
    for number in numbers {
        queue.put(number % USERS, number.to_string().as_bytes()).await;
    }
}

/// Like [`fill`], in no order.
async fn fill_fast(queue: &impl Queue, numbers: std::ops::Range<usize>) {
    let puts = numbers.map(async |number| queue.put(number % USERS, number.to_string().as_bytes()).await);
    stream::iter(puts).buffer_unordered(200).collect::<()>().await;
}

async fn next(intake: &mut Intake) -> Delivery {
    timeout(PATIENCE, intake.next()).await.expect("no message comes").unwrap()
}

/// Like [`next`], for an intake whose bus may be away for a while.
async fn next_persistently(intake: &mut Intake) -> Delivery {
    let persistently = async {
        loop {
            match intake.next().await {
                Ok(delivery) => return delivery,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    timeout(PATIENCE, persistently).await.expect("no message comes")
}

fn number(delivery: &Delivery) -> usize {
    str::from_utf8(&delivery.payload).unwrap().parse().unwrap()
}

async fn nothing_left(queue: &impl Queue) {
    eventually("all to be acknowledged", async || (queue.left().await == 0).then_some(())).await;
}

/// Does whatever comes, copies too, until nothing is left.
async fn empty(queue: &impl Queue, intake: &mut Intake) {
    let emptying = async {
        loop {
            next_persistently(intake).await.acknowledgement.ack().await;
        }
    };
    tokio::select! {
        () = nothing_left(queue) => {}
        () = emptying => {}
    }
}

/// Asserts that nothing comes but what is put there now.
async fn assert_nothing_more(queue: &impl Queue) {
    let mut intake = open(queue).await;
    for user in 0..USERS {
        queue.put(user, b"1000000").await;
    }
    for _ in 0..USERS {
        let delivery = next(&mut intake).await;
        assert_eq!(number(&delivery), 1_000_000);
        delivery.acknowledgement.ack().await;
    }
    nothing_left(queue).await;
    intake.close().await;
}

async fn every_message_comes_once_if_it_is_done(queue: impl Queue) {
    fill(&queue, 0..300).await;
    let mut intake = open(&queue).await;
    let mut seen = Vec::new();
    let mut deliveries = Vec::new();
    while seen.len() < 300 {
        let delivery = next(&mut intake).await;
        assert_eq!(delivery.unfit, None);
        seen.push(number(&delivery));
        deliveries.push(delivery);
        // Out of order, and never all.
        if deliveries.len() == 64 {
            for delivery in deliveries.drain(10..).rev() {
                delivery.acknowledgement.ack().await;
            }
        }
    }
    for delivery in deliveries {
        delivery.acknowledgement.ack().await;
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..300).collect::<Vec<_>>());
    nothing_left(&queue).await;
    intake.close().await;
    assert_nothing_more(&queue).await;
}

async fn one_users_messages_come_in_order(queue: impl Queue) {
    fill(&queue, 0..200).await;
    let mut intake = open(&queue).await;
    let mut last = [None; USERS];
    for _ in 0..200 {
        let delivery = next(&mut intake).await;
        let number = number(&delivery);
        assert!(last[number % USERS] < Some(number));
        last[number % USERS] = Some(number);
        delivery.acknowledgement.ack().await;
    }
    intake.close().await;
}

async fn what_was_not_done_comes_again_after_a_restart(queue: impl Queue) {
    fill(&queue, 0..40).await;
    let mut intake = open(&queue).await;
    let mut undone = BTreeSet::new();
    let mut held = Vec::new();
    for _ in 0..40 {
        let delivery = next(&mut intake).await;
        if number(&delivery).is_multiple_of(3) {
            undone.insert(number(&delivery));
            held.push(delivery);
        } else {
            delivery.acknowledgement.ack().await;
        }
    }
    intake.close().await;
    drop(held);

    let mut intake = open(&queue).await;
    while !undone.is_empty() {
        let delivery = next(&mut intake).await;
        undone.remove(&number(&delivery));
        delivery.acknowledgement.ack().await;
    }
    empty(&queue, &mut intake).await;
    intake.close().await;
}

async fn an_intake_that_is_dropped_in_the_middle_loses_nothing(queue: impl Queue) {
    fill(&queue, 0..200).await;
    let mut undone: BTreeSet<usize> = (0..200).collect();
    for stop_after in [1, 30, 70] {
        let mut intake = open(&queue).await;
        let mut held = Vec::new();
        for step in 0..stop_after {
            let delivery = next(&mut intake).await;
            if step % 2 == 0 {
                undone.remove(&number(&delivery));
                delivery.acknowledgement.ack().await;
            } else {
                held.push(delivery);
            }
        }
    }
    let mut intake = open(&queue).await;
    while !undone.is_empty() {
        let delivery = next(&mut intake).await;
        undone.remove(&number(&delivery));
        delivery.acknowledgement.ack().await;
    }
    empty(&queue, &mut intake).await;
}

async fn what_comes_later_holds_up_no_other(queue: impl Queue) {
    const WAIT: Duration = Duration::from_millis(1_500);
    fill(&queue, 0..60).await;
    let mut intake = open(&queue).await;
    let mut put_off = None;
    let mut others = 0;
    while others < 59 {
        let delivery = next(&mut intake).await;
        if number(&delivery) != 0 {
            others += 1;
            delivery.acknowledgement.ack().await;
        } else {
            assert!(put_off.is_none(), "it came again before all others, or too early");
            put_off = Some(Instant::now());
            delivery.acknowledgement.retry_later(WAIT).await;
        }
    }
    let delivery = next(&mut intake).await;
    assert_eq!(number(&delivery), 0);
    let waited = put_off.unwrap().elapsed();
    assert!(waited >= WAIT && waited < WAIT * 4, "{waited:?}");
    assert!(queue.left().await > 0);
    delivery.acknowledgement.ack().await;
    nothing_left(&queue).await;
    intake.close().await;
    assert_nothing_more(&queue).await;
}

/// As after a burst for which Okta asks to wait.
async fn hundreds_that_are_put_back_hold_up_no_other(queue: impl Queue) {
    const PUT_BACK: usize = 300;
    const ALL: usize = 1_800;
    fill_fast(&queue, 0..ALL).await;
    let mut intake = open(&queue).await;
    let (mut put_back, mut others) = (BTreeSet::new(), BTreeSet::new());
    while others.len() < ALL - PUT_BACK {
        let delivery = next(&mut intake).await;
        let number = number(&delivery);
        if put_back.len() < PUT_BACK {
            put_back.insert(number);
            delivery.acknowledgement.retry_later(Duration::from_secs(600)).await;
        } else {
            assert!(!put_back.contains(&number), "{number} came too early");
            others.insert(number);
            delivery.acknowledgement.ack().await;
        }
    }
    assert_eq!(intake.trouble(), None);
    intake.close().await;

    // None of them is lost.
    let mut intake = open(&queue).await;
    while !put_back.is_empty() {
        let delivery = next(&mut intake).await;
        put_back.remove(&number(&delivery));
        delivery.acknowledgement.ack().await;
    }
    empty(&queue, &mut intake).await;
    intake.close().await;
}

async fn each_message_says_when_it_was_published(queue: impl Queue) {
    // The clocks are one, but a bus counts milliseconds.
    let earliest = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
    queue.put(0, b"0").await;
    let latest = Timestamp::now();
    let mut intake = open(&queue).await;
    let delivery = next(&mut intake).await;
    let published_at = delivery.published_at.unwrap();
    assert!((earliest..=latest).contains(&published_at), "{published_at} is not in {earliest}..{latest}");

    // The same when it comes again.
    delivery.acknowledgement.retry_later(Duration::from_millis(200)).await;
    let delivery = next(&mut intake).await;
    assert_eq!(delivery.published_at, Some(published_at));
    delivery.acknowledgement.ack().await;
    nothing_left(&queue).await;
    intake.close().await;
}

async fn what_is_held_is_given_to_nobody_else(queue: impl Queue) {
    queue.put(0, b"0").await;
    let mut intake = open(&queue).await;
    let delivery = next(&mut intake).await;
    let mut other = open(&queue).await;
    tokio::select! {
        () = tokio::time::sleep(LONGER_THAN_A_SERVER_WAITS) => {}
        again = other.next() => panic!("{again:?} was given to another"),
        again = intake.next() => panic!("{again:?} was given again"),
    }
    delivery.acknowledgement.ack().await;
    nothing_left(&queue).await;
    intake.close().await;
    other.close().await;
    assert_nothing_more(&queue).await;
}

async fn what_nobody_asks_for_is_given_to_nobody_else(queue: impl Queue) {
    fill(&queue, 0..20).await;
    let mut intake = open(&queue).await;
    let first = next(&mut intake).await;
    tokio::time::sleep(LONGER_THAN_A_SERVER_WAITS).await;
    let mut seen = vec![number(&first)];
    first.acknowledgement.ack().await;
    for _ in 1..20 {
        let delivery = next(&mut intake).await;
        seen.push(number(&delivery));
        delivery.acknowledgement.ack().await;
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
    nothing_left(&queue).await;
    intake.close().await;
    assert_nothing_more(&queue).await;
}

async fn poison_never_comes_again(queue: impl Queue) {
    queue.put(0, b"not a command").await;
    queue.put(0, b"1").await;
    let mut intake = open(&queue).await;
    let poison = next(&mut intake).await;
    assert_eq!(&poison.payload[..], b"not a command");
    assert!(!poison.place.is_empty());
    poison.acknowledgement.reject().await;
    let good = next(&mut intake).await;
    assert_eq!(number(&good), 1);
    good.acknowledgement.ack().await;
    nothing_left(&queue).await;
    intake.close().await;
    assert_nothing_more(&queue).await;
}

async fn what_can_be_no_command_is_told(queue: impl Queue) {
    queue.put(0, &vec![b'x'; PAYLOAD_BYTES_MAX]).await;
    queue.put(0, &vec![b'x'; PAYLOAD_BYTES_MAX + 1]).await;
    let mut intake = open(&queue).await;
    let fit = next(&mut intake).await;
    assert_eq!((fit.unfit, fit.payload.len()), (None, PAYLOAD_BYTES_MAX));
    fit.acknowledgement.ack().await;
    let unfit = next(&mut intake).await;
    assert!(unfit.unfit.as_ref().unwrap().contains("bytes"), "{:?}", unfit.unfit);
    assert_eq!(unfit.payload.len(), PAYLOAD_BYTES_MAX + 1, "the dead letters get it whole");
    unfit.acknowledgement.reject().await;
    nothing_left(&queue).await;
    intake.close().await;
}

/// Takes and does messages until all numbers are done by whomever.
async fn share(mut intake: Intake, undone: &std::sync::Mutex<BTreeSet<usize>>, stop_after: usize) {
    let mut held = Vec::new();
    for _ in 0..stop_after {
        let next = tokio::select! {
            next = intake.next() => next.unwrap(),
            () = done_all(undone) => break,
        };
        held.push(next);
        if held.len() == 8 {
            held.rotate_left(3);
            for delivery in held.drain(..5) {
                let number = number(&delivery);
                delivery.acknowledgement.ack().await;
                undone.lock().unwrap().remove(&number);
            }
        }
        if undone.lock().unwrap().len() < 16 {
            for delivery in held.drain(..) {
                let number = number(&delivery);
                delivery.acknowledgement.ack().await;
                undone.lock().unwrap().remove(&number);
            }
        }
    }
    intake.close().await;
}

async fn done_all(undone: &std::sync::Mutex<BTreeSet<usize>>) {
    while !undone.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn readers_that_come_and_go_lose_nothing(queue: impl Queue) {
    fill(&queue, 0..600).await;
    let undone = std::sync::Mutex::new((0..600).collect());
    let first = share(open(&queue).await, &undone, 150);
    let second = async {
        eventually("some to be done", async || (undone.lock().unwrap().len() < 560).then_some(())).await;
        share(open(&queue).await, &undone, 100).await;
    };
    let third = async {
        eventually("more to be done", async || (undone.lock().unwrap().len() < 500).then_some(())).await;
        share(open(&queue).await, &undone, usize::MAX).await;
    };
    tokio::join!(first, second, third);
    assert_eq!(undone.into_inner().unwrap(), BTreeSet::new());

    // What was held by those who went comes again.
    let mut intake = open(&queue).await;
    empty(&queue, &mut intake).await;
    intake.close().await;
}

async fn a_restart_of_the_bus_loses_nothing(mut queue: impl Queue) {
    fill(&queue, 0..100).await;
    let mut intake = open(&queue).await;
    let mut undone: BTreeSet<usize> = (0..100).collect();
    let mut held = Vec::new();
    for step in 0..50 {
        let delivery = next(&mut intake).await;
        if step % 5 == 0 {
            held.push(delivery);
        } else {
            undone.remove(&number(&delivery));
            delivery.acknowledgement.ack().await;
        }
    }
    queue.kill();
    queue.restart().await;
    // What was being worked on ends as if nothing had been.
    let finish = async {
        for delivery in held {
            delivery.acknowledgement.ack().await;
        }
    };
    let reading = async {
        while !undone.is_empty() {
            let delivery = next_persistently(&mut intake).await;
            undone.remove(&number(&delivery));
            delivery.acknowledgement.ack().await;
            if undone.len() <= 10 {
                break;
            }
        }
    };
    tokio::join!(finish, reading);
    empty(&queue, &mut intake).await;
    intake.close().await;
}

/// One case as a test.
macro_rules! case {
    ($case:ident, $queue:expr) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let case = super::$case($queue.await);
            tokio::time::timeout(super::DEADLINE, case).await.expect("the case takes too long");
        }
    };
}

macro_rules! intake {
    ($queue:ty) => {
        case!(every_message_comes_once_if_it_is_done, <$queue>::new());
        case!(one_users_messages_come_in_order, <$queue>::new());
        case!(what_was_not_done_comes_again_after_a_restart, <$queue>::new());
        case!(an_intake_that_is_dropped_in_the_middle_loses_nothing, <$queue>::new());
        case!(what_comes_later_holds_up_no_other, <$queue>::new());
        case!(hundreds_that_are_put_back_hold_up_no_other, <$queue>::new());
        case!(each_message_says_when_it_was_published, <$queue>::new());
        case!(what_nobody_asks_for_is_given_to_nobody_else, <$queue>::new());
        case!(poison_never_comes_again, <$queue>::new());
        case!(what_can_be_no_command_is_told, <$queue>::new());
        case!(readers_that_come_and_go_lose_nothing, <$queue>::new());
        case!(a_restart_of_the_bus_loses_nothing, <$queue>::alone());
    };
}

// One row a bus.

#[cfg(feature = "kafka")]
mod kafka {
    use super::{super::kafka::KafkaQueue, Queue as _};
    intake!(KafkaQueue);
}

#[cfg(feature = "nats")]
mod nats {
    use super::{super::nats::NatsQueue, Queue as _};
    intake!(NatsQueue);
    // A partition may go to another at any time, and then that one gets what is being worked on.
    case!(what_is_held_is_given_to_nobody_else, NatsQueue::new());
}
