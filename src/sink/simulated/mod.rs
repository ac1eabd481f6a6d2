//! A simulated bus, and the sinks of one route on it. The bus works, refuses, stalls, cannot be reached, loses
//! acknowledgements and takes a batch in part, as its seed says, until it is calm. It keeps the record by which a simulation
//! judges, and judges by itself what a bus alone can see.

mod checkpoint_damage;
mod mood;
mod sink;
mod transactions;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use tokio::time::Instant;

use super::{BatchError, Rejected, Settled, SinkError};
use crate::{bus::BusError, simulation::happens, state::SinkMark};
pub(crate) use checkpoint_damage::CheckpointDamage;
use mood::{Mood, moods};
pub(crate) use sink::SimulatedFactory;
pub(crate) use transactions::{
    AppliedObserver, Fencing, TransactionPlan, TransactionalBus, TransactionalBusFactory,
};

/// The stream of marks.
const STREAM: &str = "simulated";
/// Messages that a dying connection may still bring to the bus.
const LAST_WORDS_MAX: usize = 25;

/// How a bus is for one route.
#[derive(Debug, Clone)]
pub(crate) struct BusPlan {
    /// It gives marks, and a sink that takes up at one recognises what is there already, as JetStream's does.
    pub(crate) has_marks: bool,
    /// How often in ten thousand messages the connection breaks.
    pub(crate) breaks: u32,
    /// It refuses one message in so many for good; none if 0.
    pub(crate) poison: u64,
    /// For how long nothing can be relied on.
    pub(crate) bad_for: Duration,
    /// Whether a message of one id always has the same bytes.
    pub(crate) has_stable_bytes: bool,
    /// Batches that may be with it at once.
    pub(crate) in_flight_max: usize,
}

/// A bus with all that one route has brought to it, over all its lives.
#[derive(Debug)]
pub(crate) struct SimulatedBus {
    plan: BusPlan,
    begun_at: Instant,
    moods: Vec<(Duration, Mood)>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    random: Rng,
    connections: u64,
    publications: u64,
    /// The ids of all messages that it took, in their order.
    log: Vec<String>,
    /// Where each is in the log, and which connection brought it last.
    places: BTreeMap<String, (usize, u64)>,
    /// The ids of messages that a sink was told of that the bus has them.
    acknowledged: BTreeSet<String>,
    /// The ids of messages that were refused at least once.
    refused: BTreeSet<String>,
    /// What the route has committed: none of it may come again.
    durable: BTreeSet<String>,
    /// What may come again although there are marks.
    again: BTreeSet<String>,
    /// What came last under each id.
    payloads: BTreeMap<String, Bytes>,
    last_fault_at: Option<Instant>,
    wrong: Vec<String>,
}

/// One connection, shared by its sink and the receipts of its batches.
#[derive(Debug)]
struct Connection {
    number: u64,
    is_broken: bool,
    batches: u64,
    queue: VecDeque<Sent>,
    answers: BTreeMap<u64, Result<Settled, BatchError>>,
    /// What was on the bus already, beyond the mark at which the connection took up, and is not delivered: the place of each
    /// in the log.
    known: BTreeMap<String, usize>,
    /// Up to where the log is proved.
    sequence: usize,
}

/// A batch on its way.
#[derive(Debug)]
struct Sent {
    number: u64,
    from: usize,
    messages: Vec<(String, Bytes)>,
}

impl SimulatedBus {
    pub(crate) fn new(seed: u64, plan: BusPlan) -> Arc<Self> {
        let mut random = Rng::with_seed(seed);
        let moods = moods(&mut random, plan.bad_for);
        let inner = Inner {
            random,
            connections: 0,
            publications: 0,
            log: Vec::new(),
            places: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            refused: BTreeSet::new(),
            durable: BTreeSet::new(),
            again: BTreeSet::new(),
            payloads: BTreeMap::new(),
            last_fault_at: None,
            wrong: Vec::new(),
        };
        Arc::new(Self { plan, begun_at: Instant::now(), moods, inner: Mutex::new(inner) })
    }

    /// The ids of all messages that it took, in their order.
    pub(crate) fn log(&self) -> Vec<String> {
        self.inner().log.clone()
    }

    /// Whether it has told a sink that it has the message.
    pub(crate) fn has_acknowledged(&self, id: &str) -> bool {
        self.inner().acknowledged.contains(id)
    }

    /// Whether it has refused the message at any time.
    pub(crate) fn has_refused(&self, id: &str) -> bool {
        self.inner().refused.contains(id)
    }

    /// Whether it refuses the message always.
    pub(crate) fn is_poison(&self, id: &str) -> bool {
        let digest = id.bytes().fold(7_u64, |digest, byte| digest.wrapping_mul(31) ^ u64::from(byte));
        self.plan.poison > 0 && digest % self.plan.poison == 0
    }

    /// The route has committed that these are delivered.
    pub(crate) fn committed(&self, ids: impl IntoIterator<Item = String>) {
        self.inner().durable.extend(ids);
    }

    /// These are before the mark, and whoever goes on there may read them again.
    pub(crate) fn may_come_again(&self, ids: impl IntoIterator<Item = String>) {
        self.inner().again.extend(ids);
    }

    /// Messages that it has and that the route has not committed.
    pub(crate) fn uncommitted(&self) -> BTreeSet<String> {
        let inner = self.inner();
        inner.places.keys().filter(|id| !inner.durable.contains(*id)).cloned().collect()
    }

    /// The ids of all messages that it has told a sink of.
    pub(crate) fn acknowledged(&self) -> BTreeSet<String> {
        self.inner().acknowledged.clone()
    }

    /// What came last under this id.
    pub(crate) fn payload(&self, id: &str) -> Option<Bytes> {
        self.inner().payloads.get(id).cloned()
    }

    /// How often it has refused everything for a while.
    pub(crate) fn refusing_times(&self) -> usize {
        self.moods.iter().filter(|(_, mood)| *mood == Mood::Refuses).count()
    }

    /// When something last went wrong with it.
    pub(crate) fn last_fault_at(&self) -> Option<Instant> {
        let mood_began = self.mood_began();
        self.inner().last_fault_at.max(mood_began)
    }

    /// How many batches were handed to it.
    pub(crate) fn publications(&self) -> u64 {
        self.inner().publications
    }

    /// What it has seen that must not be.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.inner().wrong.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_calm(&self) -> bool {
        self.begun_at.elapsed() >= self.plan.bad_for
    }

    fn mood(&self) -> Mood {
        let now = self.begun_at.elapsed();
        self.moods.iter().rev().find(|(from, _)| *from <= now).map_or(Mood::Works, |(_, mood)| *mood)
    }

    /// When the mood was last another than that it works.
    fn mood_began(&self) -> Option<Instant> {
        let now = self.begun_at.elapsed();
        if self.mood() != Mood::Works {
            return Some(Instant::now());
        }
        let began = self.moods.iter().rev().find(|(from, _)| *from <= now).map(|(from, _)| *from);
        began.filter(|from| !from.is_zero()).map(|from| self.begun_at + from)
    }

    /// Waits while the mood is one of `moods`.
    async fn while_in(&self, moods: &[Mood]) {
        while moods.contains(&self.mood()) {
            let now = self.begun_at.elapsed();
            let next = self.moods.iter().map(|(from, _)| *from).find(|from| *from > now);
            tokio::time::sleep_until(self.begun_at + next.unwrap_or(self.plan.bad_for)).await;
        }
    }

    async fn latency(&self) {
        let milliseconds_max = if self.mood() == Mood::IsSlow { 4_000 } else { 80 };
        let milliseconds = self.inner().random.u64(1..=milliseconds_max);
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }

    async fn connect(self: &Arc<Self>, sequence: usize) -> Result<Connection, SinkError> {
        self.latency().await;
        self.while_in(&[Mood::IsSilent]).await;
        if self.mood() == Mood::IsUnreachable {
            happens("the bus cannot be reached");
            return Err(unreachable());
        }
        let mut inner = self.inner();
        inner.connections += 1;
        let is_known = |place: usize| self.plan.has_marks && place >= sequence;
        let known = inner.log.iter().enumerate().filter(|(place, _)| is_known(*place));
        Ok(Connection {
            number: inner.connections,
            is_broken: false,
            batches: 0,
            queue: VecDeque::new(),
            answers: BTreeMap::new(),
            known: known.map(|(place, id)| (id.clone(), place)).collect(),
            sequence,
        })
    }

    /// What becomes of the batch `number`; those before it come first.
    fn answer(&self, connection: &Mutex<Connection>, number: u64) -> Result<Settled, BatchError> {
        let mut connection = lock(connection);
        if matches!(self.mood(), Mood::IsUnreachable | Mood::IsSilent) {
            self.lose(&mut connection);
        }
        while let Some(sent) = connection.queue.pop_front_if(|sent| sent.number <= number) {
            let answer = self.serve(&mut connection, &sent);
            connection.answers.insert(sent.number, answer);
        }
        let gone = || BatchError { first_undelivered: 0, rejected: Vec::new(), error: unreachable() };
        connection.answers.remove(&number).unwrap_or_else(|| Err(gone()))
    }

    fn serve(&self, connection: &mut Connection, sent: &Sent) -> Result<Settled, BatchError> {
        let mut rejected: Vec<Rejected> = Vec::new();
        for index in sent.from..sent.messages.len() {
            if !connection.is_broken && !self.is_calm() {
                let breaks = self.inner().random.u32(..10_000) < self.plan.breaks;
                if breaks {
                    self.last_words(connection, &sent.messages[index..]);
                    self.lose(connection);
                }
            }
            if connection.is_broken {
                // Word of the last ones may have been lost too.
                let lost = self.inner().random.usize(0..4).min(index - sent.from);
                let first_undelivered = index - lost;
                rejected.retain(|rejected| rejected.index < first_undelivered);
                if first_undelivered > sent.from {
                    happens("a batch is delivered in part");
                }
                if lost > 0 {
                    happens("an acknowledgement is lost");
                }
                self.acknowledge(
                    connection,
                    &sent.messages[sent.from..first_undelivered],
                    sent.from,
                    &rejected,
                );
                return Err(BatchError { first_undelivered, rejected, error: unreachable() });
            }
            if let Err(reason) = self.take(connection, &sent.messages[index]) {
                rejected.push(Rejected { index, reason });
            }
        }
        self.acknowledge(connection, &sent.messages[sent.from..], sent.from, &rejected);
        let inner = self.inner();
        let sent = sent.messages[sent.from..].iter();
        let last = sent.filter_map(|(id, _)| inner.places.get(id)).map(|place| place.0 + 1);
        connection.sequence = connection.sequence.max(last.max().unwrap_or_default());
        Ok(Settled { rejected, mark: self.plan.has_marks.then(|| connection.mark()) })
    }

    fn acknowledge(
        &self,
        connection: &mut Connection,
        messages: &[(String, Bytes)],
        from: usize,
        rejected: &[Rejected],
    ) {
        for (id, _) in messages {
            connection.known.remove(id);
        }
        let is_rejected = |index: usize| rejected.iter().any(|rejected| rejected.index == index);
        let taken = messages.iter().enumerate().filter(|(at, _)| !is_rejected(from + at));
        self.inner().acknowledged.extend(taken.map(|(_, (id, _))| id.clone()));
    }

    /// One message comes to the bus.
    fn take(&self, connection: &mut Connection, (id, payload): &(String, Bytes)) -> Result<(), String> {
        if connection.known.contains_key(id) {
            happens("what is on the bus already is recognised");
            return Ok(());
        }
        if self.mood() == Mood::Refuses || self.is_poison(id) {
            happens("a message is refused");
            self.inner().refused.insert(id.clone());
            return Err(format!("{id} is refused"));
        }
        let mut inner = self.inner();
        let (place, number) = (inner.log.len(), connection.number);
        inner.log.push(id.clone());
        let before = inner.places.insert(id.clone(), (place, number));
        if before.is_some() {
            happens("a message comes to the bus again");
        }
        let other = inner.payloads.insert(id.clone(), payload.clone()).filter(|other| other != payload);
        let wrong = match before {
            _ if other.is_some() && self.plan.has_stable_bytes => Some("with other bytes"),
            _ if inner.durable.contains(id) => Some("though it was committed before"),
            Some((_, before)) if before == number => Some("twice on one connection"),
            Some(_) if self.plan.has_marks && !inner.again.contains(id) => Some("twice, beyond its mark"),
            _ => None,
        };
        inner.wrong.extend(wrong.map(|why| format!("{id} was published {why}")));
        Ok(())
    }

    /// A few messages that were on their way come to the bus, and nobody is told.
    fn last_words(&self, connection: &mut Connection, rest: &[(String, Bytes)]) {
        let count = self.inner().random.usize(0..LAST_WORDS_MAX);
        let queued = connection.queue.iter().flat_map(|sent| &sent.messages[sent.from..]);
        let arriving: Vec<_> = rest.iter().chain(queued).take(count).cloned().collect();
        for message in arriving {
            happens("a message arrives though its connection is lost");
            // Nobody hears of a refusal.
            let _refused = self.take(connection, &message);
        }
    }

    /// The connection is lost, with all that is on its way.
    fn lose(&self, connection: &mut Connection) {
        if !connection.is_broken {
            connection.is_broken = true;
            self.inner().last_fault_at = Some(Instant::now());
        }
    }
}

impl Connection {
    /// Up to where everything is proved: what was on the bus already may lie behind what it follows.
    fn proved(&self) -> usize {
        self.known.values().copied().fold(self.sequence, usize::min)
    }

    fn mark(&self) -> SinkMark {
        SinkMark::JetStream { stream: STREAM.to_owned(), sequence: self.proved() as u64 }
    }
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unreachable() -> SinkError {
    BusError::Unreachable { name: "simulated".to_owned(), reason: "it does not answer".to_owned() }.into()
}
