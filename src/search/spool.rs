//! The events of one window on the disk, whole and synced before the first of them is delivered: so that totals are true,
//! memory is bounded, and a crash goes on with the same messages.
//!
//! ```text
//! oktabus-spool 2\n  which reading of the window it is (8 bytes)  CRC-32 of that (4)
//! length (4 bytes, big-endian)  CRC-32 (4)  an event, byte for byte      …
//! 0xffffffff  CRC-32 of what follows  number of events (8 bytes)
//! ```

use std::{
    fs,
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::files::ReadingId;
use okta_system_log::event::{Events, EventsError};

const MAGIC: &[u8] = b"oktabus-spool 2\n";
const END: u32 = u32::MAX;
/// Events tell of persons.
const FILE_MODE: u32 = 0o600;

/// Why a spool cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk.
    #[error("cannot {action} the spool {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Cut short or damaged.
    #[error("the spool {path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Events of one message that are more than a page can have.
    #[error("events of the spool {path} do not fit together")]
    Events {
        /// The file.
        path: PathBuf,
        /// What is too large.
        source: EventsError,
    },
}

/// A spool that is being written.
#[derive(Debug)]
pub(crate) struct SpoolWriter {
    path: PathBuf,
    draft: PathBuf,
    file: BufWriter<fs::File>,
    reading: ReadingId,
    events: u64,
}

/// A whole spool.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    path: PathBuf,
    reading: ReadingId,
}

/// A spool that is being read.
#[derive(Debug)]
pub(super) struct SpoolReader {
    path: PathBuf,
    reading: ReadingId,
    file: BufReader<fs::File>,
    frame: Vec<u8>,
    is_ended: bool,
}

impl SpoolWriter {
    /// Begins a spool that will be at `path` when it is whole.
    pub(crate) fn create(path: &Path) -> Result<Self, SpoolError> {
        let draft = path.with_extension("draft");
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(io_error("create the directory of", path))?;
        }
        let file = fs::File::options().create(true).write(true).truncate(true).mode(FILE_MODE).open(&draft);
        let mut file = BufWriter::with_capacity(1 << 18, file.map_err(io_error("create", path))?);
        let reading = ReadingId::new();
        let id = reading.to_bytes();
        let head = [MAGIC, &id, &crc32fast::hash(&id).to_be_bytes()].concat();
        file.write_all(&head).map_err(io_error("write", path))?;
        Ok(Self { path: path.to_owned(), draft, file, reading, events: 0 })
    }

    /// Which reading it is.
    pub(super) fn reading(&self) -> ReadingId {
        self.reading
    }

    /// Adds one event.
    pub(crate) fn push(&mut self, event: &[u8]) -> Result<(), SpoolError> {
        // A page has less than 4 GiB, and so has an event of it.
        let length = u32::try_from(event.len()).unwrap_or(END);
        let written = self.file.write_all(&length.to_be_bytes());
        let written = written.and_then(|()| self.file.write_all(&crc32fast::hash(event).to_be_bytes()));
        written.and_then(|()| self.file.write_all(event)).map_err(io_error("write", &self.path))?;
        self.events += 1;
        Ok(())
    }

    /// Makes the spool whole and durable.
    pub(crate) fn finish(mut self) -> Result<Spool, SpoolError> {
        let count = self.events.to_be_bytes();
        let mut end = END.to_be_bytes().to_vec();
        end.extend(crc32fast::hash(&count).to_be_bytes());
        end.extend(count);
        let file = self.file.write_all(&end).and_then(|()| self.file.flush()).map(|()| self.file.get_ref());
        file.and_then(fs::File::sync_all).map_err(io_error("write", &self.path))?;
        fs::rename(&self.draft, &self.path).map_err(io_error("put into place", &self.path))?;
        if let Some(directory) = self.path.parent() {
            let synced = fs::File::open(directory).and_then(|directory| directory.sync_all());
            synced.map_err(io_error("sync the directory of", &self.path))?;
        }
        Ok(Spool { path: self.path, reading: self.reading })
    }
}

impl Spool {
    /// The spool at `path`, read through to see that it is whole; none if there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, SpoolError> {
        if !path.exists() {
            return Ok(None);
        }
        let mut reader = SpoolReader::open(path)?;
        while reader.next()? {}
        Ok(Some(Self { path: path.to_owned(), reading: reader.reading }))
    }

    /// Which reading it is.
    pub(super) fn reading(&self) -> ReadingId {
        self.reading
    }

    /// Reads from the beginning.
    pub(super) fn read(&self) -> Result<SpoolReader, SpoolError> {
        let reader = SpoolReader::open(&self.path)?;
        if reader.reading == self.reading {
            Ok(reader)
        } else {
            Err(reader.damaged("it was read anew meanwhile"))
        }
    }
}

impl SpoolReader {
    fn open(path: &Path) -> Result<Self, SpoolError> {
        let file = fs::File::open(path).map_err(io_error("open", path))?;
        let mut reader = Self {
            path: path.to_owned(),
            reading: ReadingId::from_bytes([0; 8]),
            file: BufReader::with_capacity(1 << 18, file),
            frame: Vec::new(),
            is_ended: false,
        };
        let mut magic = [0; MAGIC.len()];
        reader.fill(&mut magic)?;
        if magic != MAGIC {
            return Err(reader.damaged("it is no spool of this version"));
        }
        let (mut id, mut checksum) = ([0; 8], [0; 4]);
        reader.fill(&mut id)?;
        reader.fill(&mut checksum)?;
        if crc32fast::hash(&id).to_be_bytes() != checksum {
            return Err(reader.damaged("a checksum is wrong"));
        }
        reader.reading = ReadingId::from_bytes(id);
        Ok(reader)
    }

    /// The next events, at most `count` of them; none at the end.
    pub(super) fn events(&mut self, count: usize) -> Result<Option<Events>, SpoolError> {
        let mut page = vec![b'['];
        let mut read = 0;
        while read < count && self.next()? {
            if read > 0 {
                page.push(b',');
            }
            page.extend_from_slice(&self.frame);
            read += 1;
        }
        if read == 0 {
            return Ok(None);
        }
        page.push(b']');
        let events = Events::parse(page.into());
        events.map(Some).map_err(|source| SpoolError::Events { path: self.path.clone(), source })
    }

    /// Reads one event into the frame; false at the end, which must say how many there were.
    fn next(&mut self) -> Result<bool, SpoolError> {
        if self.is_ended {
            return Ok(false);
        }
        let mut head = [0; 8];
        self.fill(&mut head)?;
        let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
        let (length, checksum) = (u32::from_be_bytes([l0, l1, l2, l3]), u32::from_be_bytes([c0, c1, c2, c3]));
        let is_end = length == END;
        let length = if is_end { size_of::<u64>() } else { length as usize };
        // A length that is damaged must not take all memory.
        self.frame.clear();
        let read = (&mut self.file).take(length as u64).read_to_end(&mut self.frame);
        let read = read.map_err(io_error("read", &self.path))?;
        if read != length {
            return Err(self.damaged("it is cut short"));
        }
        if crc32fast::hash(&self.frame) != checksum {
            return Err(self.damaged("a checksum is wrong"));
        }
        self.is_ended = is_end;
        Ok(!is_end)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), SpoolError> {
        self.file.read_exact(bytes).map_err(|err| match err.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it is cut short"),
            _ => io_error("read", &self.path)(err),
        })
    }

    fn damaged(&self, reason: &'static str) -> SpoolError {
        SpoolError::Damaged { path: self.path.clone(), reason }
    }
}

fn io_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> SpoolError {
    let path = path.to_owned();
    move |source| SpoolError::Io { action, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, events: &[&str]) -> Spool {
        let mut writer = SpoolWriter::create(path).unwrap();
        for event in events {
            writer.push(event.as_bytes()).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn what_is_written_is_read_byte_for_byte() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a").join("s.spool");
        let spool = write(&path, &["{\"n\":34.4740}", "{}", "{ \"a\":1 }"]);
        assert!(Spool::open(&path).unwrap().is_some());
        let mut reader = spool.read().unwrap();
        let first = reader.events(2).unwrap().unwrap();
        assert_eq!(first.iter().map(|event| event.raw()).collect::<Vec<_>>(), ["{\"n\":34.4740}", "{}"]);
        assert_eq!(reader.events(2).unwrap().unwrap().get(0).unwrap().raw(), "{ \"a\":1 }");
        assert!(reader.events(2).unwrap().is_none());
        assert!(Spool::open(&directory.path().join("none")).unwrap().is_none());
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.spool");
        write(&path, &["{\"uuid\":\"1\"}", "{\"uuid\":\"2\"}"]);
        let whole = fs::read(&path).unwrap();
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            assert!(Spool::open(&path).is_err(), "cut at {end}");
        }
        for index in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[index] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert!(Spool::open(&path).is_err(), "flipped {index}");
        }
    }

    #[test]
    fn an_unfinished_spool_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.spool");
        let mut writer = SpoolWriter::create(&path).unwrap();
        writer.push(b"{}").unwrap();
        drop(writer);
        assert!(Spool::open(&path).unwrap().is_none());
    }
}
