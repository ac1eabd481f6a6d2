//! How long closed files are kept: how many of them go now, and the record of the files that an owner has made. Removes
//! nothing itself; a file that is not in the record is nobody's to remove.

mod record;

use jiff::{SignedDuration, Timestamp};

use crate::config::Retention;

pub(crate) use record::FileRecord;

/// A file that nobody writes to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClosedFile {
    /// What it takes of the disk.
    pub(crate) bytes: u64,
    /// Everything in it was written before.
    pub(crate) closed: Timestamp,
}

/// How many of `closed`, the oldest first, go `now`. `other_bytes` count against the size too, and never go. Pure.
pub(crate) fn due(retention: &Retention, closed: &[ClosedFile], other_bytes: u64, now: Timestamp) -> usize {
    let age_max = retention.age.map(|age| SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX));
    let mut bytes = closed.iter().map(|file| file.bytes).fold(other_bytes, u64::saturating_add);
    let goes = |file: &&ClosedFile| {
        let is_old = age_max.is_some_and(|age| now.duration_since(file.closed) >= age);
        let is_too_much = retention.size_bytes.is_some_and(|most| bytes > most);
        if is_old || is_too_much {
            bytes = bytes.saturating_sub(file.bytes);
        }
        is_old || is_too_much
    };
    // Never one out of the middle.
    closed.iter().take_while(goes).count()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: i64 = 86_400;

    /// Files of 10 bytes that were closed on these days.
    fn closed(days: &[i64]) -> Vec<ClosedFile> {
        let at = |day: &i64| Timestamp::from_second(*day * DAY).unwrap();
        days.iter().map(|day| ClosedFile { bytes: 10, closed: at(day) }).collect()
    }

    fn retention(age_days: Option<u64>, size_bytes: Option<u64>) -> Retention {
        Retention { age: age_days.map(|days| Duration::from_secs(days * DAY.unsigned_abs())), size_bytes }
    }

    #[test]
    fn the_oldest_go_by_age_and_while_there_is_too_much() {
        let day = |day: i64| Timestamp::from_second(day * DAY).unwrap();
        let files = closed(&[1, 2, 3, 4]);
        for (age, size, other, now, goes) in [
            (Some(5), None, 0, 5, 0),
            (Some(5), None, 0, 6, 1),
            (Some(5), None, 0, 8, 3),
            (Some(5), None, 0, 100, 4),
            (None, Some(40), 0, 100, 0),
            (None, Some(40), 1, 100, 1),
            (None, Some(25), 0, 100, 2),
            (None, Some(5), 1_000, 100, 4),
            // Both: whichever asks for more.
            (Some(5), Some(25), 0, 6, 2),
            (Some(5), Some(35), 0, 8, 3),
            // A clock that stands before everything removes nothing.
            (Some(5), None, 0, -100, 0),
        ] {
            let due = due(&retention(age, size), &files, other, day(now));
            assert_eq!(due, goes, "{age:?} {size:?} {other} {now}");
        }
    }

    #[test]
    fn behind_one_that_stays_none_goes() {
        let files = closed(&[9, 1, 2]);
        assert_eq!(due(&retention(Some(5), None), &files, 0, Timestamp::from_second(10 * DAY).unwrap()), 0);
    }
}
