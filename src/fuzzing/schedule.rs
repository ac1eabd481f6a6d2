//! A schedule: each slot is later than the one before it.

use jiff::Timestamp;

use super::lines;
use crate::schedule::Schedule;

/// Slots that are looked at.
const SLOTS: usize = 8;

/// The lines of `data` are a pattern or words, a time zone, and the second of a time.
pub fn schedule(data: &[u8]) {
    let Some(([typed, zone, second], _)) = lines(data) else { return };
    let schedule = match Schedule::parse(typed, zone) {
        Ok(schedule) => schedule,
        Err(err) => return assert!(!err.to_string().is_empty()),
    };
    let Some(mut at) = second.parse().ok().and_then(|second| Timestamp::from_second(second).ok()) else {
        return;
    };
    for _ in 0..SLOTS {
        // At the end of time there is no later one.
        let Some(next) = schedule.next_after(at) else { return };
        assert!(next > at, "{schedule}: {next} is not after {at}");
        at = next;
    }
}
