//! When a file of JSON lines is closed and the next one begun, and how long closed ones are kept.

use std::time::Duration;

use serde::Deserialize;

use super::{
    Problem,
    quantity::{Bytes, Span},
};

/// When a file is closed and the next one begun, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotate {
    /// Once it has this many bytes.
    pub size_bytes: u64,
    /// Once it is this old.
    pub age: Duration,
    /// How a closed file is compressed.
    pub compress: Option<Compression>,
}

/// How a closed file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
}

/// How long closed files are kept. What is not set removes nothing; at least one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// A file goes once it has been closed for this long.
    pub age: Option<Duration>,
    /// The oldest files go while all of one owner have more bytes than this.
    pub size_bytes: Option<u64>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRotate {
    size: Option<Bytes>,
    age: Option<Span>,
    compress: Option<Compression>,
}

/// The same for files that are never compressed.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlainRotate {
    size: Option<Bytes>,
    age: Option<Span>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRetention {
    age: Option<Span>,
    size: Option<Bytes>,
}

const DEFAULT_ROTATE_BYTES: u64 = 256 << 20;
const DEFAULT_ROTATE_AGE: Duration = Duration::from_secs(86_400);

impl From<RawPlainRotate> for RawRotate {
    fn from(RawPlainRotate { size, age }: RawPlainRotate) -> Self {
        Self { size, age, compress: None }
    }
}

pub(super) fn rotate(raw: &RawRotate) -> Result<Rotate, Problem> {
    let size_bytes = raw.size.map_or(DEFAULT_ROTATE_BYTES, |Bytes(bytes)| bytes);
    let age = raw.age.map_or(DEFAULT_ROTATE_AGE, |Span(span)| span);
    if size_bytes == 0 || age.is_zero() {
        return Err(Problem::new("rotate", "size and age must be above zero"));
    }
    Ok(Rotate { size_bytes, age, compress: raw.compress })
}

/// The retention of files that are closed by `rotate`.
pub(super) fn retention(raw: &RawRetention, rotate: &Rotate) -> Result<Retention, Problem> {
    let (age, size_bytes) = (raw.age.map(|Span(age)| age), raw.size.map(|Bytes(bytes)| bytes));
    if age.is_none() && size_bytes.is_none() {
        return Err(Problem::new(
            "retention",
            "say how long files are kept, with `age`, with `size` or with both",
        ));
    }
    if age.is_some_and(|age| age.is_zero()) {
        return Err(Problem::new("retention.age", "must be above zero"));
    }
    let least = rotate.size_bytes.saturating_mul(2);
    if size_bytes.is_some_and(|bytes| bytes < least) {
        let reason = format!(
            "must be at least twice `rotate.size`, {least} bytes: the open file counts too, and is never removed"
        );
        return Err(Problem::new("retention.size", reason));
    }
    Ok(Retention { age, size_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_that_says_nothing_or_cannot_be_kept_is_refused() {
        let rotate = rotate(&RawRotate::default()).unwrap();
        let day = Span(Duration::from_secs(86_400));
        let refused = |age, size| retention(&RawRetention { age, size }, &rotate).unwrap_err();
        assert_eq!(refused(None, None).path, "retention");
        assert_eq!(refused(Some(Span(Duration::ZERO)), None).path, "retention.age");
        assert_eq!(refused(Some(day), Some(Bytes(511 << 20))).path, "retention.size");
        let kept =
            retention(&RawRetention { age: Some(day), size: Some(Bytes(512 << 20)) }, &rotate).unwrap();
        assert_eq!(kept, Retention { age: Some(day.0), size_bytes: Some(512 << 20) });
    }
}
