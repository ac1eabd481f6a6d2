//! The events delivered last, as fingerprints: enough to drop what was delivered already when Okta gives it again, above all
//! when a link is refused and a route resumes with an overlap.
//!
//! Kept on the disk in chunks below one KiB, because sled puts larger values into files of their own and leaks them.

/// Fingerprints in a chunk.
const CHUNK: usize = 64;
/// Chunks in the ring: the last 1,024 events are remembered.
const CHUNKS: usize = 16;
const CAPACITY: usize = CHUNK * CHUNKS;
/// The fingerprint of no event.
const NOTHING: u64 = 0;

/// A ring of fingerprints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentIds {
    ring: Vec<u64>,
    /// How many were ever remembered: the next goes to this index modulo the capacity.
    count: u64,
    /// The count at which the chunks were last written.
    written: u64,
}

impl RecentIds {
    /// Remembers the event with this identity, unless it is known, and forgets the oldest beyond the capacity.
    pub fn remember(&mut self, identity: &str) {
        let fingerprint = fingerprint(identity);
        if self.ring.contains(&fingerprint) {
            return;
        }
        let slot = slot(self.count);
        match self.ring.get_mut(slot) {
            Some(place) => *place = fingerprint,
            None => self.ring.push(fingerprint),
        }
        self.count += 1;
    }

    /// The same ring with nothing in them: what came before may come again and is then new. An empty ring would not do,
    /// as the chunks of the old one stay on the disk.
    #[must_use]
    pub fn forgotten(mut self) -> Self {
        self.ring.fill(NOTHING);
        self.written = 0;
        self
    }

    /// The fingerprints, oldest first.
    pub fn fingerprints(&self) -> impl Iterator<Item = u64> {
        let oldest = if self.ring.len() < CAPACITY { 0 } else { slot(self.count) };
        let (newer, older) = self.ring.split_at(oldest);
        older.iter().chain(newer).copied().filter(|fingerprint| *fingerprint != NOTHING)
    }

    /// The ring as text, for an export.
    pub(super) fn to_hex(&self) -> String {
        self.ring.iter().map(|fingerprint| format!("{fingerprint:016x}")).collect()
    }

    /// The ring out of an export; everything in it is to be written.
    pub(super) fn from_hex(count: u64, hex: &str) -> Option<Self> {
        let digits = hex
            .as_bytes()
            .chunks(16)
            .map(|digits| u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        let ring: Vec<u64> = digits.collect::<Option<_>>()?;
        (ring.len() == ring_length(count)).then_some(Self { ring, count, written: 0 })
    }

    /// A copy to look things up in quickly.
    pub fn to_set(&self) -> RecentSet {
        RecentSet(self.ring.iter().copied().collect())
    }

    /// The chunks that changed since they were last written: number and bytes.
    pub(super) fn changed_chunks(&self) -> impl Iterator<Item = (u8, Vec<u8>)> {
        let added = usize::try_from(self.count - self.written).unwrap_or(CAPACITY).min(CAPACITY);
        let first = slot(self.count - added as u64) / CHUNK;
        let chunks = if added == 0 { 0 } else { ((added - 1) / CHUNK + 2).min(CHUNKS) };
        (0..chunks).map(move |offset| (first + offset) % CHUNKS).filter_map(|number| {
            let chunk = self.ring.chunks(CHUNK).nth(number)?;
            let bytes = chunk.iter().flat_map(|fingerprint| fingerprint.to_be_bytes()).collect();
            Some((u8::try_from(number).ok()?, bytes))
        })
    }

    /// Notes that the changed chunks are on the disk.
    pub fn mark_written(&mut self) {
        self.written = self.count;
    }

    /// Notes that nothing is on the disk: for a store that is written anew.
    pub(super) fn mark_unwritten(&mut self) {
        self.written = 0;
    }

    /// How many were ever remembered.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Puts the ring together from its chunks in the order of their numbers.
    pub(super) fn from_chunks<'a>(count: u64, chunks: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut ring = Vec::new();
        for chunk in chunks {
            let (fingerprints, rest) = chunk.as_chunks::<8>();
            rest.is_empty().then_some(())?;
            ring.extend(fingerprints.iter().map(|bytes| u64::from_be_bytes(*bytes)));
        }
        (ring.len() == ring_length(count)).then_some(Self { ring, count, written: count })
    }
}

/// How many fingerprints there are after `count` events.
fn ring_length(count: u64) -> usize {
    usize::try_from(count).unwrap_or(CAPACITY).min(CAPACITY)
}

/// Fingerprints to look up.
#[derive(Debug, Clone, Default)]
pub struct RecentSet(std::collections::HashSet<u64>);

impl RecentSet {
    /// Adds the event with this identity.
    pub fn insert(&mut self, identity: &str) {
        self.0.insert(fingerprint(identity));
    }

    /// The fingerprints, 8 bytes each.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|fingerprint| fingerprint.to_be_bytes()).collect()
    }

    /// A set of what [`RecentSet::to_bytes`] gave; none if it was cut short.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (fingerprints, rest) = bytes.as_chunks::<8>();
        rest.is_empty().then(|| Self(fingerprints.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect()))
    }

    /// Whether the event with this identity is in the set.
    pub fn contains(&self, identity: &str) -> bool {
        self.0.contains(&fingerprint(identity))
    }
}

fn slot(count: u64) -> usize {
    usize::try_from(count % CAPACITY as u64).unwrap_or_default()
}

/// FNV-1a: stable over versions and machines, and 64 bits are plenty to tell some thousand uuids apart.
pub(crate) fn fingerprint(identity: &str) -> u64 {
    identity
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn filled(range: std::ops::Range<usize>, recent: &mut RecentIds) {
        for number in range {
            recent.remember(&format!("uuid-{number}"));
        }
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut recent = RecentIds::default();
        filled(0..CAPACITY + 10, &mut recent);
        assert!(!recent.to_set().contains("uuid-9"));
        assert!(recent.to_set().contains("uuid-10"));
        assert!(recent.to_set().contains(&format!("uuid-{}", CAPACITY + 9)));
    }

    #[test]
    fn what_is_known_takes_no_second_place() {
        let mut recent = RecentIds::default();
        filled(0..10, &mut recent);
        filled(5..12, &mut recent);
        assert_eq!(recent.count(), 12);
        let known: Vec<_> = recent.fingerprints().collect();
        assert_eq!(known, (0..12).map(|number| fingerprint(&format!("uuid-{number}"))).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_forgotten_is_so_on_the_disk_too() {
        let mut recent = RecentIds::default();
        filled(0..700, &mut recent);
        let mut disk: BTreeMap<_, _> = recent.changed_chunks().collect();
        recent.mark_written();
        let forgotten = recent.forgotten();
        disk.extend(forgotten.changed_chunks());
        let read = RecentIds::from_chunks(forgotten.count(), disk.values().map(Vec::as_slice)).unwrap();
        assert_eq!(read.fingerprints().count(), 0);
    }

    #[test]
    fn changed_chunks_alone_rebuild_the_ring_after_any_number_of_events() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut recent = RecentIds::default();
        let mut disk = BTreeMap::new();
        let mut next = 0;
        for _ in 0..500 {
            let added = random.usize(0..200);
            filled(next..next + added, &mut recent);
            next += added;
            disk.extend(recent.changed_chunks());
            recent.mark_written();
            let read = RecentIds::from_chunks(recent.count(), disk.values().map(Vec::as_slice)).unwrap();
            assert_eq!(read, recent);
        }
        assert!(next > CAPACITY * 10);
    }

    #[test]
    fn an_export_is_read_back_and_written_as_a_whole() {
        for events in [0, 5, CAPACITY, CAPACITY + 70] {
            let mut recent = RecentIds::default();
            filled(0..events, &mut recent);
            recent.mark_written();
            let read = RecentIds::from_hex(recent.count(), &recent.to_hex()).unwrap();
            assert_eq!(read.to_hex(), recent.to_hex());
            let chunks: BTreeMap<_, _> = read.changed_chunks().collect();
            let disk = RecentIds::from_chunks(read.count(), chunks.values().map(Vec::as_slice)).unwrap();
            assert_eq!(disk, recent, "{events}");
        }
        assert_eq!(RecentIds::from_hex(2, "0000000000000001"), None);
        assert_eq!(RecentIds::from_hex(1, "not hexadecimal!"), None);
    }

    #[test]
    fn chunks_that_do_not_fit_the_count_are_refused() {
        assert_eq!(RecentIds::from_chunks(2, [&[0; 8][..]].into_iter()), None);
        assert_eq!(RecentIds::from_chunks(1, [&[0; 7][..]].into_iter()), None);
    }
}
