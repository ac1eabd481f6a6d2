//! How commands end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a command ended. The names are an interface: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was carried out.
    Done,
    /// Okta was as the command asks already.
    Already,
    /// Policy does not allow it, or the message is not one that can be obeyed. Nothing was sent.
    Refused,
    /// Okta did not do it, or an expectation does not hold.
    Failed,
    /// It came too late.
    Expired,
    /// What would have been done.
    DryRun,
}

impl Status {
    /// All of them.
    pub const ALL: &[Self] =
        &[Self::Done, Self::Already, Self::Refused, Self::Failed, Self::Expired, Self::DryRun];

    /// Its name, for example `dry_run`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Already => "already",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::DryRun => "dry_run",
        }
    }
}
