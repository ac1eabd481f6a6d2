//! A user's sessions.

use okta_client::users;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Changes, Names, UserReference, row::Row, yes};
use crate::command::{
    ActionFailure,
    execute::{
        status_change::once,
        work::{Finished, Work, named},
    },
};

/// The row of `user.clear_sessions`.
pub(super) const CLEAR: Row<ClearSessions> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(clear(work, of)),
};

/// Whose sessions end.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearSessions {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// Whether OpenID Connect and OAuth tokens are revoked too.
    #[serde(default)]
    pub oauth_tokens: bool,
    /// Whether remembered devices are forgotten.
    #[serde(default = "yes")]
    pub forget_devices: bool,
}

/// Ends sessions. Nothing shows whether they are ended, and ending them again does no harm.
async fn clear(work: &mut Work<'_>, parameters: &ClearSessions) -> Result<Finished, ActionFailure> {
    let user = work.known_user().await?;
    work.must_be_as_expected(&user).await?;
    let change = users::clear_sessions(&user.id, parameters.oauth_tokens, parameters.forget_devices);
    once(work, &user.id, &change, |_| false).await?;
    if work.attempt.dry_run {
        return Ok(Finished::planned());
    }
    Ok(Finished::done(json!({ "user": named(&user) })))
}
