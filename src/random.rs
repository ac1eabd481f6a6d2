//! Unpredictable random numbers, from the operating system. Jitter needs none of these: see `retry`.

use rand_core::{OsRng, RngCore as _};

/// 128 bits, for an id or a nonce.
pub(crate) fn unpredictable() -> u128 {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    u128::from_ne_bytes(bytes)
}
