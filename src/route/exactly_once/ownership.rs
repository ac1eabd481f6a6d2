//! Who may write for a route. The checkpoint in the bus says whose it is; the bus itself refuses whoever is not.
//!
//! A run takes a route over at most once: when it starts, or when it is a standby and the owner is gone. Whoever finds
//! another owner after that steps down, even where it never heard that the route was its own: so two daemons never take a
//! route from each other in turns. A wrong clock can make a standby take
//! over too early, and cannot make two write.

use std::time::Duration;

use tokio::time::Instant;

use super::record::{CheckpointRecord, Owner};

/// How a route is owned over the time of a run. Pure, but for the time that the caller gives.
#[derive(Debug)]
pub(super) struct Ownership {
    pub(super) me: Owner,
    standby: Option<Duration>,
    /// The epoch in which this run owned the route last.
    owned: Option<u64>,
    /// The epoch with which this run asked for the route last, be it that the bus took that or not.
    asked: Option<u64>,
    /// The latest epoch that the bus has shown. One before it is a bus that was set back, or that lags.
    latest: u64,
    watched: Option<Watched>,
}

/// What a standby saw of the owner.
#[derive(Debug)]
struct Watched {
    /// None: there was no checkpoint.
    seen: Option<Seen>,
    since: Instant,
}

#[derive(Debug)]
struct Seen {
    owner: Owner,
    epoch: u64,
    generation: u64,
}

/// What the checkpoint in the bus means for this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// The route is ours.
    Owned,
    /// It may be taken over.
    TakeOver,
    /// Its owner lives: look again.
    StandBy,
    /// Somebody else has taken it over, and we do not come back.
    StepDown,
}

impl Ownership {
    /// Of the run `me`. A standby takes over from an owner that has not moved for `standby`; without it, a start does at
    /// once.
    pub(super) fn new(me: Owner, standby: Option<Duration>) -> Self {
        Self { me, standby, owned: None, asked: None, latest: 0, watched: None }
    }

    /// How often an owner moves its checkpoint even if there is nothing to deliver, so that no standby takes it for gone.
    pub(super) fn heartbeat(&self) -> Option<Duration> {
        self.standby.map(|takeover_after| takeover_after / 4)
    }

    /// What `found` in the bus means at `now`.
    pub(super) fn judge(&mut self, found: Option<&CheckpointRecord>, now: Instant) -> Claim {
        let Some(found) = found else { return self.judge_nothing(now) };
        self.latest = self.latest.max(found.epoch);
        if self.is_ours(found) {
            self.owned = Some(found.epoch);
            return Claim::Owned;
        }
        // The bus shows what it had before: it has to be asked again once nobody else writes. Whoever owned the route before
        // us finds itself there, and leaves it to us all the same.
        if self.owned == Some(self.latest) && found.epoch < self.latest {
            return Claim::Owned;
        }
        let Some(takeover_after) = self.standby else {
            return if self.is_superseded_by(found) { Claim::StepDown } else { Claim::TakeOver };
        };
        if found.is_released {
            return Claim::TakeOver;
        }
        self.watch(Some(found), takeover_after, now)
    }

    /// Whether the checkpoint is of the time in which this run owns the route.
    pub(super) fn is_ours(&self, record: &CheckpointRecord) -> bool {
        record.owner == self.me && record.epoch == self.latest
    }

    /// The epoch with which this run asks for the route now, where the bus or its local copy shows `shown`.
    pub(super) fn next_epoch(&mut self, shown: u64) -> u64 {
        let epoch = self.latest.max(shown) + 1;
        self.asked = Some(epoch);
        epoch
    }

    /// Whether `found`, which is another's, has the route from this run. A later epoch than the one that this run asked for
    /// comes behind that: the route was ours, and the answer was lost.
    fn is_superseded_by(&self, found: &CheckpointRecord) -> bool {
        self.owned.is_some() || self.asked.is_some_and(|asked| found.epoch > asked)
    }

    /// The bus has no checkpoint. An owner that lives writes it again, and knows best where the route stands; so whoever
    /// does not own the route gives it the time.
    fn judge_nothing(&mut self, now: Instant) -> Claim {
        let Some(takeover_after) = self.standby.filter(|_| self.owned.is_none()) else {
            return Claim::TakeOver;
        };
        self.watch(None, takeover_after, now)
    }

    fn watch(&mut self, found: Option<&CheckpointRecord>, takeover_after: Duration, now: Instant) -> Claim {
        match &self.watched {
            Some(watched) if !watched.is_passed_by(found) => {
                let is_gone = now.duration_since(watched.since) >= takeover_after;
                if is_gone { Claim::TakeOver } else { Claim::StandBy }
            }
            _ => {
                let seen = found.map(|found| Seen {
                    owner: found.owner.clone(),
                    epoch: found.epoch,
                    generation: found.generation,
                });
                self.watched = Some(Watched { seen, since: now });
                Claim::StandBy
            }
        }
    }

    /// The bus could not be asked: what was seen before says nothing of whether the owner lives.
    pub(super) fn lose_sight(&mut self) {
        self.watched = None;
    }
}

impl Watched {
    /// Whether `found` shows that somebody has written since. An earlier record of the same owner, or of an owner before, shows
    /// nothing: a bus that lags gives the last record and the one before in turns.
    fn is_passed_by(&self, found: Option<&CheckpointRecord>) -> bool {
        match (&self.seen, found) {
            (None, None) => false,
            (Some(seen), Some(found)) if seen.owner == found.owner => {
                (found.epoch, found.generation) > (seen.epoch, seen.generation)
            }
            (Some(seen), Some(found)) => found.epoch >= seen.epoch,
            (None, Some(_)) | (Some(_), None) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Cursor;

    const TAKEOVER_AFTER: Duration = Duration::from_secs(8);

    fn record(owner: &Owner, epoch: u64, generation: u64) -> CheckpointRecord {
        let cursor = Cursor::for_tests("https://acme.okta.com/api/v1/logs");
        CheckpointRecord { owner: owner.clone(), epoch, generation, is_released: false, cursor }
    }

    fn pair(standby: Option<Duration>) -> (Ownership, Owner) {
        (Ownership::new(Owner::of_this_run(), standby), Owner::of_this_run())
    }

    #[test]
    fn a_start_takes_over_and_whoever_was_taken_over_steps_down_for_good() {
        let ((mut first, other), now) = (pair(None), Instant::now());
        assert_eq!(first.judge(None, now), Claim::TakeOver);
        assert_eq!(first.judge(Some(&record(&other, 1, 5)), now), Claim::TakeOver, "it is the second daemon");
        let own = record(&first.me.clone(), 2, 6);
        assert_eq!(first.judge(Some(&own), now), Claim::Owned);
        for later in [now, now + Duration::from_secs(86_400)] {
            assert_eq!(first.judge(Some(&record(&other, 3, 7)), later), Claim::StepDown);
        }
    }

    #[test]
    fn whoever_never_heard_that_the_route_was_its_own_steps_down_all_the_same() {
        let ((mut first, before), now) = (pair(None), Instant::now());
        assert_eq!(first.judge(Some(&record(&before, 4, 5)), now), Claim::TakeOver);
        assert_eq!(first.next_epoch(4), 5);
        assert_eq!(first.judge(Some(&record(&before, 4, 6)), now), Claim::TakeOver, "it was not taken");
        let at_the_same_time = record(&Owner::of_this_run(), 5, 7);
        assert_eq!(first.judge(Some(&at_the_same_time), now), Claim::TakeOver, "somebody else was sooner");
        assert_eq!(first.next_epoch(5), 6);
        assert_eq!(first.judge(Some(&record(&before, 7, 8)), now), Claim::StepDown);
    }

    /// Found by the simulation, seeds 12 and 83.
    #[test]
    fn an_answer_from_before_is_no_reason_to_step_down() {
        let ((mut first, before), now) = (pair(None), Instant::now());
        let own = record(&first.me.clone(), 2, 6);
        assert_eq!(first.judge(Some(&own), now), Claim::Owned);
        assert_eq!(first.judge(Some(&record(&before, 1, 5)), now), Claim::Owned);
    }

    #[test]
    fn a_standby_waits_while_the_owner_moves_and_takes_over_when_it_does_not() {
        let ((mut standby, owner), begin) = (pair(Some(TAKEOVER_AFTER)), Instant::now());
        let mut at = begin;
        for generation in 1..100 {
            at = begin + Duration::from_secs(generation * 7);
            assert_eq!(standby.judge(Some(&record(&owner, 1, generation)), at), Claim::StandBy);
        }
        let silent = record(&owner, 1, 99);
        assert_eq!(standby.judge(Some(&silent), at + Duration::from_secs(7)), Claim::StandBy);
        assert_eq!(standby.judge(Some(&silent), at + TAKEOVER_AFTER), Claim::TakeOver);
        let own = record(&standby.me.clone(), 2, 100);
        assert_eq!(standby.judge(Some(&own), at), Claim::Owned);
        assert_eq!(standby.judge(Some(&record(&owner, 3, 101)), at), Claim::StandBy, "it waits again");
    }

    #[test]
    fn a_bus_that_shows_the_record_before_now_and_then_does_not_keep_a_dead_owner_alive() {
        let ((mut standby, owner), begin) = (pair(Some(TAKEOVER_AFTER)), Instant::now());
        let (before, last) = (record(&owner, 1, 8), record(&owner, 1, 9));
        assert_eq!(standby.judge(Some(&last), begin), Claim::StandBy);
        for second in 1..8 {
            let found = if second % 2 == 0 { &last } else { &before };
            assert_eq!(standby.judge(Some(found), begin + Duration::from_secs(second)), Claim::StandBy);
        }
        assert_eq!(standby.judge(Some(&before), begin + TAKEOVER_AFTER), Claim::TakeOver);
    }

    #[test]
    fn a_standby_does_not_count_the_time_in_which_the_bus_could_not_be_asked() {
        let ((mut standby, owner), now) = (pair(Some(TAKEOVER_AFTER)), Instant::now());
        assert_eq!(standby.judge(Some(&record(&owner, 1, 1)), now), Claim::StandBy);
        standby.lose_sight();
        let later = now + 10 * TAKEOVER_AFTER;
        assert_eq!(standby.judge(Some(&record(&owner, 1, 1)), later), Claim::StandBy);
    }

    #[test]
    fn a_released_route_is_taken_over_at_once() {
        let ((mut standby, owner), now) = (pair(Some(TAKEOVER_AFTER)), Instant::now());
        let released = CheckpointRecord { is_released: true, ..record(&owner, 1, 1) };
        assert_eq!(standby.judge(Some(&released), now), Claim::TakeOver);
    }

    #[test]
    fn where_the_bus_is_set_back_the_last_owner_comes_first_and_the_one_before_waits() {
        let now = Instant::now();
        let (mut last, mut before) =
            (Ownership::new(Owner::of_this_run(), Some(TAKEOVER_AFTER)), pair(Some(TAKEOVER_AFTER)).0);
        let (of_before, of_last) = (record(&before.me.clone(), 3, 30), record(&last.me.clone(), 4, 40));
        assert_eq!(before.judge(Some(&of_before), now), Claim::Owned);
        assert_eq!(before.judge(Some(&of_last), now), Claim::StandBy);
        assert_eq!(last.judge(Some(&of_last), now), Claim::Owned);
        assert_eq!(before.judge(Some(&of_before), now), Claim::StandBy);
        assert_eq!(last.judge(Some(&of_before), now), Claim::Owned);
        assert!(!last.is_ours(&of_before), "it is taken over once more");
        assert_eq!(last.next_epoch(of_before.epoch), 5);
        assert_eq!(before.judge(Some(&record(&last.me.clone(), 5, 31)), now), Claim::StandBy);
        assert_eq!(before.judge(Some(&of_before), now), Claim::StandBy);
        assert_eq!(
            before.judge(Some(&of_before), now + TAKEOVER_AFTER),
            Claim::TakeOver,
            "the last owner is gone"
        );
    }

    #[test]
    fn where_the_checkpoint_is_gone_its_owner_comes_first() {
        let ((mut standby, owner), now) = (pair(Some(TAKEOVER_AFTER)), Instant::now());
        assert_eq!(standby.judge(Some(&record(&owner, 1, 9)), now), Claim::StandBy);
        assert_eq!(standby.judge(None, now), Claim::StandBy);
        assert_eq!(standby.judge(None, now + TAKEOVER_AFTER / 2), Claim::StandBy);
        assert_eq!(standby.judge(Some(&record(&owner, 2, 10)), now + TAKEOVER_AFTER / 2), Claim::StandBy);
        assert_eq!(standby.judge(None, now + TAKEOVER_AFTER), Claim::StandBy);
        assert_eq!(standby.judge(None, now + 2 * TAKEOVER_AFTER), Claim::TakeOver, "the owner is gone too");
        let own = record(&standby.me.clone(), 3, 11);
        assert_eq!(standby.judge(Some(&own), now), Claim::Owned);
        assert_eq!(standby.judge(None, now), Claim::TakeOver, "whoever owns the route writes it again");
    }
}
