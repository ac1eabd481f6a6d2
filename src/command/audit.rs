//! The audit: one JSON line a decision about a command, appended and on the disk before the outcome goes out.
//!
//! Never has a secret in it: parameters are left out, and subjects are ids and names.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;

use super::{Status, Subjects, milliseconds};
use crate::telemetry::printable_json;

/// What was decided about a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may not be done, or cannot be understood: `error` says why.
    Refused,
    /// It is allowed, and is begun.
    Begun,
    /// It has ended, well or not: `status` says how.
    Ended,
    /// It is a copy of one that has ended, and is answered with the outcome of that.
    Repeated,
    /// It can never be a command, and is in the dead letters.
    DeadLetter,
    /// An operator has released a limit that had tripped.
    Released,
    /// An operator has stopped all commands.
    Paused,
    /// An operator lets them go on.
    Resumed,
    /// An operator has cancelled the command.
    Cancelled,
}

/// One decision. What is not known, or does not concern it, is left out.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRecord<'a> {
    /// When it was decided.
    #[serde(serialize_with = "milliseconds::serialize")]
    pub at: Timestamp,
    /// The commands' name in the configuration.
    pub commands: &'a str,
    /// What was decided.
    pub decision: Decision,
    /// The command, if it has an id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<&'a str>,
    /// What it asks for, or the limit that was released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'a str>,
    /// Whether it only tells which requests would be sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Whom and what it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subjects: Option<&'a Subjects>,
    /// Who is said to want it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<&'a str>,
    /// The key that it was signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<&'a str>,
    /// Why it is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The code of what went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    /// Okta's id of the last request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub okta_request_id: Option<&'a str>,
    /// Where it stood in the queue; none: the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<&'a str>,
}

/// A decision could not be recorded, so the command must wait.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the audit {path}")]
pub struct AuditError {
    path: PathBuf,
    source: io::Error,
}

/// A file that is only ever appended to. Whoever rotates it may move it away: the next record begins a new one.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    open: Option<fs::File>,
    /// Whether the last line may have been cut short.
    is_torn: bool,
}

/// Who did what is nobody else's business.
const MODE: u32 = 0o600;

impl<'a> AuditRecord<'a> {
    /// A decision about the commands `commands`, and nothing more yet.
    pub fn new(at: Timestamp, commands: &'a str, decision: Decision) -> Self {
        Self {
            at,
            commands,
            decision,
            command_id: None,
            action: None,
            dry_run: false,
            subjects: None,
            requested_by: None,
            signed_by: None,
            reason: None,
            status: None,
            error: None,
            okta_request_id: None,
            place: None,
        }
    }
}

impl AuditFile {
    /// The audit at `path`. Touches nothing until there is a record.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), open: None, is_torn: false }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends `records` and returns when they are on the disk. Blocks.
    pub fn append(&mut self, records: &[AuditRecord<'_>]) -> Result<(), AuditError> {
        let mut lines = String::new();
        let written = records.iter().try_for_each(|record| {
            // People look at it in a terminal, and senders choose what it says of them.
            lines.push_str(&printable_json(&serde_json::to_string(record)?));
            lines.push('\n');
            Ok(())
        });
        let appended = written.and_then(|()| self.append_lines(lines.as_bytes()));
        appended.map_err(|source| AuditError { path: self.path.clone(), source })
    }

    /// Appends one record that is rendered already, and returns when it is on the disk. Blocks.
    pub fn append_line(&mut self, line: &[u8]) -> Result<(), AuditError> {
        let appended = self.append_lines(&[line, b"\n"].concat());
        appended.map_err(|source| AuditError { path: self.path.clone(), source })
    }

    fn append_lines(&mut self, lines: &[u8]) -> io::Result<()> {
        let begin: &[u8] = if self.is_torn { b"\n" } else { b"" };
        let mut file = self.current()?;
        let appended = file.write_all(&[begin, lines].concat()).and_then(|()| file.sync_data());
        self.is_torn = appended.is_err();
        if appended.is_ok() {
            self.open = Some(file);
        }
        appended
    }

    /// The open file if it is still the one at the path, or that one. A line that a crash cut short is ended first.
    fn current(&mut self) -> io::Result<fs::File> {
        if let Some(file) = self.open.take()
            && is_at(&file, &self.path)?
        {
            return Ok(file);
        }
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let mut file =
            fs::File::options().create(true).append(true).read(true).mode(MODE).open(&self.path)?;
        if !ends_a_line(&file)? {
            file.write_all(b"\n")?;
        }
        file.sync_all()?;
        fs::File::open(directory)?.sync_all()?;
        self.is_torn = false;
        Ok(file)
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn record(id: &str) -> AuditRecord<'_> {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        AuditRecord { command_id: Some(id), ..AuditRecord::new(at, "provisioning", Decision::Begun) }
    }

    fn ids(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        let id = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            Some(line["command_id"].as_str()?.to_owned())
        };
        text.lines().filter_map(id).collect()
    }

    #[test]
    fn records_are_lines_that_nobody_else_reads() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit/provisioning.jsonl");
        let mut audit = AuditFile::new(&path);
        audit.append(&[AuditRecord { reason: Some("a\nb"), ..record("c-1") }, record("c-2")]).unwrap();
        audit.append(&[record("c-3")]).unwrap();
        assert_eq!(ids(&path), ["c-1", "c-2", "c-3"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        let first = r#"{"at":"2027-01-15T08:00:00.000Z","commands":"provisioning","decision":"begun","command_id":"c-1","reason":"a\nb"}"#;
        assert_eq!(text.lines().next(), Some(first));
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("audit.jsonl"), directory.path().join("audit.jsonl.1"));
        let mut audit = AuditFile::new(&path);
        audit.append(&[record("c-1")]).unwrap();
        fs::rename(&path, &moved).unwrap();
        audit.append(&[record("c-2")]).unwrap();
        assert_eq!((ids(&moved), ids(&path)), (vec!["c-1".to_owned()], vec!["c-2".to_owned()]));
    }

    #[test]
    fn a_line_that_was_cut_short_spoils_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        fs::write(&path, "{\"command_id\":\"c-1\"}\n{\"comm").unwrap();
        AuditFile::new(&path).append(&[record("c-2")]).unwrap();
        assert_eq!(ids(&path), ["c-1", "c-2"]);
    }
}
