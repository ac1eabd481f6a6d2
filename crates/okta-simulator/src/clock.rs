//! Time as this room uses it: epoch milliseconds, Okta's date-times, and HTTP dates.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// Milliseconds in a day.
pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The time now in epoch milliseconds.
pub(super) fn now_ms() -> i64 {
    #[cfg(any(test, feature = "in-process"))]
    if let Some(simulated) = SIMULATED_MS.get() {
        return simulated;
    }
    Timestamp::now().as_millisecond()
}

#[cfg(any(test, feature = "in-process"))]
std::thread_local! {
    static SIMULATED_MS: std::cell::Cell<Option<i64>> = const { std::cell::Cell::new(None) };
}

/// Lets the clock of this thread stand at that time.
#[cfg(any(test, feature = "in-process"))]
pub(super) fn simulate(now_ms: i64) {
    SIMULATED_MS.set(Some(now_ms));
}

/// A duration in milliseconds, the longest representable one if it does not fit.
pub(super) fn duration_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A date-time as Okta writes it: `2024-08-13T15:58:20.353Z`.
pub(super) fn date_time(ms: i64) -> String {
    format!("{:.3}", timestamp(ms))
}

/// An ISO 8601 date-time with a zone or an offset, in epoch milliseconds.
pub(super) fn parse_date_time(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// The form of the `Date` header (RFC 9110).
pub(super) fn http_date(ms: i64) -> String {
    let printer = DateTimePrinter::new();
    printer.timestamp_to_rfc9110_string(&timestamp(ms)).unwrap_or_default()
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_times_keep_three_digits_of_milliseconds() {
        let ms = parse_date_time("2024-08-13T15:58:20.350Z").unwrap();
        assert_eq!(date_time(ms), "2024-08-13T15:58:20.350Z");
        assert_eq!(http_date(ms), "Tue, 13 Aug 2024 15:58:20 GMT");
    }

    #[test]
    fn offsets_count_and_a_zone_is_needed() {
        let utc = parse_date_time("2024-08-13T15:58:20Z");
        assert_eq!(parse_date_time("2024-08-13T17:58:20+02:00"), utc);
        assert_eq!(parse_date_time("2024-08-13T15:58:20"), None);
        assert_eq!(parse_date_time("yesterday"), None);
    }
}
