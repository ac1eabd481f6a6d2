//! Parameters of passwords, factors and sessions.

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use super::yes;

/// The question that a user answers to recover the account.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryQuestion {
    /// The question.
    pub question: String,
    /// The answer.
    #[schemars(with = "String")]
    pub answer: SecretString,
}

/// Whose password expires.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpirePassword {
    /// Id or login.
    pub user: String,
    /// Whether Okta makes a temporary password, which is a secret of the outcome.
    #[serde(default)]
    pub temporary_password: bool,
    /// Whether sessions end too; only with `temporary_password`.
    #[serde(default)]
    pub revoke_sessions: bool,
}

/// Whose password is taken away.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// Id or login.
    pub user: String,
    /// Whether Okta sends the link; without it the link is a secret of the outcome.
    #[serde(default = "yes")]
    pub send_email: bool,
    /// Whether sessions end too.
    #[serde(default)]
    pub revoke_sessions: bool,
}

/// Who has forgotten the password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgotPassword {
    /// Id or login.
    pub user: String,
    /// Whether Okta sends the link; without it the link is a secret of the outcome.
    #[serde(default = "yes")]
    pub send_email: bool,
}

/// Whose password is set.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    /// Id or login.
    pub user: String,
    /// The new password.
    #[schemars(with = "String")]
    pub password: SecretString,
    /// Whether it must be changed at the next sign-in.
    #[serde(default)]
    pub temporary: bool,
}

/// Whose sessions end.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearSessions {
    /// Id or login.
    pub user: String,
    /// Whether OpenID Connect and OAuth tokens are revoked too.
    #[serde(default)]
    pub oauth_tokens: bool,
    /// Whether remembered devices are forgotten.
    #[serde(default = "yes")]
    pub forget_devices: bool,
}

/// Which factor is removed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetFactor {
    /// Id or login.
    pub user: String,
    /// The factor's id, as `user.factors` lists it.
    pub factor: String,
}
