//! What must hold at Okta for a command to be carried out. Looked at before each step that changes something.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Profile;

/// Conditions on the user whom the command is about; all must hold. Without any, everything may be as it is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The status is one of these: `ACTIVE`, `SUSPENDED` and so on. Empty: any.
    pub status: Vec<String>,
    /// Attributes of the profile that have these values; `null`: that are not set.
    pub profile: Profile,
    /// Groups that the user is in, by id or exact name.
    pub in_groups: Vec<String>,
}

impl Expect {
    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.status.is_empty() && self.profile.is_empty() && self.in_groups.is_empty()
    }
}
