//! The copy of the checkpoint in the local state: for an operator, and for the way in and out of exactly once. The bus is the
//! truth, and nothing waits for the copy: it is written beside delivery, the latest alone. It decides only where the bus has
//! no checkpoint, or none later than the one from which the route went on here without the bus.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::record::CheckpointRecord;
use crate::{
    retry::RetryPolicy,
    route::status::RouteStatus,
    state::{BusCheckpoint, Cursor, State, StateError, StoredCursor},
    telemetry::{chain, metrics},
};

/// How long the state may take for a copy before the copy is said to be behind.
const BEHIND_AFTER: Duration = Duration::from_secs(5);
/// How long the end of a run waits for the last copy, which is where a route goes on that delivers at least once from then on.
const LAST_COPY_MAX: Duration = Duration::from_secs(5);

/// How many places a route remembers that it left.
const LEFT_BEHIND_MAX: usize = 8;

/// Where a route stands by what the bus has shown this run last, or, before it has shown anything, by the local state.
#[derive(Debug)]
pub(super) struct LocalCopy {
    latest: watch::Sender<Option<Arc<Cursor>>>,
    /// The id of the place whose checkpoints it follows.
    place: String,
}

/// Writes the copies of a route. What comes while it writes is written next, the latest alone.
#[derive(Debug)]
pub(super) struct CopyWriter {
    state: State,
    status: Arc<RouteStatus>,
    /// Generation of the local record.
    generation: u64,
    latest: watch::Receiver<Option<Arc<Cursor>>>,
}

impl LocalCopy {
    /// The copy as it was `found`, for a route whose checkpoint is in `place` now, and what keeps it up to date.
    pub(super) fn new(
        place: String,
        state: State,
        status: Arc<RouteStatus>,
        found: Option<StoredCursor>,
    ) -> (Self, CopyWriter) {
        let (generation, cursor) = match found {
            Some(StoredCursor { generation, cursor }) => (generation, Some(Arc::new(cursor))),
            None => (0, None),
        };
        let (sender, latest) = watch::channel(cursor);
        (Self { latest: sender, place }, CopyWriter { state, status, generation, latest })
    }

    /// Where the route stands: by the bus, or by a route that delivered at least once.
    pub(super) fn cursor(&self) -> Option<Arc<Cursor>> {
        self.latest.borrow().clone()
    }

    /// The checkpoint of the bus that it follows. None: the route has never been in a bus.
    pub(super) fn of_bus(&self) -> Option<BusCheckpoint> {
        self.latest.borrow().as_ref()?.of_bus.clone()
    }

    /// Whether it follows `record`, and no other.
    pub(super) fn follows(&self, record: &CheckpointRecord) -> bool {
        self.of_bus().is_some_and(|checkpoint| record.is(&checkpoint))
    }

    /// Whether `record` is what this state's route left behind here when it was moved to another place. Nobody has had the route
    /// here since, so that it went on there and nowhere else.
    pub(super) fn left_behind(&self, record: &CheckpointRecord) -> bool {
        let latest = self.latest.borrow();
        let Some(cursor) = latest.as_ref() else { return false };
        cursor.left_behind.iter().any(|left| {
            left.place.as_ref() == Some(&self.place)
                && left.owner.as_deref() == Some(record.owner.id())
                && left.epoch == record.epoch
                // The last copies may be missing after a crash. An earlier record is that of a bus that was set back.
                && left.generation <= record.generation
        })
    }

    /// The bus has `record`, and the copy will be of that.
    pub(super) fn follow(&self, record: &CheckpointRecord) {
        let of_bus = BusCheckpoint { place: Some(self.place.clone()), ..record.number() };
        let left_behind = self.left_behind_by_now();
        let cursor = Cursor { of_bus: Some(of_bus), left_behind, ..record.cursor.clone() };
        self.latest.send_replace(Some(Arc::new(cursor)));
    }

    /// What the route has left behind in other places, if it is in this one.
    fn left_behind_by_now(&self) -> Vec<BusCheckpoint> {
        let Some(before) = self.cursor() else { return Vec::new() };
        let last = before.of_bus.iter().filter(|checkpoint| checkpoint.place.is_some());
        let elsewhere =
            before.left_behind.iter().chain(last).filter(|left| left.place.as_ref() != Some(&self.place));
        let mut left: Vec<_> = elsewhere.cloned().collect();
        left.drain(..left.len().saturating_sub(LEFT_BEHIND_MAX));
        left
    }
}

impl CopyWriter {
    /// Writes copies until the [`LocalCopy`] is gone, and what is not written then, for a bounded time.
    pub(super) async fn run(self) {
        let (status, mut latest) = (Arc::clone(&self.status), self.latest.clone());
        let is_overdue = async move {
            while latest.changed().await.is_ok() {}
            sleep(LAST_COPY_MAX).await;
        };
        tokio::select! {
            biased;
            () = self.write_all() => {}
            () = is_overdue => tracing::warn!(
                route = status.name(),
                "the route ends, and the last local copy of its checkpoint is not written: the state does not take it; the bus has the \
                 checkpoint"
            ),
        }
    }

    async fn write_all(mut self) {
        while self.latest.changed().await.is_ok() {
            self.write().await;
        }
    }

    /// Writes the latest there is, as often as it takes.
    async fn write(&mut self) {
        let mut backoff = RetryPolicy::STATE.backoff();
        loop {
            let Some(cursor) = self.latest.borrow_and_update().clone() else { return };
            match self.attempt(cursor).await {
                Ok(generation) => {
                    self.generation = generation;
                    if self.status.copy_written() {
                        tracing::info!(
                            route = self.status.name(),
                            "the local copy of the checkpoint is written again"
                        );
                    }
                    return;
                }
                Err(err) => {
                    if let StateError::Regressed { found, .. } = &err {
                        // An attempt that was not acknowledged was applied.
                        self.generation = *found;
                    }
                    self.report(&chain(&err));
                }
            }
            sleep(backoff.next_wait()).await;
        }
    }

    /// Writes `cursor`, and says so if the state takes long.
    async fn attempt(&self, cursor: Arc<Cursor>) -> Result<u64, StateError> {
        let mut writing = pin!(self.state.advance(self.status.name(), self.generation, cursor));
        match timeout(BEHIND_AFTER, &mut writing).await {
            Ok(written) => written,
            Err(_) => {
                self.report("the state does not answer");
                writing.await
            }
        }
    }

    fn report(&self, error: &str) {
        metrics::state_failure(self.status.name());
        if self.status.copy_failed(&format!("the local copy of the checkpoint is behind: {error}")) {
            tracing::warn!(
                route = self.status.name(),
                error,
                "the local copy of the checkpoint is not written; the bus has it, so delivery continues"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Owner, *};
    use crate::route::exactly_once::record::CheckpointRecord;

    fn record(owner: &Owner, epoch: u64, generation: u64) -> CheckpointRecord {
        let cursor = Cursor::for_tests("https://acme.okta.com/api/v1/logs");
        CheckpointRecord { owner: owner.clone(), epoch, generation, is_released: false, cursor }
    }

    /// The copy of a route that has its checkpoint in `place` from now on.
    fn moved(before: Option<&LocalCopy>, place: &str) -> LocalCopy {
        let cursor = before.and_then(LocalCopy::cursor);
        LocalCopy { latest: watch::Sender::new(cursor), place: place.to_owned() }
    }

    #[test]
    fn a_route_that_comes_back_knows_what_it_left_behind_and_nothing_else() {
        let runs: Vec<_> = (0..3).map(|_| Owner::of_this_run()).collect();
        let here = moved(None, "here");
        here.follow(&record(&runs[0], 4, 40));
        let there = moved(Some(&here), "there");
        assert!(!there.left_behind(&record(&runs[0], 4, 40)), "that was in another place");
        there.follow(&record(&runs[1], 5, 41));
        there.follow(&record(&runs[1], 5, 60));

        let back = moved(Some(&there), "here");
        assert!(back.left_behind(&record(&runs[0], 4, 40)));
        assert!(back.left_behind(&record(&runs[0], 4, 43)), "the last copies were not written");
        assert!(!back.left_behind(&record(&runs[0], 4, 39)), "the bus was set back");
        assert!(!back.left_behind(&record(&runs[2], 5, 44)), "another daemon had the route here");
        assert!(!back.left_behind(&record(&runs[2], 4, 44)), "at the same time too");
        back.follow(&record(&runs[2], 6, 61));
        assert!(!back.left_behind(&record(&runs[0], 4, 40)), "that is what a bus has that was set back");

        let there_again = moved(Some(&back), "there");
        assert!(there_again.left_behind(&record(&runs[1], 5, 60)));
    }

    #[test]
    fn a_route_that_moves_often_remembers_the_last_places_alone() {
        let run = Owner::of_this_run();
        let mut copy = moved(None, "0");
        for number in 1..=30_u64 {
            copy.follow(&record(&run, number, number));
            copy = moved(Some(&copy), &number.to_string());
        }
        copy.follow(&record(&run, 31, 31));
        let left = copy.cursor().unwrap().left_behind.clone();
        let places: Vec<_> = left.iter().filter_map(|left| left.place.as_deref()).collect();
        assert_eq!(places, ["22", "23", "24", "25", "26", "27", "28", "29"]);
    }
}
