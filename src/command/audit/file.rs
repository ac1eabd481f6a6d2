//! The file of an audit, which is only appended to; a log rotation may move it away. Owns how a line becomes durable;
//! does not know its content.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};

use super::{ChainHead, ClosedAudit, RemovedAudits, closed_files::ClosedFiles};
use crate::config::AuditFileConfig;

/// The room that an audit leaves on its disk. The state is usually on the same disk, and each commit needs 4 MiB.
const ROOM_BYTES: u64 = 16 << 20;
/// With less room, records that senders without a key could cause are summed up, so that commands have the rest.
const SPARE_ROOM_BYTES: u64 = 64 << 20;

/// A record could not be written, so the command must wait.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file cannot be written.
    #[error("cannot write the audit {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The rest of the disk is reserved for the state.
    #[error(
        "cannot write the audit {path}: its disk has {free_bytes} bytes left, and the last {ROOM_BYTES} are for the state: \
         make room"
    )]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// The free bytes.
        free_bytes: u64,
    },
}

/// A file that is only appended to. If a rotation moves it away, the next record begins a new one.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    open: Option<fs::File>,
    /// If it is closed now and then.
    closed: Option<ClosedFiles>,
    /// When closing it failed last.
    failed_at: Option<Timestamp>,
    /// The free bytes on the disk of a directory.
    free_bytes: fn(&Path) -> io::Result<u64>,
}

/// Only the owner may read who did what.
pub(super) const MODE: u32 = 0o600;
/// How long it is written on after it could not be closed.
const CLOSE_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(10);

impl AuditFile {
    /// The audit at `path`. Creates the file with the first record.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), open: None, closed: None, failed_at: None, free_bytes }
    }

    /// The audit that `config` names, closed and kept as that says.
    pub fn of(config: &AuditFileConfig) -> Self {
        let AuditFileConfig { path, rotate, retention } = config;
        let closed = rotate.clone().map(|rotate| ClosedFiles::new(path, rotate, retention.clone()));
        closed.iter().for_each(ClosedFiles::tell_damage);
        Self { closed, ..Self::new(path) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is more room than commands may need. True if that is unknown: writing will tell. Blocks.
    pub fn has_room_to_spare(&self) -> bool {
        let prepared = self.prepare().and_then(|()| (self.free_bytes)(self.directory()));
        prepared.map_or(true, |free_bytes| free_bytes >= SPARE_ROOM_BYTES)
    }

    /// Closes the file if it is too large or too old `now`; the next record begins a new one. `last` is the last record in it.
    /// If that fails, it is written on. Blocks.
    pub fn close_if_due(&mut self, now: Timestamp, last: &ChainHead) {
        let Some(closed) = &self.closed else { return };
        if self.failed_at.is_some_and(|failed| now.duration_since(failed).abs() < CLOSE_AGAIN_AFTER) {
            return;
        }
        match closed.close_if_due(now, last) {
            Ok(false) => {}
            Ok(true) => (self.open, self.failed_at) = (None, None),
            Err(err) => {
                self.failed_at = Some(now);
                tracing::error!(
                    file = %self.path.display(), error = %err,
                    "the file of the audit cannot be closed: it is written on, and that is tried again"
                );
            }
        }
    }

    /// The closed files that its retention no longer keeps, the oldest first. Blocks.
    pub fn due(&self, now: Timestamp) -> io::Result<Vec<ClosedAudit>> {
        self.closed.as_ref().map_or_else(|| Ok(Vec::new()), |closed| closed.due(now))
    }

    /// Removes closed files. Blocks.
    pub fn remove(&self, files: &[ClosedAudit]) -> io::Result<RemovedAudits> {
        self.closed.as_ref().map_or_else(|| Ok(RemovedAudits::default()), |closed| closed.remove(files))
    }

    /// Appends `lines`, each without its line end, and returns when they are durable. May be repeated after a failure:
    /// lines that were written are then there twice, which the chain allows. Blocks.
    pub fn append(&mut self, lines: &[String]) -> Result<(), AuditError> {
        let lines = joined(lines);
        self.prepare().map_err(|source| self.failed(source))?;
        let free_bytes = (self.free_bytes)(self.directory()).map_err(|source| self.failed(source))?;
        if free_bytes < ROOM_BYTES + lines.len() as u64 {
            return Err(AuditError::NoRoom { path: self.path.clone(), free_bytes });
        }
        self.append_bytes(&lines).map_err(|source| self.failed(source))
    }

    /// Appends `lines` unless the file ends with them: after a crash it is unknown whether they were written. Blocks.
    pub fn complete(&mut self, lines: &[String]) -> Result<(), AuditError> {
        match ends_with(&self.path, &joined(lines)).map_err(|source| self.failed(source))? {
            true => Ok(()),
            false => self.append(lines),
        }
    }

    fn failed(&self, source: io::Error) -> AuditError {
        AuditError::Io { path: self.path.clone(), source }
    }

    fn directory(&self) -> &Path {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        directory.unwrap_or(Path::new("."))
    }

    fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(self.directory())
    }

    fn append_bytes(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut file = self.current()?;
        // A line that was cut short by a crash, a full disk or another process must not run into the next one.
        let begin: &[u8] = if ends_a_line(&file)? { b"" } else { b"\n" };
        file.write_all(&[begin, lines].concat())?;
        file.sync_data()?;
        self.open = Some(file);
        Ok(())
    }

    /// The open file if it is still the one at the path, or that one.
    fn current(&mut self) -> io::Result<fs::File> {
        if let Some(file) = self.open.take()
            && is_at(&file, &self.path)?
        {
            return Ok(file);
        }
        let file = fs::File::options().create(true).append(true).read(true).mode(MODE).open(&self.path)?;
        file.sync_all()?;
        fs::File::open(self.directory())?.sync_all()?;
        Ok(file)
    }
}

fn free_bytes(directory: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn is_at(file: &fs::File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(err) => Err(err),
    }
}

fn ends_a_line(file: &fs::File) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let length = file.metadata()?.len();
    let mut last = [0];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    Ok(length == 0 || last == *b"\n")
}

fn joined(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"]).flatten().copied().collect()
}

fn ends_with(path: &Path, end: &[u8]) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(err) => return Err(err),
    };
    let Some(from) = file.metadata()?.len().checked_sub(end.len() as u64) else { return Ok(false) };
    let mut there = vec![0; end.len()];
    file.read_exact_at(&mut there, from)?;
    Ok(there == end)
}

#[cfg(test)]
mod tests;
