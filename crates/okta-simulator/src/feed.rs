//! From published events to available ones: Okta makes an event available a moment after it was
//! published, and some much later. This is where the persistence order comes from.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::Options;
use super::clock;
use super::generator::{Event, Generator};
use super::log_store::LogStore;
use super::org::Org;

/// Events appended under one lock.
const BATCH: usize = 500;
/// One event in this many is late.
const LATE_ONE_IN: u32 = 200;
const USUAL_DELAY_MS: std::ops::Range<i64> = 200..2_500;
const LATE_DELAY_MS: std::ops::Range<i64> = 30_000..1_200_000;
/// How long to sleep when nothing is due; the feed also wakes for each event that is.
const LONGEST_SLEEP_MS: i64 = 1_000;

/// Takes events from the generator and makes them available when it is time.
#[derive(Debug)]
pub(super) struct Feed {
    generator: Peekable<Generator>,
    delays: Rng,
    /// Published but not yet available: by the time when it will be, in milliseconds, and by
    /// number.
    waiting: BTreeMap<(i64, u64), Event>,
    taken: u64,
    started_ms: i64,
}

impl Feed {
    /// A feed whose backlog ends at `started_ms`.
    pub(super) fn new(options: &Options, started_ms: i64) -> Self {
        Self {
            generator: Generator::new(options, started_ms).peekable(),
            delays: Rng::with_seed(options.seed.wrapping_add(1)),
            waiting: BTreeMap::new(),
            taken: 0,
            started_ms,
        }
    }

    /// Appends exactly `count` events, all published and available by the start.
    pub(super) fn fill_backlog(&mut self, log: &mut LogStore, count: usize) {
        for _ in 0..count {
            let Some(mut event) = self.generator.next() else {
                break;
            };
            event.published_ms = event.published_ms.min(self.started_ms);
            // Nothing that is generated later can become available before this.
            let horizon_ms = event.published_ms;
            self.wait_for(event);
            self.append_backlog(log, horizon_ms);
        }
        self.append_backlog(log, i64::MAX);
    }

    /// Appends new events as they become available, until the org is stopping.
    pub(super) async fn run(mut self, org: Arc<Org>) {
        while !org.stopping.is_cancelled() {
            let now_ms = clock::now_ms();
            self.take_published(now_ms);
            let appended = self.append_due(&org, now_ms);
            if appended == BATCH {
                tokio::task::yield_now().await;
                continue;
            }
            let pause = self.pause(now_ms);
            let _ = org.stopping.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    fn append_backlog(&mut self, log: &mut LogStore, horizon_ms: i64) {
        while let Some((persisted_ms, event)) = self.pop_due(horizon_ms) {
            let json = event.render(event.published_ms);
            log.append(event.published_ms, persisted_ms.min(self.started_ms), &json);
        }
    }

    /// Takes up to a batch of events that are published by now.
    fn take_published(&mut self, now_ms: i64) {
        for _ in 0..BATCH {
            match self.generator.next_if(|event| event.published_ms <= now_ms) {
                Some(event) => self.wait_for(event),
                None => break,
            }
        }
    }

    /// Appends up to a batch of events that are available by now, and says how many.
    fn append_due(&mut self, org: &Org, now_ms: i64) -> usize {
        let mut rendered = Vec::new();
        while rendered.len() < BATCH
            && let Some((persisted_ms, event)) = self.pop_due(now_ms)
        {
            let late_ms = org.faults.strike_event().saturating_mul(1000);
            let published_ms = event.published_ms.saturating_sub(late_ms);
            rendered.push((published_ms, persisted_ms, event.render(published_ms)));
        }
        if rendered.is_empty() {
            return 0;
        }
        let mut log = org.log_mut();
        for (published_ms, persisted_ms, json) in &rendered {
            log.append(*published_ms, *persisted_ms, json);
        }
        rendered.len()
    }

    fn wait_for(&mut self, event: Event) {
        let is_late = self.delays.u32(..LATE_ONE_IN) == 0;
        let delay_ms = self.delays.i64(if is_late { LATE_DELAY_MS } else { USUAL_DELAY_MS });
        self.waiting.insert((event.published_ms + delay_ms, self.taken), event);
        self.taken += 1;
    }

    /// The first event that becomes available by then, with the time when it does.
    fn pop_due(&mut self, horizon_ms: i64) -> Option<(i64, Event)> {
        let first = self.waiting.first_entry()?;
        let (persisted_ms, _) = *first.key();
        (persisted_ms <= horizon_ms).then(|| (persisted_ms, first.remove()))
    }

    /// How long to sleep until the next event is published or available.
    fn pause(&mut self, now_ms: i64) -> Duration {
        let available_ms = self.waiting.first_key_value().map(|((persisted_ms, _), _)| *persisted_ms);
        let published_ms = self.generator.peek().map(|event| event.published_ms);
        let next_ms = available_ms.into_iter().chain(published_ms).min();
        let pause_ms = next_ms.map_or(LONGEST_SLEEP_MS, |next_ms| next_ms - now_ms);
        Duration::from_millis(pause_ms.clamp(1, LONGEST_SLEEP_MS).cast_unsigned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events_file::Identity;

    const START_MS: i64 = 1_723_564_800_000;

    fn backlog(seed: u64, count: usize) -> LogStore {
        let options = Options { seed, backlog: count, ..Options::default() };
        let mut log = LogStore::new(count);
        Feed::new(&options, START_MS).fill_backlog(&mut log, count);
        log
    }

    #[test]
    fn a_backlog_has_its_exact_size_and_ends_at_the_start() {
        let log = backlog(1, 5_000);
        assert_eq!(log.end(), 5_000);
        assert!(log.persisted_ms(4_999) <= START_MS);
        assert!(log.persisted_ms(0) >= START_MS - 6 * clock::DAY_MS);
    }

    #[test]
    fn a_seed_gives_the_same_events_and_another_seed_gives_others() {
        let (one, same, other) = (backlog(1, 500), backlog(1, 500), backlog(2, 500));
        assert!((0..500).all(|index| one.json(index) == same.json(index)));
        assert!((0..500).all(|index| one.json(index) != other.json(index)));
    }

    #[test]
    fn some_events_are_late_and_all_have_an_identity_of_their_own() {
        let log = backlog(1, 5_000);
        let mut uuids = std::collections::HashSet::new();
        let mut late = 0;
        for index in 0..5_000 {
            let identity = Identity::of(log.json(index));
            assert!(uuids.insert(identity.uuid().unwrap().into_owned()));
            let published_ms = clock::parse_date_time(&identity.published().unwrap()).unwrap();
            assert!(published_ms <= log.persisted_ms(index));
            late += u32::from(log.persisted_ms(index) - published_ms >= LATE_DELAY_MS.start);
        }
        assert!((5..100).contains(&late), "{late}");
    }
}
