//! Messages that can never be delivered, kept with their bytes and the reason, one file of JSON lines a route.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    Rejected,
    file::{own_files::FILE_MODE, taking_up::ends_line_at},
};
use crate::{config::FileStem, event::Batch, format::push_line};

/// The dead letters of one route.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    path: Arc<PathBuf>,
}

/// Dead letters could not be kept, so their batch is not delivered.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep dead letters in {path}")]
pub struct DeadLettersError {
    path: PathBuf,
    source: std::io::Error,
}

#[derive(Serialize)]
struct DeadLetter<'a> {
    at: Timestamp,
    route: &'a str,
    id: &'a str,
    reason: &'a str,
    event: &'a RawValue,
}

impl DeadLetters {
    /// The dead letters of `route` under `directory`. Touches nothing until there is one.
    pub fn new(directory: &std::path::Path, route: &str) -> Self {
        Self { path: Arc::new(directory.join(format!("{}.jsonl", FileStem::of_route(route)))) }
    }

    /// Where they are.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Appends `rejected` messages of `batch` and returns when they are on the disk.
    pub async fn keep(&self, batch: &Batch, rejected: &[Rejected]) -> Result<(), DeadLettersError> {
        append_dead_letters(&self.path, render(batch, rejected)).await
    }
}

/// Appends `lines` to the file at `path` and returns when they are on the disk.
pub(crate) async fn append_dead_letters(
    path: &std::path::Path,
    lines: Vec<u8>,
) -> Result<(), DeadLettersError> {
    let path = path.to_path_buf();
    let target = path.clone();
    let kept = tokio::task::spawn_blocking(move || append(&target, &lines)).await;
    kept.unwrap_or_else(|err| Err(std::io::Error::other(err)))
        .map_err(|source| DeadLettersError { path, source })
}

fn render(batch: &Batch, rejected: &[Rejected]) -> Vec<u8> {
    let at = Timestamp::now();
    let mut lines = Vec::new();
    let mut id = String::new();
    for Rejected { index, reason } in rejected {
        let Some(message) = batch.get(*index) else { continue };
        message.write_id(&mut id);
        let raw = message.event.raw();
        // What came out of a JSON array is JSON.
        let Ok(event) = serde_json::from_slice(&raw) else { continue };
        let letter = DeadLetter { at, route: &batch.origin().route, id: &id, reason, event };
        if let Ok(line) = serde_json::to_vec(&letter) {
            push_line(&line, &mut lines);
        }
    }
    lines
}

fn append(path: &std::path::Path, lines: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(std::path::Path::new("."));
    fs::create_dir_all(directory)?;
    let is_new = !path.exists();
    let mut options = fs::File::options();
    let mut file = options.create(true).read(true).append(true).mode(FILE_MODE).open(path)?;
    // A line that a full disk or a crash cut short must spoil no other.
    if !ends_line_at(&file, file.metadata()?.len())? {
        file.write_all(b"\n")?;
    }
    file.write_all(lines)?;
    file.sync_all()?;
    if is_new {
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_kept_has_its_bytes_and_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(&directory.path().join("dead-letters"), "system-log/siem");
        let batch = crate::event::tests::batch("[{\"uuid\":\"a\"},{\"uuid\":\"b\",\n\"n\":34.4740}]");
        for reason in ["too large", "too \"large\""] {
            let rejected = Rejected { index: 1, reason: reason.to_owned() };
            letters.keep(&batch, &[rejected]).await.unwrap();
        }
        assert_eq!(letters.path(), directory.path().join("dead-letters/system-log.siem.jsonl"));
        let kept = fs::read_to_string(letters.path()).unwrap();
        let lines: Vec<&str> = kept.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].contains(r#""event":{"uuid":"b", "n":34.4740}"#), "{kept}");
        assert!(lines[0].contains(r#""id":"acme:b","reason":"too large""#), "{kept}");
    }
}
