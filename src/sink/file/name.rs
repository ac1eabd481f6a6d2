//! Names of files, read without doubt: which owner, which file, and in which form.
//!
//! `<stem>-<number>-<UTC time of its beginning>.jsonl`, with `.gz` or `.zst` once it is closed and compressed. What is
//! not part of the archive says so at the end of its name: `.partial` is a copy in the making, `.superseded-<n>` was set
//! aside.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::config::{Compression, FileStem};

const SUFFIX: &str = ".jsonl";
const PARTIAL: &str = ".partial";
const SUPERSEDED: &str = ".superseded-";
const BEGUN: &str = "%Y%m%dT%H%M%SZ";

/// A file of one owner, in whatever form. Ordered by number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileName {
    pub(super) number: u64,
    pub(super) begun: Timestamp,
    stem: FileStem,
}

/// What a file is to the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it was written.
    Plain,
    /// Closed and compressed.
    Compressed(Compression),
    /// A copy in the making, of no worth while what it is made from is there.
    Partial,
    /// Set aside: not part of the archive any more, whether it was compressed or not.
    Superseded(Option<Compression>),
}

impl FileName {
    /// A file begun at `begun`, in whole seconds.
    pub(super) fn new(stem: &FileStem, number: u64, begun: Timestamp) -> Self {
        let begun = Timestamp::from_second(begun.as_second()).unwrap_or(begun);
        Self { number, begun, stem: stem.clone() }
    }

    /// Reads `name` if it is that of a file of the owner with this stem, and no other.
    pub(super) fn parse(stem: &FileStem, name: &str) -> Option<(Self, Form)> {
        let rest = name.strip_prefix(stem.as_str())?.strip_prefix('-')?;
        let (rest, ending) = rest.split_once(SUFFIX)?;
        let (number, begun) = rest.split_once('-')?;
        let time = DateTime::strptime(BEGUN, begun).ok()?.to_zoned(TimeZone::UTC).ok()?;
        let parsed = Self::new(stem, number.parse().ok()?, time.timestamp());
        // What reads alike and is written otherwise is somebody else's.
        let is_exact = name.strip_suffix(ending) == Some(parsed.to_string().as_str());
        is_exact.then_some((parsed, form(ending)?))
    }

    /// Reads a name that a mark keeps.
    pub(super) fn parse_plain(stem: &FileStem, name: &str) -> Option<Self> {
        let (name, form) = Self::parse(stem, name)?;
        (form == Form::Plain).then_some(name)
    }

    /// Where it is in `directory`, as it was written.
    pub(super) fn path_in(&self, directory: &Path) -> PathBuf {
        directory.join(self.to_string())
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{:08}-{}{SUFFIX}", self.stem, self.number, self.begun.strftime(BEGUN))
    }
}

fn form(ending: &str) -> Option<Form> {
    let is_count = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(whole) = ending.strip_suffix(PARTIAL) {
        return form(whole).map(|_| Form::Partial);
    }
    let (ending, is_superseded) = match ending.rsplit_once(SUPERSEDED) {
        Some((ending, count)) => (ending, is_count(count).then_some(true)?),
        None => (ending, false),
    };
    let compression = match ending {
        "" => None,
        ".gz" => Some(Compression::Gzip),
        ".zst" => Some(Compression::Zstd),
        _ => return None,
    };
    Some(match (is_superseded, compression) {
        (true, compression) => Form::Superseded(compression),
        (false, Some(compression)) => Form::Compressed(compression),
        (false, None) => Form::Plain,
    })
}

/// Where the file at `path` is once it is compressed.
pub(super) fn compressed(path: &Path, compression: Compression) -> PathBuf {
    with_ending(
        path,
        match compression {
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
        },
    )
}

/// Where a copy that becomes `path` is made.
pub(super) fn partial(path: &Path) -> PathBuf {
    with_ending(path, PARTIAL)
}

/// The first name under which `path` can be set aside.
pub(super) fn superseded(path: &Path) -> PathBuf {
    let names = (1_u32..).map(|count| with_ending(path, &format!("{SUPERSEDED}{count}")));
    let mut free = names.filter(|path| path.symlink_metadata().is_err());
    free.next().unwrap_or_else(|| with_ending(path, SUPERSEDED))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stem(route: &str) -> FileStem {
        FileStem::of_route(route)
    }

    #[test]
    fn names_are_read_back_in_every_form() {
        let begun = Timestamp::from_second(1_700_000_000).unwrap();
        let name = FileName::new(&stem("system-log/archive"), 7, begun);
        assert_eq!(name.to_string(), "system-log.archive-00000007-20231114T221320Z.jsonl");
        let forms = [
            ("", Form::Plain),
            (".gz", Form::Compressed(Compression::Gzip)),
            (".zst", Form::Compressed(Compression::Zstd)),
            (".zst.partial", Form::Partial),
            (".superseded-1", Form::Superseded(None)),
            (".zst.superseded-12", Form::Superseded(Some(Compression::Zstd))),
        ];
        for (ending, form) in forms {
            let read = FileName::parse(&stem("system-log/archive"), &format!("{name}{ending}"));
            assert_eq!(read, Some((name.clone(), form)), "{ending}");
        }
        assert_eq!(name.begun, begun);
    }

    #[test]
    fn files_of_others_are_never_taken_for_ones_own() {
        for (own, other) in [
            ("audit", "audit-2-00000001-20231114T221320Z.jsonl"),
            ("audit", "audit-00000001-00000001-20231114T221320Z.jsonl"),
            ("audit", "audit.2-00000001-20231114T221320Z.jsonl"),
            ("a-00000001", "a-00000001-20231114T221320Z.jsonl"),
            ("audit", "audit-1-20231114T221320Z.jsonl"),
            ("audit", "audit-+0000001-20231114T221320Z.jsonl"),
            ("audit", "audit-00000001-20231114T221320Z.jsonl.bak"),
            ("audit", "audit-00000001-20231114T221320Z.jsonl.bak.partial"),
            ("audit", "audit-00000001-20231114T221320Z.jsonl.superseded-"),
            ("audit", "audit-00000001-20231114T221320Z.json"),
            ("audit", "audit-00000001-20231314T221320Z.jsonl"),
            ("audit", "audit-x.jsonl"),
        ] {
            assert_eq!(FileName::parse(&stem(own), other), None, "{own} {other}");
        }
    }
}
