//! What must be true of every checkpoint that is committed: it counts exactly what is there, and whoever wrote it may write. After
//! damage to the checkpoint from outside, what it had counted may come again, and nothing may be left out.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::time::Instant;
use url::Url;

use super::{
    ROUTE,
    daemon::LocalCopies,
    judge::{event, id},
    scenario::Scenario,
};
use crate::{
    route::{
        Phase, RouteStatus,
        exactly_once::{Owner, record::CheckpointRecord},
    },
    simulation::happens,
    sink::{
        SimulatedLetters,
        simulated::{AppliedObserver, CheckpointDamage},
    },
    source::simulation::log::{after, uuid},
    state::{Cursor, RecentSet},
};

/// More events than a route may have committed beyond its link.
const AHEAD_MAX: usize = 60;

#[derive(Debug)]
pub(super) struct CheckpointCheck {
    letters: Arc<SimulatedLetters>,
    /// What a daemon is in the end that does not have the route.
    without_route: Phase,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: Option<CheckpointRecord>,
    /// The event that is asked for next.
    after: Option<usize>,
    /// The events on the bus that may not come again.
    on_bus: BTreeSet<usize>,
    /// All before it are on the bus or among the dead letters.
    there_until: usize,
    handovers: u64,
    /// What has happened to the checkpoint since the last commit.
    damage: Option<CheckpointDamage>,
    /// When no daemon has a reason any more to take the route from another.
    settled_at: Option<Instant>,
    /// Whatever that is, not before this time.
    unsettled_until: Option<Instant>,
    /// By whom, and with which generation, each checkpoint was written.
    written: BTreeSet<(Option<String>, u64)>,
    /// All that have begun.
    runs: Vec<DaemonRun>,
    wrong: Vec<String>,
}

/// One run of one daemon.
#[derive(Debug)]
struct DaemonRun {
    owner: Owner,
    /// Where its daemon keeps the local copies.
    copies: Arc<LocalCopies>,
    status: Arc<RouteStatus>,
    /// Another run has taken the route from it, and nothing has happened to the checkpoint since.
    is_superseded: bool,
}

/// The events that a cursor counts as delivered.
#[derive(Debug)]
struct CountedEvents {
    end: usize,
    recent: RecentSet,
}

impl Inner {
    fn is_settled(&self) -> bool {
        let is_over = |until: Option<Instant>| until.is_none_or(|until| Instant::now() > until);
        self.settled_at.is_some() && is_over(self.settled_at) && is_over(self.unsettled_until)
    }

    fn run_of(&self, owner: &Owner) -> Option<&DaemonRun> {
        self.runs.iter().find(|run| run.owner == *owner)
    }

    fn copies_of(&self, owner: &Owner) -> Option<&LocalCopies> {
        self.run_of(owner).map(|run| &*run.copies)
    }

    /// The owner has lost the route to another run.
    fn supersede(&mut self, owner: &Owner) {
        self.runs.iter_mut().filter(|run| run.owner == *owner).for_each(|run| run.is_superseded = true);
    }
}

impl CountedEvents {
    fn of(cursor: &Cursor) -> Self {
        let end = after(&Url::parse(&cursor.link).unwrap()).unwrap_or_default();
        Self { end, recent: cursor.recent.to_set() }
    }

    fn contains(&self, event: usize) -> bool {
        event < self.end || self.recent.contains(&uuid(event))
    }
}

impl CheckpointCheck {
    pub(super) fn new(letters: Arc<SimulatedLetters>, scenario: &Scenario) -> Arc<Self> {
        let without_route =
            if scenario.takeover_after.is_some() { Phase::Standby } else { Phase::Superseded };
        Arc::new(Self { letters, without_route, inner: Mutex::default() })
    }

    /// From then on no daemon has a reason to take the route from another.
    pub(super) fn settles(&self, at: Instant) {
        self.inner().settled_at = Some(at);
    }

    /// Until then, at least, daemons have a reason to take the route from each other.
    pub(super) fn unsettled_until(&self, at: Instant) {
        self.inner().unsettled_until = Some(at);
    }

    /// A run of a daemon begins, with its local copies there.
    pub(super) fn begins(&self, owner: Owner, copies: Arc<LocalCopies>, status: Arc<RouteStatus>) {
        self.inner().runs.push(DaemonRun { owner, copies, status, is_superseded: false });
    }

    /// The generation of whoever has the route, and what its status says of the local state.
    pub(super) fn standing_of_owner(&self) -> (u64, Option<String>) {
        let inner = self.inner();
        let Some(last) = &inner.last else { return (0, None) };
        let status = inner.run_of(&last.owner).map(|run| run.status.snapshot());
        (last.generation, status.and_then(|status| status.state_trouble))
    }

    /// In the end a run that lives either has the route or says that it has not.
    pub(super) fn wrong_standing(&self, owner: &Owner) -> Option<String> {
        let inner = self.inner();
        let (last, run) = (inner.last.as_ref()?, inner.run_of(owner)?);
        let standing = run.status.snapshot();
        let is_wrong = if last.owner == *owner {
            standing.phase == Phase::Superseded
        } else {
            (standing.phase, &standing.owner) != (self.without_route, &Some(last.owner.to_string()))
        };
        is_wrong.then(|| format!("the owner is {:?}, and {owner:?} says {standing:?}", last.owner))
    }

    /// The event that is asked for next.
    pub(super) fn after(&self) -> Option<usize> {
        self.inner().after
    }

    /// Whether no daemon has a reason any more to take the route from another.
    pub(super) fn is_settled(&self) -> bool {
        self.inner().is_settled()
    }

    /// How often the route changed hands.
    pub(super) fn handovers(&self) -> u64 {
        self.inner().handovers
    }

    /// In the end the local copy of whoever owns the route is where the bus is.
    pub(super) fn wrong_copy(&self) -> Option<String> {
        let inner = self.inner();
        let last = inner.last.as_ref()?;
        let copied = inner.copies_of(&last.owner).and_then(LocalCopies::last_acknowledged);
        let is_current = copied.is_some_and(|copied| copied.link == last.cursor.link);
        (!is_current).then(|| format!("the owner's local copy is not at {}", last.cursor.link))
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.inner().wrong.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every event that is counted is on the bus or among the dead letters; and every event on the bus is counted, or it will
    /// come again.
    fn look_at_events(&self, inner: &mut Inner, counted: &CountedEvents) {
        let begin = inner.there_until.min(counted.end);
        let is_there = |inner: &Inner, event| inner.on_bus.contains(&event) || self.letters.has(&id(event));
        for event in begin..counted.end + AHEAD_MAX {
            if counted.contains(event) && !is_there(inner, event) {
                let wrong =
                    format!("the checkpoint at {} counts {}, which is nowhere", counted.end, id(event));
                inner.wrong.push(wrong);
            }
        }
        inner.there_until = counted.end;
        let beyond = inner.on_bus.range(counted.end..);
        let uncounted: Vec<_> = beyond.copied().filter(|event| !counted.contains(*event)).collect();
        match inner.damage {
            None => inner.wrong.extend(uncounted.iter().map(|event| {
                format!("the checkpoint at {} does not count {}, which is committed", counted.end, id(*event))
            })),
            Some(_) => {
                if !uncounted.is_empty() {
                    happens("what the damaged checkpoint had counted comes again");
                }
                inner.on_bus.retain(|event| !uncounted.contains(event));
            }
        }
    }

    /// Whoever has lost the route writes nothing any more, unless it stands by; whoever has stepped down does not in any case.
    fn look_at_owner(&self, inner: &mut Inner, now: &CheckpointRecord) {
        // After damage the one before may be the one that lost the route.
        let before = inner.last.as_ref().filter(|last| inner.damage.is_none() && last.owner != now.owner);
        if let Some(before) = before.map(|last| last.owner.clone()) {
            inner.supersede(&before);
        }
        let Some(run) = inner.run_of(&now.owner) else { return };
        let has_stepped_down = run.status.snapshot().phase == Phase::Superseded;
        let comes_back = run.is_superseded && self.without_route == Phase::Superseded;
        if has_stepped_down || comes_back {
            let wrong =
                format!("{:?} writes in epoch {}, and another had taken its route", now.owner, now.epoch);
            inner.wrong.push(wrong);
        }
    }

    fn compare(inner: &mut Inner, now: &CheckpointRecord) {
        let Some(before) = &inner.last else { return };
        let is_same = now.owner == before.owner;
        let mut wrong = Vec::new();
        if now.generation <= before.generation {
            wrong.push(format!("generation {} comes after {}", now.generation, before.generation));
        }
        if is_same != (now.epoch == before.epoch) || now.epoch < before.epoch {
            wrong.push(format!(
                "epoch {} of {} comes after {} of {}",
                now.epoch, now.owner, before.epoch, before.owner
            ));
        }
        if !is_same && !before.is_released && inner.is_settled() {
            wrong.push(format!("{} takes a route in quiet times, and its owner lives", now.owner));
        }
        if now.cursor.link == before.cursor.link && now.cursor.delivered > before.cursor.delivered {
            happens("a page is committed in parts");
        }
        inner.wrong.extend(wrong);
    }

    /// Whoever goes on without a checkpoint goes on at the local copy: nothing of what that counts comes again.
    fn look_at_lost(inner: &mut Inner, record: &CheckpointRecord, counted: &CountedEvents) {
        let copies = inner.copies_of(&record.owner);
        let Some(copy) = copies.and_then(LocalCopies::last_acknowledged) else { return };
        let copied = CountedEvents::of(&copy);
        let again =
            (0..copied.end + AHEAD_MAX).find(|event| copied.contains(*event) && !counted.contains(*event));
        inner.wrong.extend(again.map(|event| {
            format!("the checkpoint is gone, and {} comes again, which the local copy counts", id(event))
        }));
    }
}

impl AppliedObserver for CheckpointCheck {
    fn applied(&self, messages: &[String], checkpoint: &Bytes) {
        let record = CheckpointRecord::from_bytes(checkpoint, &format!("acme.okta.com/{ROUTE}")).unwrap();
        let inner = &mut *self.inner();
        for id in messages {
            // Whoever still owns the route goes on at once with what a damaged checkpoint does not count any more.
            if !inner.on_bus.insert(event(id)) && inner.damage.is_none() {
                inner.wrong.push(format!("{id} is committed twice"));
            }
        }
        let has_same_cursor = |last: &CheckpointRecord| {
            last.cursor.link == record.cursor.link && last.cursor.recent == record.cursor.recent
        };
        let is_heartbeat =
            inner.damage.is_none() && messages.is_empty() && inner.last.as_ref().is_some_and(has_same_cursor);
        if inner.last.as_ref().is_some_and(|last| last.owner != record.owner) {
            happens("a route changes hands");
            inner.handovers += 1;
        }
        if inner.damage.is_none() {
            Self::compare(inner, &record);
        }
        self.look_at_owner(inner, &record);
        // By these, checkpoints and their copies are told from each other, also where the bus was set back.
        let number = record.number();
        if !inner.written.insert((number.owner, number.generation)) {
            inner
                .wrong
                .push(format!("generation {} of {:?} is given twice", number.generation, record.owner));
        }
        if !is_heartbeat {
            let counted = CountedEvents::of(&record.cursor);
            if inner.damage == Some(CheckpointDamage::Deleted) {
                Self::look_at_lost(inner, &record, &counted);
            }
            self.look_at_events(inner, &counted);
            inner.after = Some(counted.end);
        }
        inner.damage = None;
        inner.last = Some(record);
    }

    fn damaged(&self, damage: CheckpointDamage, on_bus: &[String]) {
        happens(match damage {
            CheckpointDamage::Deleted => "the checkpoint is deleted",
            CheckpointDamage::Junk => "something else is in place of the checkpoint",
            CheckpointDamage::Older(_) => "the checkpoint is an older one",
            CheckpointDamage::Restored(_) => "the bus is restored from a backup",
        });
        let inner = &mut *self.inner();
        // Whoever the checkpoint names now may not know that it had lost the route.
        inner.runs.iter_mut().for_each(|run| run.is_superseded = false);
        // An older checkpoint may count what the one before did not, after damage to that.
        inner.on_bus = on_bus.iter().map(|id| event(id)).collect();
        inner.there_until = 0;
        // Whoever has seen the older one may go on from it, though it is deleted now.
        inner.damage = match inner.damage {
            Some(before @ (CheckpointDamage::Older(_) | CheckpointDamage::Restored(_))) => Some(before),
            _ => Some(damage),
        };
    }
}
