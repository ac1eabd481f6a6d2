//! How commands end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a command ended. The names are an interface: they never change.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Its name, for example `dry_run`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
