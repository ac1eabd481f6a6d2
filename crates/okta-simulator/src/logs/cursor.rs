//! The `after` token. Clients must take it as opaque; here it is a place in one of the two orders.

use std::fmt;
use std::str::FromStr;

use crate::log_store::PublishedKey;

/// A place between two events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    /// After the `ordinal`-th event of a millisecond, written `<epoch-ms>_<n>`. Polling counts by
    /// persistence time, bounded requests count by `published`.
    Ascending { ms: i64, ordinal: u64 },
    /// Before an event in the order of `published`, written like a UUID.
    Descending(PublishedKey),
}

/// The token is not one this room made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InvalidCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ascending { ms, ordinal } => write!(formatter, "{ms}_{ordinal}"),
            Self::Descending(key) => {
                let hex = format!("{:016x}{:016x}", key.published_ms, key.index);
                let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
                write!(formatter, "{a}-{b}-{c}-{d}-{e}")
            }
        }
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        if let Some((ms, ordinal)) = text.split_once('_') {
            let ms = ms.parse().map_err(|_| InvalidCursor)?;
            let ordinal = ordinal.parse().map_err(|_| InvalidCursor)?;
            return Ok(Self::Ascending { ms, ordinal });
        }
        let is_uuid = text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        if !is_uuid {
            return Err(InvalidCursor);
        }
        let bits = u128::from_str_radix(&text.replace('-', ""), 16).map_err(|_| InvalidCursor)?;
        let (published_ms, index) = ((bits >> 64) as u64, bits as u64);
        Ok(Self::Descending(PublishedKey { published_ms: published_ms.cast_signed(), index }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_being_written_and_read() {
        let ascending = Cursor::Ascending { ms: 1_627_500_044_869, ordinal: 1 };
        assert_eq!(ascending.to_string(), "1627500044869_1");
        let key = PublishedKey { published_ms: 1_627_500_044_869, index: 7 };
        for cursor in [ascending, Cursor::Descending(key)] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "bad", "_", "1_", "1_x", "-", "dc9fd3c0-598c-11ef-8478-2b7584bf8d5"] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
    }
}
