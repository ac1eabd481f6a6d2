//! The log itself: events as rendered bytes, in the order in which they became available and in the
//! order of `published`. It knows nothing of requests.

use std::collections::VecDeque;

/// Events a segment holds; the unit in which the oldest are forgotten.
const SEGMENT_EVENTS: u64 = 4096;

/// An append-only log in memory. An event's index never changes and counts from 0 over the whole
/// run.
#[derive(Debug)]
pub(super) struct LogStore {
    segments: VecDeque<Segment>,
    /// Every event kept, sorted.
    by_published: VecDeque<PublishedKey>,
    /// Index of the oldest event kept; a multiple of [`SEGMENT_EVENTS`].
    first: u64,
    /// Index the next event will get.
    end: u64,
    capacity: u64,
    last_persisted_ms: i64,
}

/// Where an event stands in the order of `published`; equal times keep the order of availability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PublishedKey {
    pub(super) published_ms: i64,
    pub(super) index: u64,
}

/// Consecutive events in one piece of memory.
#[derive(Debug, Default)]
struct Segment {
    text: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// Where the event's text ends in its segment.
    end: usize,
    persisted_ms: i64,
}

impl LogStore {
    /// An empty log that keeps at least `capacity` events and forgets older ones by the segment.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            segments: VecDeque::new(),
            by_published: VecDeque::new(),
            first: 0,
            end: 0,
            capacity: capacity as u64,
            last_persisted_ms: i64::MIN,
        }
    }

    /// Makes an event available. Persistence never runs backwards: an earlier time counts as the
    /// last one.
    pub(super) fn append(&mut self, published_ms: i64, persisted_ms: i64, json: &[u8]) {
        if self.end.is_multiple_of(SEGMENT_EVENTS) {
            self.open_segment();
        }
        let Some(segment) = self.segments.back_mut() else {
            return;
        };
        self.last_persisted_ms = self.last_persisted_ms.max(persisted_ms);
        segment.text.extend_from_slice(json);
        let entry = Entry { end: segment.text.len(), persisted_ms: self.last_persisted_ms };
        segment.entries.push(entry);

        let key = PublishedKey { published_ms, index: self.end };
        match self.by_published.back() {
            Some(last) if *last > key => {
                let place = self.by_published.partition_point(|other| *other < key);
                self.by_published.insert(place, key);
            }
            _ => self.by_published.push_back(key),
        }
        self.end += 1;
    }

    /// The index that the next event will get.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The index of the oldest event kept.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// An event as it was rendered; empty if it is not kept.
    pub(super) fn json(&self, index: u64) -> &[u8] {
        let Some((segment, place)) = self.find(index) else {
            return &[];
        };
        let start = match place {
            0 => 0,
            _ => segment.entries[place - 1].end,
        };
        &segment.text[start..segment.entries[place].end]
    }

    /// When an event became available; the last time of all if it is not kept.
    pub(super) fn persisted_ms(&self, index: u64) -> i64 {
        self.find(index)
            .map_or(self.last_persisted_ms, |(segment, place)| segment.entries[place].persisted_ms)
    }

    /// The first event that became available at `ms` or later.
    pub(super) fn first_persisted_at(&self, ms: i64) -> u64 {
        let (mut low, mut high) = (self.first, self.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.persisted_ms(middle) < ms {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Up to `count` events from `from` on, oldest `published` first.
    pub(super) fn published_from(&self, from: PublishedKey, count: usize) -> Vec<PublishedKey> {
        let start = self.by_published.partition_point(|key| *key < from);
        self.by_published.range(start..).take(count).copied().collect()
    }

    /// Up to `count` events before `before`, newest `published` first.
    pub(super) fn published_before(&self, before: PublishedKey, count: usize) -> Vec<PublishedKey> {
        let end = self.by_published.partition_point(|key| *key < before);
        self.by_published.range(..end).rev().take(count).copied().collect()
    }

    /// How many events of its `published` millisecond there are up to and including this one.
    pub(super) fn published_ordinal(&self, key: PublishedKey) -> u64 {
        let first = PublishedKey { index: 0, ..key };
        let up_to = self.by_published.partition_point(|other| *other <= key);
        (up_to - self.by_published.partition_point(|other| *other < first)) as u64
    }

    /// The place after the `ordinal`-th event of a `published` millisecond, or after all of them.
    pub(super) fn published_after(&self, published_ms: i64, ordinal: u64) -> PublishedKey {
        let first = PublishedKey { published_ms, index: 0 };
        let Some(before) = ordinal.checked_sub(1) else {
            return first;
        };
        let start = self.by_published.partition_point(|key| *key < first);
        let place = start.saturating_add(usize::try_from(before).unwrap_or(usize::MAX));
        match self.by_published.get(place) {
            Some(key) if key.published_ms == published_ms => PublishedKey { index: key.index + 1, ..*key },
            _ => PublishedKey { published_ms, index: u64::MAX },
        }
    }

    fn find(&self, index: u64) -> Option<(&Segment, usize)> {
        let offset = index.checked_sub(self.first)?;
        let segment = self.segments.get(usize::try_from(offset / SEGMENT_EVENTS).ok()?)?;
        let place = usize::try_from(offset % SEGMENT_EVENTS).ok()?;
        (place < segment.entries.len()).then_some((segment, place))
    }

    fn open_segment(&mut self) {
        if let Some(full) = self.segments.back_mut() {
            full.text.shrink_to_fit();
        }
        self.segments.push_back(Segment::default());
        if self.end - self.first >= self.capacity.saturating_add(SEGMENT_EVENTS) {
            self.segments.pop_front();
            self.first += SEGMENT_EVENTS;
            self.by_published.retain(|key| key.index >= self.first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(events: &[(i64, i64)]) -> LogStore {
        let mut store = LogStore::new(1_000_000);
        for (n, (published_ms, persisted_ms)) in events.iter().enumerate() {
            store.append(*published_ms, *persisted_ms, format!("{{{n}}}").as_bytes());
        }
        store
    }

    #[test]
    fn both_orders_hold_a_late_event() {
        let store = store(&[(10, 11), (20, 21), (5, 22), (30, 31)]);
        assert_eq!(store.json(2), b"{2}");
        assert_eq!(store.first_persisted_at(12), 1);
        let from = PublishedKey { published_ms: 0, index: 0 };
        let order: Vec<u64> = store.published_from(from, 9).iter().map(|key| key.index).collect();
        assert_eq!(order, [2, 0, 1, 3]);
        let before = PublishedKey { published_ms: 20, index: 0 };
        let back: Vec<u64> = store.published_before(before, 9).iter().map(|key| key.index).collect();
        assert_eq!(back, [0, 2]);
    }

    #[test]
    fn persistence_never_runs_backwards() {
        let store = store(&[(1, 100), (2, 50)]);
        assert_eq!(store.persisted_ms(1), 100);
    }

    #[test]
    fn the_oldest_are_forgotten_and_the_rest_keep_their_index() {
        let mut store = LogStore::new(10);
        for n in 0..3 * SEGMENT_EVENTS {
            store.append(n.cast_signed(), n.cast_signed(), n.to_string().as_bytes());
        }
        assert_eq!(store.first(), SEGMENT_EVENTS);
        assert_eq!(store.json(0), b"");
        assert_eq!(store.json(SEGMENT_EVENTS), SEGMENT_EVENTS.to_string().as_bytes());
        let from = PublishedKey { published_ms: i64::MIN, index: 0 };
        assert_eq!(store.published_from(from, 1)[0].index, SEGMENT_EVENTS);
    }
}
