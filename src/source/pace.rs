//! When a stream asks next: polls with a fixed or an adaptive interval between them, and polls that a ring brings forward.
//! Pure: takes the time as an argument.
//!
//! An adaptive interval is the shortest one after a poll that found events and after a ring, and half as long again after
//! each poll that found none. A ring begins a poll at once, unless rings have begun too many of late.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::PollInterval;

/// By how much an adaptive interval grows with each poll that found nothing.
const GROWTH: f64 = 1.5;
/// The time between two polls that rings begin.
const RINGS_APART: Duration = Duration::from_secs(1);
/// Polls that rings may begin at once, however many they began before.
const RING_BURST: f64 = 10.0;
/// The window of Okta's rate limits.
const WINDOW: Duration = Duration::from_secs(60);
/// The part of the budget that early polls may have: searches, commands and other streams need room too.
const PART: f64 = 0.5;
/// After a ring that found nothing: Okta may ring before its log shows the event. The time from each poll to the next.
const LOOK_AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// The polls of one stream.
#[derive(Debug)]
pub(super) struct Pace {
    bounds: PollInterval,
    interval: Duration,
    began_at: Instant,
    next_at: Instant,
    has_found: bool,
    /// The next poll is one that a ring wants.
    is_rung: bool,
    /// When the next poll would have begun without the ring, until that time or until events are found.
    without_ring_at: Option<Instant>,
    /// How many looks after a ring are begun or planned; none: there was no ring, or it was answered.
    looks: Option<usize>,
    rings: RingAllowance,
    tally: PaceTally,
}

/// The current poll, and when the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Poll {
    pub(super) began_at: Instant,
    pub(super) next_at: Instant,
}

/// What rings have brought.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PaceTally {
    /// Polls that a ring began.
    pub woken: u64,
    /// Those of them that found events, or whose additional looks did.
    pub found: u64,
    /// By how much earlier the events were found than by the next regular poll, all together.
    pub saved: Duration,
}

impl Pace {
    /// The first poll begins now.
    pub(super) fn new(bounds: PollInterval, now: Instant) -> Self {
        let interval = bounds.shortest();
        Self {
            bounds,
            interval,
            began_at: now,
            next_at: now + interval,
            has_found: false,
            is_rung: false,
            without_ring_at: None,
            looks: None,
            rings: RingAllowance { tokens: RING_BURST, at: now, last_at: None },
            tally: PaceTally::default(),
        }
    }

    /// The poll in whose time `now` is; begins it if it is due. `per_minute` is how many requests the budget allows.
    pub(super) fn poll_at(&mut self, now: Instant, per_minute: Option<u64>) -> Poll {
        if now >= self.next_at {
            self.begin(now, per_minute);
        }
        Poll { began_at: self.began_at, next_at: self.next_at }
    }

    /// Events were found in the current poll. Gives what the ring has saved, if one began the poll.
    pub(super) fn found(&mut self, per_minute: Option<u64>) -> Option<Duration> {
        self.has_found = true;
        if let PollInterval::Adaptive { min, max } = self.bounds {
            self.interval = least_interval(per_minute).clamp(min, max);
            self.next_at = self.next_at.min(self.began_at + self.interval);
        }
        if self.looks.take().is_some() && !self.is_rung {
            // There is no need to look again.
            self.next_at = self.began_at + self.interval;
        }
        let saved = self.without_ring_at.take()?.saturating_duration_since(self.began_at);
        self.tally.found += 1;
        self.tally.saved += saved;
        Some(saved)
    }

    /// Somebody rings: the next poll begins as soon as it may.
    pub(super) fn ring(&mut self, now: Instant, per_minute: Option<u64>) {
        let may_begin_at = self.rings.ready_at(now, per_minute);
        self.is_rung = true;
        if may_begin_at < self.next_at {
            self.without_ring_at.get_or_insert(self.next_at);
            self.next_at = may_begin_at;
        }
    }

    /// The time from the current poll to the next one, without rings.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    pub(super) fn tally(&self) -> PaceTally {
        self.tally
    }

    fn begin(&mut self, now: Instant, per_minute: Option<u64>) {
        let has_found = std::mem::take(&mut self.has_found);
        let is_rung = std::mem::take(&mut self.is_rung);
        let is_regular = self.without_ring_at.is_none_or(|at| now >= at);
        if is_regular {
            self.without_ring_at = None;
        }
        if let PollInterval::Adaptive { min, max } = self.bounds {
            let wanted = if has_found || is_rung { min } else { self.interval.mul_f64(GROWTH) };
            self.interval = wanted.max(least_interval(per_minute)).clamp(min, max);
        }
        self.began_at = now;
        self.next_at = now + self.interval;
        if !is_regular {
            self.rings.take(now);
            self.tally.woken += u64::from(is_rung);
        }
        if is_rung {
            self.looks = Some(0);
        }
        let Some(looks) = self.looks.take() else { return };
        let Some(after) = LOOK_AGAIN_AFTER.get(looks) else { return };
        let look_at = self.rings.ready_at(now, per_minute).max(now + *after);
        if look_at < self.next_at {
            self.looks = Some(looks + 1);
            self.without_ring_at.get_or_insert(self.next_at);
            self.next_at = look_at;
        }
    }
}

/// The shortest interval that leaves room for others in the same budget.
fn least_interval(per_minute: Option<u64>) -> Duration {
    per_minute.map_or(Duration::ZERO, |per_minute| WINDOW.div_f64(early_polls(per_minute)))
}

/// How many requests a minute early polls may be.
#[expect(clippy::cast_precision_loss, reason = "limits are small")]
fn early_polls(per_minute: u64) -> f64 {
    (per_minute as f64 * PART).max(1.0)
}

/// How many polls rings may bring forward: a second apart, and in the long run no more than a part of the budget.
#[derive(Debug)]
struct RingAllowance {
    tokens: f64,
    /// When the tokens were counted.
    at: Instant,
    /// When a ring began a poll.
    last_at: Option<Instant>,
}

impl RingAllowance {
    /// When the next ring may begin a poll.
    fn ready_at(&mut self, now: Instant, per_minute: Option<u64>) -> Instant {
        let apart = self.last_at.map_or(now, |last_at| last_at + RINGS_APART).max(now);
        let Some(per_minute) = per_minute else { return apart };
        let each = least_interval(Some(per_minute));
        let gained = now.duration_since(self.at).div_duration_f64(each);
        self.tokens = (self.tokens + gained).min(RING_BURST);
        self.at = now;
        apart.max(now + each.mul_f64((1.0 - self.tokens).max(0.0)))
    }

    fn take(&mut self, now: Instant) {
        self.tokens = (self.tokens - 1.0).max(0.0);
        self.last_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const ADAPTIVE: PollInterval = PollInterval::Adaptive { min: SECOND, max: Duration::from_secs(60) };
    const MINUTELY: PollInterval = PollInterval::Fixed(Duration::from_secs(60));

    /// Polls from `pace` up to `until`; `found` says of each whether it finds events.
    fn polls(
        pace: &mut Pace,
        until: Instant,
        per_minute: Option<u64>,
        mut found: impl FnMut(Instant) -> bool,
    ) -> Vec<Instant> {
        let mut begun = Vec::new();
        loop {
            let next_at = pace.poll_at(pace.began_at, per_minute).next_at;
            if next_at > until {
                return begun;
            }
            pace.poll_at(next_at, per_minute);
            begun.push(next_at);
            if found(next_at) {
                pace.found(per_minute);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fixed_interval_stays_whatever_is_found() {
        let start = Instant::now();
        let mut pace = Pace::new(PollInterval::Fixed(10 * SECOND), start);
        let mut random = Rng::with_seed(1);
        let begun = polls(&mut pace, start + 600 * SECOND, Some(1), |_| random.bool());
        assert_eq!(begun.len(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn an_adaptive_interval_is_short_while_events_come_and_grows_to_the_longest() {
        let start = Instant::now();
        let mut pace = Pace::new(ADAPTIVE, start);
        let busy_until = start + 100 * SECOND;
        let begun = polls(&mut pace, busy_until, None, |_| true);
        assert_eq!(begun.len(), 100);
        let ramp = polls(&mut pace, start + 300 * SECOND, None, |_| false);
        assert!((8..=14).contains(&ramp.len()), "{}", ramp.len());
        let quiet = polls(&mut pace, start + 3_900 * SECOND, None, |_| false);
        assert_eq!((quiet.len(), pace.interval()), (60, 60 * SECOND), "one a minute");
        let woken_at = *quiet.last().unwrap() + 60 * SECOND;
        let next = polls(&mut pace, woken_at + 5 * SECOND, None, |at| at == woken_at);
        assert_eq!(next.first(), Some(&woken_at));
        assert_eq!(next.get(1), Some(&(woken_at + SECOND)), "fast again after the first event");
    }

    #[tokio::test(start_paused = true)]
    async fn an_adaptive_interval_leaves_half_of_the_budget() {
        let start = Instant::now();
        let mut pace = Pace::new(ADAPTIVE, start);
        let begun = polls(&mut pace, start + 600 * SECOND, Some(20), |_| true);
        assert!((99..=102).contains(&begun.len()), "{} in ten minutes", begun.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_is_answered_at_once_and_what_it_saved_is_known() {
        let start = Instant::now();
        let mut pace = Pace::new(MINUTELY, start);
        let rung_at = start + 20 * SECOND;
        pace.ring(rung_at, Some(60));
        assert_eq!(pace.poll_at(rung_at, Some(60)).began_at, rung_at);
        assert_eq!(pace.found(Some(60)), Some(40 * SECOND));
        assert_eq!(pace.poll_at(rung_at, Some(60)).next_at, rung_at + 60 * SECOND, "nothing more is asked");
        assert_eq!(pace.found(Some(60)), None, "counted once");
        assert_eq!(pace.tally(), PaceTally { woken: 1, found: 1, saved: 40 * SECOND });
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_that_is_too_early_is_looked_after_twice_and_no_more() {
        let start = Instant::now();
        let mut pace = Pace::new(MINUTELY, start);
        let rung_at = start + 20 * SECOND;
        pace.ring(rung_at, None);
        let begun = polls(&mut pace, rung_at + 59 * SECOND, None, |_| false);
        assert_eq!(begun, [rung_at, rung_at + SECOND, rung_at + 4 * SECOND]);
        assert_eq!(pace.tally().found, 0);
        let regular = polls(&mut pace, rung_at + 70 * SECOND, None, |_| true);
        assert_eq!((regular.len(), pace.tally().found), (1, 0), "a regular poll is no merit of the ring");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_rings_begins_a_poll_a_second_at_most_and_half_of_the_budget_in_the_long_run() {
        for (per_minute, most) in [(None, 601), (Some(600), 601), (Some(60), 312), (Some(2), 25)] {
            let start = Instant::now();
            let mut pace = Pace::new(MINUTELY, start);
            let mut begun = 0;
            for tenth in 0..6_000 {
                let now = start + tenth * SECOND / 10;
                for _ in 0..3 {
                    pace.ring(now, per_minute);
                }
                begun += u32::from(pace.poll_at(now, per_minute).began_at == now && tenth > 0);
            }
            // The regular ones are ten.
            assert!(begun <= most + 10 && begun > most / 3, "{per_minute:?}: {begun}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_comes_no_event_waits_longer_than_the_longest_interval_and_no_rung_one_longer_than_a_second()
     {
        for seed in 0..300 {
            let (mut random, start) = (Rng::with_seed(seed), Instant::now());
            let bounds = if random.bool() { ADAPTIVE } else { MINUTELY };
            let mut pace = Pace::new(bounds, start);
            let (mut waiting_since, mut rung_since, mut last) = (None, None, start);
            let (mut polls, mut rings, mut events) = (0_u64, 0_u64, 0_u64);
            for tenth in 0..36_000 {
                let now = start + tenth * SECOND / 10;
                if random.u32(0..2_000) == 0 {
                    events += 1;
                    waiting_since.get_or_insert(now);
                    if random.bool() {
                        rings += 1;
                        pace.ring(now, Some(120));
                        rung_since.get_or_insert(now);
                    }
                }
                let began_at = pace.poll_at(now, Some(120)).began_at;
                if began_at == last {
                    continue;
                }
                (last, polls) = (began_at, polls + 1);
                let waited = |since: Option<Instant>| since.map_or(Duration::ZERO, |since| now - since);
                assert!(
                    waited(waiting_since) <= bounds.longest(),
                    "seed {seed}: {:?}",
                    waited(waiting_since)
                );
                assert!(waited(rung_since) <= SECOND, "seed {seed}: {:?}", waited(rung_since));
                assert!((bounds.shortest()..=bounds.longest()).contains(&pace.interval()), "seed {seed}");
                if waiting_since.take().is_some() {
                    pace.found(Some(120));
                }
                rung_since = None;
            }
            // An hour: the idle ones, three a ring, and for each event the way back from the shortest interval.
            let most = 75 + rings * 3 + if bounds == ADAPTIVE { events * 16 } else { 0 };
            assert!(polls <= most, "seed {seed}: {polls} polls, {rings} rings");
        }
    }
}
