//! Messages that can never be delivered, kept with their bytes and the reason, in files of JSON lines of each route, whose
//! size is bounded.

mod files;
mod kept;
#[cfg(test)]
mod simulated;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use okta_system_log::format::push_line;
use serde::Serialize;
use serde_json::value::RawValue;

use self::files::Files;
pub(crate) use self::kept::KeptLetters;
pub use self::kept::LetterId;
#[cfg(test)]
pub(crate) use self::simulated::SimulatedLetters;
use super::Rejected;
use crate::{config::FileStem, message::Messages, state::DeadLetterDirectory, telemetry::metrics};

/// The dead letters of one route.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    route: Arc<str>,
    letters: Arc<dyn LetterStore>,
}

/// Where the dead letters of a route are kept: in files, or in a simulation.
trait LetterStore: fmt::Debug + Send + Sync {
    /// Where the newest are.
    fn path(&self) -> &Path;

    /// Appends `lines` and returns when they are durable. Gives the number of older letters that had to go.
    fn keep(&self, lines: Vec<u8>) -> BoxFuture<'_, Result<u64, DeadLettersError>>;
}

/// Dead letters could not be kept, so their batch is not delivered.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep dead letters in {path}")]
pub struct DeadLettersError {
    path: PathBuf,
    source: io::Error,
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
    pub fn new(directory: &DeadLetterDirectory, route: &str) -> Self {
        let DeadLetterDirectory { path, route_bytes_max, .. } = directory;
        let letters = DeadLetterFiles::new(path, &FileStem::of_route(route), *route_bytes_max);
        Self { route: route.into(), letters: Arc::new(letters) }
    }

    /// Where the newest are.
    pub fn path(&self) -> &Path {
        self.letters.path()
    }

    /// Appends `rejected` messages of `batch` and returns when they are on the disk. The log says how many and, of the first,
    /// why.
    pub async fn keep(&self, batch: &Messages, rejected: &[Rejected]) -> Result<(), DeadLettersError> {
        let removed = self.letters.keep(render(batch, rejected)).await?;
        metrics::dead_letters_dropped(&self.route, removed);
        if let Some(first) = rejected.first() {
            let mut id = String::new();
            if let Some(message) = batch.get(first.index) {
                message.write_id(&mut id);
            }
            tracing::warn!(
                route = &*self.route, rejected = rejected.len(), id, reason = first.reason,
                file = %self.letters.path().display(),
                "messages that can never be delivered were kept as dead letters: `oktabus dead-letters list` shows them"
            );
        }
        Ok(())
    }
}

impl LetterStore for DeadLetterFiles {
    fn path(&self) -> &Path {
        Self::path(self)
    }

    fn keep(&self, lines: Vec<u8>) -> BoxFuture<'_, Result<u64, DeadLettersError>> {
        Self::keep(self, lines).boxed()
    }
}

/// Letters to be kept for one owner, whoever that is.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetterFiles {
    files: Files,
}

impl DeadLetterFiles {
    /// Of the owner of the files `stem` under `directory`, with at most `bytes_max`. Touches nothing until there is a letter.
    pub(crate) fn new(directory: &Path, stem: &FileStem, bytes_max: u64) -> Self {
        Self { files: Files { path: directory.join(format!("{stem}.jsonl")), bytes_max } }
    }

    /// The file with the newest letters.
    pub(crate) fn path(&self) -> &Path {
        &self.files.path
    }

    /// Appends `lines` and returns when they are on the disk. Tells of letters that had to go, and gives their number.
    pub(crate) async fn keep(&self, lines: Vec<u8>) -> Result<u64, DeadLettersError> {
        let files = self.files.clone();
        let appended = tokio::task::spawn_blocking(move || files.append(&lines)).await;
        let removed = appended.unwrap_or_else(|err| Err(io::Error::other(err)));
        let removed = removed.map_err(|source| DeadLettersError { path: self.path().to_owned(), source })?;
        if removed > 0 {
            tracing::error!(
                file = %self.path().display(),
                removed,
                bytes_max = self.files.bytes_max,
                "dead letters were removed, the oldest first, because there are more than `state.dead_letters` allows: mend what \
                 makes them, and raise the limit if the disk has room"
            );
        }
        Ok(removed)
    }
}

fn render(batch: &Messages, rejected: &[Rejected]) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_kept_has_its_bytes_and_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(
            &DeadLetterDirectory::at(directory.path().join("dead-letters")),
            "system-log/siem",
        );
        let batch = crate::message::tests::batch("[{\"uuid\":\"a\"},{\"uuid\":\"b\",\n\"n\":34.4740}]");
        for reason in ["too large", "too \"large\""] {
            let rejected = Rejected { index: 1, reason: reason.to_owned() };
            letters.keep(&batch, &[rejected]).await.unwrap();
        }
        assert_eq!(letters.path(), directory.path().join("dead-letters/system-log.siem.jsonl"));
        let kept = std::fs::read_to_string(letters.path()).unwrap();
        let lines: Vec<&str> = kept.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].contains(r#""event":{"uuid":"b", "n":34.4740}"#), "{kept}");
        assert!(lines[0].contains(r#""id":"acme:b","reason":"too large""#), "{kept}");
    }
}
