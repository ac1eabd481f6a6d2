//! Refused requests of one place: counted by reason, and told in the log once in a while.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::refusal::Refusal;
use crate::telemetry::{polling_metrics, printable};

/// How long refusals of one kind are counted before they are told again.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(600);
/// More of a path is not told.
const PATH_CHARACTERS_MAX: usize = 100;

/// Refused requests since this start.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    counts: BTreeMap<&'static str, u64>,
    told_at: BTreeMap<Refusal, Instant>,
}

/// One that the log has to have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Untold {
    refusal: Refusal,
    count: u64,
}

impl Refusals {
    /// How many there were, by reason.
    pub(super) fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// One more, for `org`. To be told are the first of each kind, and then one in a while.
    pub(super) fn count(&mut self, org: &str, refusal: Refusal) -> Option<Untold> {
        polling_metrics::refused(org, refusal.name());
        let count = self.counts.entry(refusal.name()).or_default();
        *count += 1;
        let count = *count;
        let now = Instant::now();
        let told_at = self.told_at.get(&refusal).copied();
        if told_at.is_some_and(|at| now.duration_since(at) < TELL_AGAIN_AFTER) {
            return None;
        }
        self.told_at.insert(refusal, now);
        Some(Untold { refusal, count })
    }
}

impl Untold {
    /// Tells it. `path` is what was asked for, if that is what is wrong.
    pub(super) fn tell(&self, org: &str, path: Option<&str>) {
        let path = path.map(|path| {
            let beginning: String = path.chars().take(PATH_CHARACTERS_MAX).collect();
            printable(&beginning).into_owned()
        });
        tracing::warn!(
            org,
            reason = self.refusal.name(),
            path,
            count = self.count,
            remedy = self.refusal.remedy(),
            "a request to the doorbell was refused; further ones like it are counted, and told again in ten minutes"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_reason_is_told_once_in_ten_minutes() {
        let mut refusals = Refusals::default();
        let untold = |refusal, count| Some(Untold { refusal, count });
        assert_eq!(refusals.count("none", Refusal::UnknownPath), untold(Refusal::UnknownPath, 1));
        assert_eq!(refusals.count("none", Refusal::UnknownPath), None);
        assert_eq!(refusals.count("none", Refusal::NoSecret), untold(Refusal::NoSecret, 1), "another reason");
        tokio::time::advance(TELL_AGAIN_AFTER).await;
        assert_eq!(refusals.count("none", Refusal::UnknownPath), untold(Refusal::UnknownPath, 3));
        assert_eq!(refusals.counts()["unknown_path"], 3);
    }
}
