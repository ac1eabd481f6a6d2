//! What a route of a search does next: wait, run a slot, go on with a run, or leave slots out. Pure.
//!
//! [`Progress`] is all that is remembered. Every change of it is durable before anything is done that depends on it, so
//! that a slot that has begun is known to have begun, and one that has ended never runs again.

use std::time::Duration;

use jiff::Timestamp;
use okta_client::logs::RETENTION;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files::ReadingId;
use crate::{
    config::{Missed, Overlap, SearchConfig, WindowConfig},
    schedule::Schedule,
};

/// How a search is planned.
#[derive(Debug, Clone)]
pub struct Plan {
    name: String,
    schedule: Schedule,
    jitter: Duration,
    missed: Missed,
    overlap: Overlap,
    window: WindowConfig,
}

/// Where a route of a search stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Every slot up to here has run or is left out for good.
    pub decided: Timestamp,
    /// Windows have covered everything up to here.
    pub covered: Timestamp,
    /// When the last run ended.
    pub ended: Option<Timestamp>,
    /// Which reading of its window the last run delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<ReadingId>,
    /// The run that has begun and not ended.
    pub run: Option<Run>,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// When it was due.
    pub slot: Timestamp,
    /// The beginning of its window.
    pub since: Timestamp,
    /// The end of its window, which is not in it.
    pub until: Timestamp,
    /// Up to here the run before has covered the window already.
    pub known_until: Timestamp,
    /// The reading that the run before has delivered: what it found in this window is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_before: Option<ReadingId>,
    /// The reading that is being delivered. Messages are counted of this one; of another they are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<ReadingId>,
    /// Messages of it that are delivered.
    pub delivered: u64,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing is due before this time.
    Wait(Timestamp),
    /// Nothing will ever be due.
    Never,
    /// A run begins.
    Begin(Run),
    /// A run goes on.
    Resume(Run),
    /// Slots up to `decided` are left out.
    Skip {
        /// What [`Progress::decided`] becomes.
        decided: Timestamp,
        /// Why they are.
        why: SkipReason,
    },
}

/// Why slots are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// They came while oktabus was down.
    Missed,
    /// They came while the run before was at work.
    Overlapped,
    /// There is nothing that the run before has not covered.
    NothingNew,
}

impl Plan {
    /// The plan of `search`.
    pub fn new(search: &SearchConfig) -> Self {
        Self {
            name: search.name.clone(),
            schedule: search.schedule.clone(),
            jitter: search.jitter,
            missed: search.missed,
            overlap: search.overlap,
            window: search.window,
        }
    }

    /// Where a route stands that never ran, at its first start.
    pub fn first(&self, now: Timestamp) -> Progress {
        // Okta looks at milliseconds.
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let covered = match self.window {
            WindowConfig::SinceLast { start, .. } => start.resolve(now, RETENTION),
            WindowConfig::LookBack { .. } => now,
        };
        Progress { decided: now, covered, ended: None, found: None, run: None }
    }

    /// What to do now, if oktabus is up since `up_since`.
    pub fn next(&self, progress: &Progress, now: Timestamp, up_since: Timestamp) -> Next {
        if let Some(run) = progress.run {
            return Next::Resume(run);
        }
        let Some(slot) = self.schedule.next_after(progress.decided) else { return Next::Never };
        let due = slot + self.jitter_of(slot);
        if due > now {
            return Next::Wait(due);
        }
        if slot < up_since {
            match self.missed {
                Missed::All => {}
                Missed::Skip => return skip(self.last_between(slot, up_since), SkipReason::Missed),
                Missed::Once => {
                    let last = self.last_between(slot, up_since);
                    if last > slot {
                        // All but the last one.
                        return skip(last - Duration::from_millis(1), SkipReason::Missed);
                    }
                }
            }
        } else if self.overlap == Overlap::Skip
            && let Some(ended) = progress.ended.filter(|ended| slot < *ended)
        {
            return skip(self.last_between(slot, ended), SkipReason::Overlapped);
        }
        self.begin(progress, slot, now)
    }

    /// The next slot, for people.
    pub fn next_slot(&self, progress: &Progress) -> Option<Timestamp> {
        self.schedule.next_after(progress.decided)
    }

    fn begin(&self, progress: &Progress, slot: Timestamp, now: Timestamp) -> Next {
        let until = slot - self.window.settle();
        let (since, known_until) = match self.window {
            // Before the first window there is nothing to read again.
            WindowConfig::SinceLast { .. } if progress.ended.is_none() => {
                (progress.covered, progress.covered)
            }
            WindowConfig::SinceLast { overlap, .. } => (progress.covered - overlap, progress.covered),
            WindowConfig::LookBack { look_back, .. } => (until - look_back, until - look_back),
        };
        // What is older is not there any more.
        let since = since.max(now - RETENTION);
        if until <= since.max(known_until) {
            return skip(slot, SkipReason::NothingNew);
        }
        let known_until = known_until.max(since);
        let found_before = progress.found.filter(|_| known_until > since);
        Next::Begin(Run { slot, since, until, known_until, found_before, reading: None, delivered: 0 })
    }

    /// The last slot from the slot `first` on that comes before `end`.
    fn last_between(&self, first: Timestamp, end: Timestamp) -> Timestamp {
        // From ever further back, so that even a year of minutes is not walked through.
        for hours in [1_i64, 24, 24 * 32, 24 * 367, 24 * 366 * 8] {
            let from = (end - Duration::from_secs(hours.unsigned_abs() * 3_600))
                .max(first - Duration::from_millis(1));
            let mut last = None;
            let mut slot = self.schedule.next_after(from);
            while let Some(at) = slot.filter(|slot| *slot < end) {
                last = Some(at);
                slot = self.schedule.next_after(at);
            }
            if let Some(last) = last {
                return last;
            }
        }
        first
    }

    /// How much later than its slot a run begins: the same for the same slot, whoever asks and how often.
    fn jitter_of(&self, slot: Timestamp) -> Duration {
        if self.jitter.is_zero() {
            return Duration::ZERO;
        }
        let digest = Sha256::new()
            .chain_update(self.name.as_bytes())
            .chain_update(slot.as_millisecond().to_be_bytes())
            .finalize();
        let part = digest[..4].iter().fold(0_u32, |part, byte| part << 8 | u32::from(*byte));
        self.jitter.mul_f64(f64::from(part) / f64::from(u32::MAX))
    }
}

impl Progress {
    /// A run has begun.
    #[must_use]
    pub fn begun(&self, run: Run) -> Self {
        Self { run: Some(run), ..self.clone() }
    }

    /// The run delivers `reading`. What was delivered of another does not count.
    #[must_use]
    pub fn reading(&self, reading: ReadingId) -> Self {
        let delivers = |run: Run| {
            let delivered = if run.reading == Some(reading) { run.delivered } else { 0 };
            Run { reading: Some(reading), delivered, ..run }
        };
        Self { run: self.run.map(delivers), ..self.clone() }
    }

    /// So many messages of the run are delivered.
    #[must_use]
    pub fn delivered(&self, delivered: u64) -> Self {
        Self { run: self.run.map(|run| Run { delivered, ..run }), ..self.clone() }
    }

    /// The run has ended.
    #[must_use]
    pub fn finished(&self, now: Timestamp) -> Self {
        let Some(run) = self.run else { return self.clone() };
        let covered = self.covered.max(run.until);
        Self { decided: run.slot, covered, ended: Some(now), found: run.reading, run: None }
    }

    /// Slots are left out.
    #[must_use]
    pub fn left_out(&self, decided: Timestamp) -> Self {
        Self { decided, ..self.clone() }
    }
}

fn skip(decided: Timestamp, why: SkipReason) -> Next {
    Next::Skip { decided, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Start;

    const MINUTE: Duration = Duration::from_secs(60);

    fn plan(schedule: &str, zone: &str) -> Plan {
        let start = Start::Ago(Duration::from_secs(3_600));
        Plan {
            name: "failed-logins".to_owned(),
            schedule: Schedule::parse(schedule, zone).unwrap(),
            jitter: Duration::ZERO,
            missed: Missed::Once,
            overlap: Overlap::Queue,
            window: WindowConfig::SinceLast { start, settle: MINUTE * 2, overlap: Duration::ZERO },
        }
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    /// All decisions until there is nothing to do.
    fn decisions(plan: &Plan, progress: &mut Progress, now: Timestamp, up_since: Timestamp) -> Vec<Next> {
        let mut decisions = Vec::new();
        loop {
            let next = plan.next(progress, now, up_since);
            decisions.push(next);
            *progress = match next {
                Next::Wait(_) | Next::Never => return decisions,
                Next::Begin(run) => progress.begun(run),
                Next::Resume(_) => progress.finished(now),
                Next::Skip { decided, .. } => progress.left_out(decided),
            };
        }
    }

    fn slots(decisions: &[Next]) -> Vec<Timestamp> {
        let begun = decisions.iter().filter_map(|next| match next {
            Next::Begin(run) => Some(run.slot),
            _ => None,
        });
        begun.collect()
    }

    #[test]
    fn windows_meet_without_gap_and_without_overlap() {
        let plan = plan("0 * * * *", "UTC");
        let mut progress = plan.first(at("2026-01-01T10:30:00Z"));
        assert_eq!(
            plan.next(&progress, at("2026-01-01T10:59:59Z"), progress.decided),
            Next::Wait(at("2026-01-01T11:00:00Z"))
        );
        let begun = decisions(&plan, &mut progress, at("2026-01-01T11:00:00Z"), at("2026-01-01T10:30:00Z"));
        let Next::Begin(run) = begun[0] else { panic!("{begun:?}") };
        assert_eq!((run.since, run.until), (at("2026-01-01T09:30:00Z"), at("2026-01-01T10:58:00Z")));
        let begun = decisions(&plan, &mut progress, at("2026-01-01T12:00:01Z"), at("2026-01-01T10:30:00Z"));
        let Next::Begin(run) = begun[0] else { panic!("{begun:?}") };
        assert_eq!((run.since, run.until), (at("2026-01-01T10:58:00Z"), at("2026-01-01T11:58:00Z")));
    }

    #[test]
    fn missed_slots_are_left_out_run_once_or_all_run_and_nothing_is_uncovered() {
        let (down, up) = (at("2026-01-01T10:30:00Z"), at("2026-01-01T15:30:00Z"));
        for (missed, expected) in [(Missed::Skip, 0), (Missed::Once, 1), (Missed::All, 5)] {
            let plan = Plan { missed, ..plan("0 * * * *", "UTC") };
            let mut progress = plan.first(down);
            let begun = slots(&decisions(&plan, &mut progress, up, up));
            assert_eq!(begun.len(), expected, "{missed:?}");
            assert!(expected != 1 || begun == [at("2026-01-01T15:00:00Z")], "{begun:?}");
            let next = decisions(&plan, &mut progress, at("2026-01-01T16:00:00Z"), up);
            let Next::Begin(run) = next[0] else { panic!("{next:?}") };
            let since = if missed == Missed::Skip { "2026-01-01T09:30:00Z" } else { "2026-01-01T14:58:00Z" };
            assert_eq!(run.since, at(since), "{missed:?}");
        }
    }

    #[test]
    fn slots_during_a_run_wait_or_are_left_out() {
        for (overlap, expected) in [(Overlap::Queue, 3), (Overlap::Skip, 0)] {
            let plan = Plan { overlap, ..plan("*/10 * * * *", "UTC") };
            let up = at("2026-01-01T10:05:00Z");
            let mut progress = plan.first(up);
            let Next::Begin(run) = plan.next(&progress, at("2026-01-01T10:10:00Z"), up) else { panic!() };
            // The run takes until 10:45.
            let now = at("2026-01-01T10:45:00Z");
            progress = progress.begun(run).finished(now);
            assert_eq!(slots(&decisions(&plan, &mut progress, now, up)).len(), expected, "{overlap:?}");
        }
    }

    #[test]
    fn a_window_is_read_again_by_the_overlap_and_never_beyond_the_retention() {
        let start = Start::Ago(Duration::from_secs(3_600));
        let window = WindowConfig::SinceLast { start, settle: Duration::ZERO, overlap: MINUTE * 10 };
        let plan = Plan { window, ..plan("0 * * * *", "UTC") };
        let up = at("2026-01-01T10:30:00Z");
        let progress = plan.first(up);
        let Next::Begin(run) = plan.next(&progress, at("2026-01-01T11:00:00Z"), up) else { panic!() };
        // Before the first window there was none.
        assert_eq!((run.since, run.known_until), (at("2026-01-01T09:30:00Z"), at("2026-01-01T09:30:00Z")));
        let reading = ReadingId::new();
        let mut progress = progress.begun(run).reading(reading).finished(at("2026-01-01T11:00:05Z"));
        let Next::Begin(run) = plan.next(&progress, at("2026-01-01T12:00:00Z"), up) else { panic!() };
        assert_eq!((run.since, run.known_until), (at("2026-01-01T10:50:00Z"), at("2026-01-01T11:00:00Z")));
        assert_eq!(run.found_before, Some(reading));
        let much_later = at("2026-08-01T10:30:00Z");
        let begun = decisions(&plan, &mut progress, much_later, much_later);
        let run =
            begun.iter().find_map(|next| if let Next::Begin(run) = next { Some(run) } else { None }).unwrap();
        assert_eq!(run.since, much_later - RETENTION);
    }

    #[test]
    fn what_was_delivered_of_another_reading_does_not_count() {
        let (plan, up) = (plan("0 * * * *", "UTC"), at("2026-01-01T10:30:00Z"));
        let progress = plan.first(up);
        let Next::Begin(run) = plan.next(&progress, at("2026-01-01T11:00:00Z"), up) else { panic!() };
        let [first, second] = [ReadingId::new(), ReadingId::new()];
        let progress = progress.begun(run).reading(first).delivered(7);
        let delivered = [first, second].map(|reading| progress.reading(reading).run.unwrap().delivered);
        assert_eq!(delivered, [7, 0]);
    }

    #[test]
    fn a_window_without_anything_new_decides_its_slot() {
        let start = Start::Now;
        let window = WindowConfig::SinceLast { start, settle: MINUTE * 90, overlap: Duration::ZERO };
        let plan = Plan { window, ..plan("0 * * * *", "UTC") };
        let up = at("2026-01-01T10:30:00Z");
        let mut progress = plan.first(up);
        let now = at("2026-01-01T13:00:00Z");
        let all = decisions(&plan, &mut progress, now, up);
        assert!(matches!(all[0], Next::Skip { why: SkipReason::NothingNew, .. }), "{all:?}");
        assert_eq!(slots(&all), [at("2026-01-01T13:00:00Z")]);
    }

    #[test]
    fn jitter_delays_the_beginning_and_is_the_same_each_time() {
        let plan = Plan { jitter: MINUTE * 5, ..plan("0 * * * *", "UTC") };
        let up = at("2026-01-01T10:30:00Z");
        let progress = plan.first(up);
        let slot = at("2026-01-01T11:00:00Z");
        let Next::Wait(due) = plan.next(&progress, slot, up) else { panic!() };
        assert!(due > slot && due <= slot + MINUTE * 5, "{due}");
        assert_eq!(plan.next(&progress, slot, up), Next::Wait(due));
        let Next::Begin(run) = plan.next(&progress, due, up) else { panic!() };
        assert_eq!((run.slot, run.until), (slot, slot - MINUTE * 2));
    }

    /// A daemon that is killed at random, through a month with a change of the clock.
    struct Life {
        plan: Plan,
        random: fastrand::Rng,
        now: Timestamp,
        up_since: Timestamp,
        durable: Progress,
        begun: Vec<Timestamp>,
        windows: Vec<(Timestamp, Timestamp)>,
    }

    impl Life {
        fn is_killed(&mut self) -> bool {
            let is_killed = self.random.f64() < 0.02;
            if is_killed {
                // Mostly for minutes, sometimes for many hours.
                let hours = if self.random.f64() < 0.1 { 30.0 } else { 0.2 };
                self.now += Duration::from_secs_f64(self.random.f64() * hours * 3_600.0);
                self.up_since = self.now;
            }
            is_killed
        }

        fn step(&mut self) {
            match self.plan.next(&self.durable, self.now, self.up_since) {
                Next::Wait(until) => self.now = until,
                Next::Never => panic!("there is always a next slot"),
                Next::Skip { decided, .. } => self.durable = self.durable.left_out(decided),
                Next::Begin(run) => {
                    if self.is_killed() {
                        return;
                    }
                    self.begun.push(run.slot);
                    self.durable = self.durable.begun(run);
                }
                Next::Resume(run) => {
                    self.now += Duration::from_secs_f64(self.random.f64() * 300.0);
                    if self.is_killed() {
                        return;
                    }
                    self.windows.push((run.since, run.until));
                    self.durable = self.durable.finished(self.now);
                }
            }
        }
    }

    #[test]
    fn a_month_with_a_change_of_the_clock_and_kills_covers_everything_once() {
        let changes = [
            ("Europe/Amsterdam", "2026-03-15T00:00:00Z"),
            ("Europe/Amsterdam", "2026-10-10T00:00:00Z"),
            ("America/New_York", "2026-02-22T00:00:00Z"),
            ("America/New_York", "2026-10-20T00:00:00Z"),
        ];
        for (zone, from) in changes {
            for (schedule, missed) in
                [("*/15 * * * *", Missed::All), ("30 2 * * *", Missed::All), ("*/15 * * * *", Missed::Once)]
            {
                let plan = Plan { missed, ..plan(schedule, zone) };
                let (begin, random) = (at(from), fastrand::Rng::with_seed(7));
                let durable = plan.first(begin);
                let start = durable.covered;
                let end = begin + Duration::from_secs(30 * 86_400);
                let mut life = Life {
                    plan,
                    random,
                    now: begin,
                    up_since: begin,
                    durable,
                    begun: Vec::new(),
                    windows: Vec::new(),
                };
                while life.now < end {
                    life.step();
                }
                let mut covered = start;
                for (since, until) in &life.windows {
                    assert_eq!(*since, covered, "{zone} {schedule} {missed:?}");
                    covered = *until;
                }
                assert!(life.begun.is_sorted_by(|a, b| a < b), "a slot ran twice");
                if missed == Missed::All {
                    let mut slot = begin;
                    for begun in &life.begun {
                        slot = life.plan.schedule.next_after(slot).unwrap();
                        assert_eq!(*begun, slot, "a slot was left out");
                    }
                    // 30 days, whatever the clock does: the one lost at the change is made up by the gap's slot.
                    let least = if schedule == "30 2 * * *" { 29 } else { 30 * 96 - 120 };
                    assert!(life.begun.len() >= least, "{} slots", life.begun.len());
                }
            }
        }
    }
}
