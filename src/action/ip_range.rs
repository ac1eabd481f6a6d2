//! Addresses of the internet as network zones have them: one, a block in CIDR form, or a range. Pure.

use std::{fmt, net::IpAddr, str::FromStr};

use super::embedded;

/// The longest prefixes that are blocked as a whole are shorter than these: a slip of the pen must not shut everybody out.
const BLOCKED_PREFIX_MIN: (u32, u32) = (16, 32);

/// All addresses from the first to the last, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

impl IpRange {
    /// Whether all of `other` is in it.
    pub fn covers(self, other: Self) -> bool {
        self.is_of_family(other) && self.first <= other.first && other.last <= self.last
    }

    /// Whether any address is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.is_of_family(other) && self.first <= other.last && other.first <= self.last
    }

    /// Whether a host of `protected` has an address in it: by IPv4 addresses that are inside of IPv6 addresses too.
    pub fn reaches(self, protected: Self) -> bool {
        // A wide block of IPv6 that is protected says nothing of the IPv4 addresses inside.
        let inside = protected.embedded().into_iter().filter(|_| protected.is_embedding());
        let meant: Vec<_> = inside.chain([protected]).collect();
        let mut ours = self.embedded().into_iter().chain([self]);
        ours.any(|range| meant.iter().any(|meant| meant.overlaps(range)))
    }

    /// The IPv4 addresses that are inside of its addresses.
    fn embedded(self) -> Vec<Self> {
        let (IpAddr::V6(first), IpAddr::V6(last)) = (self.first, self.last) else { return Vec::new() };
        embedded::within(first, last)
            .map(|(first, last)| Self { first: first.into(), last: last.into() })
            .collect()
    }

    /// Whether each of its addresses has an IPv4 address inside.
    fn is_embedding(self) -> bool {
        match (self.first, self.last) {
            (IpAddr::V6(first), IpAddr::V6(last)) => embedded::are_all(first, last),
            _ => false,
        }
    }

    /// Whether it has more addresses than a command may block: more than a /16, of IPv6 more than a /32. IPv4 addresses
    /// inside of IPv6 addresses count as such.
    pub fn is_too_wide(self) -> bool {
        let is_one = self.first == self.last;
        let is_wide_inside = || self.is_embedding() && self.embedded().into_iter().any(Self::has_too_many);
        !is_one && (self.has_too_many() || is_wide_inside())
    }

    fn has_too_many(self) -> bool {
        let (v4, v6) = BLOCKED_PREFIX_MIN;
        let free_bits = if self.first.is_ipv4() { 32 - v4 } else { 128 - v6 };
        number(self.last) - number(self.first) >= 1_u128 << free_bits
    }

    /// The length of the prefix, if it is a block.
    fn prefix(self) -> Option<u32> {
        let size = number(self.last) - number(self.first);
        let is_block = size & size.wrapping_add(1) == 0 && number(self.first) & size == 0;
        is_block.then(|| bits(self.first) - size.count_ones())
    }

    /// Whether Okta would write it as a block, not as a range.
    pub fn is_block(self) -> bool {
        self.prefix().is_some()
    }

    fn is_of_family(self, other: Self) -> bool {
        self.first.is_ipv4() == other.first.is_ipv4()
    }
}

/// An address, `address/prefix` or `first-last`. Bits behind the prefix do not matter, as they do not to Okta.
impl FromStr for IpRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address, `address/prefix` or `first-last`");
        let address = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| wrong());
        if let Some((base, prefix)) = text.split_once('/') {
            let base = address(base)?;
            let prefix: u32 = prefix.parse().ok().filter(|prefix| *prefix <= bits(base)).ok_or_else(wrong)?;
            let free = bits(base) - prefix;
            let mask = 1_u128.checked_shl(free).map_or(u128::MAX, |above| above - 1);
            let (first, last) = (number(base) & !mask, number(base) | mask);
            return Ok(Self { first: like(base, first), last: like(base, last) });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (address(first)?.to_canonical(), address(last)?.to_canonical());
        if first.is_ipv4() != last.is_ipv4() || first > last {
            return Err(wrong());
        }
        Ok(Self { first, last })
    }
}

/// As Okta writes it: `198.51.100.0/24`, or `198.51.100.1-198.51.100.9`.
impl fmt::Display for IpRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix() {
            Some(prefix) => write!(formatter, "{}/{prefix}", self.first),
            None => write!(formatter, "{}-{}", self.first, self.last),
        }
    }
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// The address of this number, in the family of `other`.
fn like(other: IpAddr, number: u128) -> IpAddr {
    match (other, u32::try_from(number)) {
        (IpAddr::V4(_), Ok(number)) => IpAddr::V4(number.into()),
        (IpAddr::V4(_), Err(_)) | (IpAddr::V6(_), _) => IpAddr::V6(number.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> IpRange {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_read_and_written_as_okta_does() {
        for (text, written) in [
            ("198.51.100.1", "198.51.100.1/32"),
            ("198.51.100.77/24", "198.51.100.0/24"),
            ("198.51.100.1-198.51.100.9", "198.51.100.1-198.51.100.9"),
            ("198.51.100.0-198.51.100.255", "198.51.100.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8::1", "2001:db8::1/128"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::ffff:198.51.100.1", "198.51.100.1/32"),
        ] {
            assert_eq!(range(text).to_string(), written, "{text}");
        }
        for text in [
            "",
            "x",
            "198.51.100.1/33",
            "198.51.100.9-198.51.100.1",
            "198.51.100.1-::1",
            "1.2.3",
            "1.2.3.4/-1",
        ] {
            assert!(text.parse::<IpRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_are_compared_by_their_addresses() {
        let block = range("198.51.100.0/24");
        assert!(block.covers(range("198.51.100.1")) && !range("198.51.100.1").covers(block));
        assert!(
            block.overlaps(range("198.51.99.9-198.51.100.0"))
                && !block.covers(range("198.51.99.9-198.51.100.0"))
        );
        assert!(!range("::/0").overlaps(block));
        assert!(!range("198.51.0.0/16").is_too_wide() && range("198.50.0.0/15").is_too_wide());
        assert!(range("0.0.0.0/0").is_too_wide() && range("::/0").is_too_wide());
        assert!(!range("2001:db8::/32").is_too_wide());
        // All that talks IPv4 behind a translator.
        assert!(range("64:ff9b::/96").is_too_wide() && range("::ffff:0:0/96").is_too_wide());
        assert!(range("2002:a000::/19").is_too_wide() && !range("64:ff9b::a00:0/112").is_too_wide());
    }
}
