//! The tape: one node for each value of a text. Knows where things stand, and neither the grammar nor what anything means.

use super::scan;

/// The values of one or more JSON texts that lie in one string. What is in an object or array stands in a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tape {
    pub(super) nodes: Vec<Node>,
    /// What names with escapes say, by the place where they begin, ascending.
    pub(super) escaped_names: Vec<(u32, Box<str>)>,
    /// Room for the next reading.
    pub(super) pending: Vec<Node>,
}

/// One value, and its name if it is a member. Places are bytes of the string.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// Where the name begins, behind its quotation mark.
    pub(super) name: u32,
    pub(super) key: Key,
    pub(super) start: u32,
    pub(super) end: u32,
    /// The first node of what is in it; of a string, whether it has escapes.
    pub(super) first: u32,
    /// How many values are in it.
    pub(super) count: u32,
}

impl Node {
    /// The node of what is not there: it lies behind every text.
    pub(super) const NONE: Self =
        Self { name: 0, key: Key::NONE, start: u32::MAX, end: u32::MAX, first: 0, count: 0 };
}

/// The length of a name and a few bits of it, by which most others are told from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u32);

/// How far a tape goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    nodes: usize,
    escaped_names: usize,
}

/// Up to so many bytes a key knows the length of a name.
const KNOWN_LENGTH_MAX: usize = 254;
const HASH_BITS: u32 = 24;

/// So many bytes a text may have at most.
pub(crate) const TEXT_BYTES_MAX: usize = i32::MAX as usize;

impl Key {
    /// The key of what is no member.
    pub(crate) const NONE: Self = Self(0);

    /// The key of the member `name`. For a name that stands in the code it is made by the compiler.
    #[inline]
    pub(crate) const fn of(name: &str) -> Self {
        Self::of_bytes(name.as_bytes())
    }

    /// The same of a name by its bytes.
    #[inline]
    pub(super) const fn of_bytes(name: &[u8]) -> Self {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        const OTHER_ODD: u64 = 0xd1b5_4a32_d192_ed03;
        let (first, last) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
                (Some(first), Some(last)) => {
                    (u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64)
                }
                _ => match name {
                    [one, .., other] => (*one as u64, (name[name.len() / 2] as u64) << 8 | *other as u64),
                    [one] => (*one as u64, 0),
                    [] => (0, 0),
                },
            },
        };
        let mixed = first.wrapping_add(name.len() as u64).wrapping_mul(ODD) ^ last.wrapping_mul(OTHER_ODD);
        // The upper bits have what all below have done.
        let hash = (mixed >> (64 - HASH_BITS)) as u32;
        let length = if name.len() > KNOWN_LENGTH_MAX { KNOWN_LENGTH_MAX + 1 } else { name.len() };
        Self((length as u32) << HASH_BITS | hash)
    }

    /// The length of the name, if it is short enough to be known.
    #[inline]
    pub(super) fn length(self) -> Option<usize> {
        let length = (self.0 >> HASH_BITS) as usize;
        (length <= KNOWN_LENGTH_MAX).then_some(length)
    }

    /// One of 64 bits.
    #[inline]
    pub(crate) fn bit(self) -> u64 {
        1 << (self.0 & 63)
    }
}

impl Tape {
    /// A tape of nothing.
    pub(crate) const EMPTY: Self = Self { nodes: Vec::new(), escaped_names: Vec::new(), pending: Vec::new() };

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

    /// Gives back memory that is kept for more nodes.
    pub(crate) fn shrink(&mut self) {
        self.pending = Vec::new();
        if self.nodes.capacity() / 2 > self.nodes.len() {
            self.nodes.shrink_to_fit();
        }
    }

    #[inline]
    pub(super) fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(at as usize)
    }

    /// What the name that begins at `start` says, if it has escapes.
    #[inline]
    pub(super) fn escaped_name(&self, start: u32) -> Option<&str> {
        if self.escaped_names.is_empty() { None } else { self.find_escaped_name(start) }
    }

    #[cold]
    fn find_escaped_name(&self, start: u32) -> Option<&str> {
        let found = self.escaped_names.binary_search_by_key(&start, |(start, _)| *start).ok()?;
        self.escaped_names.get(found).map(|(_, name)| &**name)
    }

    /// Whether `name` is the name of the member `node`, whose key is the same.
    #[inline]
    pub(super) fn is_named(&self, text: &str, node: &Node, name: &str) -> bool {
        if let Some(escaped) = self.escaped_name(node.name) {
            return escaped == name;
        }
        let start = node.name as usize;
        let written = text.as_bytes().get(start..start + name.len()).unwrap_or_default();
        scan::is_same(written, name.as_bytes())
            && (node.key.length().is_some() || self.name(text, node) == name)
    }

    /// The name of the member `node`.
    #[inline]
    pub(super) fn name<'n>(&'n self, text: &'n str, node: &Node) -> &'n str {
        if let Some(name) = self.escaped_name(node.name) {
            return name;
        }
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
