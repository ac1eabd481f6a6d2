//! Signatures of the form `v1;key=<id>;t=<unix seconds>;sig=<base64url>` over `t`, a dot and the payload. They have no
//! audience, and are accepted only with `accept_v1`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;

const BEGIN: &str = "v1;";

/// A parsed signature.
#[derive(Debug)]
pub(super) struct V1<'a> {
    pub(super) key: &'a str,
    /// The time as written: this text is signed.
    time: &'a str,
    pub(super) at: Timestamp,
    pub(super) bytes: Vec<u8>,
}

/// Whether `header` has this form. No JWS has: base64url has no `;`.
pub(super) fn is_v1(header: &str) -> bool {
    header.trim_start().starts_with(BEGIN)
}

impl<'a> V1<'a> {
    pub(super) fn parse(header: &'a str) -> Option<Self> {
        let mut parts = header.trim_start().strip_prefix(BEGIN)?.split(';').map(str::trim);
        let key = parts.next()?.strip_prefix("key=")?;
        let time = parts.next()?.strip_prefix("t=")?;
        let encoded = parts.next()?.strip_prefix("sig=")?;
        if parts.next().is_some() || !time.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let at = Timestamp::from_second(time.parse().ok()?).ok()?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?;
        Some(Self { key, time, at, bytes })
    }

    /// The signed bytes.
    pub(super) fn signing_input(&self, payload: &[u8]) -> Vec<u8> {
        [self.time.as_bytes(), b".", payload].concat()
    }
}
