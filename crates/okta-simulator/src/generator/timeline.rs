//! When things happen: the backlog in waves like working days, what follows at a steady rate.

use fastrand::Rng;

use crate::Options;
use crate::clock::{DAY_MS, duration_ms};

const HOUR_MS: i64 = 60 * 60 * 1000;
/// Pieces into which the span of the backlog is cut; each has its own liveliness.
const PIECES: usize = 2_016;
/// The backlog's last story begins this long before the start, so that it can end in time.
const TAIL_MS: i64 = 60_000;

/// Maps the number of an event to a time.
#[derive(Debug)]
pub(super) struct Timeline {
    started_ms: i64,
    span_ms: i64,
    backlog: u64,
    /// Events a second after the start.
    rate: f64,
    /// For each piece the share of the backlog that lies before its end.
    shares: Vec<f64>,
}

impl Timeline {
    pub(super) fn new(options: &Options, started_ms: i64) -> Self {
        let span_ms = duration_ms(options.backlog_span).max(TAIL_MS + 1);
        let mut rng = Rng::with_seed(options.seed.wrapping_add(2));
        let begin_ms = started_ms - span_ms;
        let mut total = 0.0;
        let mut shares: Vec<f64> = Vec::with_capacity(PIECES);
        for piece in 0..PIECES {
            let place_ms = begin_ms + span_ms / PIECES as i64 * piece as i64;
            let burst = if rng.u32(..40) == 0 { 6.0 } else { 0.5 + rng.f64() };
            total += liveliness(place_ms) * burst;
            shares.push(total);
        }
        for share in &mut shares {
            *share /= total;
        }
        Self { started_ms, span_ms, backlog: options.backlog as u64, rate: options.rate, shares }
    }

    /// When the event of this number is due; `None` if there is never one.
    pub(super) fn time_of(&self, number: u64) -> Option<i64> {
        if number < self.backlog {
            let share = number as f64 / self.backlog as f64;
            return Some(self.backlog_time(share));
        }
        let seconds = (number - self.backlog) as f64 / self.rate;
        (self.rate > 0.0).then(|| self.started_ms + (seconds * 1000.0) as i64)
    }

    fn backlog_time(&self, share: f64) -> i64 {
        let piece = self.shares.partition_point(|end| *end <= share);
        let end = self.shares.get(piece).copied().unwrap_or(1.0);
        let begin = if piece == 0 { 0.0 } else { self.shares[piece - 1] };
        let place = (piece as f64 + (share - begin) / (end - begin).max(f64::EPSILON)) / PIECES as f64;
        let told_ms = (self.span_ms - TAIL_MS) as f64 * place;
        self.started_ms - self.span_ms + told_ms as i64
    }
}

/// How much goes on at a time of the week: offices open, nights and weekends are quiet.
fn liveliness(ms: i64) -> f64 {
    let day = ms.div_euclid(DAY_MS);
    let hour = ms.rem_euclid(DAY_MS) / HOUR_MS;
    // The epoch began on a Thursday.
    let is_weekend = matches!(day.rem_euclid(7), 2 | 3);
    let by_hour = match hour {
        7..=9 => 6.0,
        10..=16 => 4.0,
        17..=20 => 1.5,
        _ => 0.4,
    };
    if is_weekend { by_hour * 0.15 } else { by_hour }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: i64 = 1_723_564_800_000;

    fn timeline(backlog: usize, rate: f64) -> Timeline {
        Timeline::new(&Options { backlog, rate, ..Options::default() }, START_MS)
    }

    #[test]
    fn the_backlog_fills_its_span_and_time_never_runs_backwards() {
        let timeline = timeline(1_000, 10.0);
        let times: Vec<i64> = (0..1_100).map(|number| timeline.time_of(number).unwrap()).collect();
        assert!(times.is_sorted());
        assert!(times[0] < START_MS - 5 * DAY_MS);
        assert!(times[999] < START_MS && times[999] > START_MS - DAY_MS);
        assert_eq!(times[1_000], START_MS);
        assert_eq!(times[1_010], START_MS + 1_000);
    }

    #[test]
    fn nothing_follows_at_rate_zero() {
        let timeline = timeline(10, 0.0);
        assert!(timeline.time_of(9).is_some());
        assert_eq!(timeline.time_of(10), None);
    }
}
