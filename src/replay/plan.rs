//! From words to a window, and from a window to slices. Pure.

use std::time::Duration;

use jiff::Timestamp;
use okta_client::logs;

use super::InvalidReplay;
use crate::config::Start;

/// A slice of a busy org is long enough to fill many pages, and that of a quiet one costs one request.
const SLICE: Duration = Duration::from_secs(86_400);
/// What is shorter is not worth cutting.
const SLICE_MIN: Duration = Duration::from_secs(60);
/// So many at least, that they can be read side by side.
const SLICES_MIN: u128 = 8;
/// The most slices.
pub(super) const SLICES_MAX: u16 = 400;

/// A time from `since` up to but without `until`, in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}

impl Span {
    /// Resolves the given times, relative to `now`.
    pub(super) fn resolve(from: &str, to: &str, now: Timestamp) -> Result<Self, InvalidReplay> {
        let (since, until) = (time("from", from, now)?, time("to", to, now)?);
        if since > now {
            return Err(InvalidReplay::NotYet(since));
        }
        if until > now {
            return Err(InvalidReplay::Future(until));
        }
        if since == until {
            return Err(InvalidReplay::Empty(since));
        }
        if since > until {
            return Err(InvalidReplay::Reversed { since, until });
        }
        let earliest = whole_ms(now - logs::RETENTION);
        if since < earliest {
            return Err(InvalidReplay::BeyondRetention { since, earliest });
        }
        Ok(Self { since, until })
    }

    /// The number of slices, unless one was given.
    pub(super) fn slices(self, typed: Option<u16>) -> Result<u16, InvalidReplay> {
        if let Some(slices) = typed {
            let is_possible = (1..=SLICES_MAX).contains(&slices) && u128::from(slices) <= self.length_ms();
            return if is_possible {
                Ok(slices)
            } else {
                Err(InvalidReplay::Slices { slices, most: SLICES_MAX })
            };
        }
        let (wanted, most) = (self.length_ms() / SLICE.as_millis(), self.length_ms() / SLICE_MIN.as_millis());
        let slices = wanted.max(SLICES_MIN).min(most).clamp(1, u128::from(SLICES_MAX));
        Ok(u16::try_from(slices).unwrap_or(SLICES_MAX))
    }

    /// Slice `index` of `slices`, counted from 0. Slices follow each other without a gap and without an overlap.
    pub(super) fn slice(self, index: u16, slices: u16) -> Self {
        let at = |index: u16| {
            let ms = self.length_ms() * u128::from(index) / u128::from(slices.max(1));
            self.since + Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
        };
        Self { since: at(index), until: at(index + 1) }
    }

    /// How long it is.
    pub(super) fn length_ms(self) -> u128 {
        self.until.duration_since(self.since).unsigned_abs().as_millis()
    }
}

fn time(argument: &'static str, typed: &str, now: Timestamp) -> Result<Timestamp, InvalidReplay> {
    let start = typed.parse::<Start>().map_err(|reason| InvalidReplay::Time { argument, reason })?;
    let beyond =
        || InvalidReplay::Time { argument, reason: format!("`{typed}` is before the beginning of time") };
    let time = match start {
        Start::Now => now,
        Start::Ago(ago) => now.checked_sub(ago).map_err(|_| beyond())?,
        Start::At(time) => time,
    };
    Ok(whole_ms(time))
}

/// Okta looks at milliseconds.
fn whole_ms(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-06-01T12:00:00.5Z".parse().unwrap()
    }

    fn resolve(from: &str, to: &str) -> Result<Span, InvalidReplay> {
        Span::resolve(from, to, now())
    }

    #[test]
    fn windows_that_make_no_sense_are_refused_before_anything_happens() {
        use InvalidReplay as R;
        assert!(matches!(resolve("-1h", "-2h"), Err(R::Reversed { .. })));
        assert!(matches!(resolve("-1h", "-1h"), Err(R::Empty(_))));
        assert!(matches!(resolve("-1h", "2026-06-01T12:00:01Z"), Err(R::Future(_))));
        assert!(matches!(resolve("2030-01-01T00:00:00Z", "now"), Err(R::NotYet(_))));
        assert!(matches!(resolve("-91d", "now"), Err(R::BeyondRetention { .. })));
        assert!(matches!(resolve("yesterday", "now"), Err(R::Time { argument: "from", .. })));
        assert!(matches!(resolve("-1h", "soon"), Err(R::Time { argument: "to", .. })));
        assert!(resolve("-90d", "now").is_ok());
    }

    #[test]
    fn a_day_is_a_slice_and_short_windows_are_hardly_cut() {
        let slices = |from: &str, typed| resolve(from, "now").unwrap().slices(typed).ok();
        assert_eq!(slices("-90d", None), Some(90));
        assert_eq!(slices("-1d", None), Some(8));
        assert_eq!(slices("-3m", None), Some(3));
        assert_eq!(slices("-1s", None), Some(1));
        assert_eq!(slices("-90d", Some(400)), Some(400));
        assert_eq!(slices("-90d", Some(401)), None);
        assert_eq!(slices("-90d", Some(0)), None);
    }

    proptest! {
        #[test]
        fn slices_leave_nothing_out_and_nothing_twice(minutes in 1_u64..129_600, slices in 1_u16..=SLICES_MAX) {
            let until = now();
            let whole = Span { since: whole_ms(until - Duration::from_secs(minutes * 60)), until: whole_ms(until) };
            let cut: Vec<_> = (0..slices).map(|index| whole.slice(index, slices)).collect();
            prop_assert_eq!(cut[0].since, whole.since);
            prop_assert_eq!(cut[cut.len() - 1].until, whole.until);
            prop_assert!(cut.windows(2).all(|pair| pair[0].until == pair[1].since));
            prop_assert!(cut.iter().all(|slice| slice.since < slice.until));
            prop_assert!(cut.iter().all(|slice| slice.since.as_nanosecond() % 1_000_000 == 0));
        }
    }
}
