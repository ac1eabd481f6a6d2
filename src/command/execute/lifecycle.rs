//! What a user's status means for what is to be done to them. Pure.

/// What is to be done to a user.
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
    /// Expire it and make a temporary one, which only the answer tells.
    MakeTemporaryPassword,
    ResetPassword,
    /// Reset it and do more that nobody can see: make a link, which only the answer tells, or end sessions.
    ResetPasswordAnew,
    ForgotPassword,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum Step {
    /// The user is as the operation would leave them.
    Already,
    /// Do it.
    Go,
    /// Okta is at work on the user.
    Wait,
    /// Okta would refuse it, or do something else. The statuses in which it can be done, for people.
    Wrong(&'static str),
}

impl Operation {
    /// What comes next for a user of this status, who may be on the way to another one.
    pub(in crate::command) fn step(self, status: &str, transitioning_to: Option<&str>) -> Step {
        // What is so now will not be so in a moment, and who is on the way cannot be changed.
        if transitioning_to.is_some() { Step::Wait } else { self.step_at_rest(status) }
    }

    /// Whether a look at the user shows that it was done. Of the others each try may send somebody an e-mail.
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

    /// Whether a user at rest in this status may be what it has come to, once Okta has answered that it is done.
    pub(super) fn is_shown_by(self, status: &str) -> bool {
        match self {
            Self::Unlock => status != "LOCKED_OUT",
            Self::MakeTemporaryPassword => status == "PASSWORD_EXPIRED",
            Self::ResetPasswordAnew => status == "RECOVERY",
            _ => !self.is_seen() || self.step_at_rest(status) == Step::Already,
        }
    }

    /// Whether Okta, which is at work on the user, is doing this.
    pub(super) fn is_under_way(self, transitioning_to: Option<&str>) -> bool {
        self.is_seen() && transitioning_to.is_some_and(|to| self.step_at_rest(to) == Step::Already)
    }

    /// Whether it takes nothing back from anybody to do it once more for a user of this status.
    pub(in crate::command) fn may_be_repeated_at(self, status: &str) -> bool {
        matches!((self, status), (Self::Unlock, _) | (Self::MakeTemporaryPassword, "PASSWORD_EXPIRED"))
    }

    /// Whether Okta's refusal with this code says that a user of this status is so already.
    pub(in crate::command) fn is_so_by_refusal(self, code: Option<&str>, status: &str) -> bool {
        matches!((self, code, status), (Self::Unlock, Some("E0000032"), "ACTIVE"))
    }

    fn step_at_rest(self, status: &str) -> Step {
        use Step::{Already, Go, Wrong};
        match (self, status) {
            (Self::Activate, "STAGED" | "DEPROVISIONED") => Go,
            // Who has not set a password yet has been activated all the same.
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

            // Who is active may be blocked on unknown devices all the same: Okta knows.
            (Self::Unlock, "LOCKED_OUT" | "ACTIVE") => Go,
            (Self::Unlock, "PASSWORD_EXPIRED" | "RECOVERY" | "PROVISIONED") => Already,
            (Self::Unlock, _) => Wrong("LOCKED_OUT or ACTIVE"),

            (Self::Deactivate, "DEPROVISIONED") => Already,
            (Self::Deactivate, _) => Go,

            // The first call of two would only deprovision any other.
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
