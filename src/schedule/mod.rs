//! When something is due: cron patterns and plain words, in a time zone with daylight saving.
//!
//! Pure: the caller passes the time. A slot within the hour that is skipped in spring is due right after it; a slot
//! within the hour that occurs twice in autumn is due once.

mod words;

use std::fmt;

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, tz::TimeZone};

/// When a search is due.
#[derive(Debug, Clone)]
pub struct Schedule {
    typed: String,
    cron: Cron,
    zone: TimeZone,
}

/// A schedule that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Neither a pattern nor words.
    #[error("`{typed}` is no schedule: {reason}")]
    NotUnderstood {
        /// What was typed.
        typed: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A day that never comes.
    #[error("`{0}` is never due: there is no such day")]
    Never(String),
    /// There is no such zone.
    #[error("there is no time zone `{typed}`{}; zones have names such as Europe/Amsterdam", suggestion(.nearest.as_deref()))]
    UnknownZone {
        /// What was typed.
        typed: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
}

impl Schedule {
    /// Reads a cron pattern of five fields, or words such as `daily at 08:00 on weekdays`, for the time zone `zone`.
    pub fn parse(typed: &str, zone: &str) -> Result<Self, ScheduleError> {
        let zone = zone_of(zone)?;
        let not_understood =
            |reason: String| ScheduleError::NotUnderstood { typed: typed.to_owned(), reason };
        let pattern = match words::to_cron(typed) {
            Some(pattern) => pattern.map_err(not_understood)?,
            None => typed.to_owned(),
        };
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(&pattern).map_err(|err| {
            not_understood(format!(
                "{err}. It is five fields, as in \"*/15 * * * *\", or words, as in \"{}\"",
                words::EXAMPLE
            ))
        })?;
        let schedule = Self { typed: typed.to_owned(), cron, zone };
        // Some days come every four years only.
        match schedule.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never(typed.to_owned())),
        }
    }

    /// The first slot after `time`.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let mut from = time.to_zoned(self.zone.clone());
        // A slot that the clock skips is found once more from within the gap; what is not later is not next.
        for _ in 0..4 {
            let next = self.cron.find_next_occurrence(&from, false).ok()?;
            if next.timestamp() > time {
                return Some(next.timestamp());
            }
            from = from.checked_add(jiff::SignedDuration::from_mins(1)).ok()?;
        }
        None
    }

    /// The time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} in {}", self.typed, self.zone.iana_name().unwrap_or("UTC"))
    }
}

fn zone_of(name: &str) -> Result<TimeZone, ScheduleError> {
    TimeZone::get(name).map_err(|_| {
        let likeness = |known: &str| strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase());
        let known = jiff::tz::db().available().map(|zone| zone.to_string());
        let nearest = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let nearest = nearest.filter(|nearest| likeness(nearest) > 0.8);
        ScheduleError::UnknownZone { typed: name.to_owned(), nearest }
    })
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(schedule: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(schedule, zone).unwrap();
        let mut at: Timestamp = from.parse().unwrap();
        let mut slots = Vec::new();
        for _ in 0..count {
            at = schedule.next_after(at).unwrap();
            slots.push(at.to_string());
        }
        slots
    }

    #[test]
    fn patterns_and_words_are_due_when_they_say() {
        assert_eq!(
            slots("*/15 * * * *", "UTC", "2026-01-01T00:00:00Z", 3),
            ["2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z", "2026-01-01T00:45:00Z"]
        );
        assert_eq!(
            slots("0 9 * * MON-FRI", "America/New_York", "2026-01-02T00:00:00Z", 2),
            ["2026-01-02T14:00:00Z", "2026-01-05T14:00:00Z"]
        );
        assert_eq!(
            slots("daily at 08:30 on weekdays", "Europe/Amsterdam", "2026-01-02T12:00:00Z", 1),
            ["2026-01-05T07:30:00Z"]
        );
        assert_eq!(
            slots("monthly on 31 at 06:00", "UTC", "2026-01-31T07:00:00Z", 2),
            ["2026-03-31T06:00:00Z", "2026-05-31T06:00:00Z"]
        );
        assert_eq!(
            slots("monthly on last at 06:00", "UTC", "2026-01-31T07:00:00Z", 1),
            ["2026-02-28T06:00:00Z"]
        );
    }

    #[test]
    fn a_skipped_hour_is_due_right_after_it_and_a_repeated_one_once() {
        // The clock goes from 02:00 to 03:00 at 01:00 UTC.
        assert_eq!(
            slots("30 2 * * *", "Europe/Amsterdam", "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        // The clock goes from 03:00 back to 02:00 at 01:00 UTC.
        assert_eq!(
            slots("30 2 * * *", "Europe/Amsterdam", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        assert_eq!(
            slots("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", 2),
            ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]
        );
    }

    #[test]
    fn every_quarter_of_an_hour_stays_one_through_both_changes() {
        for day in ["2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z"] {
            let slots = slots("*/15 * * * *", "Europe/Amsterdam", day, 16);
            let slots: Vec<Timestamp> = slots.iter().map(|slot| slot.parse().unwrap()).collect();
            for pair in slots.windows(2) {
                assert_eq!(pair[1].duration_since(pair[0]).as_mins(), 15, "{pair:?}");
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let told = |schedule: &str, zone: &str| Schedule::parse(schedule, zone).unwrap_err().to_string();
        assert!(told("0 0 30 2 *", "UTC").contains("never due"));
        assert!(told("61 * * * *", "UTC").contains("five fields"));
        assert!(told("0 0 0 1 1 *", "UTC").contains("five fields"));
        assert!(told("now and then", "UTC").contains("no schedule"));
        assert!(told("daily at 25:00", "UTC").contains("25:00"));
        assert!(told("* * * * *", "Europe/Amsterdm").contains("did you mean `Europe/Amsterdam`?"));
        assert!(told("* * * * *", "").contains("no time zone"));
    }
}
