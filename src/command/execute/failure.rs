//! Why a request could not be executed: codes for programs, each with a remedy.

use std::time::Duration;

use okta_client::{Class, OktaError};
use serde_json::Value;

use crate::{
    command::{Action, ActionFailure, OutcomeError},
    remedy::remedy,
};

/// The shortest wait before a retry.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The wait while Okta is working on a user: some activations take minutes.
const RETRY_CHANGING_AFTER: Duration = Duration::from_secs(15);

/// The code of a failure, for programs. The names are an interface: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Code {
    /// No such user.
    UserNotFound,
    /// No such group.
    GroupNotFound,
    /// No such app.
    AppNotFound,
    /// No such network zone.
    ZoneNotFound,
    /// No such custom role or resource set.
    RoleNotFound,
    /// Several objects have this name.
    AmbiguousName,
    /// The user's status does not allow it.
    WrongStatus,
    /// An expectation of the command does not hold.
    ExpectationFailed,
    /// The login or name exists already.
    AlreadyExists,
    /// The group is managed by an app or by Okta itself.
    ReadOnlyGroup,
    /// The user is assigned by a group.
    AssignedByGroup,
    /// The network zone does not block addresses.
    WrongZone,
    /// The address is blocked as a part of a larger range.
    BlockedByRange,
    /// Okta is still working on the user.
    StillChanging,
    /// Somebody else changed the object while the result of the command's own change was unknown.
    ChangedMeanwhile,
    /// It was sent, and no read can show whether Okta has executed it.
    Unconfirmed,
    /// Okta cannot accept the parameters.
    InvalidParameters,
    /// Okta refused.
    OktaRefused,
    /// The credential lacks the rights.
    NotPermitted,
    /// The org lacks the feature, or the configuration is wrong.
    NotAvailable,
    /// Too many requests.
    RateLimited,
    /// Okta is unreachable.
    OktaUnavailable,
}

impl Code {
    /// All codes, in the order of the documentation.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Its name in an outcome.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The remedy, for people.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::UserNotFound => {
                "name the user by id or by login; an e-mail that is not the login finds nobody"
            }
            Self::GroupNotFound => {
                "name the group by id or by its exact name; Okta lists a new group after some seconds"
            }
            Self::AppNotFound => "name the app by id: it is in the app's URL in the Admin Console",
            Self::ZoneNotFound => "name the network zone by id or by its exact name",
            Self::RoleNotFound => "name the custom role and the resource set by id or by their exact labels",
            Self::AmbiguousName => "use the id",
            Self::WrongStatus => "bring the user to one of the statuses that the message names first",
            Self::ExpectationFailed => "see what has changed since the command was made, and make a new one",
            Self::AlreadyExists => "use another name, or update the one that there is",
            Self::ReadOnlyGroup => {
                "change it where it is mastered: in the app, the directory or by a group rule"
            }
            Self::AssignedByGroup => "remove the user from the group, or take it from the group",
            Self::WrongZone => "name an active IP zone whose usage is to block",
            Self::BlockedByRange => "unblock what the message names, and block the rest of it again",
            Self::StillChanging => "try again in some minutes",
            Self::ChangedMeanwhile => {
                "see in Okta's System Log who changed it, and send a new command if it is still wanted"
            }
            Self::Unconfirmed => "see in Okta's System Log whether it was done before you send a new command",
            Self::InvalidParameters => {
                "correct the parameters; `oktabus schema` prints what each action takes"
            }
            Self::OktaRefused => "the message says what Okta does not accept",
            Self::NotPermitted => {
                "give the credential the scope and the administrator role that the message names"
            }
            Self::NotAvailable => "have the feature enabled in the org, and check the org's `domain`",
            Self::RateLimited => "try again later, or raise the credential's share of the rate limit",
            Self::OktaUnavailable => "try again later; what was sent is looked at before it is sent again",
        }
    }

    /// A failure that a retry does not fix.
    pub(in crate::command) fn because(self, message: impl Into<String>) -> ActionFailure {
        let error = OutcomeError {
            code: self.name().to_owned(),
            message: message.into(),
            remedy: Some(self.remedy().to_owned()),
        };
        let retry_after = match self {
            Self::StillChanging => Some(RETRY_CHANGING_AFTER),
            Self::RateLimited | Self::OktaUnavailable => Some(RETRY_AFTER),
            _ => None,
        };
        let result = Value::Null;
        ActionFailure {
            error,
            result,
            retry_after,
            has_sent: false,
            progress: Box::default(),
            before: None,
            okta_request_id: None,
        }
    }
}

/// The failure for an error of Okta during `action`.
pub(in crate::command) fn of_okta(error: &OktaError, action: Action) -> ActionFailure {
    let (code, retry_after) = match error.class() {
        _ if error.is_duplicate() => (Code::AlreadyExists, None),
        Class::Retry(Some(wait)) => (Code::RateLimited, Some(wait)),
        Class::Retry(None) if error.status() == Some(409) => {
            (Code::StillChanging, Some(RETRY_CHANGING_AFTER))
        }
        Class::Retry(None) => (Code::OktaUnavailable, Some(RETRY_AFTER)),
        Class::Authentication if is_about_the_object(error) => (Code::OktaRefused, None),
        Class::Authentication if error.status() == Some(403) => (Code::NotPermitted, None),
        // A token that was not renewed in time does not end commands at once.
        Class::Authentication => (Code::NotPermitted, Some(RETRY_CHANGING_AFTER)),
        Class::Configuration => (Code::NotAvailable, None),
        Class::Permanent if matches!(error, OktaError::Unsendable { .. } | OktaError::NotARequest { .. }) => {
            (Code::InvalidParameters, None)
        }
        Class::Permanent => (Code::OktaRefused, None),
    };
    let message = match (code, error) {
        // The error is independent of the action.
        (_, OktaError::Auth(_)) => match remedy(error) {
            Some(remedy) => format!("{error}: {remedy}"),
            None => error.to_string(),
        },
        (Code::NotPermitted, _) => {
            let scope = action.scope();
            format!("{error}; {} needs {} and the role {}", action.name(), scope.name(), scope.role())
        }
        _ => error.to_string(),
    };
    ActionFailure {
        retry_after,
        okta_request_id: error.request_id().map(str::to_owned),
        ..code.because(message)
    }
}

/// Whether Okta forbids it to everybody: all codes but those about rights and sessions concern the object, such as a
/// password that cannot be reset.
fn is_about_the_object(error: &OktaError) -> bool {
    error.status() == Some(403)
        && error
            .code()
            .is_some_and(|code| code.starts_with("E0") && !["E0000005", "E0000006"].contains(&code))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use super::*;
    use okta_client::AuthError;

    #[test]
    fn each_code_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn what_may_pass_is_tried_again_and_a_missing_right_is_named() {
        let status = |status, code: &str| OktaError::Status {
            status,
            code: Some(code.to_owned()),
            summary: "no".to_owned(),
            request_id: Some("r1".to_owned()),
        };
        for (error, code, is_retried) in [
            (status(403, "E0000006"), Code::NotPermitted, false),
            (status(403, "E0000023"), Code::OktaRefused, false),
            (status(403, "E0000034"), Code::OktaRefused, false),
            (status(403, "insufficient_scope"), Code::NotPermitted, false),
            (status(409, "E0000055"), Code::AlreadyExists, false),
            (status(501, "E0000060"), Code::OktaRefused, false),
            (status(400, "E0000001"), Code::OktaRefused, false),
            (status(401, "E0000015"), Code::NotAvailable, false),
            (status(401, "E0000011"), Code::NotPermitted, true),
            (status(409, "E0000112"), Code::StillChanging, true),
            (status(503, "E0000010"), Code::OktaUnavailable, true),
            (
                OktaError::RateLimited { wait: Duration::from_secs(9), is_oktas: true },
                Code::RateLimited,
                true,
            ),
            (OktaError::Unsendable { path: "x".to_owned() }, Code::InvalidParameters, false),
            (OktaError::NotARequest { reason: "too long".to_owned() }, Code::InvalidParameters, false),
        ] {
            let failed = of_okta(&error, Action::GroupAddUser);
            assert_eq!((failed.error.code.as_str(), failed.retry_after.is_some()), (code.name(), is_retried));
            assert_eq!(failed.error.message.contains("okta.groups.manage"), code == Code::NotPermitted);
        }
    }

    #[test]
    fn a_token_that_is_not_given_is_told_with_its_scopes_and_tried_again() {
        let refused = AuthError::Refused {
            scopes: "okta.users.manage okta.networkZones.manage".to_owned(),
            status: 400,
            error: "invalid_scope".to_owned(),
            description: "no".to_owned(),
            request_id: None,
        };
        let error = OktaError::Auth(Arc::new(refused));
        assert!(error.is_forbidden() && error.is_ungranted_scope());
        let failed = of_okta(&error, Action::GroupAddUser);
        assert!(failed.retry_after.is_some());
        let message = failed.error.message;
        assert!(message.contains("for okta.users.manage okta.networkZones.manage, but 400"), "{message}");
        assert!(message.contains("oktabus check") && !message.contains("okta.groups.manage"), "{message}");
    }
}
