//! Parameters of the life of a user, and of looking users up.

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use super::{Profile, RecoveryQuestion, yes};
use crate::command::object_only;

/// A user.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneUser {
    /// Id or login.
    pub user: String,
}

/// A new user.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// Attributes as Okta names them; `login`, `email`, `firstName` and `lastName` at least, unless the org says otherwise.
    pub profile: Profile,
    /// The password, if the user shall have one at once.
    #[schemars(with = "Option<String>")]
    pub password: Option<SecretString>,
    /// The recovery question.
    #[serde(default, deserialize_with = "object_only::optional")]
    pub recovery_question: Option<RecoveryQuestion>,
    /// Groups to be in from the beginning, at most 20, by id or exact name.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Whether the user is activated at once, which sends an e-mail to one without a password.
    #[serde(default = "yes")]
    pub activate: bool,
    /// Whether the password must be changed at the first sign-in; needs `password` and `activate`.
    #[serde(default)]
    pub change_password: bool,
}

/// A user to be activated.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivateUser {
    /// Id or login.
    pub user: String,
    /// Whether Okta sends the e-mail; without it the link is a secret of the outcome.
    #[serde(default = "yes")]
    pub send_email: bool,
}

/// A user whose activation is sent once more.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReactivateUser {
    /// Id or login.
    pub user: String,
    /// Whether Okta sends the e-mail; without it the link is a secret of the outcome.
    #[serde(default)]
    pub send_email: bool,
}

/// A user and what becomes different about them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    /// Id or login.
    pub user: String,
    /// The attributes to set; `null` empties one, and those that are not named stay.
    pub profile: Profile,
}

/// A user to be deprovisioned.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeactivateUser {
    /// Id or login.
    pub user: String,
    /// Whether the administrator gets an e-mail.
    #[serde(default)]
    pub send_email: bool,
}

/// A user to be deleted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteUser {
    /// Id or login.
    pub user: String,
    /// Whether a user who is not deprovisioned is deprovisioned first; otherwise the command fails.
    #[serde(default)]
    pub deactivate_first: bool,
    /// Whether the administrator gets an e-mail.
    #[serde(default)]
    pub send_email: bool,
}

/// Which users to find: exactly one of `search`, `filter` and `q`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchUsers {
    /// Okta's search expression over any profile attribute.
    pub search: Option<String>,
    /// Okta's filter expression over status, id, login, e-mail and names.
    pub filter: Option<String>,
    /// The beginning of a first name, last name or e-mail. Finds no deprovisioned users.
    pub q: Option<String>,
    /// The most users to return; 200 unless set.
    pub limit: Option<usize>,
}

/// A user whose groups or apps are listed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserList {
    /// Id or login.
    pub user: String,
    /// The most items to return; all unless set.
    pub limit: Option<usize>,
}
