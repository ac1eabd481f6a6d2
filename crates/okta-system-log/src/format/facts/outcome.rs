//! How what an event tells of ended: by Okta's outcome, unless the event type itself says so.

use std::borrow::Cow;

use crate::format::log_event::LogEvent;

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::format) enum Outcome<'a> {
    Success,
    Failure,
    /// Neither, in Okta's word: `CHALLENGE`, `SKIPPED`, `UNANSWERED` and more.
    Other(Cow<'a, str>),
    Unknown,
}

/// Event types that tell of a consequence, and whose outcome tells of the cause: an account is locked because a sign-in
/// failed, a request is denied by a decision. The consequence itself took place.
const CONSEQUENCES: [&str; 6] = [
    "user.account.lock",
    "user.account.lock.limit",
    "app.ad.api.user_import.account_locked",
    "app.access_request.deny",
    "app.access_request.approver.deny",
    "access.request.reject",
];

/// Words of event types that say how it ended.
const FAILED: [&str; 6] = ["fail", "failed", "failure", "failures", "error", "errors"];
const SUCCEEDED: [&str; 2] = ["success", "succeeded"];

/// The texts that an org shows instead of an error.
const CUSTOM_ERRORS: &str = "system.custom_error";

impl<'a> Outcome<'a> {
    /// How what `event` tells of ended.
    pub(in crate::format) fn of(event: &LogEvent<'a>, event_type: &str) -> Self {
        let result = event.outcome.peek("result");
        let told = match result.as_deref() {
            Some("SUCCESS" | "ALLOW") => Self::Success,
            Some("FAILURE" | "DENY" | "RATE_LIMIT") => Self::Failure,
            Some(_) => result.map_or(Self::Unknown, Self::Other),
            None => Self::Unknown,
        };
        if told == Self::Failure && CONSEQUENCES.contains(&event_type) {
            return Self::Success;
        }
        let says = |words: &[&str]| event_type.split(['.', '_']).any(|word| words.contains(&word));
        match told {
            Self::Success | Self::Unknown if says(&FAILED) && !event_type.starts_with(CUSTOM_ERRORS) => {
                Self::Failure
            }
            Self::Unknown if says(&SUCCEEDED) => Self::Success,
            told => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(event_type: &str, result: &str) -> Outcome<'static> {
        let event = format!(r#"{{"outcome":{{"result":"{result}"}}}}"#);
        match Outcome::of(&LogEvent::read(event.as_str()).unwrap(), event_type) {
            Outcome::Success => Outcome::Success,
            Outcome::Failure => Outcome::Failure,
            Outcome::Unknown => Outcome::Unknown,
            Outcome::Other(word) => Outcome::Other(Cow::Owned(word.into_owned())),
        }
    }

    #[test]
    fn the_lock_succeeded_because_the_sign_in_failed() {
        for event_type in CONSEQUENCES {
            assert_eq!(outcome(event_type, "FAILURE"), Outcome::Success, "{event_type}");
        }
        assert_eq!(outcome("user.session.start", "FAILURE"), Outcome::Failure);
        assert_eq!(outcome("user.account.lock", "SKIPPED"), Outcome::Other("SKIPPED".into()));
    }

    #[test]
    fn what_is_called_a_failure_is_one() {
        for event_type in [
            "user.account.unlock_failure",
            "app.ldap.password.change.failed",
            "app.office365.api.error.sync.user",
        ] {
            assert_eq!(outcome(event_type, "SUCCESS"), Outcome::Failure, "{event_type}");
            assert_eq!(outcome(event_type, ""), Outcome::Failure, "{event_type}");
        }
        assert_eq!(outcome("app.office365.user.delete.success", ""), Outcome::Success);
        assert_eq!(outcome("system.custom_error.update", "SUCCESS"), Outcome::Success);
        assert_eq!(outcome("user.session.start", ""), Outcome::Unknown);
        assert_eq!(outcome("user.session.start", "RATE_LIMIT"), Outcome::Failure);
    }
}
