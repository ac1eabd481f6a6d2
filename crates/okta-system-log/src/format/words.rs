//! What a text is: an address by IP, by mail, a number. Stricter than either schema, so that what passes here passes there.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether `text` is an IP address.
pub(super) fn is_ip(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok() || (text.len() <= 39 && text.parse::<Ipv6Addr>().is_ok())
}

/// Whether `text` is an e-mail address of the plain kind that OCSF's `email_t` takes. A login need not be one.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || LOCAL_MARKS.contains(&byte);
    let is_domain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    text.len() <= 254
        && !local.is_empty()
        && local.bytes().all(is_local)
        && domain.bytes().all(is_domain)
        && domain.split_once('.').is_some_and(|(host, rest)| !host.is_empty() && !rest.is_empty())
}

/// What may stand before the `@` beside letters and digits, what is most frequent first.
const LOCAL_MARKS: &[u8] = b".-_+!#$%&'*/=?^`{|}~";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_an_address_only_if_it_looks_like_one() {
        assert!(is_email("ada.love+lace@acme.example") && is_email("o'hara@a.b.c"));
        for odd in [
            "",
            "ada",
            "@",
            "ada@",
            "ada@acme",
            "@acme.com",
            "a b@acme.com",
            "a@b@c.d",
            "ä@b.c",
            "a@.c",
            "a@b.",
        ] {
            assert!(!is_email(odd), "{odd}");
        }
        assert!(!is_email(&format!("{}@a.b", "x".repeat(300))));
    }

    #[test]
    fn an_address_is_one_by_its_text() {
        assert!(is_ip("198.51.100.7") && is_ip("2001:db8::1") && is_ip("::ffff:1.2.3.4"));
        for odd in ["", "null", "1.2.3", "1.2.3.4.5", "1.2.3.256", "fe80::1%eth0", "1.2.3.4 ", "localhost"] {
            assert!(!is_ip(odd), "{odd}");
        }
    }
}
