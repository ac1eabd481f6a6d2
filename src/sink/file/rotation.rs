//! Names of files, and what becomes of a file that is full.
//!
//! `<route>-<number>-<UTC time of its beginning>.jsonl`, with `.gz` or `.zst` once it is closed and compressed. The
//! number grows by one from file to file and tells which files were begun after the cursor.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::names::FILE_MODE;
use crate::config::Compression;

const SUFFIX: &str = ".jsonl";
const PARTIAL: &str = ".partial";

/// A file of the route, by the parts of its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileName {
    pub(super) number: u64,
    begun: String,
    stem: String,
}

impl FileName {
    pub(super) fn new(stem: &str, number: u64, begun: Timestamp) -> Self {
        Self { number, begun: begun.strftime("%Y%m%dT%H%M%SZ").to_string(), stem: stem.to_owned() }
    }

    /// Reads the name of a file of the route with this stem, compressed or not.
    pub(super) fn parse(stem: &str, name: &str) -> Option<Self> {
        let rest = name.strip_prefix(stem)?.strip_prefix('-')?;
        let (rest, _compression) = rest.split_once(SUFFIX)?;
        let (number, begun) = rest.split_once('-')?;
        Some(Self { number: number.parse().ok()?, begun: begun.to_owned(), stem: stem.to_owned() })
    }

    pub(super) fn begun(&self) -> Option<Timestamp> {
        let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &self.begun).ok()?;
        Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{:08}-{}{SUFFIX}", self.stem, self.number, self.begun)
    }
}

/// The route's files in `directory`, oldest first, with the names that they have on the disk.
pub(super) fn list(directory: &Path, stem: &str) -> io::Result<Vec<(FileName, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(parsed) = name.to_str().and_then(|name| FileName::parse(stem, name)) {
            files.push((parsed, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

fn extension(compression: Compression) -> &'static str {
    match compression {
        Compression::Gzip => ".gz",
        Compression::Zstd => ".zst",
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Replaces the closed file at `path` by its compressed form, in such an order that a crash leaves one of the two whole.
pub(super) fn compress(path: &Path, compression: Compression) -> io::Result<()> {
    let target = with_suffix(path, extension(compression));
    let partial = with_suffix(&target, PARTIAL);
    let mut input = fs::File::open(path)?;
    let output = create(&partial)?;
    let output = match compression {
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(output, flate2::Compression::default());
            io::copy(&mut input, &mut encoder)?;
            encoder.finish()?
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(output, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            io::copy(&mut input, &mut encoder)?;
            encoder.finish()?
        }
    };
    output.sync_all()?;
    fs::rename(&partial, &target)?;
    fs::remove_file(path)
}

/// Brings the file at `path` back from its compressed form if that is all there is.
pub(super) fn restore(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let gzip = with_suffix(path, extension(Compression::Gzip));
    let zstd = with_suffix(path, extension(Compression::Zstd));
    let compressed = if gzip.exists() { &gzip } else { &zstd };
    if !compressed.exists() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "it is gone: put it back (has the sink's `directory` changed?), or give the route another `name` to begin anew",
        ));
    }
    let partial = with_suffix(path, PARTIAL);
    let input = fs::File::open(compressed)?;
    let mut output = create(&partial)?;
    if compressed == &gzip {
        io::copy(&mut flate2::read::MultiGzDecoder::new(input), &mut output)?;
    } else {
        io::copy(&mut zstd::Decoder::new(input)?, &mut output)?;
    }
    output.sync_all()?;
    fs::rename(&partial, path)?;
    fs::remove_file(compressed)
}

fn create(path: &Path) -> io::Result<fs::File> {
    fs::File::options().create(true).write(true).truncate(true).mode(FILE_MODE).open(path)
}

/// Removes what a crash left half made.
pub(super) fn remove_partial(directory: &Path, stem: &str) -> io::Result<()> {
    for (_, path) in list(directory, stem)? {
        if path.to_string_lossy().ends_with(PARTIAL) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let begun = Timestamp::from_second(1_700_000_000).unwrap();
        let name = FileName::new("system-log.archive", 7, begun);
        assert_eq!(name.to_string(), "system-log.archive-00000007-20231114T221320Z.jsonl");
        for suffix in ["", ".gz", ".zst"] {
            assert_eq!(FileName::parse("system-log.archive", &format!("{name}{suffix}")), Some(name.clone()));
        }
        assert_eq!(name.begun(), Some(begun));
        assert_eq!(FileName::parse("system-log", &name.to_string()), None);
        assert_eq!(FileName::parse("system-log.archive", "system-log.archive-x.jsonl"), None);
    }

    #[test]
    fn a_compressed_file_comes_back_whole() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("r-00000001-20231114T221320Z.jsonl");
            fs::write(&path, "one\ntwo\n").unwrap();
            compress(&path, compression).unwrap();
            assert!(!path.exists());
            restore(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        }
    }
}
