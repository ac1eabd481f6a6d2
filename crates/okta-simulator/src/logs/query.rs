//! The parameters of a request and what they mean together.

use super::criteria::Criteria;
use super::cursor::Cursor;
use crate::clock::{self, DAY_MS};
use crate::okta_error::OktaError;
use crate::parameters::Parameters;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
const DEFAULT_SPAN_MS: i64 = 7 * DAY_MS;
/// How far back `since` may lie at all; what is older than the retention is merely not there.
const OLDEST_SINCE_MS: i64 = 180 * DAY_MS;

/// One valid request.
#[derive(Debug)]
pub(super) struct LogsQuery {
    pub(super) range: TimeRange,
    pub(super) after: Option<Cursor>,
    pub(super) criteria: Criteria,
    pub(super) limit: usize,
}

/// Which events a request means, and in which order. Times are epoch milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeRange {
    /// No `until` and ascending: by persistence time, without an end.
    Polling { since_ms: i64 },
    /// Anything else: by `published`, from `since` up to but not including `until`.
    Bounded { since_ms: i64, until_ms: i64, direction: Direction },
}

/// The order by `published`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Ascending,
    Descending,
}

impl LogsQuery {
    /// Whether it is answered by persistence time and without an end.
    pub(super) fn is_polling(&self) -> bool {
        matches!(self.range, TimeRange::Polling { .. })
    }

    /// Reads and checks the parameters. Unknown ones are ignored, and so is `since` beside `after`.
    pub(super) fn parse(raw_query: &str, now_ms: i64) -> Result<Self, OktaError> {
        let parameters = Parameters::new(raw_query);
        let direction = match parameters.get("sortOrder") {
            None | Some("ASCENDING") => Direction::Ascending,
            Some("DESCENDING") => Direction::Descending,
            Some(_) => {
                let cause = "'sortOrder': must be ASCENDING or DESCENDING";
                return Err(OktaError::validation("sortOrder", cause));
            }
        };
        let since_ms = parse_time(&parameters, "since")?;
        let until_ms = parse_time(&parameters, "until")?;
        let after = parameters.get("after").map(|token| parse_cursor(token, direction)).transpose()?;
        if after.is_none() && since_ms.is_some_and(|since_ms| since_ms < now_ms - OLDEST_SINCE_MS) {
            return Err(OktaError::invalid_parameter(
                "Invalid parameter: The since parameter is over 180 days prior to the current day.",
            ));
        }
        Ok(Self {
            range: time_range(since_ms, until_ms, direction, now_ms),
            after,
            criteria: Criteria::parse(parameters.get("filter"), parameters.get("q"))?,
            limit: parse_limit(parameters.get("limit"))?,
        })
    }
}

fn time_range(since_ms: Option<i64>, until_ms: Option<i64>, direction: Direction, now_ms: i64) -> TimeRange {
    let end_ms = until_ms.unwrap_or(now_ms);
    let since_ms = since_ms.unwrap_or(end_ms - DEFAULT_SPAN_MS);
    if until_ms.is_none() && direction == Direction::Ascending {
        return TimeRange::Polling { since_ms };
    }
    TimeRange::Bounded { since_ms, until_ms: end_ms, direction }
}

fn parse_cursor(token: &str, direction: Direction) -> Result<Cursor, OktaError> {
    let cursor: Cursor = token.parse().map_err(|_| OktaError::invalid_cursor())?;
    match (cursor, direction) {
        (Cursor::Ascending { .. }, Direction::Ascending) | (Cursor::Descending(_), Direction::Descending) => {
            Ok(cursor)
        }
        _ => Err(OktaError::invalid_cursor()),
    }
}

fn parse_limit(text: Option<&str>) -> Result<usize, OktaError> {
    let Some(text) = text else {
        return Ok(DEFAULT_LIMIT);
    };
    match text.parse() {
        Ok(limit) if limit <= MAX_LIMIT => Ok(limit),
        _ => {
            let cause = format!("'limit': must be an integer from 0 to {MAX_LIMIT}");
            Err(OktaError::validation("limit", cause))
        }
    }
}

fn parse_time(parameters: &Parameters, name: &str) -> Result<Option<i64>, OktaError> {
    let Some(text) = parameters.get(name) else {
        return Ok(None);
    };
    let cause = || format!("'{name}': must be a valid date-time or empty");
    let ms = clock::parse_date_time(text).ok_or_else(|| OktaError::validation(name, cause()))?;
    Ok(Some(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_723_564_800_000;

    fn range(query: &str) -> TimeRange {
        LogsQuery::parse(query, NOW_MS).unwrap().range
    }

    #[test]
    fn polling_is_no_until_and_ascending() {
        let since_ms = NOW_MS - DEFAULT_SPAN_MS;
        assert_eq!(range(""), TimeRange::Polling { since_ms });
        assert_eq!(range("until=&sortOrder=ASCENDING"), TimeRange::Polling { since_ms });
        let direction = Direction::Descending;
        let until_ms = NOW_MS;
        assert_eq!(range("sortOrder=DESCENDING"), TimeRange::Bounded { since_ms, until_ms, direction });
    }

    #[test]
    fn since_defaults_to_a_week_before_until() {
        let until_ms = clock::parse_date_time("2024-08-10T00:00:00Z").unwrap();
        let since_ms = clock::parse_date_time("2024-08-03T00:00:00Z").unwrap();
        let direction = Direction::Ascending;
        assert_eq!(range("until=2024-08-10T00:00:00Z"), TimeRange::Bounded { since_ms, until_ms, direction });
    }

    #[test]
    fn bad_parameters_are_refused_with_oktas_codes() {
        for (query, code) in [
            ("limit=1001", "E0000001"),
            ("limit=-1", "E0000001"),
            ("limit=ten", "E0000001"),
            ("since=yesterday", "E0000001"),
            ("since=2024-08-10T00:00:00+00:00", "E0000001"),
            ("sortOrder=UP", "E0000001"),
            ("since=2024-01-01T00:00:00Z", "E0000053"),
            ("after=nonsense", "E0000029"),
            ("after=1_1&sortOrder=DESCENDING", "E0000029"),
            ("filter=eventType+eqq+%22x%22", "E0000053"),
        ] {
            let error = LogsQuery::parse(query, NOW_MS).unwrap_err();
            let body = String::from_utf8(error.body("x")).unwrap();
            assert!(body.contains(code), "{query}: {body}");
        }
        assert_eq!(LogsQuery::parse("limit=0", NOW_MS).unwrap().limit, 0);
    }
}
