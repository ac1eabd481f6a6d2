//! The tape: one node for each value of a text, in the order in which they begin. Knows where things stand, and neither
//! the grammar nor what anything means.

use super::scan;

/// The values of one or more JSON texts that lie in one string.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tape {
    pub(super) nodes: Vec<Node>,
    /// What names with escapes say, by the node of their member, ascending.
    pub(super) escaped_names: Vec<(u32, Box<str>)>,
}

/// One value, and its name if it is a member. Places are bytes of the string.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// Where the name begins, behind its quotation mark.
    pub(super) name: u32,
    pub(super) key: Key,
    pub(super) start: u32,
    pub(super) end: u32,
    next: Next,
}

/// The node behind another and all that is in it: the next sibling, if there is one. Its upper bit says whether what is
/// between has escapes, should it be a string.
#[derive(Debug, Clone, Copy)]
struct Next(u32);

/// The length of a name and a few bits of it, by which most others are told from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u32);

/// Up to so many bytes a key knows the length of a name.
const KNOWN_LENGTH_MAX: u32 = 254;
const HASH_BITS: u32 = 24;
const ESCAPES: u32 = 1 << 31;

/// So many bytes a text may have at most: no value of it has a node beyond.
pub(crate) const TEXT_BYTES_MAX: usize = i32::MAX as usize;

impl Node {
    #[inline]
    pub(super) fn new(name: u32, key: Key, place: std::ops::Range<usize>, next: usize) -> Self {
        Self { name, key, start: place.start as u32, end: place.end as u32, next: Next(next as u32) }
    }

    /// The same of a string that has escapes.
    #[inline]
    pub(super) fn with_escapes(self, has_escapes: bool) -> Self {
        Self { next: Next(self.next.0 | if has_escapes { ESCAPES } else { 0 }), ..self }
    }

    /// The next sibling, if there is one.
    #[inline]
    pub(super) fn next(&self) -> u32 {
        self.next.0 & !ESCAPES
    }

    #[inline]
    pub(super) fn has_escapes(&self) -> bool {
        self.next.0 & ESCAPES != 0
    }

    /// Notes where the value ends, and which node comes behind it.
    pub(super) fn close(&mut self, end: usize, next: usize) {
        (self.end, self.next) = (end as u32, Next(next as u32));
    }
}

/// How far a tape goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    nodes: usize,
    escaped_names: usize,
}

impl Key {
    /// The key of what is no member.
    pub(super) const NONE: Self = Self(0);

    /// The key of the member `name`. For a name that stands in the code it is made by the compiler.
    #[inline]
    pub(crate) fn of(name: &str) -> Self {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        const OTHER_ODD: u64 = 0xd1b5_4a32_d192_ed03;
        let name = name.as_bytes();
        let (first, last) = match name {
            [] => (0, 0),
            [one] => (u64::from(*one), 0),
            [one, other] => (u64::from(*one), u64::from(*other)),
            [one, other, third] => (u64::from(*one), u64::from(*other) << 8 | u64::from(*third)),
            _ => match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
                (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
                _ => {
                    let of =
                        |chunk: Option<&[u8; 4]>| u64::from(u32::from_le_bytes(*chunk.unwrap_or(&[0; 4])));
                    (of(name.first_chunk()), of(name.last_chunk()))
                }
            },
        };
        let mixed = first.wrapping_add(name.len() as u64).wrapping_mul(ODD) ^ last.wrapping_mul(OTHER_ODD);
        // The upper bits have what all below have done.
        let hash = (mixed >> (64 - HASH_BITS)) as u32;
        let length = u32::try_from(name.len()).map_or(u32::MAX, |length| length).min(KNOWN_LENGTH_MAX + 1);
        Self(length << HASH_BITS | hash)
    }

    /// The length of the name, if it is short enough to be known.
    #[inline]
    pub(super) fn length(self) -> Option<usize> {
        let length = self.0 >> HASH_BITS;
        (length <= KNOWN_LENGTH_MAX).then_some(length as usize)
    }

    /// One of 64 bits.
    #[inline]
    pub(crate) fn bit(self) -> u64 {
        1 << (self.0 & 63)
    }
}

impl Tape {
    /// A tape of nothing.
    pub(crate) const EMPTY: Self = Self { nodes: Vec::new(), escaped_names: Vec::new() };

    /// Makes room for the values of a text of so many bytes, as long as it is an event.
    pub(crate) fn expect(&mut self, bytes: usize) {
        // With its name a value of Okta's has twenty bytes or more.
        self.nodes.reserve(bytes / 20 + 1);
    }

    /// The number of its nodes.
    pub(crate) fn len(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// How far it goes now.
    pub(crate) fn mark(&self) -> Mark {
        Mark { nodes: self.nodes.len(), escaped_names: self.escaped_names.len() }
    }

    /// Forgets what was read after `mark`.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.nodes.truncate(mark.nodes);
        self.escaped_names.truncate(mark.escaped_names);
    }

    /// Bytes that what was read after `mark` has in memory.
    pub(crate) fn size_bytes_since(&self, mark: Mark) -> usize {
        (self.nodes.len() - mark.nodes) * size_of::<Node>()
            + self
                .escaped_names
                .iter()
                .skip(mark.escaped_names)
                .map(|(_, name)| name_bytes(name))
                .sum::<usize>()
    }

    /// Bytes that it keeps in memory.
    pub(crate) fn size_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.escaped_names.iter().map(|(_, name)| name_bytes(name)).sum::<usize>()
    }

    /// Gives back memory, if it is much, that is kept for more nodes.
    pub(crate) fn shrink(&mut self) {
        if self.nodes.capacity() / 2 > self.nodes.len() {
            self.nodes.shrink_to_fit();
        }
    }

    #[inline]
    pub(super) fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(at as usize)
    }

    /// What the name of the member at `at` says, if it has escapes.
    #[inline]
    pub(super) fn escaped_name(&self, at: u32) -> Option<&str> {
        if self.escaped_names.is_empty() {
            return None;
        }
        let found = self.escaped_names.binary_search_by_key(&at, |(node, _)| *node).ok()?;
        self.escaped_names.get(found).map(|(_, name)| &**name)
    }

    /// Whether `name` is the name of the member at `at`, whose key is the same.
    #[inline]
    pub(super) fn is_named(&self, text: &str, at: u32, name: &str) -> bool {
        if let Some(escaped) = self.escaped_name(at) {
            return escaped == name;
        }
        let Some(node) = self.node(at) else { return false };
        let start = node.name as usize;
        let same = text.as_bytes().get(start..start + name.len()) == Some(name.as_bytes());
        same && (node.key.length().is_some() || self.name(text, at) == name)
    }

    /// The name of the member at `at`.
    #[inline]
    pub(super) fn name<'n>(&'n self, text: &'n str, at: u32) -> &'n str {
        if let Some(name) = self.escaped_name(at) {
            return name;
        }
        let Some(node) = self.node(at) else { return "" };
        let start = node.name as usize;
        let length = node.key.length().unwrap_or_else(|| scan::skip_plain(text.as_bytes(), start) - start);
        text.get(start..start + length).unwrap_or_default()
    }
}

fn name_bytes(name: &str) -> usize {
    name.len() + size_of::<(u32, Box<str>)>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_the_names_of_an_event_apart() {
        let names = "actor id type alternateId displayName detailEntry client userAgent rawUserAgent os browser zone device \
            ipAddress geographicalContext city state country postalCode geolocation lat lon authenticationContext \
            authenticationProvider credentialProvider credentialType issuer interface authenticationStep rootSessionId \
            externalSessionId displayMessage eventType outcome result reason published securityContext asNumber asOrg isp \
            domain isProxy severity debugContext debugData legacyEventType transaction detail uuid version request ipChain \
            ip source target";
        let keys: std::collections::BTreeSet<_> = names.split_whitespace().map(Key::of).collect();
        assert_eq!(keys.len(), names.split_whitespace().count());
    }
}
