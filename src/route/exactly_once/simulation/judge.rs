//! What must be true of every checkpoint that is committed, and of the bus in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use url::Url;

use super::{ROUTE, World, scenario::Scenario};
use crate::{
    route::exactly_once::record::CheckpointRecord,
    sink::{SimulatedLetters, simulated::AppliedObserver},
    source::simulation::log::{after, uuid},
};

/// More events than a route may have committed beyond its link.
const AHEAD_MAX: usize = 60;
/// Keys of messages: each key's messages have an order.
const KEYS: usize = 7;
/// Messages that may go to the dead letters for each time that the bus refuses everything, although it would take them at
/// another time: those of a sink that accepts none, arriving one at a time.
const LOST_TO_REFUSAL_MAX: usize = 5;

#[derive(Debug)]
pub(super) struct CheckpointCheck {
    letters: Arc<SimulatedLetters>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: Option<CheckpointRecord>,
    happened: BTreeMap<&'static str, u64>,
    wrong: Vec<String>,
}

impl CheckpointCheck {
    pub(super) fn new(letters: Arc<SimulatedLetters>) -> Arc<Self> {
        Arc::new(Self { letters, inner: Mutex::default() })
    }

    /// The event that is asked for next.
    pub(super) fn after(&self) -> Option<usize> {
        after(&Url::parse(&self.inner().last.as_ref()?.cursor.link).unwrap())
    }

    pub(super) fn happened(&self) -> BTreeMap<&'static str, u64> {
        self.inner().happened.clone()
    }

    pub(super) fn happens(&self, what: &'static str) {
        *self.inner().happened.entry(what).or_default() += 1;
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.inner().wrong.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compare(&self, before: Option<&CheckpointRecord>, now: &CheckpointRecord) {
        let Some(before) = before else { return };
        if now.generation <= before.generation {
            let wrong = format!("generation {} comes after {}", now.generation, before.generation);
            self.inner().wrong.push(wrong);
        }
        let is_same = now.owner == before.owner;
        if is_same != (now.epoch == before.epoch) || now.epoch < before.epoch {
            let wrong = format!(
                "epoch {} of {} comes after {} of {}",
                now.epoch, now.owner, before.epoch, before.owner
            );
            self.inner().wrong.push(wrong);
        }
        if !is_same {
            self.happens("a route changes hands");
        }
        if now.cursor.link == before.cursor.link && now.cursor.delivered > before.cursor.delivered {
            self.happens("a page is committed in parts");
        }
    }
}

impl AppliedObserver for CheckpointCheck {
    /// Every event that the checkpoint counts is on the bus or among the dead letters; and every event on the bus is one that
    /// it counts, or it will come again.
    fn applied(&self, on_bus: &BTreeSet<String>, checkpoint: &Bytes) {
        let record = CheckpointRecord::from_bytes(checkpoint, &format!("acme.okta.com/{ROUTE}")).unwrap();
        let (recent, kept): (_, BTreeSet<_>) =
            (record.cursor.recent.to_set(), self.letters.ids().into_iter().collect());
        let end = after(&Url::parse(&record.cursor.link).unwrap()).unwrap_or_default();
        let is_counted = |index: usize| index < end || recent.contains(&uuid(index));
        for index in 0..end + AHEAD_MAX {
            let id = id(index);
            let is_there = on_bus.contains(&id);
            if is_counted(index) && !is_there && !kept.contains(&id) {
                self.inner().wrong.push(format!("the checkpoint at {end} counts {id}, which is nowhere"));
            }
            if is_there && !is_counted(index) {
                self.inner()
                    .wrong
                    .push(format!("the checkpoint at {end} does not count {id}, which is committed"));
            }
        }
        let before = self.inner().last.replace(record.clone());
        self.compare(before.as_ref(), &record);
    }
}

/// The id of the message of an event.
fn id(event: usize) -> String {
    format!("acme:{}", uuid(event))
}

/// What was wrong in the end.
pub(super) fn judge(world: &World, scenario: &Scenario) -> Vec<String> {
    let mut wrong = Vec::new();
    let committed = world.bus.log();
    let on_bus: BTreeSet<_> = committed.iter().cloned().collect();
    let dead: BTreeSet<_> = world.letters.ids().into_iter().collect();
    let lost =
        (0..world.log.committed().len()).map(id).filter(|id| !on_bus.contains(id) && !dead.contains(id));
    wrong.extend(lost.map(|id| format!("{id} is lost")));
    if committed.len() != on_bus.len() {
        wrong.push(format!("{} messages are committed twice", committed.len() - on_bus.len()));
    }
    wrong.extend(out_of_order(world, &committed));
    let odd = dead.iter().filter(|id| !world.bus.is_poison(id)).count();
    let lives: usize = scenario.daemons.iter().map(|lives| lives.len() + 1).sum();
    let odd_max = LOST_TO_REFUSAL_MAX * world.bus.refusing_times() * lives;
    if odd > odd_max {
        wrong
            .push(format!("{odd} messages that are not odd are among the dead letters, more than {odd_max}"));
    }
    wrong
}

/// The messages of each key must be in Okta's order. What was refused and is accepted later may come behind what followed it.
fn out_of_order(world: &World, committed: &[String]) -> Option<String> {
    let mut last = BTreeMap::new();
    for id in committed.iter().filter(|id| !world.bus.has_refused(id)) {
        let event = id.rsplit('-').next().unwrap().parse::<usize>().unwrap();
        let before = last.insert(event % KEYS, event);
        if let Some(before) = before.filter(|before| *before > event) {
            return Some(format!("{id} comes after event {before} of the same key"));
        }
    }
    None
}
