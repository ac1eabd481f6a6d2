//! A simulated bus that commits messages and a checkpoint at a stroke, as Kafka does (whoever fences is the only one who commits)
//! or as JetStream does (a commit expects the checkpoint that it follows, and whoever fences writes the checkpoint once more).
//! Commits travel: they arrive late, after their sender was told that they failed, after it died, or never; answers are lost. The
//! bus like JetStream also stores a part of a batch, without its checkpoint; its sinks find that out, as the real one does.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::time::Instant;

use super::{
    super::{
        CommitError, CommitReceipt, Rejected, SinkError, Stall, StallReason, TransactionalFactory,
        TransactionalSink,
    },
    checkpoint_damage::CheckpointDamage,
    mood::{Mood, moods},
    unreachable,
};
use crate::{
    message::{Messages, Origin},
    simulation::happens,
};

/// Messages of a commit of which it says at once that it refuses them.
const TOLD_MAX: usize = 5;

/// How the bus keeps a stale writer out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fencing {
    /// As Kafka's transactional ids do.
    ByEpoch,
    /// As JetStream's expected sequences do.
    BySequence,
}

/// How a bus is.
#[derive(Debug, Clone)]
pub(crate) struct TransactionPlan {
    pub(crate) fencing: Fencing,
    pub(crate) messages_max: usize,
    /// It refuses one message in so many for good; none if 0.
    pub(crate) poison: u64,
    /// How often in a thousand commits something is lost on the way.
    pub(crate) losses: u32,
    /// For how long nothing can be relied on.
    pub(crate) bad_for: Duration,
}

/// Looks at each commit that is applied.
pub(crate) trait AppliedObserver: std::fmt::Debug + Send + Sync {
    /// This checkpoint was committed; it is the first that counts these messages, which are on the bus.
    fn applied(&self, messages: &[String], checkpoint: &Bytes);

    /// Somebody has damaged the checkpoint. These messages are still on the bus.
    fn damaged(&self, damage: CheckpointDamage, on_bus: &[String]);
}

/// A bus with all that was committed to it for one route.
#[derive(Debug)]
pub(crate) struct TransactionalBus {
    plan: TransactionPlan,
    begun_at: Instant,
    moods: Vec<(Duration, Mood)>,
    pub(super) observer: Arc<dyn AppliedObserver>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) random: Rng,
    /// Whether there is room, so that the rest of a world does not depend on it.
    room: Rng,
    /// The ids of all messages that were committed, in their order.
    pub(super) log: Vec<String>,
    /// Of those, what no checkpoint counts, because its batch was stored in part.
    pub(super) uncounted: BTreeSet<String>,
    /// The last checkpoint, and the one before, which a lagging reader still sees.
    pub(super) checkpoints: [Option<Bytes>; 2],
    /// All checkpoints that were committed.
    pub(super) history: Vec<CommittedCheckpoint>,
    /// How often something was committed, or done to the checkpoint.
    pub(super) sequence: u64,
    /// The last token that was given to somebody who fenced.
    pub(super) token: u64,
    /// Commits that have not arrived.
    travelling: Vec<Travelling>,
    /// What became of those that have. By number.
    answers: BTreeMap<u64, Result<u64, Refusal>>,
    commits: u64,
    refused: BTreeSet<String>,
    wrong: Vec<String>,
}

/// A checkpoint, and what was on the bus when it was committed.
#[derive(Debug, Clone)]
pub(super) struct CommittedCheckpoint {
    pub(super) bytes: Bytes,
    pub(super) messages: usize,
    pub(super) uncounted: BTreeSet<String>,
}

#[derive(Debug)]
struct Travelling {
    number: u64,
    arrives_at: Instant,
    token: u64,
    expected: u64,
    messages: Vec<String>,
    /// What it leaves out, since the bus has it.
    found: Vec<String>,
    checkpoint: Bytes,
}

#[derive(Debug, Clone)]
enum Refusal {
    /// It was this one, and of these it says so.
    Messages {
        reason: String,
        told: Vec<String>,
    },
    Stale,
    /// There was room for a part of it alone.
    StoredInPart,
}

/// A sink on the bus.
#[derive(Debug)]
struct SimulatedTransactions {
    bus: Arc<TransactionalBus>,
    /// Given when it fenced; 0 before.
    token: u64,
    /// The sequence of the checkpoint that it follows, moved by the answers to its commits.
    expected: Arc<Mutex<u64>>,
    staged: Vec<String>,
    /// What the bus has and no checkpoint counted when this was looked at. None: it was not.
    uncounted: Option<BTreeSet<String>>,
    /// What is left out of the transaction, since the bus has it.
    found: Vec<String>,
    /// Its commits that nobody may have heard of.
    sent: Vec<u64>,
}

/// Opens sinks on the bus.
#[derive(Debug, Clone)]
pub(crate) struct TransactionalBusFactory(pub(crate) Arc<TransactionalBus>);

impl TransactionalBus {
    pub(crate) fn new(seed: u64, plan: TransactionPlan, observer: Arc<dyn AppliedObserver>) -> Arc<Self> {
        let mut random = Rng::with_seed(seed);
        let moods = moods(&mut random, plan.bad_for);
        let inner = Inner {
            random,
            room: Rng::with_seed(seed ^ 0x0500_0505),
            log: Vec::new(),
            uncounted: BTreeSet::new(),
            checkpoints: [None, None],
            history: Vec::new(),
            sequence: 0,
            token: 0,
            travelling: Vec::new(),
            answers: BTreeMap::new(),
            commits: 0,
            refused: BTreeSet::new(),
            wrong: Vec::new(),
        };
        Arc::new(Self { plan, begun_at: Instant::now(), moods, observer, inner: Mutex::new(inner) })
    }

    /// The ids of all messages that were committed, in their order.
    pub(crate) fn log(&self) -> Vec<String> {
        self.inner().log.clone()
    }

    /// Commits that were sent, whatever became of them.
    pub(crate) fn commits(&self) -> u64 {
        self.inner().commits
    }

    /// Whether it refuses the message always.
    pub(crate) fn is_poison(&self, id: &str) -> bool {
        let digest = digest(id);
        self.plan.poison > 0 && digest.is_multiple_of(self.plan.poison)
    }

    /// Whether it has refused the message at any time.
    pub(crate) fn has_refused(&self, id: &str) -> bool {
        self.inner().refused.contains(id)
    }

    /// How often it has refused everything for a while.
    pub(crate) fn refusing_times(&self) -> usize {
        self.moods.iter().filter(|(_, mood)| *mood == Mood::Refuses).count()
    }

    pub(crate) fn wrong(&self) -> Vec<String> {
        self.inner().wrong.clone()
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_calm(&self) -> bool {
        self.begun_at.elapsed() >= self.plan.bad_for
    }

    fn mood(&self) -> Mood {
        let now = self.begun_at.elapsed();
        self.moods.iter().rev().find(|(from, _)| *from <= now).map_or(Mood::Works, |(_, mood)| *mood)
    }

    async fn while_in(&self, moods: &[Mood]) {
        while moods.contains(&self.mood()) {
            let now = self.begun_at.elapsed();
            let next = self.moods.iter().map(|(from, _)| *from).find(|from| *from > now);
            tokio::time::sleep_until(self.begun_at + next.unwrap_or(self.plan.bad_for)).await;
        }
    }

    /// Waits for an answer; none if the bus cannot be reached.
    async fn reach(&self) -> Result<(), SinkError> {
        let slowest_ms = if self.mood() == Mood::IsSlow { 4_000 } else { 60 };
        let latency_ms = self.inner().random.u64(1..=slowest_ms);
        tokio::time::sleep(Duration::from_millis(latency_ms)).await;
        self.while_in(&[Mood::IsSilent]).await;
        if self.mood() == Mood::IsUnreachable {
            happens("the bus cannot be reached");
            return Err(unreachable());
        }
        self.arrive();
        Ok(())
    }

    /// Applies all commits that have arrived by now.
    fn arrive(&self) {
        let now = Instant::now();
        let refuses_all = self.mood() == Mood::Refuses;
        loop {
            let mut inner = self.inner();
            inner.travelling.sort_by_key(|commit| (commit.arrives_at, commit.number));
            let Some(at) = inner.travelling.iter().position(|commit| commit.arrives_at <= now) else {
                return;
            };
            let commit = inner.travelling.remove(at);
            let number = commit.number;
            let counted = [&commit.messages[..], &commit.found].concat();
            let answer = self.apply(&mut inner, commit, refuses_all);
            inner.answers.insert(number, answer.clone());
            if let (Ok(_), Some(checkpoint)) = (answer, &inner.checkpoints[0]) {
                self.observer.applied(&counted, checkpoint);
            }
        }
    }

    fn apply(&self, inner: &mut Inner, commit: Travelling, refuses_all: bool) -> Result<u64, Refusal> {
        let is_stale = match self.plan.fencing {
            Fencing::ByEpoch => commit.token != inner.token,
            Fencing::BySequence => commit.expected != inner.sequence,
        };
        if is_stale {
            happens("a stale commit is refused");
            return Err(Refusal::Stale);
        }
        let is_refused = |id: &&String| refuses_all || self.is_poison(id);
        let refused: Vec<_> = commit.messages.iter().filter(is_refused).take(TOLD_MAX).cloned().collect();
        if let Some(first) = refused.first() {
            let reason = format!("{first} is refused");
            inner.refused.extend(refused.iter().cloned());
            happens("a commit is refused for a message");
            // As Kafka's do, unless messages are refused that were sent together; JetStream's tells nothing.
            let tells = self.plan.fencing == Fencing::ByEpoch && inner.random.u8(..4) > 0;
            if tells {
                happens("the bus tells which messages it refuses");
            }
            return Err(Refusal::Messages { reason, told: if tells { refused } else { Vec::new() } });
        }
        if let Some(room) = self.room(inner, commit.messages.len()) {
            happens("a batch is stored in part");
            for id in commit.messages.into_iter().take(room) {
                inner.uncounted.insert(id.clone());
                inner.log.push(id);
            }
            return Err(Refusal::StoredInPart);
        }
        if let Some(again) = commit.messages.iter().find(|id| inner.uncounted.contains(*id)) {
            let wrong = format!("{again} is stored again, beside a batch that was stored in part");
            inner.wrong.push(wrong);
        }
        inner.log.extend(commit.messages);
        for id in commit.found {
            happens("a commit counts what was stored in part");
            inner.uncounted.remove(&id);
        }
        inner.sequence += 1;
        inner.history.push(CommittedCheckpoint {
            bytes: commit.checkpoint.clone(),
            messages: inner.log.len(),
            uncounted: inner.uncounted.clone(),
        });
        let [last, _] = &mut inner.checkpoints;
        let before = last.replace(commit.checkpoint);
        inner.checkpoints[1] = before;
        Ok(inner.sequence)
    }

    /// For how many messages of so many there is room, if that is not enough.
    fn room(&self, inner: &mut Inner, messages: usize) -> Option<usize> {
        let ends = self.plan.fencing == Fencing::BySequence
            && messages > 0
            && !self.is_calm()
            && inner.room.u32(..1_000) < self.plan.losses / 3;
        ends.then(|| inner.room.usize(1..=messages))
    }
}

impl SimulatedTransactions {
    fn expected(&self) -> MutexGuard<'_, u64> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the bus has the message, and the next checkpoint is to count it.
    fn finds(&mut self, id: &str) -> bool {
        let uncounted = self.uncounted.get_or_insert_with(|| self.bus.inner().uncounted.clone());
        uncounted.remove(id)
    }

    /// Of the commits on their way some arrive all the same, later.
    fn leave(&mut self) {
        self.staged.clear();
        self.found.clear();
        let mut inner = self.bus.inner();
        for number in std::mem::take(&mut self.sent) {
            let Some(at) = inner.travelling.iter().position(|commit| commit.number == number) else {
                continue;
            };
            if inner.random.bool() {
                inner.travelling.remove(at);
                happens("a commit is lost with its connection");
            } else {
                let later = Duration::from_millis(inner.random.u64(0..20_000));
                inner.travelling[at].arrives_at += later;
                happens("a commit outlives its connection");
            }
        }
    }
}

impl Drop for SimulatedTransactions {
    fn drop(&mut self) {
        self.leave();
    }
}

impl TransactionalSink for SimulatedTransactions {
    fn last_checkpoint(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SinkError>> {
        async move {
            self.bus.reach().await?;
            let mut inner = self.bus.inner();
            let lags = self.token == 0 && inner.random.u8(..8) == 0 && inner.checkpoints[1].is_some();
            let found = inner.checkpoints[usize::from(lags)].clone();
            let sequence = inner.sequence - u64::from(lags);
            drop(inner);
            *self.expected() = sequence;
            self.uncounted = None;
            Ok(found)
        }
        .boxed()
    }

    fn fence(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        async move {
            self.bus.reach().await?;
            let mut inner = self.bus.inner();
            if self.bus.plan.fencing == Fencing::BySequence && inner.checkpoints[0].is_some() {
                let mut expected = self.expected();
                if *expected != inner.sequence {
                    return Err(unreachable());
                }
                inner.sequence += 1;
                *expected = inner.sequence;
                inner.checkpoints[1] = inner.checkpoints[0].clone();
            }
            inner.token += 1;
            self.token = inner.token;
            Ok(())
        }
        .boxed()
    }

    fn stage<'a>(
        &'a mut self,
        messages: &'a Arc<Messages>,
        range: Range<usize>,
    ) -> BoxFuture<'a, Result<Vec<Rejected>, SinkError>> {
        async move {
            self.bus.while_in(&[Mood::IsFull]).await;
            self.bus.reach().await?;
            // As Kafka does it: nothing more belongs to a transaction that has failed, and the reason is in the answer to its commit.
            let has_failed = |number: &u64| matches!(self.bus.inner().answers.get(number), Some(Err(_)));
            if self.bus.plan.fencing == Fencing::ByEpoch && self.sent.iter().any(has_failed) {
                happens("a message is staged behind a commit that failed");
                return Err(unreachable());
            }
            let mut rejected = Vec::new();
            for index in range {
                let mut id = String::new();
                messages.get(index).unwrap().write_id(&mut id);
                // Of what is refused, half is known before the bus is asked.
                if self.bus.is_poison(&id) && (digest(&id) / self.bus.plan.poison).is_multiple_of(2) {
                    let mut inner = self.bus.inner();
                    inner.refused.insert(id);
                    happens("a message is rejected beforehand");
                    rejected.push(Rejected { index, reason: "it is too large".to_owned() });
                } else if self.finds(&id) {
                    self.found.push(id);
                } else {
                    self.staged.push(id);
                }
            }
            if self.staged.len() > self.bus.plan.messages_max {
                let wrong = format!("a transaction has {} messages", self.staged.len());
                self.bus.inner().wrong.push(wrong);
            }
            Ok(rejected)
        }
        .boxed()
    }

    fn commit(&mut self, checkpoint: Bytes) -> BoxFuture<'_, Result<CommitReceipt, CommitError>> {
        let (messages, found) = (std::mem::take(&mut self.staged), std::mem::take(&mut self.found));
        let (bus, expected, is_calm) =
            (Arc::clone(&self.bus), Arc::clone(&self.expected), self.bus.is_calm());
        let (token, expects) = (self.token, *self.expected());
        let mut inner = self.bus.inner();
        inner.commits += 1;
        let number = inner.commits;
        let travel = Duration::from_millis(inner.random.u64(1..40));
        let mut loses = |of_all: u32| !is_calm && inner.random.u32(..1_000) < bus.plan.losses / of_all;
        let (is_lost, is_late, answer_is_lost) = (loses(3), loses(3), loses(3));
        if !is_lost {
            let late =
                if is_late { Duration::from_millis(inner.random.u64(0..30_000)) } else { Duration::ZERO };
            let arrives_at = Instant::now() + travel + late;
            inner.travelling.push(Travelling {
                number,
                arrives_at,
                token,
                expected: expects,
                messages,
                found,
                checkpoint,
            });
        }
        drop(inner);
        self.sent = vec![number];
        let receipt = async move {
            tokio::time::sleep(travel).await;
            bus.while_in(&[Mood::IsMute]).await;
            bus.reach().await?;
            if is_lost || is_late || answer_is_lost {
                let what = match (is_lost, is_late) {
                    (true, _) => "a commit is lost",
                    (_, true) => "a commit is late",
                    _ => "the answer to a commit is lost",
                };
                happens(what);
                return Err(CommitError::Sink(unreachable()));
            }
            let answer = bus.inner().answers.remove(&number);
            match answer {
                Some(Ok(sequence)) => {
                    *expected.lock().unwrap_or_else(PoisonError::into_inner) = sequence;
                    Ok(())
                }
                Some(Err(Refusal::Messages { reason, told })) => {
                    Err(CommitError::Refused { reason, ids: told })
                }
                Some(Err(Refusal::Stale)) => {
                    Err(CommitError::Fenced("another sequence is expected".to_owned()))
                }
                Some(Err(Refusal::StoredInPart)) | None => Err(CommitError::Sink(unreachable())),
            }
        };
        async move { Ok(receipt.boxed()) }.boxed()
    }

    fn checkpoint_place(&self) -> String {
        "the last checkpoint of the simulated bus".to_owned()
    }

    fn checkpoint_place_id(&self) -> String {
        "simulated".to_owned()
    }

    fn messages_max(&self) -> usize {
        self.bus.plan.messages_max
    }

    fn message_bytes_max(&self) -> Option<usize> {
        None
    }

    fn stall_reason(&self) -> StallReason {
        let bus = Arc::clone(&self.bus);
        Box::new(move || {
            matches!(bus.mood(), Mood::IsFull | Mood::IsMute)
                .then(|| Stall::transient("nothing is acknowledged".to_owned()))
        })
    }

    fn recover(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        async move {
            self.leave();
            self.token = 0;
            self.bus.reach().await
        }
        .boxed()
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        self.leave();
        std::future::ready(()).boxed()
    }
}

impl TransactionalFactory for TransactionalBusFactory {
    fn open<'a>(
        &'a self,
        _: &'a Arc<Origin>,
    ) -> BoxFuture<'a, Result<Box<dyn TransactionalSink>, SinkError>> {
        async move {
            self.0.reach().await?;
            let sink: Box<dyn TransactionalSink> = Box::new(SimulatedTransactions {
                bus: Arc::clone(&self.0),
                token: 0,
                expected: Arc::default(),
                staged: Vec::new(),
                uncounted: None,
                found: Vec::new(),
                sent: Vec::new(),
            });
            Ok(sink)
        }
        .boxed()
    }
}

fn digest(id: &str) -> u64 {
    id.bytes().fold(7_u64, |digest, byte| digest.wrapping_mul(31) ^ u64::from(byte))
}
