//! The life of a user as a state machine: what may be done in which status, and where it leads (Okta, "User
//! Lifecycle" and "User Credentials"). It touches no user.

use super::status::Status;
use crate::okta_error::OktaError;

/// What can be done to a user's life and credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Activate,
    Reactivate,
    Deactivate,
    Suspend,
    Unsuspend,
    Unlock,
    ExpirePassword,
    ExpirePasswordWithTempPassword,
    ResetPassword,
    ResetFactors,
    ForgotPassword,
    SetPassword,
    UpdateProfile,
}

/// Why it cannot be done in this status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransitionError {
    AlreadyActive,
    NotActive,
    NotSuspended,
    NotLockedOut,
    ForgotPasswordNotAllowed,
    NotAllowed,
}

impl Operation {
    #[cfg(test)]
    pub(super) const ALL: [Self; 13] = [
        Self::Activate,
        Self::Reactivate,
        Self::Deactivate,
        Self::Suspend,
        Self::Unsuspend,
        Self::Unlock,
        Self::ExpirePassword,
        Self::ExpirePasswordWithTempPassword,
        Self::ResetPassword,
        Self::ResetFactors,
        Self::ForgotPassword,
        Self::SetPassword,
        Self::UpdateProfile,
    ];

    /// By the last segment of `/api/v1/users/{id}/lifecycle/…`.
    pub(crate) fn in_path(segment: &str) -> Option<Self> {
        let operation = match segment {
            "activate" => Self::Activate,
            "reactivate" => Self::Reactivate,
            "deactivate" => Self::Deactivate,
            "suspend" => Self::Suspend,
            "unsuspend" => Self::Unsuspend,
            "unlock" => Self::Unlock,
            "expire_password" => Self::ExpirePassword,
            "expire_password_with_temp_password" => Self::ExpirePasswordWithTempPassword,
            "reset_password" => Self::ResetPassword,
            "reset_factors" => Self::ResetFactors,
            _ => return None,
        };
        Some(operation)
    }

    /// What Okta's System Log calls it.
    pub(super) fn event_type(self) -> &'static str {
        match self {
            Self::Activate => "user.lifecycle.activate",
            Self::Reactivate => "user.lifecycle.reactivate",
            Self::Deactivate => "user.lifecycle.deactivate",
            Self::Suspend => "user.lifecycle.suspend",
            Self::Unsuspend => "user.lifecycle.unsuspend",
            Self::Unlock => "user.account.unlock_by_admin",
            Self::ExpirePassword | Self::ExpirePasswordWithTempPassword => "user.account.expire_password",
            Self::ResetPassword | Self::ForgotPassword => "user.account.reset_password",
            Self::ResetFactors => "user.mfa.factor.reset_all",
            Self::SetPassword => "user.account.update_password",
            Self::UpdateProfile => "user.account.update_profile",
        }
    }

    /// The status that it leads to from `status`. Users who have no password are activated only as far as
    /// PROVISIONED: the rest is theirs.
    pub(super) fn lead(self, status: Status, has_password: bool) -> Result<Status, TransitionError> {
        use Status::{
            Active, Deprovisioned, LockedOut, PasswordExpired, Provisioned, Recovery, Staged, Suspended,
        };
        match (self, status) {
            (Self::Activate, Staged | Deprovisioned) => Ok(if has_password { Active } else { Provisioned }),
            (Self::Activate, _) => Err(TransitionError::AlreadyActive),
            (Self::Reactivate, Provisioned | Recovery) => Ok(status),
            (Self::Deactivate, status) if status != Deprovisioned => Ok(Deprovisioned),
            (Self::Suspend, Active) => Ok(Suspended),
            (Self::Suspend, _) => Err(TransitionError::NotActive),
            (Self::Unsuspend, Suspended) => Ok(Active),
            (Self::Unsuspend, _) => Err(TransitionError::NotSuspended),
            (Self::Unlock, LockedOut) => Ok(Active),
            (Self::Unlock, _) => Err(TransitionError::NotLockedOut),
            (
                Self::ExpirePassword | Self::ExpirePasswordWithTempPassword,
                Active | Recovery | LockedOut | PasswordExpired,
            ) => Ok(PasswordExpired),
            (Self::ResetPassword, Active | Recovery | LockedOut | PasswordExpired | Provisioned) => {
                Ok(Recovery)
            }
            (Self::ResetFactors, Active | Recovery | LockedOut | PasswordExpired) => Ok(status),
            (Self::ForgotPassword, Active) => Ok(Active),
            (Self::ForgotPassword, _) => Err(TransitionError::ForgotPasswordNotAllowed),
            (Self::SetPassword, Staged) => Ok(Staged),
            (Self::SetPassword, Active | Provisioned | Recovery | LockedOut | PasswordExpired) => Ok(Active),
            (Self::UpdateProfile, status) if status != Deprovisioned => Ok(status),
            _ => Err(TransitionError::NotAllowed),
        }
    }
}

impl From<TransitionError> for OktaError {
    fn from(refusal: TransitionError) -> Self {
        match refusal {
            TransitionError::AlreadyActive => {
                Self::forbidden("E0000016", "Activation failed because the user is already active")
            }
            TransitionError::NotActive => {
                Self::validation("suspendUser", "Cannot suspend a user that is not active")
            }
            TransitionError::NotSuspended => {
                Self::validation("unsuspendUser", "Cannot unsuspend a user that is not suspended")
            }
            TransitionError::NotLockedOut => {
                Self::forbidden("E0000032", "Unlock is not allowed for this user.")
                    .because("The user is not locked out.")
            }
            TransitionError::ForgotPasswordNotAllowed => {
                Self::forbidden("E0000034", "Forgot password not allowed in the user's current status.")
            }
            TransitionError::NotAllowed => {
                Self::forbidden("E0000038", "This operation is not allowed in the user's current status.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation (down) in every status (across, in the order of [`Status::ALL`]) for a user with a
    /// password: the first letters of the status that it leads to, or the end of the error's code.
    const TABLE: &str = "
        Activate                       AC 16 16 16 16 16 16 AC
        Reactivate                     38 PR 38 RE 38 38 38 38
        Deactivate                     DE DE DE DE DE DE DE 38
        Suspend                        01 01 SU 01 01 01 01 01
        Unsuspend                      01 01 01 01 01 01 AC 01
        Unlock                         32 32 32 32 AC 32 32 32
        ExpirePassword                 38 38 PA PA PA PA 38 38
        ExpirePasswordWithTempPassword 38 38 PA PA PA PA 38 38
        ResetPassword                  38 RE RE RE RE RE 38 38
        ResetFactors                   38 38 AC RE LO PA 38 38
        ForgotPassword                 34 34 AC 34 34 34 34 34
        SetPassword                    ST AC AC AC AC AC 38 38
        UpdateProfile                  ST PR AC RE LO PA SU 38";

    #[test]
    fn every_operation_in_every_status_does_what_okta_says() {
        let rows: Vec<&str> = TABLE.lines().filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(rows.len(), Operation::ALL.len());
        for (operation, row) in Operation::ALL.into_iter().zip(rows) {
            let found: Vec<String> = Status::ALL
                .into_iter()
                .map(|status| match operation.lead(status, true) {
                    Ok(status) => status.name()[..2].to_owned(),
                    Err(refusal) => OktaError::from(refusal).code()[6..].to_owned(),
                })
                .collect();
            let found = format!("{operation:?} {}", found.join(" "));
            assert_eq!(found, row.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }

    #[test]
    fn every_operation_has_an_event_of_the_catalogue() {
        let catalogue = include_str!("../catalogue.csv");
        for operation in Operation::ALL {
            assert!(catalogue.contains(&format!("\n{},", operation.event_type())), "{operation:?}");
        }
    }

    #[test]
    fn without_a_password_activation_stops_half_way() {
        for status in [Status::Staged, Status::Deprovisioned] {
            assert_eq!(Operation::Activate.lead(status, false), Ok(Status::Provisioned));
        }
    }

    #[test]
    fn suspension_of_the_wrong_user_is_a_bad_request_and_the_rest_is_forbidden() {
        for (refusal, status) in [
            (TransitionError::NotActive, 400),
            (TransitionError::NotSuspended, 400),
            (TransitionError::NotAllowed, 403),
        ] {
            assert_eq!(OktaError::from(refusal).status.as_u16(), status);
        }
    }
}
