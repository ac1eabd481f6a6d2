//! The events delivered last, as fingerprints: enough to drop what was delivered already when Okta gives it again, above all
//! when a link is refused and a route resumes with an overlap. Knows nothing of how a store keeps them.

/// Events that are remembered.
const CAPACITY: usize = 1_024;
/// The fingerprint of no event: earlier versions wrote it over events that were to be forgotten.
const NOTHING: u64 = 0;

/// A ring of fingerprints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentIds {
    ring: Vec<u64>,
    /// How many were ever remembered: the next goes to this index modulo the capacity.
    count: u64,
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

    /// The fingerprints, oldest first.
    pub fn fingerprints(&self) -> impl Iterator<Item = u64> {
        let oldest = if self.ring.len() < CAPACITY { 0 } else { slot(self.count) };
        let (newer, older) = self.ring.split_at(oldest);
        older.iter().chain(newer).copied().filter(|fingerprint| *fingerprint != NOTHING)
    }

    /// The ring as text, for an export.
    pub(crate) fn to_hex(&self) -> String {
        self.ring.iter().map(|fingerprint| format!("{fingerprint:016x}")).collect()
    }

    /// The ring out of an export.
    pub(crate) fn from_hex(count: u64, hex: &str) -> Option<Self> {
        let digits = hex
            .as_bytes()
            .chunks(16)
            .map(|digits| u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        let ring: Vec<u64> = digits.collect::<Option<_>>()?;
        (ring.len() == ring_length(count)).then_some(Self { ring, count })
    }

    /// A copy to look things up in quickly.
    pub fn to_set(&self) -> RecentSet {
        RecentSet(self.ring.iter().copied().collect())
    }

    /// How many were ever remembered.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The ring as bytes: 8 of each fingerprint, big-endian. From one event to the next, those of one fingerprint change.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.ring.iter().flat_map(|fingerprint| fingerprint.to_be_bytes()).collect()
    }

    /// The ring out of its bytes; none if they do not fit the number of events.
    pub(super) fn from_bytes(count: u64, bytes: &[u8]) -> Option<Self> {
        let (fingerprints, rest) = bytes.as_chunks::<8>();
        let ring: Vec<u64> = fingerprints.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect();
        (rest.is_empty() && ring.len() == ring_length(count)).then_some(Self { ring, count })
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
    fn an_export_and_a_record_are_read_back() {
        for events in [0, 5, CAPACITY, CAPACITY + 70] {
            let mut recent = RecentIds::default();
            filled(0..events, &mut recent);
            assert_eq!(RecentIds::from_hex(recent.count(), &recent.to_hex()).unwrap(), recent);
            assert_eq!(RecentIds::from_bytes(recent.count(), &recent.to_bytes()).unwrap(), recent);
        }
        assert_eq!(RecentIds::from_hex(2, "0000000000000001"), None);
        assert_eq!(RecentIds::from_hex(1, "not hexadecimal!"), None);
    }

    #[test]
    fn bytes_that_do_not_fit_the_count_are_refused() {
        assert_eq!(RecentIds::from_bytes(2, &[0; 8]), None);
        assert_eq!(RecentIds::from_bytes(1, &[0; 7]), None);
    }

    #[test]
    fn events_that_an_earlier_version_was_told_to_forget_are_none() {
        let recent = RecentIds::from_bytes(3, &[0; 24]).unwrap();
        assert_eq!(recent.fingerprints().count(), 0);
    }
}
