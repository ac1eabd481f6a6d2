//! What keeps commands from being executed: which tasks report it and why, and what of it is new for the log. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// The kinds of reasons of one trouble that are logged; further kinds are only in the status.
const KINDS_MAX: usize = 16;

/// What can keep commands from being executed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The engine has failed, and is restarted.
    Engine,
    /// A look-up of the users and groups in a command gets no answer.
    LookUp,
    /// The queue cannot be read.
    Intake,
    /// Okta fails in a way that may pass.
    Okta,
    /// The protected users and groups cannot be looked up.
    Protected,
    /// The journal cannot be written.
    Journal,
    /// The dead letters cannot be written.
    DeadLetters,
    /// The audit cannot be written.
    Audit,
    /// Outcomes cannot be published.
    Outcomes,
}

impl Trouble {
    pub(super) const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    pub(super) fn name(self) -> &'static str {
        self.into()
    }
}

/// All troubles at one moment. Each reporter has its own entry, so that none ends that of another.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    reporters: u64,
    active: BTreeMap<Trouble, ActiveTrouble>,
}

/// A trouble while at least one task reports it.
#[derive(Debug, Default)]
struct ActiveTrouble {
    /// The reporters in the order in which they began, each with its reason.
    reasons: BTreeMap<u64, String>,
    /// The kinds of reasons that were logged.
    told: BTreeSet<String>,
}

impl Troubles {
    /// The number of a new reporter.
    pub(super) fn next_reporter(&mut self) -> u64 {
        self.reporters += 1;
        self.reporters
    }

    /// A task reports this reason. Returns whether it is new for the log.
    pub(super) fn report(&mut self, trouble: Trouble, reporter: u64, reason: &str) -> bool {
        let active = self.active.entry(trouble).or_default();
        active.reasons.insert(reporter, reason.to_owned());
        active.told.len() < KINDS_MAX && active.told.insert(kind(reason))
    }

    /// A task reports the trouble no more. Returns whether no task does.
    pub(super) fn ends(&mut self, trouble: Trouble, reporter: u64) -> bool {
        let Some(active) = self.active.get_mut(&trouble) else { return false };
        active.reasons.remove(&reporter);
        let is_over = active.reasons.is_empty();
        if is_over {
            self.active.remove(&trouble);
        }
        is_over
    }

    /// The reason of the longest reporter, for each trouble.
    pub(super) fn texts(&self) -> BTreeMap<Trouble, String> {
        let first = |active: &ActiveTrouble| active.reasons.values().next().cloned();
        self.active.iter().filter_map(|(trouble, active)| Some((*trouble, first(active)?))).collect()
    }
}

/// A reason without its numbers, ids and times, which differ from one failure to the next.
fn kind(reason: &str) -> String {
    let words = reason.split_whitespace().filter(|word| !word.bytes().any(|byte| byte.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_news_once_for_each_kind_of_reason_and_ends_with_the_last_who_waits() {
        let mut troubles = Troubles::default();
        let (first, second) = (troubles.next_reporter(), troubles.next_reporter());
        assert!(troubles.report(Trouble::Okta, first, "Okta answers 503 for 00u1"));
        assert!(!troubles.report(Trouble::Okta, second, "Okta answers 503 for 00u2"), "it is the same");
        assert!(!troubles.report(Trouble::Okta, first, "Okta answers 503 for 00u1"));
        assert!(troubles.report(Trouble::Journal, first, "no room"), "it is another");
        assert!(!troubles.ends(Trouble::Okta, first), "one still waits");
        assert_eq!(troubles.texts()[&Trouble::Okta], "Okta answers 503 for 00u2");
        assert!(troubles.report(Trouble::Okta, second, "the connection is refused"), "it has changed");
        assert!(!troubles.report(Trouble::Okta, second, "Okta answers 503 for 00u2"), "it was told");
        assert_eq!(troubles.texts()[&Trouble::Okta], "Okta answers 503 for 00u2", "as it is now");
        assert!(troubles.ends(Trouble::Okta, second));
        assert!(!troubles.ends(Trouble::Okta, second), "it ends once");
        assert_eq!(troubles.texts().into_keys().collect::<Vec<_>>(), [Trouble::Journal]);
        assert!(troubles.report(Trouble::Okta, second, "Okta answers 503 for 00u2"), "it begins anew");
    }
}
