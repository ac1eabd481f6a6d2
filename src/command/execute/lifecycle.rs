//! What a user's status means for what is to be done to them. Pure.

/// What is to be done to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
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
    /// Reset it and make a link, which only the answer tells.
    MakeResetLink,
    ForgotPassword,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The user is as the operation would leave them.
    Already,
    /// Do it.
    Go,
    /// Okta would refuse it, or do something else. The statuses in which it can be done, for people.
    Wrong(&'static str),
}

impl Operation {
    /// What comes next for a user of this status.
    pub(super) fn step(self, status: &str) -> Step {
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

            (Self::Unlock, "LOCKED_OUT") => Go,
            (Self::Unlock, "ACTIVE" | "PASSWORD_EXPIRED" | "RECOVERY" | "PROVISIONED") => Already,
            (Self::Unlock, _) => Wrong("LOCKED_OUT"),

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
            (Self::MakeResetLink, "RECOVERY") => Go,
            (
                Self::ResetPassword | Self::MakeResetLink,
                "ACTIVE" | "PASSWORD_EXPIRED" | "LOCKED_OUT" | "PROVISIONED",
            ) => Go,
            (Self::ResetPassword | Self::MakeResetLink, _) => {
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
        let letter = |status: &&str| match operation.step(status) {
            Step::Go => 'g',
            Step::Already => 'a',
            Step::Wrong(_) => '-',
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
            (Operation::Unlock, "-aaaag---"),
            (Operation::Deactivate, "gggggggag"),
            (Operation::Delete, "-------g-"),
            (Operation::ExpirePassword, "--g-a----"),
            (Operation::MakeTemporaryPassword, "--g-g----"),
            (Operation::ResetPassword, "-ggagg---"),
            (Operation::MakeResetLink, "-ggggg---"),
            (Operation::ForgotPassword, "--g------"),
        ] {
            assert_eq!(row(operation), expected, "{operation:?}");
        }
    }
}
