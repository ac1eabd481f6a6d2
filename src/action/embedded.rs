//! Addresses of IPv4 inside addresses of IPv6: by translators, tunnels and sockets one host is reached by both. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A way to write an IPv4 address inside of an IPv6 one.
struct Form {
    /// All of the form begin so.
    prefix: Ipv6Addr,
    prefix_bits: u32,
    address: Place,
}

/// Where the IPv4 address is.
enum Place {
    /// So many bits before the end.
    Bits(u32),
    /// At the end, with each bit turned over.
    InvertedAtEnd,
    /// Each network chooses a place of its own.
    Unknown,
}

const fn form(prefix: [u16; 6], prefix_bits: u32, address: Place) -> Form {
    let [a, b, c, d, e, f] = prefix;
    Form { prefix: Ipv6Addr::new(a, b, c, d, e, f, 0, 0), prefix_bits, address }
}

/// The forms that have an IPv4 address in a known place or may have one.
const FORMS: [Form; 8] = [
    // Compatible and mapped (RFC 4291), translated (RFC 2765).
    form([0, 0, 0, 0, 0, 0], 96, Place::Bits(0)),
    form([0, 0, 0, 0, 0, 0xffff], 96, Place::Bits(0)),
    form([0, 0, 0, 0, 0xffff, 0], 96, Place::Bits(0)),
    // NAT64 (RFC 6052), and that of one's own network (RFC 8215).
    form([0x64, 0xff9b, 0, 0, 0, 0], 96, Place::Bits(0)),
    form([0x64, 0xff9b, 1, 0, 0, 0], 48, Place::Unknown),
    // 6to4 (RFC 3056).
    form([0x2002, 0, 0, 0, 0, 0], 16, Place::Bits(80)),
    // Teredo (RFC 4380): the server and the client.
    form([0x2001, 0, 0, 0, 0, 0], 32, Place::Bits(64)),
    form([0x2001, 0, 0, 0, 0, 0], 32, Place::InvertedAtEnd),
];

/// The ranges of IPv4 addresses, by first and last, that are in addresses from `first` to `last`.
pub(super) fn within(first: Ipv6Addr, last: Ipv6Addr) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr)> {
    FORMS.iter().filter_map(move |form| form.within(u128::from(first), u128::from(last)))
}

/// Whether all addresses from `first` to `last` are of one form, so that whoever names them means IPv4 addresses.
pub(super) fn are_all(first: Ipv6Addr, last: Ipv6Addr) -> bool {
    let is_in = |form: &Form, address| (form.begin()..=form.end()).contains(&u128::from(address));
    FORMS.iter().any(|form| is_in(form, first) && is_in(form, last))
}

impl Form {
    fn begin(&self) -> u128 {
        self.prefix.into()
    }

    fn end(&self) -> u128 {
        self.begin() | (u128::MAX >> self.prefix_bits)
    }

    fn within(&self, first: u128, last: u128) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let (first, last) = (first.max(self.begin()), last.min(self.end()));
        if first > last {
            return None;
        }
        let all = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        let at = |shift: u32| {
            // What is before the address has one value, or the address may be any.
            let is_one = (first >> shift) >> 32 == (last >> shift) >> 32;
            is_one.then(|| (low_bits(first >> shift), low_bits(last >> shift)))
        };
        Some(match self.address {
            Place::Bits(shift) => at(shift).map_or(all, |(first, last)| (first.into(), last.into())),
            Place::InvertedAtEnd => at(0).map_or(all, |(first, last)| ((!last).into(), (!first).into())),
            Place::Unknown => all,
        })
    }
}

fn low_bits(number: u128) -> u32 {
    (number & u128::from(u32::MAX)) as u32
}
