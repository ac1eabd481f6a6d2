//! Writes the times of commands with milliseconds, as Okta does.

use jiff::Timestamp;
use serde::Serializer;

/// For example `2026-11-25T09:00:00.120Z`. Truncates to milliseconds.
pub(in crate::command) fn text(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// For `serialize_with`.
pub(in crate::command) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_three_digits_and_nothing_is_rounded_up() {
        for (nanoseconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (948_713_119, "1970-01-01T00:00:00.948Z"),
            (999_999_999, "1970-01-01T00:00:00.999Z"),
        ] {
            assert_eq!(text(Timestamp::from_nanosecond(nanoseconds).unwrap()), expected);
        }
    }
}
