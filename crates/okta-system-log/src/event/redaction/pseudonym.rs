//! Pseudonyms: keyed digests, so that equal values stay equal, and a value cannot be found by trying without the key.

use std::fmt;

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// What a pseudonym begins with, so that it is not taken for a value of Okta's.
const PREFIX: &str = "hmac-";
/// Bytes of the digest that are kept: 128 bits, as in a UUID.
const KEPT_BYTES: usize = 16;
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Makes pseudonyms with one key.
#[derive(Clone)]
pub(super) struct Pseudonyms(Hmac<Sha256>);

impl Pseudonyms {
    /// Pseudonyms of `key`. HMAC takes keys of any length.
    pub(super) fn new(key: &SecretString) -> Option<Self> {
        Hmac::new_from_slice(key.expose_secret().as_bytes()).ok().map(Self)
    }

    /// Appends the pseudonym of `text` as a JSON string. It needs no escape and is legal in subjects, topics and headers.
    pub(super) fn push_quoted(&self, text: &[u8], out: &mut String) {
        let digest = self.0.clone().chain_update(text).finalize().into_bytes();
        out.push('"');
        out.push_str(PREFIX);
        for byte in &digest[..KEPT_BYTES] {
            out.extend([byte >> 4, byte & 0xf].map(|digit| char::from(HEX_DIGITS[usize::from(digit)])));
        }
        out.push('"');
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pseudonyms")
    }
}
