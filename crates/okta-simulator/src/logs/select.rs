//! Which events a request gets, and the cursor after them.

use super::cursor::Cursor;
use super::query::{Direction, LogsQuery, TimeRange};
use crate::clock::DAY_MS;
use crate::log_store::{LogStore, PublishedKey};
use crate::okta_error::OktaError;
use crate::org::Org;

const RETENTION_MS: i64 = 90 * DAY_MS;
/// Events looked at under one lock, so that a long search does not hold up new events.
const BATCH: usize = 1_000;

/// The events of a page by index.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) events: Vec<u64>,
    /// Where the page after this one begins; `None` after the last one.
    pub(super) next: Option<Cursor>,
}

/// Selects a page.
pub(super) fn select(org: &Org, query: &LogsQuery, now_ms: i64) -> Result<Selection, OktaError> {
    let oldest_ms = now_ms - RETENTION_MS;
    match query.range {
        TimeRange::Polling { since_ms } => poll(org, query, since_ms.max(oldest_ms), oldest_ms),
        TimeRange::Bounded { since_ms, until_ms, direction: Direction::Ascending } => {
            Ok(search_up(org, query, since_ms.max(oldest_ms), until_ms))
        }
        TimeRange::Bounded { since_ms, until_ms, direction: Direction::Descending } => {
            Ok(search_down(org, query, since_ms.max(oldest_ms), until_ms))
        }
    }
}

/// Polling: in the order of availability, with a next page always. At the tail the cursor stays
/// where it is.
fn poll(org: &Org, query: &LogsQuery, since_ms: i64, oldest_ms: i64) -> Result<Selection, OktaError> {
    let start = match query.after {
        Some(cursor) if is_past_retention(&org.log(), cursor, oldest_ms) => {
            return Err(OktaError::invalid_cursor());
        }
        Some(cursor) => cursor,
        None => Cursor::Ascending { ms: since_ms, ordinal: 0 },
    };
    let mut position = position_of(&org.log(), start);
    let end = org.log().end();
    let next_batch = |_: &LogStore| {
        let batch: Vec<u64> = (position..end).take(BATCH).collect();
        position += batch.len() as u64;
        batch
    };
    let events = scan(org, query, query.limit, |index| *index, next_batch);
    let next = match events.last() {
        Some(last) => cursor_after(&org.log(), *last),
        None => start,
    };
    Ok(Selection { events, next: Some(next) })
}

/// Bounded and ascending: in the order of `published`.
fn search_up(org: &Org, query: &LogsQuery, since_ms: i64, until_ms: i64) -> Selection {
    let mut from = PublishedKey { published_ms: since_ms, index: 0 };
    if let Some(Cursor::Ascending { ms, ordinal }) = query.after {
        from = from.max(org.log().published_after(ms, ordinal));
    }
    let next_batch = |log: &LogStore| {
        let mut batch = log.published_from(from, BATCH);
        batch.retain(|key| key.published_ms < until_ms);
        if let Some(last) = batch.last() {
            from = PublishedKey { index: last.index + 1, ..*last };
        }
        batch
    };
    let mut keys = scan(org, query, query.limit + 1, |key| key.index, next_batch);
    let next = cut_page(&mut keys, query.limit)
        .map(|last| Cursor::Ascending { ms: last.published_ms, ordinal: org.log().published_ordinal(last) });
    Selection { events: keys.iter().map(|key| key.index).collect(), next }
}

/// Bounded and descending: the newest `published` first.
fn search_down(org: &Org, query: &LogsQuery, since_ms: i64, until_ms: i64) -> Selection {
    let mut before = PublishedKey { published_ms: until_ms, index: 0 };
    if let Some(Cursor::Descending(key)) = query.after {
        before = before.min(key);
    }
    let next_batch = |log: &LogStore| {
        let mut batch = log.published_before(before, BATCH);
        batch.retain(|key| key.published_ms >= since_ms);
        before = batch.last().copied().unwrap_or(before);
        batch
    };
    let mut keys = scan(org, query, query.limit + 1, |key| key.index, next_batch);
    let next = cut_page(&mut keys, query.limit).map(Cursor::Descending);
    Selection { events: keys.iter().map(|key| key.index).collect(), next }
}

/// Collects up to `wanted` events that meet the criteria from one batch after the other, until one
/// is empty.
fn scan<T>(
    org: &Org,
    query: &LogsQuery,
    wanted: usize,
    index_of: impl Fn(&T) -> u64,
    mut next_batch: impl FnMut(&LogStore) -> Vec<T>,
) -> Vec<T> {
    let mut found = Vec::new();
    while found.len() < wanted {
        let log = org.log();
        let batch = next_batch(&log);
        if batch.is_empty() {
            break;
        }
        let missing = wanted - found.len();
        let meets = |event: &T| query.criteria.match_event(log.json(index_of(event)));
        found.extend(batch.into_iter().filter(meets).take(missing));
    }
    found
}

/// Cuts the surplus event that proves there is more, and returns the last one of the page in that
/// case.
fn cut_page(keys: &mut Vec<PublishedKey>, limit: usize) -> Option<PublishedKey> {
    let has_more = keys.len() > limit;
    keys.truncate(limit);
    keys.last().copied().filter(|_| has_more)
}

/// Whether events after this cursor may be gone already.
fn is_past_retention(log: &LogStore, cursor: Cursor, oldest_ms: i64) -> bool {
    let Cursor::Ascending { ms, .. } = cursor else {
        return true;
    };
    let is_forgotten = log.first() > 0 && ms < log.persisted_ms(log.first());
    is_forgotten || ms < oldest_ms
}

/// The index of the first event after a polling cursor.
fn position_of(log: &LogStore, cursor: Cursor) -> u64 {
    let Cursor::Ascending { ms, ordinal } = cursor else {
        return log.end();
    };
    let first = log.first_persisted_at(ms);
    let following = log.first_persisted_at(ms.saturating_add(1));
    following.min(first.saturating_add(ordinal))
}

/// The polling cursor after an event.
fn cursor_after(log: &LogStore, index: u64) -> Cursor {
    let ms = log.persisted_ms(index);
    let ordinal = index + 1 - log.first_persisted_at(ms);
    Cursor::Ascending { ms, ordinal }
}
