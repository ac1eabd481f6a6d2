//! Limits audit records about unauthenticated messages, which anybody who can write to the queue can cause: which of
//! them are recorded one by one, and the sum of the others. Pure.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::command::audit::{AuditRecord, Decision, OmittedRecords};

/// The records of a burst.
const BURST: u32 = 100;
/// The interval of records after a burst: about 12 MB a day, if somebody sends without end.
const ONE_EVERY: SignedDuration = SignedDuration::from_secs(6);
/// How often the omitted records are summed up.
pub(super) const SUMMED_EVERY: Duration = Duration::from_secs(60);

/// The rate limit, and the omitted records.
#[derive(Debug, Default)]
pub(super) struct FloodLimiter {
    /// The time up to which the rate is used: each record moves it ahead.
    used_until: Option<Timestamp>,
    left_out: Option<OmittedRecords>,
    /// A sum that is being recorded.
    summed: Option<OmittedRecords>,
}

impl FloodLimiter {
    /// Whether a record at `now` is within the rate.
    pub(super) fn takes(&mut self, now: Timestamp) -> bool {
        let used_until = self.used_until.map_or(now, |until| until.max(now));
        let ahead_max = ONE_EVERY * i32::try_from(BURST - 1).unwrap_or(i32::MAX);
        let takes = used_until.duration_since(now) <= ahead_max;
        if takes {
            self.used_until = used_until.checked_add(ONE_EVERY).ok();
        }
        takes
    }

    /// Counts an omitted record.
    pub(super) fn leave_out(&mut self, record: &AuditRecord<'_>) {
        let at = record.at;
        let left_out = self.left_out.get_or_insert(OmittedRecords {
            count: 0,
            from: at,
            to: at,
            reasons: BTreeMap::new(),
        });
        left_out.count += 1;
        left_out.to = left_out.to.max(at);
        let reason = reason(record);
        // The codes are our own, so they are few.
        match left_out.reasons.get_mut(reason) {
            Some(count) => *count += 1,
            None => _ = left_out.reasons.insert(reason.to_owned(), 1),
        }
    }

    /// The sum of the omitted records. Returns the same sum until it [is recorded](Self::is_recorded).
    pub(super) fn sum(&mut self) -> Option<OmittedRecords> {
        if self.summed.is_none() {
            self.summed = self.left_out.take();
        }
        self.summed.clone()
    }

    /// The last sum was recorded.
    pub(super) fn is_recorded(&mut self) {
        self.summed = None;
    }
}

fn reason<'a>(record: &AuditRecord<'a>) -> &'a str {
    match record.decision {
        // The error of an undecodable message is a text.
        Decision::DeadLetter => "dead_letter",
        Decision::Repeated => "repeated",
        _ => record.error.unwrap_or("refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_recorded_and_then_ten_a_minute() {
        let mut flood_limiter = FloodLimiter::default();
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let mut taken_until = |seconds: i64| {
            (0..10_000).filter(|_| flood_limiter.takes(start + SignedDuration::from_secs(seconds))).count()
        };
        assert_eq!((taken_until(0), taken_until(5), taken_until(60)), (100, 0, 10));
        assert_eq!(taken_until(3_600), 100, "no more than that, however long it was quiet");
    }

    #[test]
    fn a_sum_stays_until_it_is_recorded() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let record =
            AuditRecord { error: Some("not_signed"), ..AuditRecord::new(at, "hr", Decision::Refused) };
        let mut flood_limiter = FloodLimiter::default();
        assert_eq!(flood_limiter.sum(), None);
        flood_limiter.leave_out(&record);
        let sum = flood_limiter.sum();
        assert_eq!(sum.as_ref().map(|sum| (sum.count, sum.reasons["not_signed"])), Some((1, 1)));
        flood_limiter.leave_out(&record);
        assert_eq!(flood_limiter.sum(), sum, "who recorded it was stopped");
        flood_limiter.is_recorded();
        assert_eq!(flood_limiter.sum().map(|sum| sum.count), Some(1));
    }
}
