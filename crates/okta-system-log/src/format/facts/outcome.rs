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

/// What Okta's `outcome.result` says, where it is one of the words that decide something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::format) enum Verdict {
    Success,
    Allow,
    Failure,
    Deny,
    RateLimit,
    Challenge,
}

/// Okta's words. What stands between Okta and us may have written them in other letters.
const VERDICTS: [(&str, Verdict); 8] = [
    ("SUCCESS", Verdict::Success),
    ("ALLOW", Verdict::Allow),
    ("FAILURE", Verdict::Failure),
    // Of Privileged Access.
    ("FAILED", Verdict::Failure),
    ("SUCCEEDED", Verdict::Success),
    ("DENY", Verdict::Deny),
    ("RATE_LIMIT", Verdict::RateLimit),
    ("CHALLENGE", Verdict::Challenge),
];

impl Verdict {
    /// What the outcome of `event` says; None if it says nothing, or something else.
    pub(in crate::format) fn of(event: &LogEvent<'_>) -> Option<Self> {
        Self::read(&event.outcome.peek("result")?)
    }

    fn read(word: &str) -> Option<Self> {
        let word = word.trim_ascii();
        VERDICTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, verdict)| *verdict)
    }
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

/// Event types that Okta's description calls a failure or a refusal, or says are logged of failures alone, whatever their
/// outcome: it tells that the failure was seen to, or nothing.
const FAILURES: [&str; 43] = [
    "app.generic.unauth_app_access_attempt",
    "app.kerberos_rich_client.account_not_found",
    "app.kerberos_rich_client.instance_not_found",
    "app.kerberos_rich_client.multiple_accounts_found",
    "app.oauth2.as.evaluate.claim",
    "app.oauth2.invalid_client_credentials",
    "app.office365.service.principal.cleanup.job.invalid.credentials",
    "app.office365.service.principal.cleanup.job.unable.to.delete.service.principal",
    "app.radius.agent.port_inaccessible",
    "app.radius.info_access.no_permission",
    "app.radius.info_access.partial_permission",
    "application.appuser.mapping.invalid.expression",
    "application.configuration.import_schema",
    "application.configuration.update",
    "application.integration.api_query",
    "application.integration.transfer_files",
    "application.policy.sign_on.deny_access",
    "application.provision.group.add",
    "application.provision.group.import",
    "application.provision.group.remove",
    "application.provision.group.update",
    "application.provision.group.verify_exists",
    "application.provision.group_membership.add",
    "application.provision.group_membership.import",
    "application.provision.group_membership.remove",
    "application.provision.group_membership.update",
    "application.provision.group_push.mapping.created.from.rule.warning.duplicate.name",
    "application.provision.group_push.mapping.created.from.rule.warning.duplicate.name.tobecreated",
    "application.provision.group_push.mapping.created.from.rule.warning.upsertGroup.duplicate.name",
    "application.provision.user.password",
    "event_hook.delivery",
    "mim.command.ios.formaterror",
    "pam.security_policy.evaluate",
    "security.request.blocked",
    "system.api_token.request_outside_allowed_range",
    "system.iwa_agentless.user.not_found",
    "system.ldapi.bind",
    "system.ldapi.search",
    "system.ldapi.unbind",
    "system.oauth2.token.request_outside_allowed_range",
    "user.account.use_token",
    "user.mfa.okta_verify.deny_push",
    "user.mfa.okta_verify.deny_push_upgrade_needed",
];

/// Those of them that are refusals and no sign-ons, which a failure refuses in any case.
const REFUSALS: [&str; 7] = [
    "app.radius.info_access.no_permission",
    "app.radius.info_access.partial_permission",
    "pam.security_policy.evaluate",
    "security.request.blocked",
    "system.api_token.request_outside_allowed_range",
    "system.oauth2.token.request_outside_allowed_range",
    "user.account.use_token",
];

/// Whether what failed was refused by a decision, though it is no sign-on.
pub(in crate::format) fn is_refusal(event_type: &str) -> bool {
    REFUSALS.contains(&event_type)
}

/// Whether the event type tells of a refusal or a lock that took place, whose cause is another event.
pub(in crate::format) fn is_consequence(event_type: &str) -> bool {
    CONSEQUENCES.contains(&event_type)
}

/// Event types that Okta's description calls a skipping: nothing was done, and nothing failed.
const SKIPPINGS: [&str; 6] = [
    "app.ad.api.user_import.warn.skipped_",
    "app.office365.clientplatform.conversion.job.skipping.",
    "app.office365.dirsync.skipping.",
    "app.office365.service.principal.cleanup.job.skipping.",
    "system.csv.import_user",
    "system.import.entitlement.mismatch",
];
/// Okta's word for it.
const SKIPPED: &str = "SKIPPED";

/// Words of event types that say how it ended, as a segment or in the last one: in another they say what it is, such as the
/// page for who is denied access.
const FAILED: [&str; 8] = ["fail", "failed", "failure", "failures", "error", "errors", "denied", "exceeded"];
const SUCCEEDED: [&str; 2] = ["success", "succeeded"];

impl<'a> Outcome<'a> {
    /// How what `event` tells of ended.
    pub(in crate::format) fn of(event: &LogEvent<'a>, event_type: &str) -> Self {
        let result = event.outcome.peek("result");
        let told = result.map_or(Self::Unknown, Self::told);
        if told == Self::Failure && CONSEQUENCES.contains(&event_type) {
            return Self::Success;
        }
        let last = event_type.rsplit('.').next().unwrap_or_default();
        let says =
            |words: &[&str]| event_type.split('.').chain(last.split('_')).any(|word| words.contains(&word));
        match told {
            Self::Success | Self::Unknown if FAILURES.contains(&event_type) => Self::Failure,
            Self::Success | Self::Unknown if says(&FAILED) => Self::Failure,
            Self::Success | Self::Unknown if SKIPPINGS.iter().any(|known| event_type.starts_with(known)) => {
                Self::Other(Cow::Borrowed(SKIPPED))
            }
            Self::Unknown if says(&SUCCEEDED) => Self::Success,
            told => told,
        }
    }

    /// Why it ended otherwise than Okta's outcome has it; None if it did not.
    pub(in crate::format) fn reason_of_turn(event: &LogEvent<'a>, event_type: &str) -> Option<&'static str> {
        let told = event.outcome.peek("result").map_or(Self::Unknown, Self::told);
        let outcome = Self::of(event, event_type);
        match outcome {
            _ if outcome == told => None,
            Self::Failure => Some("the type tells of a failure, whatever the outcome says"),
            Self::Other(_) => Some("the type tells that it was skipped, whatever the outcome says"),
            _ => Some("what the type tells of took place, whatever the outcome says"),
        }
    }

    /// How it ended by Okta's word for it.
    fn told(result: Cow<'a, str>) -> Self {
        match Verdict::read(&result) {
            Some(Verdict::Success | Verdict::Allow) => Self::Success,
            Some(Verdict::Failure | Verdict::Deny | Verdict::RateLimit) => Self::Failure,
            Some(Verdict::Challenge) | None => Self::Other(result),
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
            "app.oauth2.as.authorize.scope_denied",
            "application.integration.rate_limit_exceeded",
            "system.ldapi.admin_limit_exceeded",
        ] {
            assert_eq!(outcome(event_type, "SUCCESS"), Outcome::Failure, "{event_type}");
            assert_eq!(outcome(event_type, ""), Outcome::Failure, "{event_type}");
        }
        assert_eq!(outcome("app.office365.user.delete.success", ""), Outcome::Success);
        for of_a_page in
            ["system.custom_error.update", "policy.access_denied_page.update", "brand.error_page.delete"]
        {
            assert_eq!(outcome(of_a_page, "SUCCESS"), Outcome::Success, "{of_a_page}");
        }
        assert_eq!(outcome("user.session.start", ""), Outcome::Unknown);
        assert_eq!(outcome("user.session.start", "RATE_LIMIT"), Outcome::Failure);
    }

    #[test]
    fn what_okta_describes_as_a_failure_is_one() {
        for event_type in FAILURES {
            for result in ["SUCCESS", "ALLOW", "FAILURE", ""] {
                assert_eq!(outcome(event_type, result), Outcome::Failure, "{event_type} {result}");
            }
        }
    }

    #[test]
    fn what_was_skipped_was_neither_done_nor_failed() {
        for event_type in [
            "app.ad.api.user_import.warn.skipped_user.missing_required_attribute",
            "app.office365.dirsync.skipping.systemmailbox",
            "system.csv.import_user",
            "system.import.entitlement.mismatch",
        ] {
            assert_eq!(outcome(event_type, "SUCCESS"), Outcome::Other("SKIPPED".into()), "{event_type}");
            assert_eq!(outcome(event_type, "FAILURE"), Outcome::Failure, "{event_type}");
        }
    }

    #[test]
    fn every_type_that_is_named_exists() {
        let types: Vec<_> = crate::event::catalogue::event_types().collect();
        for known in FAILURES.iter().chain(&CONSEQUENCES).chain(&REFUSALS) {
            assert!(types.contains(known), "{known}");
        }
        for known in SKIPPINGS {
            assert!(types.iter().any(|name| name.starts_with(known)), "{known}");
        }
    }

    #[test]
    fn a_result_means_the_same_in_any_letters() {
        for (result, expected) in [
            ("success", Outcome::Success),
            ("Allow", Outcome::Success),
            (" DENY ", Outcome::Failure),
            ("Failure", Outcome::Failure),
            ("FAILED", Outcome::Failure),
            ("Succeeded", Outcome::Success),
            ("Skipped", Outcome::Other("Skipped".into())),
        ] {
            assert_eq!(outcome("user.session.start", result), expected, "{result}");
        }
    }
}
