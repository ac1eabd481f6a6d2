//! Finds dead letters and drops them, in the files of the state. Works whether a daemon runs or not: whoever writes to the
//! files waits for whoever does.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{KeptLetter, LetterId, LetterKind, LetterOwner};
use crate::sink::KeptLetters;

/// Which letters. What is not set matches all.
#[derive(Debug, Clone, Default)]
pub struct LetterFilter {
    /// These alone; empty for all.
    pub letters: BTreeSet<LetterId>,
    /// What could not be done.
    pub kind: Option<LetterKind>,
    /// Those of this route.
    pub route: Option<String>,
    /// Those of this `[commands.NAME]`.
    pub commands: Option<String>,
    /// Kept at this time or later.
    pub since: Option<Timestamp>,
    /// Kept before this time.
    pub until: Option<Timestamp>,
    /// With these words in the reason.
    pub reason: Option<String>,
    /// So many at most, the latest of each owner; all without it.
    pub limit: Option<usize>,
    /// With what was kept, not only what it is about.
    pub is_whole: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct FoundLetters {
    /// The letters, of each owner the oldest first.
    pub letters: Vec<KeptLetter>,
    /// How many match, whatever the limit.
    pub total: u64,
    /// Lines that are no dead letters of this version.
    pub unreadable: u64,
    /// Messages that become dead letters or are sent again, whichever it is, when their routes have asked the bus. Of all routes.
    pub uncommitted: u64,
}

/// What was dropped.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct DroppedLetters {
    /// Letters that are gone now.
    pub dropped: BTreeSet<LetterId>,
}

/// The dead letters cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LettersError {
    /// The disk.
    #[error("cannot {action} the dead letters in {directory}")]
    Io {
        /// What failed.
        action: &'static str,
        /// Where they are.
        directory: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The process is ending.
    #[error("the work on the dead letters was cut short")]
    Interrupted,
}

impl LetterFilter {
    /// These letters, with what was kept.
    pub(super) fn of(letters: impl IntoIterator<Item = LetterId>) -> Self {
        Self { letters: letters.into_iter().collect(), is_whole: true, ..Self::default() }
    }

    fn wants_id(&self, letter: &LetterId) -> bool {
        self.letters.is_empty() || self.letters.contains(letter)
    }

    fn wants(&self, letter: &KeptLetter) -> bool {
        let (route, commands) = match &letter.owner {
            LetterOwner::Route(route) => (Some(route), None),
            LetterOwner::Commands(commands) => (None, Some(commands)),
        };
        self.kind.is_none_or(|kind| kind == letter.kind)
            && (self.route.is_none() || self.route.as_ref() == route)
            && (self.commands.is_none() || self.commands.as_ref() == commands)
            && self.since.is_none_or(|since| letter.at >= since)
            && self.until.is_none_or(|until| letter.at < until)
            && self.reason.as_ref().is_none_or(|words| letter.reason.contains(words))
    }
}

/// The letters in `directory` that `filter` wants.
pub async fn find_letters(directory: &Path, filter: LetterFilter) -> Result<FoundLetters, LettersError> {
    off_the_runtime("read", directory, move |kept| find(kept, &filter)).await
}

/// Removes the letters with these ids from the files in `directory`, and no others.
pub async fn drop_letters(
    directory: &Path,
    letters: BTreeSet<LetterId>,
) -> Result<DroppedLetters, LettersError> {
    let dropped = off_the_runtime("remove some of", directory, move |kept| kept.remove(&letters)).await?;
    Ok(DroppedLetters { dropped })
}

/// Removes the letters in `directory` that were kept before `before`. How many of each owner.
pub async fn expire_letters(
    directory: &Path,
    before: Timestamp,
) -> Result<BTreeMap<LetterOwner, u64>, LettersError> {
    off_the_runtime("remove old ones of", directory, move |kept| {
        let mut expired = BTreeMap::new();
        kept.remove_where(|stem, id, line| {
            // A line that cannot be read has no age.
            let letter = KeptLetter::parse(stem, id.clone(), line, false).filter(|letter| letter.at < before);
            letter.map(|letter| *expired.entry(letter.owner).or_default() += 1).is_some()
        })?;
        Ok(expired)
    })
    .await
}

async fn off_the_runtime<T: Send + 'static>(
    action: &'static str,
    directory: &Path,
    work: impl FnOnce(&KeptLetters) -> io::Result<T> + Send + 'static,
) -> Result<T, LettersError> {
    let kept = KeptLetters::new(directory);
    let done = tokio::task::spawn_blocking(move || work(&kept)).await;
    let done = done.map_err(|_| LettersError::Interrupted)?;
    done.map_err(|source| LettersError::Io { action, directory: directory.to_owned(), source })
}

fn find(kept: &KeptLetters, filter: &LetterFilter) -> io::Result<FoundLetters> {
    let (mut latest, mut found) = (VecDeque::new(), FoundLetters::default());
    kept.each(|stem, id, line| {
        if !filter.wants_id(&id) {
            return ControlFlow::Continue(());
        }
        match KeptLetter::parse(stem, id, line, filter.is_whole) {
            None => found.unreadable += 1,
            Some(letter) if filter.wants(&letter) => {
                found.total += 1;
                latest.push_back(letter);
                if filter.limit.is_some_and(|limit| latest.len() > limit) {
                    latest.pop_front();
                }
            }
            Some(_) => {}
        }
        ControlFlow::Continue(())
    })?;
    found.letters = latest.into();
    found.uncommitted = kept.uncommitted()?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MESSAGE: &str = r#"{"at":"2026-01-02T00:00:00Z","route":"log/siem","id":"acme:u","reason":"too large","event":{"uuid":"u","eventType":"user.session.start","published":"2026-01-01T00:00:00.000Z"}}"#;
    const COMMAND: &str = r#"{"at":"2026-01-03T00:00:00Z","place":"q@4","reason":"no id","headers":[],"bytes":9,"payload":"{}"}"#;

    async fn found(filter: LetterFilter) -> Vec<KeptLetter> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("log.siem.jsonl"), format!("{MESSAGE}\nno letter\n")).unwrap();
        fs::write(directory.path().join("commands.hr.jsonl"), format!("{COMMAND}\n{MESSAGE}\n")).unwrap();
        let found = find_letters(directory.path(), filter).await.unwrap();
        assert_eq!(found.letters.len() as u64, found.total);
        found.letters
    }

    #[tokio::test]
    async fn each_condition_counts_and_a_line_says_whose_it_is() {
        let all = found(LetterFilter::default()).await;
        let owner = |letter: &KeptLetter| letter.owner.clone();
        let route = || LetterOwner::Route("log/siem".to_owned());
        let owners: Vec<_> = all.iter().map(owner).collect();
        assert_eq!(owners, [LetterOwner::Commands("hr".to_owned()), route(), route()]);
        assert_eq!(all[1].event_type.as_deref(), Some("user.session.start"));
        assert!(all.iter().all(|letter| letter.content.is_none()));

        let filter = LetterFilter::default;
        let one = Some("log/siem".to_owned());
        for (filter, count) in [
            (LetterFilter { kind: Some(LetterKind::Command), ..filter() }, 1),
            (LetterFilter { route: one, ..filter() }, 2),
            (LetterFilter { commands: Some("it".to_owned()), ..filter() }, 0),
            (LetterFilter { since: "2026-01-02T12:00:00Z".parse().ok(), ..filter() }, 1),
            (LetterFilter { until: "2026-01-02T00:00:00Z".parse().ok(), ..filter() }, 0),
            (LetterFilter { reason: Some("large".to_owned()), ..filter() }, 2),
            (LetterFilter::of([all[0].letter.clone()]), 1),
        ] {
            assert_eq!(found(filter.clone()).await.len(), count, "{filter:?}");
        }
    }

    #[tokio::test]
    async fn the_old_ones_go_and_are_counted_and_what_cannot_be_read_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let young = MESSAGE.replace("2026-01-02T", "2026-01-04T");
        fs::write(path("log.siem.jsonl"), format!("{MESSAGE}\nno letter\n{young}\n{MESSAGE} \n")).unwrap();
        fs::write(path("commands.hr.jsonl"), format!("{COMMAND}\n")).unwrap();
        let expire =
            async |before: &str| expire_letters(directory.path(), before.parse().unwrap()).await.unwrap();
        assert!(expire("2026-01-02T00:00:00Z").await.is_empty());
        let route = LetterOwner::Route("log/siem".to_owned());
        let commands = LetterOwner::Commands("hr".to_owned());
        assert_eq!(expire("2026-01-04T00:00:00Z").await, BTreeMap::from([(route, 2), (commands, 1)]));
        assert_eq!(fs::read_to_string(path("log.siem.jsonl")).unwrap(), format!("no letter\n{young}\n"));
        assert!(!path("commands.hr.jsonl").exists());
        assert!(expire("2026-01-04T00:00:00Z").await.is_empty());
    }

    #[tokio::test]
    async fn what_was_kept_is_shown_when_it_is_wanted() {
        let all = found(LetterFilter { is_whole: true, ..LetterFilter::default() }).await;
        let content = |letter: &KeptLetter| letter.content.as_ref().unwrap().get().to_owned();
        assert!(content(&all[1]).starts_with(r#"{"uuid":"u","#), "{}", content(&all[1]));
        assert_eq!(content(&all[0]), r#"{"headers":[],"payload":"{}"}"#);
    }
}
