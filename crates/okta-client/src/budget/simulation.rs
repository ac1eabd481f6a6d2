//! The budget against a server that counts in windows, with other users, latency, lost answers and several requests at a
//! time: thousands of windows from seeds.

use std::time::Duration;

use tokio::time::Instant;

use super::{Budget, Line, Priority, RateLimit};

const TICK: Duration = Duration::from_millis(50);
const WINDOW_S: f64 = 60.0;
/// A turn in the line, or the time around the change of windows in which the share is used up.
const STREAM_WAITS_MAX: Duration = Duration::from_millis(1_500);

/// A user of the bucket beside us.
#[derive(Debug, Clone, Copy)]
enum Other {
    Nobody,
    /// So many requests a minute, evenly.
    Steady(f64),
    /// So many requests as soon as the window begins.
    Burst(f64),
}

impl Other {
    fn wants(self, elapsed_s: f64) -> f64 {
        match self {
            Self::Nobody => 0.0,
            Self::Steady(rate) => rate * elapsed_s / WINDOW_S,
            Self::Burst(rate) => rate,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Setting {
    seed: u64,
    limit: u64,
    share: f64,
    other: Other,
    windows: u64,
    /// Classes of those who ask without pause, one after the other each.
    askers: &'static [Priority],
}

/// What the server counted in a window.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    ours: u64,
    theirs: u64,
    ours_refused: u64,
    theirs_refused: u64,
    /// Of ours, those that were never answered: the budget takes them to count in the next window too.
    ours_lost: u64,
    /// Of ours, those in the first ten seconds.
    ours_early: u64,
    by_class: [u64; 4],
    /// The longest that a stream waited for its turn.
    stream_waited: Duration,
}

enum Asker {
    /// With this ticket, since then.
    Waiting(u64, Instant),
    /// Asks again then.
    Resting(Instant),
    /// Its answer comes then; None if it is a 429 or lost.
    Asking { until: Instant, headers: Option<RateLimit>, is_refused: bool },
}

fn run(setting: Setting) -> Vec<Counted> {
    run_polling(setting, Duration::ZERO)
}

/// The same with streams that rest for so long between an answer and the next request.
fn run_polling(setting: Setting, rest: Duration) -> Vec<Counted> {
    let mut random = fastrand::Rng::with_seed(setting.seed);
    let mut budget = Budget::new(setting.share, setting.seed);
    let mut line = Line::default();
    let start = Instant::now();
    let mut askers: Vec<_> =
        setting.askers.iter().map(|class| Asker::Waiting(line.join(*class), start)).collect();
    // The server's windows begin anywhere in its second and in our minute.
    let phase_s = random.f64() * WINDOW_S;
    let mut windows: Vec<Counted> = Vec::new();
    let ticks = setting.windows * 60 * 20;
    for tick in 0..ticks {
        let now = start + TICK * u32::try_from(tick).unwrap();
        let server_s = (now - start).as_secs_f64() + phase_s;
        let (number, elapsed_s) = ((server_s / WINDOW_S) as usize, server_s % WINDOW_S);
        windows.resize(windows.len().max(number + 1), Counted::default());
        let window = &mut windows[number];
        while ((window.theirs + window.theirs_refused + 1) as f64) <= setting.other.wants(elapsed_s) {
            if window.ours + window.theirs < setting.limit {
                window.theirs += 1;
            } else {
                window.theirs_refused += 1;
            }
        }
        for (asker, class) in askers.iter_mut().zip(setting.askers) {
            if let Asker::Asking { until, headers, is_refused } = asker {
                if *until > now {
                    continue;
                }
                match headers {
                    Some(headers) if *is_refused => drop(budget.refuse(*headers, now)),
                    Some(headers) => budget.observe(*headers, now),
                    None => budget.give_up(),
                }
                let rest = if *class == Priority::Stream { rest } else { Duration::ZERO };
                *asker = Asker::Resting(now + rest);
            }
            if let Asker::Resting(until) = asker
                && *until <= now
            {
                *asker = Asker::Waiting(line.join(*class), now);
            }
        }
        let order: Vec<_> = (0..askers.len()).collect();
        for at in order {
            let Asker::Waiting(ticket, since) = askers[at] else { continue };
            let Some(priority) = line.turn_of(ticket) else { continue };
            let Err(until) = budget.admit(priority, now) else {
                line.serve(ticket);
                if setting.askers[at] == Priority::Stream {
                    window.stream_waited = window.stream_waited.max(now - since);
                }
                let is_refused = window.ours + window.theirs >= setting.limit;
                if is_refused {
                    window.ours_refused += 1;
                } else {
                    window.ours += 1;
                }
                window.ours_early += u64::from(elapsed_s < 10.0 && !is_refused);
                window.by_class[setting.askers[at] as usize] += u64::from(!is_refused);
                let reset_s = (number as f64 + 1.0) * WINDOW_S;
                let headers = RateLimit {
                    limit: Some(setting.limit),
                    remaining: Some(setting.limit - window.ours - window.theirs),
                    reset_epoch_seconds: Some(1_700_000_000 + reset_s as u64),
                    server_epoch_seconds: Some(1_700_000_000 + server_s as u64),
                };
                let latency = Duration::from_millis(random.u64(10..900));
                let is_lost = random.u8(0..100) == 0;
                window.ours_lost += u64::from(is_lost);
                let headers = (!is_lost).then_some(headers);
                askers[at] = Asker::Asking { until: now + latency, headers, is_refused };
                continue;
            };
            assert!(until > now && until - now <= Duration::from_secs(70), "{setting:?}: {:?}", until - now);
        }
    }
    // The first and the last are cut off.
    windows.remove(0);
    windows.pop();
    windows
}

fn allowed(setting: &Setting) -> u64 {
    ((setting.limit as f64 * setting.share) as u64).max(1)
}

const STREAM: &[Priority] = &[Priority::Stream];
const BACKFILL_BESIDE_STREAM: &[Priority] = &{
    let mut askers = [Priority::Backfill; 9];
    askers[0] = Priority::Stream;
    askers
};

fn random_setting(seed: u64) -> Setting {
    let mut random = fastrand::Rng::with_seed(seed ^ 0x5eed);
    let limit = random.u64(1..300);
    let share = f64::from(random.u8(1..=100)) / 100.0;
    let askers: &[Priority] = match random.u8(0..3) {
        0 => STREAM,
        1 => &[Priority::Stream, Priority::Stream, Priority::Stream, Priority::Stream],
        _ => &[Priority::Stream, Priority::LookUp, Priority::Search, Priority::Backfill],
    };
    Setting { seed, limit, share, other: Other::Nobody, windows: 8, askers }
}

#[test]
fn alone_never_more_than_the_share_never_a_429_and_never_idle() {
    for seed in 0..300 {
        let setting = random_setting(seed);
        let allowed = allowed(&setting);
        for counted in run(setting) {
            assert!(counted.ours <= allowed, "{setting:?}: {counted:?} of {allowed}");
            assert_eq!(counted.ours_refused, 0, "{setting:?}: {counted:?}");
        }
    }
}

#[test]
fn a_backlog_uses_the_whole_share_and_spreads_it() {
    for seed in 0..100 {
        let askers = &[Priority::Stream, Priority::Stream, Priority::Stream, Priority::Stream];
        let setting = Setting { seed, limit: 120, share: 0.5, other: Other::Nobody, windows: 8, askers };
        let windows = run(setting);
        for counted in &windows[1..] {
            assert!(counted.ours >= 54, "{setting:?}: only {counted:?} of 60");
            assert!(counted.ours_early <= 26, "{setting:?}: {counted:?} in the first ten seconds");
        }
    }
}

#[test]
fn others_are_noticed_and_yielded_to() {
    for seed in 0..100 {
        for (rate, most, refused) in [(30.0, 60, 0), (80.0, 46, 3), (100.0, 26, 3), (115.0, 16, 12)] {
            let setting = Setting {
                seed,
                limit: 120,
                share: 0.5,
                other: Other::Steady(rate),
                windows: 10,
                askers: STREAM,
            };
            for counted in &run(setting)[2..] {
                assert!(counted.ours <= most && counted.ours >= 7, "{setting:?}: {counted:?}");
                assert!(counted.theirs_refused <= refused, "{setting:?}: they were refused: {counted:?}");
                assert!(counted.ours_refused <= 2, "{setting:?}: {counted:?}");
            }
        }
    }
}

#[test]
fn a_hostile_user_costs_few_429s_and_does_not_stop_us() {
    for seed in 0..100 {
        for other in [Other::Steady(600.0), Other::Steady(130.0), Other::Burst(120.0), Other::Burst(90.0)] {
            let setting = Setting { seed, limit: 120, share: 0.5, other, windows: 10, askers: STREAM };
            let windows = run(setting);
            for counted in &windows {
                assert!(counted.ours <= 60 && counted.ours_refused <= 2, "{setting:?}: {counted:?}");
            }
            if !matches!(other, Other::Burst(rate) if rate >= 120.0) {
                let ours: u64 = windows.iter().map(|counted| counted.ours).sum();
                assert!(ours >= windows.len() as u64, "{setting:?}: {ours} in {} windows", windows.len());
            }
        }
    }
}

#[test]
fn streams_come_first_and_nobody_starves() {
    for seed in 0..100 {
        let askers =
            &[Priority::Backfill, Priority::Search, Priority::LookUp, Priority::Stream, Priority::Stream];
        let setting = Setting { seed, limit: 120, share: 0.5, other: Other::Nobody, windows: 10, askers };
        let sums = run(setting).iter().skip(1).fold([0; 4], |mut sums, counted| {
            for (sum, count) in std::iter::zip(&mut sums, counted.by_class) {
                *sum += count;
            }
            sums
        });
        assert!(sums.is_sorted_by(|a, b| a > b), "{setting:?}: {sums:?}");
        assert!(sums[3] >= 8, "{setting:?}: {sums:?}");
    }
}

#[test]
fn a_backfill_beside_a_stream_uses_the_whole_share_and_hardly_lets_the_stream_wait() {
    for seed in 0..15 {
        for (limit, share) in [(240, 0.5), (600, 0.5), (240, 1.0)] {
            let setting = Setting {
                seed,
                limit,
                share,
                other: Other::Nobody,
                windows: 10,
                askers: BACKFILL_BESIDE_STREAM,
            };
            let allowed = allowed(&setting);
            let windows = run_polling(setting, Duration::from_secs(2));
            assert!(windows.iter().all(|counted| counted.ours <= allowed), "{setting:?}: {windows:?}");
            let used: u64 = windows.iter().skip(1).map(|counted| counted.ours + counted.ours_lost).sum();
            let possible = allowed * (windows.len() as u64 - 1);
            assert!(used * 100 >= possible * 98, "{setting:?}: {used} of {possible}: {windows:?}");
            let waited = windows.iter().skip(1).map(|counted| counted.stream_waited).max().unwrap();
            assert!(waited <= STREAM_WAITS_MAX, "{setting:?}: {waited:?}");
        }
    }
}
