//! Pseudonyms: keyed digests, so that equal values stay equal and nobody without the key can find a value by trying.

use std::fmt::{self, Write as _};

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// What a pseudonym begins with, so that it is not taken for a value of Okta's.
const PREFIX: &str = "hmac-";
/// Bytes of the digest that are kept: 128 bits, as in a UUID.
const KEPT_BYTES: usize = 16;

/// Makes pseudonyms with one key.
#[derive(Clone)]
pub(super) struct Pseudonyms(Hmac<Sha256>);

impl Pseudonyms {
    /// Pseudonyms of `key`. HMAC takes keys of any length.
    pub(super) fn new(key: &SecretString) -> Option<Self> {
        Hmac::new_from_slice(key.expose_secret().as_bytes()).ok().map(Self)
    }

    /// The pseudonym of `text`: text that needs no escape in JSON and is legal in a subject, a topic and a header.
    pub(super) fn of(&self, text: &[u8]) -> String {
        let digest = self.0.clone().chain_update(text).finalize().into_bytes();
        let mut pseudonym = String::with_capacity(PREFIX.len() + 2 * KEPT_BYTES);
        pseudonym.push_str(PREFIX);
        for byte in &digest[..KEPT_BYTES] {
            // Writing to memory cannot fail.
            let _ = write!(pseudonym, "{byte:02x}");
        }
        pseudonym
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pseudonyms")
    }
}
