//! An address by IP, as Okta or a proxy on the way writes it: alone, with a port, in brackets, with a zone, with blanks
//! around it, or with IPv4 inside IPv6.

use std::{borrow::Cow, net::Ipv6Addr};

use crate::format::words::is_ip;

/// An IP address and what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::format) struct Address<'a> {
    /// The address itself. IPv4 inside IPv6 is IPv4: the same client is found by the same address.
    pub(in crate::format) ip: Cow<'a, str>,
    pub(in crate::format) port: Option<u16>,
    /// Whether address and port say all that Okta wrote.
    pub(in crate::format) is_whole: bool,
}

impl<'a> Address<'a> {
    /// The address that `text` is; None if it is none.
    pub(in crate::format) fn read(text: Cow<'a, str>) -> Option<Self> {
        if is_ip(&text) {
            let inside = unmapped(&text);
            let is_whole = inside.is_none();
            return Some(Self { ip: inside.map_or(text, Cow::Owned), port: None, is_whole });
        }
        let (address, port) = split_port(text.trim_ascii())?;
        let (ip, zone) = address.split_once('%').map_or((address, None), |(ip, zone)| (ip, Some(zone)));
        if !is_ip(ip) {
            return None;
        }
        let inside = unmapped(ip);
        let is_whole = inside.is_none() && zone.is_none();
        Some(Self { ip: Cow::Owned(inside.unwrap_or_else(|| ip.to_owned())), port, is_whole })
    }
}

/// The address and the port of `192.0.2.1:443`, `[2001:db8::1]:443` and the like. A port after IPv6 without brackets
/// cannot be told from the address.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(inside) = text.strip_prefix('[') {
        let (address, rest) = inside.split_once(']')?;
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?.parse().ok()?) };
        return address.contains(':').then_some((address, port));
    }
    match text.split_once(':') {
        Some((address, port)) if !port.contains(':') => Some((address, Some(port.parse().ok()?))),
        _ => Some((text, None)),
    }
}

/// The IPv4 address inside an IPv6 address.
fn unmapped(ip: &str) -> Option<String> {
    let ip: Ipv6Addr = ip.parse().ok()?;
    ip.to_ipv4_mapped().map(|ip| ip.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Option<u16>, bool)> {
        Address::read(Cow::Borrowed(text))
            .map(|address| (address.ip.into_owned(), address.port, address.is_whole))
    }

    #[test]
    fn an_address_is_understood_with_all_that_may_stand_around_it() {
        for (text, ip, port, is_whole) in [
            ("198.51.100.7", "198.51.100.7", None, true),
            (" 198.51.100.7\t", "198.51.100.7", None, true),
            ("198.51.100.7:443", "198.51.100.7", Some(443), true),
            ("2001:db8::1", "2001:db8::1", None, true),
            ("[2001:db8::1]", "2001:db8::1", None, true),
            ("[2001:db8::1]:8443", "2001:db8::1", Some(8443), true),
            ("fe80::1%eth0", "fe80::1", None, false),
            ("[fe80::1%eth0]:80", "fe80::1", Some(80), false),
            ("::ffff:198.51.100.7", "198.51.100.7", None, false),
            ("::ffff:c633:6407", "198.51.100.7", None, false),
            ("[::ffff:198.51.100.7]:443", "198.51.100.7", Some(443), false),
        ] {
            assert_eq!(read(text), Some((ip.to_owned(), port, is_whole)), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for odd in [
            "",
            "null",
            "1.2.3",
            "999.1.2.3",
            "1.2.3.4:",
            "1.2.3.4:99999",
            "1.2.3.4, 5.6.7.8",
            "[1.2.3.4]",
            "[::1",
            "[::1]x",
            "localhost:80",
            "%eth0",
            "1.2.3.4/24",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
