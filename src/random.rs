//! Numbers that nobody can foretell and nothing else has: the system's. What only spreads load, such as jitter, may be had
//! cheaper.

use rand_core::{OsRng, RngCore as _};

/// 128 bits, for an id or a nonce.
pub(crate) fn unpredictable() -> u128 {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    u128::from_ne_bytes(bytes)
}
