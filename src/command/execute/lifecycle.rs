//! What a user's status means for an operation on them. Pure.

/// An operation on a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum Operation {
    Activate,
    Reactivate,
    Suspend,
    Unsuspend,
    Unlock,
    Deactivate,
    Delete,
    ExpirePassword,
    /// Expires the password and creates a temporary one, which only the answer has.
    MakeTemporaryPassword,
    ResetPassword,
    /// Resets the password with an effect that no read can show: a link, which only the answer has, or the end of
    /// sessions.
    ResetPasswordAnew,
    ForgotPassword,
}

/// The next step of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum Step {
    /// The user is in the desired state.
    Already,
    /// Send the change.
    Go,
    /// Okta is working on the user.
    Wait,
    /// Okta would refuse the change, or do something else. With the statuses that allow it, for people.
    Wrong(&'static str),
}

impl Operation {
    /// The next step for a user with this status, who may be in transition to another.
    pub(in crate::command) fn step(self, status: &str, transitioning_to: Option<&str>) -> Step {
        // The status is about to change, and a user in transition cannot be changed.
        if transitioning_to.is_some() { Step::Wait } else { self.step_at_rest(status) }
    }

    /// Whether a read of the user shows that it was done. Each try of the others may send an e-mail to somebody.
    pub(in crate::command) fn is_seen(self) -> bool {
        match self {
            Self::Activate
            | Self::Suspend
            | Self::Unsuspend
            | Self::Unlock
            | Self::Deactivate
            | Self::Delete
            | Self::ExpirePassword
            | Self::MakeTemporaryPassword
            | Self::ResetPassword => true,
            Self::Reactivate | Self::ResetPasswordAnew | Self::ForgotPassword => false,
        }
    }

    /// Whether this status, without a transition, may be the result of the operation after Okta has accepted it.
    pub(super) fn is_shown_by(self, status: &str) -> bool {
        match self {
            Self::Unlock => status != "LOCKED_OUT",
            Self::MakeTemporaryPassword => status == "PASSWORD_EXPIRED",
            Self::ResetPasswordAnew => status == "RECOVERY",
            _ => !self.is_seen() || self.step_at_rest(status) == Step::Already,
        }
    }

    /// Whether the transition that Okta is working on is this operation.
    pub(super) fn is_under_way(self, transitioning_to: Option<&str>) -> bool {
        self.is_seen() && transitioning_to.is_some_and(|to| self.step_at_rest(to) == Step::Already)
    }

    /// Whether repeating it for a user with this status reverts nothing.
    pub(in crate::command) fn may_be_repeated_at(self, status: &str) -> bool {
        matches!((self, status), (Self::Unlock, _) | (Self::MakeTemporaryPassword, "PASSWORD_EXPIRED"))
    }

    /// Whether Okta's refusal with this code says that a user with this status is in the desired state.
    pub(in crate::command) fn is_so_by_refusal(self, code: Option<&str>, status: &str) -> bool {
        matches!((self, code, status), (Self::Unlock, Some("E0000032"), "ACTIVE"))
    }

    fn step_at_rest(self, status: &str) -> Step {
        use Step::{Already, Go, Wrong};
        match (self, status) {
            (Self::Activate, "STAGED" | "DEPROVISIONED") => Go,
            // A user without a password yet is activated all the same.
            (Self::Activate, "ACTIVE" | "PROVISIONED" | "RECOVERY" | "PASSWORD_EXPIRED") => Already,
            (Self::Activate, _) => Wrong("STAGED or DEPROVISIONED"),

            (Self::Reactivate, "PROVISIONED" | "RECOVERY") => Go,
            // The activation has been completed.
            (Self::Reactivate, "ACTIVE") => Already,
            (Self::Reactivate, _) => Wrong("PROVISIONED or RECOVERY"),

            (Self::Suspend, "ACTIVE") => Go,
            (Self::Suspend, "SUSPENDED") => Already,
            (Self::Suspend, _) => Wrong("ACTIVE"),

            (Self::Unsuspend, "SUSPENDED") => Go,
            (Self::Unsuspend, "ACTIVE") => Already,
            (Self::Unsuspend, _) => Wrong("SUSPENDED"),

            // An active user may be blocked on unknown devices, which only Okta knows.
            (Self::Unlock, "LOCKED_OUT" | "ACTIVE") => Go,
            (Self::Unlock, "PASSWORD_EXPIRED" | "RECOVERY" | "PROVISIONED") => Already,
            (Self::Unlock, _) => Wrong("LOCKED_OUT or ACTIVE"),

            (Self::Deactivate, "DEPROVISIONED") => Already,
            (Self::Deactivate, _) => Go,

            // For other statuses, Okta's delete would only deactivate the user.
            (Self::Delete, "DEPROVISIONED") => Go,
            (Self::Delete, _) => Wrong("DEPROVISIONED"),

            (Self::ExpirePassword, "PASSWORD_EXPIRED") => Already,
            (Self::MakeTemporaryPassword, "PASSWORD_EXPIRED") => Go,
            (Self::ExpirePassword | Self::MakeTemporaryPassword, "ACTIVE") => Go,
            (Self::ExpirePassword | Self::MakeTemporaryPassword, _) => Wrong("ACTIVE"),

            (Self::ResetPassword, "RECOVERY") => Already,
            (Self::ResetPasswordAnew, "RECOVERY") => Go,
            (
                Self::ResetPassword | Self::ResetPasswordAnew,
                "ACTIVE" | "PASSWORD_EXPIRED" | "LOCKED_OUT" | "PROVISIONED",
            ) => Go,
            (Self::ResetPassword | Self::ResetPasswordAnew, _) => {
                Wrong("ACTIVE, PASSWORD_EXPIRED, LOCKED_OUT, PROVISIONED or RECOVERY")
            }

            (Self::ForgotPassword, "ACTIVE") => Go,
            (Self::ForgotPassword, _) => Wrong("ACTIVE"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUSES: [&str; 9] = [
        "STAGED",
        "PROVISIONED",
        "ACTIVE",
        "RECOVERY",
        "PASSWORD_EXPIRED",
        "LOCKED_OUT",
        "SUSPENDED",
        "DEPROVISIONED",
        "SOMETHING_NEW",
    ];

    /// One letter a status: go, already, wrong.
    fn row(operation: Operation) -> String {
        let letter = |status: &&str| match operation.step(status, None) {
            Step::Go => 'g',
            Step::Already => 'a',
            Step::Wrong(_) => '-',
            Step::Wait => 'w',
        };
        STATUSES.iter().map(letter).collect()
    }

    #[test]
    fn every_status_and_operation() {
        for (operation, expected) in [
            (Operation::Activate, "gaaaa--g-"),
            (Operation::Reactivate, "-gag-----"),
            (Operation::Suspend, "--g---a--"),
            (Operation::Unsuspend, "--a---g--"),
            (Operation::Unlock, "-agaag---"),
            (Operation::Deactivate, "gggggggag"),
            (Operation::Delete, "-------g-"),
            (Operation::ExpirePassword, "--g-a----"),
            (Operation::MakeTemporaryPassword, "--g-g----"),
            (Operation::ResetPassword, "-ggagg---"),
            (Operation::ResetPasswordAnew, "-ggggg---"),
            (Operation::ForgotPassword, "--g------"),
        ] {
            assert_eq!(row(operation), expected, "{operation:?}");
        }
    }

    #[test]
    fn what_okta_has_answered_to_shows_in_the_status_or_is_under_way() {
        for (operation, shown) in [
            (Operation::Deactivate, "DEPROVISIONED"),
            (Operation::Activate, "PROVISIONED ACTIVE RECOVERY PASSWORD_EXPIRED"),
            (Operation::Suspend, "SUSPENDED"),
            (Operation::MakeTemporaryPassword, "PASSWORD_EXPIRED"),
            (Operation::ResetPassword, "RECOVERY"),
            (Operation::ResetPasswordAnew, "RECOVERY"),
        ] {
            let found: Vec<_> = STATUSES.into_iter().filter(|status| operation.is_shown_by(status)).collect();
            assert_eq!(found.join(" "), shown, "{operation:?}");
        }
        assert!(STATUSES.into_iter().all(|status| Operation::ForgotPassword.is_shown_by(status)));
        assert!(Operation::Deactivate.is_under_way(Some("DEPROVISIONED")));
        assert!(!Operation::Deactivate.is_under_way(Some("ACTIVE")));
        assert!(!Operation::Deactivate.is_under_way(None));
    }

    #[test]
    fn who_is_on_the_way_elsewhere_is_nowhere_already() {
        for (operation, status, to) in [
            (Operation::Deactivate, "DEPROVISIONED", "ACTIVE"),
            (Operation::Activate, "ACTIVE", "DEPROVISIONED"),
            (Operation::Delete, "DEPROVISIONED", "PROVISIONED"),
            (Operation::Suspend, "ACTIVE", "DEPROVISIONED"),
            (Operation::Suspend, "STAGED", "ACTIVE"),
        ] {
            assert_eq!(operation.step(status, Some(to)), Step::Wait, "{operation:?}");
        }
    }
}
