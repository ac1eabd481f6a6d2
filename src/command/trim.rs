//! Trims an outcome that is too large for its destination step by step, and marks it as trimmed. Pure.
//!
//! Members that a reader can look up again are dropped first. The small members of a result stay longest: a link or a
//! temporary password among them cannot be obtained again.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::json;

use super::{Outcome, OutcomeError};

/// The most bytes of a small member of a result.
const MEMBER_MAX_BYTES: usize = 256;
/// The most characters of a trimmed text.
const TEXT_MAX_CHARS: usize = 200;
/// The member that marks a trimmed outcome.
const TRUNCATED: &str = "truncated";

/// How much of an outcome is left. Each level has less than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrimLevel {
    /// Everything.
    Whole,
    /// Only the small members of the result.
    SmallResult,
    /// Neither `before` nor `after`, either.
    NoStates,
    /// No result, either.
    NoResult,
    /// Only the beginning of the error's texts, either.
    ShortTexts,
}

impl TrimLevel {
    /// The next level, if there is one.
    #[must_use]
    pub fn further(self) -> Option<Self> {
        match self {
            Self::Whole => Some(Self::SmallResult),
            Self::SmallResult => Some(Self::NoStates),
            Self::NoStates => Some(Self::NoResult),
            Self::NoResult => Some(Self::ShortTexts),
            Self::ShortTexts => None,
        }
    }
}

impl Outcome {
    /// The outcome at this level.
    pub fn trimmed(&self, level: TrimLevel) -> Cow<'_, Self> {
        if level == TrimLevel::Whole {
            return Cow::Borrowed(self);
        }
        let mut outcome = Self {
            result: match level < TrimLevel::NoResult {
                true => self.result.small_part(MEMBER_MAX_BYTES, TRUNCATED),
                false => json!({ TRUNCATED: true }).into(),
            },
            ..self.clone()
        };
        if level >= TrimLevel::NoStates {
            (outcome.before, outcome.after) = (None, None);
        }
        if level >= TrimLevel::ShortTexts {
            outcome.okta_request_id = outcome.okta_request_id.as_deref().map(beginning);
            outcome.error = outcome.error.map(|OutcomeError { code, message, remedy }| OutcomeError {
                code,
                message: beginning(&message),
                remedy: remedy.as_deref().map(beginning),
            });
        }
        Cow::Owned(outcome)
    }

    /// The outcome at the first level at which its JSON has at most `bytes_max`, or at the last.
    pub fn trimmed_to(&self, bytes_max: usize) -> Cow<'_, Self> {
        let mut level = TrimLevel::Whole;
        loop {
            let outcome = self.trimmed(level);
            match level.further() {
                Some(further) if bytes(&*outcome) > bytes_max => level = further,
                _ => return outcome,
            }
        }
    }
}

fn beginning(text: &str) -> String {
    text.chars().take(TEXT_MAX_CHARS).collect()
}

fn bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::command::record::tests::outcome;

    const STEPS: [TrimLevel; 5] = [
        TrimLevel::Whole,
        TrimLevel::SmallResult,
        TrimLevel::NoStates,
        TrimLevel::NoResult,
        TrimLevel::ShortTexts,
    ];

    fn large() -> String {
        "\u{e9}\"".repeat(9_000)
    }

    #[test]
    fn an_outcome_that_fits_stays_as_it_is() {
        let whole = outcome(json!([1, 2]));
        assert_eq!(*whole.trimmed_to(10_000), whole);
        assert!(matches!(whole.trimmed_to(10_000), Cow::Borrowed(_)));
    }

    #[test]
    fn whatever_is_large_goes_and_nothing_else_and_it_says_so() {
        let users: Vec<_> = (0..1_000).map(|n| json!({ "id": format!("00u{n}") })).collect();
        let listed = outcome(json!({ "users": users, "complete": true, "password": "s3cret" }));
        let kept = json!({ "complete": true, "password": "s3cret", TRUNCATED: true });
        assert_eq!(listed.trimmed_to(1_000).result, kept.clone().into());

        for (before, after) in [(Some(json!(large())), None), (None, Some(json!({ "profile": large() })))] {
            let changed = Outcome { before, after, ..listed.clone() };
            let level = changed.trimmed_to(1_000);
            assert_eq!((&level.result, &level.before, &level.after), (&kept.clone().into(), &None, &None));
            assert!(bytes(&*level) <= 1_000);
        }
        let members: serde_json::Map<_, _> = (0..500).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(
            outcome(Value::Object(members)).trimmed_to(1_000).result,
            json!({ TRUNCATED: true }).into()
        );
    }

    #[test]
    fn the_last_step_is_small_whatever_there_was_and_keeps_what_programs_go_by() {
        let error = OutcomeError { code: "x".to_owned(), message: large(), remedy: Some(large()) };
        let huge = Outcome {
            error: Some(error),
            okta_request_id: Some(large()),
            before: Some(json!(large())),
            after: Some(json!(large())),
            ..outcome(json!({ "large": large() }))
        };
        let level = huge.trimmed_to(0);
        assert!(bytes(&*level) < 4_000, "{}", bytes(&*level));
        let Outcome { command_id, status, attempts, .. } = &huge;
        assert_eq!((&level.command_id, level.status, level.attempts), (command_id, *status, *attempts));
        assert_eq!(level.error.as_ref().unwrap().code, "x");
    }

    #[test]
    fn each_step_has_less_than_the_one_before_it_and_all_but_the_first_say_so() {
        let error = OutcomeError { code: "x".to_owned(), message: large(), remedy: None };
        let huge = Outcome {
            error: Some(error),
            before: Some(json!(large())),
            ..outcome(json!({ "large": large(), "small": 1 }))
        };
        let sizes: Vec<_> = STEPS.iter().map(|level| bytes(&*huge.trimmed(*level))).collect();
        assert!(sizes.is_sorted_by(|more, less| more > less), "{sizes:?}");
        for pair in STEPS.windows(2) {
            assert_eq!(pair[0].further(), Some(pair[1]));
            assert_eq!(huge.trimmed(pair[1]).result[TRUNCATED], Value::Bool(true));
        }
    }
}
