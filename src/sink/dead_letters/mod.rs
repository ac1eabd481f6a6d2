//! Messages that can never be delivered, kept with their bytes and the reason, in files of JSON lines of each route, whose
//! size is bounded.

mod files;
mod kept;
#[cfg(test)]
mod simulated;
mod uncommitted;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use okta_system_log::format::push_line;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::files::Files;
pub(crate) use self::kept::KeptLetters;
pub use self::kept::LetterId;
#[cfg(test)]
pub(crate) use self::simulated::SimulatedLetters;
use self::uncommitted::UncommittedFile;
pub(crate) use self::uncommitted::{UncommittedLetters, UncommittedTransaction};
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

    /// Whether `lines` are the newest letters.
    fn end_with(&self, lines: Vec<u8>) -> BoxFuture<'_, Result<bool, DeadLettersError>>;

    /// Puts `letters` in the place of those that are uncommitted, and returns when they are durable.
    fn hide(&self, letters: UncommittedLetters) -> BoxFuture<'_, Result<(), DeadLettersError>>;

    /// Those that are uncommitted, if any are.
    fn hidden(&self) -> BoxFuture<'_, Result<Option<UncommittedLetters>, DeadLettersError>>;

    /// Removes those that are uncommitted.
    fn forget_hidden(&self) -> BoxFuture<'_, Result<(), DeadLettersError>>;
}

/// Dead letters could not be kept, so their batch is not delivered.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep dead letters in {path}")]
pub struct DeadLettersError {
    path: PathBuf,
    source: io::Error,
}

/// What the log says of a letter.
#[derive(Deserialize)]
struct ToldLetter {
    id: String,
    reason: String,
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
        self.append(render(batch, rejected)).await
    }

    /// Keeps the rejected messages of these batches out of sight until it is known what became of `transaction`, in the place of
    /// those of the one before. Returns when they are on the disk.
    pub(crate) async fn keep_uncommitted(
        &self,
        rejected: impl IntoIterator<Item = (&Messages, &[Rejected])>,
        transaction: &UncommittedTransaction,
    ) -> Result<(), DeadLettersError> {
        let mut lines = Vec::new();
        rejected.into_iter().for_each(|(batch, rejected)| lines.append(&mut render(batch, rejected)));
        self.letters.hide(UncommittedLetters { transaction: transaction.clone(), lines }).await
    }

    /// The transaction of the letters that are out of sight, if any are.
    pub(crate) async fn uncommitted(&self) -> Result<Option<UncommittedTransaction>, DeadLettersError> {
        Ok(self.letters.hidden().await?.map(|letters| letters.transaction))
    }

    /// Writes what is known now of the transaction of the letters that are out of sight.
    pub(crate) async fn note_uncommitted(
        &self,
        transaction: &UncommittedTransaction,
    ) -> Result<(), DeadLettersError> {
        let Some(UncommittedLetters { lines, .. }) = self.letters.hidden().await? else { return Ok(()) };
        self.letters.hide(UncommittedLetters { transaction: transaction.clone(), lines }).await
    }

    /// The letters that are out of sight become dead letters like others.
    pub(crate) async fn count_uncommitted(&self) -> Result<(), DeadLettersError> {
        let Some(UncommittedLetters { lines, .. }) = self.letters.hidden().await? else { return Ok(()) };
        // What somebody else wrote there is none.
        let is_letter = |line: &&[u8]| serde_json::from_slice::<ToldLetter>(line).is_ok();
        let lines: Vec<_> = lines.split_inclusive(|byte| *byte == b'\n').filter(is_letter).collect();
        let lines = lines.concat();
        // A crash before they were out of the other file: they are letters already.
        if !lines.is_empty() && !self.letters.end_with(lines.clone()).await? {
            self.append(lines).await?;
        }
        self.letters.forget_hidden().await
    }

    /// The letters that are out of sight never were any.
    pub(crate) async fn forget_uncommitted(&self) -> Result<(), DeadLettersError> {
        self.letters.forget_hidden().await
    }

    async fn append(&self, lines: Vec<u8>) -> Result<(), DeadLettersError> {
        let rejected = lines.iter().filter(|byte| **byte == b'\n').count();
        let first = lines.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let first = serde_json::from_slice::<ToldLetter>(first).ok();
        let removed = self.letters.keep(lines).await?;
        metrics::dead_letters_dropped(&self.route, removed);
        if let Some(ToldLetter { id, reason }) = first {
            tracing::warn!(
                route = &*self.route, rejected, id, reason,
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

    fn end_with(&self, lines: Vec<u8>) -> BoxFuture<'_, Result<bool, DeadLettersError>> {
        let files = self.files.clone();
        self.off_runtime(move || files.end_with(&lines)).boxed()
    }

    fn hide(&self, letters: UncommittedLetters) -> BoxFuture<'_, Result<(), DeadLettersError>> {
        self.with_uncommitted(move |file| file.write(&letters)).boxed()
    }

    fn hidden(&self) -> BoxFuture<'_, Result<Option<UncommittedLetters>, DeadLettersError>> {
        self.with_uncommitted(UncommittedFile::read).boxed()
    }

    fn forget_hidden(&self) -> BoxFuture<'_, Result<(), DeadLettersError>> {
        self.with_uncommitted(UncommittedFile::remove).boxed()
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
        let removed = self.off_runtime(move || files.append(&lines)).await?;
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

    async fn with_uncommitted<T: Send + 'static>(
        &self,
        work: impl FnOnce(&UncommittedFile) -> io::Result<T> + Send + 'static,
    ) -> Result<T, DeadLettersError> {
        let file = UncommittedFile::beside(self.path());
        self.off_runtime(move || work(&file)).await
    }

    async fn off_runtime<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, DeadLettersError> {
        let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|err| Err(io::Error::other(err)));
        done.map_err(|source| DeadLettersError { path: self.path().to_owned(), source })
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

    #[tokio::test]
    async fn letters_of_a_transaction_are_there_for_nobody_until_it_is_committed_and_not_at_all_if_it_is_not()
    {
        let directory = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(&DeadLetterDirectory::at(directory.path().to_owned()), "log/siem");
        let batch = crate::message::tests::batch("[{\"uuid\":\"a\"},{\"uuid\":\"b\"}]");
        let rejected = [Rejected { index: 1, reason: "too large".to_owned() }];
        let found = || {
            let mut found = 0;
            let look = |_: &str, _, _: &[u8]| {
                found += 1;
                std::ops::ControlFlow::Continue(())
            };
            KeptLetters::new(directory.path()).each(look).unwrap();
            found
        };
        let transaction = UncommittedTransaction::default();
        for (is_kept, is_committed, expected) in [(true, false, 0), (true, true, 1), (false, true, 1)] {
            let before = found();
            if is_kept {
                letters.keep_uncommitted([(&batch, &rejected[..])], &transaction).await.unwrap();
            }
            assert_eq!(found(), before, "nobody sees it");
            // Another run finds it.
            let letters = DeadLetters::new(&DeadLetterDirectory::at(directory.path().to_owned()), "log/siem");
            assert_eq!(letters.uncommitted().await.unwrap(), is_kept.then(|| transaction.clone()));
            let counted = KeptLetters::new(directory.path()).uncommitted().unwrap();
            assert_eq!(counted, u64::from(is_kept));
            if is_committed {
                // A crash before they were out of the other file leaves them there.
                let uncommitted = directory.path().join("log.siem.jsonl.uncommitted");
                let before = std::fs::read(&uncommitted);
                letters.count_uncommitted().await.unwrap();
                if let Ok(before) = before {
                    std::fs::write(&uncommitted, before).unwrap();
                }
                letters.count_uncommitted().await.unwrap();
            } else {
                letters.forget_uncommitted().await.unwrap();
            }
            assert_eq!(found(), expected);
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
