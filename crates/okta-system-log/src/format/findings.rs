//! Which events are findings: Okta, a partner of its or the user says that something may be hostile. The one decision
//! for all formats: a Detection Finding in OCSF, an alert in ECS.
//!
//! The event type alone decides. A sign-on with a high risk stays a sign-on, where a search for sign-ons finds it; its
//! severity tells the risk. So do refusals by a control that does its normal work (`security.request.blocked`), policies
//! that are asked again (`policy.auth_reevaluate.fail`) and what an import finds to be put in order
//! (`application.account.detect`): as alerts they would be so many that nobody sees the others.

use std::borrow::Cow;

use super::{
    facts::{Assessment, Level},
    log_event::LogEvent,
    party::Kind,
};

/// Where a finding stands after the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Opened,
    Changed,
    Closed,
}

/// A finding, and why the event is one.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) event_type: &'static str,
    pub(super) stage: Stage,
    pub(super) reason: &'static str,
}

const fn opened(event_type: &'static str, reason: &'static str) -> Finding {
    Finding { event_type, stage: Stage::Opened, reason }
}

const fn changed(event_type: &'static str, reason: &'static str) -> Finding {
    Finding { event_type, stage: Stage::Changed, reason }
}

const fn closed(event_type: &'static str, reason: &'static str) -> Finding {
    Finding { event_type, stage: Stage::Closed, reason }
}

/// All of them.
pub(super) const FINDINGS: [Finding; 22] = [
    opened("security.threat.detected", "ThreatInsight found a hostile address"),
    opened("security.attack.start", "an attack on the org begins"),
    closed("security.attack.end", "the attack is over"),
    opened("security.breached_credential.detected", "a password is known to be stolen"),
    opened("security.password_spray.detected", "one password is tried with many users"),
    opened("security.session.detect_client_roaming", "a session moved to another client: it may be stolen"),
    opened("security.events.provider.receive_event", "a partner reports a risk"),
    opened("security.internal.threat.detected", "ThreatInsight found a hostile address"),
    opened("security.internal.valid_password_sprayed.detected", "a sprayed password was the right one"),
    opened("security.internal.dco_malicious_ip_report", "Okta's own defenders report an address"),
    opened("security.internal.dco_user_risk_report", "Okta's own defenders report a user"),
    opened("user.account.report_suspicious_activity_by_enduser", "the user says that it was not them"),
    opened("user.mfa.attempt_bypass", "somebody tried to get around a factor"),
    opened("user.risk.detect", "Okta found a risk of a user"),
    changed("user.risk.change", "the risk of a user changed"),
    opened("user.internal.risk.detect", "Okta found a risk of a user"),
    changed("user.internal.risk.change", "the risk of a user changed"),
    opened("app.oauth2.token.detect_reuse", "a refresh token was used twice: it may be stolen"),
    opened("app.oauth2.as.token.detect_reuse", "a refresh token was used twice: it may be stolen"),
    opened(
        "system.api_token.request_outside_allowed_range",
        "an API token was used from where it must not be",
    ),
    opened("system.oauth2.token.request_outside_allowed_range", "a token was used from where it must not be"),
    opened("pam.server_account.password_change.out_of_band", "somebody else changed a vaulted password"),
];

impl Finding {
    /// The finding that an event of this type is, if it is one.
    pub(super) fn of(event_type: &str) -> Option<&'static Self> {
        FINDINGS.iter().find(|finding| finding.event_type == event_type)
    }

    /// Whether the risk that an event tells of is what the finding is about, or the finding is over: a low one then says that
    /// it matters little. Of every other finding it is that of the request, which says nothing of what was found.
    pub(super) fn is_told_by_risk(&self) -> bool {
        self.stage == Stage::Closed || RISKS.iter().any(|family| self.event_type.starts_with(family))
    }

    /// Where the finding stands after an event with this assessment: a risk that became low is over, whoever says so.
    pub(super) fn stage_after(&self, assessment: &Assessment<'_>) -> Stage {
        match self.stage {
            Stage::Changed if assessment.risk.level == Some(Level::Low) => Stage::Closed,
            stage => stage,
        }
    }
}

/// Findings that are steps of one flow of Okta's Identity Threat Protection: all have its trace id.
const FLOWS: [&str; 3] = ["user.risk.", "user.internal.risk.", "security.events.provider."];

/// Findings that are a risk.
const RISKS: [&str; 4] = [
    "user.risk.",
    "user.internal.risk.",
    "security.events.provider.",
    "security.internal.dco_user_risk_report",
];

/// What a finding is one finding by.
#[derive(Debug)]
pub(super) enum Identity<'a> {
    /// The flow in which a partner reports a risk, Okta detects it and changes the level of the user.
    Flow(Cow<'a, str>),
    /// The risk of one user, where the flow is not told.
    UserRisk(Cow<'a, str>),
    /// The attack on the org: it is under attack or is not.
    Attack,
    /// Nothing but the event.
    Event,
}

impl<'a> Identity<'a> {
    /// What makes the finding of this event one with others.
    pub(super) fn of(event: &LogEvent<'a>, event_type: &str) -> Self {
        if event_type.starts_with("security.attack.") {
            return Self::Attack;
        }
        if !FLOWS.iter().any(|family| event_type.starts_with(family)) {
            return Self::Event;
        }
        if let Some(trace) = event.debug_data.peek("traceId") {
            return Self::Flow(trace);
        }
        let user = event.target(Kind::User).and_then(|user| user.object.peek("id"));
        user.map_or(Self::Event, Self::UserRisk)
    }

    /// The uid, where `identity` is that of the event.
    pub(super) fn text(self, identity: &str, tenant: Option<&str>) -> Cow<'a, str> {
        match self {
            Self::Flow(trace) => trace,
            Self::UserRisk(user) => Cow::Owned(["user.risk:", &user].concat()),
            Self::Attack => Cow::Owned(["security.attack:", tenant.unwrap_or("okta")].concat()),
            Self::Event => Cow::Owned(identity.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::catalogue::event_types,
        format::{ecs::Category, ocsf::Routing},
    };

    #[test]
    fn an_alert_in_ecs_is_a_finding_in_ocsf_and_the_other_way_round_unless_it_is_over() {
        let types = event_types().chain(["next.year.detected", "security.next.detected"]);
        for event_type in types.map(Some).chain([None]) {
            let is_finding = Routing::of(event_type).class.uid == 2004;
            let is_alert = Category::of(event_type).kind() == "alert";
            let finding = event_type.and_then(Finding::of);
            let is_over = finding.is_some_and(|finding| finding.stage == Stage::Closed);
            assert_eq!(is_finding && !is_over, is_alert, "{event_type:?}");
            assert_eq!(is_finding, finding.is_some(), "{event_type:?}");
        }
    }

    #[test]
    fn each_is_about_an_event_type_that_exists_and_of_one_stage() {
        for (index, finding) in FINDINGS.iter().enumerate() {
            assert!(event_types().any(|known| known == finding.event_type), "{}", finding.event_type);
            assert!(FINDINGS[..index].iter().all(|other| other.event_type != finding.event_type));
        }
    }

    #[test]
    fn controls_that_do_their_normal_work_are_no_findings() {
        for event_type in [
            "security.request.blocked",
            "policy.auth_reevaluate.fail",
            "user.session.start",
            "application.account.detect",
            "resource.user_entitlements.drift.detect",
        ] {
            assert!(Finding::of(event_type).is_none(), "{event_type}");
        }
    }
}
