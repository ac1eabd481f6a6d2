//! What a user has allowed OAuth clients: refresh tokens, and grants of scopes.

use okta_client::{Change, OktaError, Target, consents, is_id};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Changes, Names, UserReference, row::Row};
use crate::command::{
    ActionFailure, SuccessKind,
    execute::{
        failure::Code,
        lookup::{self, back_off},
        work::{Finished, ROUNDS_MAX, Sent, Work, named},
    },
};

/// The row of `user.revoke_app_tokens`.
pub(super) const REVOKE_APP_TOKENS: Row<RevokeAppTokens> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| {
        Box::pin(revoke(
            work,
            Some(&of.client),
            |user| consents::any_token(user, &of.client),
            |user| consents::revoke_tokens(user, &of.client),
        ))
    },
};

/// The row of `user.revoke_grants`.
pub(super) const REVOKE_GRANTS: Row<RevokeGrants> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| {
        Box::pin(revoke(
            work,
            of.client.as_deref(),
            |user| consents::any_grant(user, of.client.as_deref()),
            |user| consents::revoke_grants(user, of.client.as_deref()),
        ))
    },
};

/// Whose tokens, and of which app.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeAppTokens {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// The client id of the app.
    pub client: String,
}

/// Whose grants, and of which app.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeGrants {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// The client id of the app; all apps without it.
    pub client: Option<String>,
}

/// Revokes until there is nothing left. Consents that a client gets in the meantime are revoked too, which does no
/// harm: the user signs in once more.
async fn revoke(
    work: &mut Work<'_>,
    client: Option<&str>,
    any: impl Fn(&str) -> Target,
    change: impl Fn(&str) -> Change,
) -> Result<Finished, ActionFailure> {
    if client.is_some_and(|client| !is_id(client)) {
        return Err(Code::InvalidParameters.because("`client` is no client id"));
    }
    let user = work.known_user().await?;
    let mut doubt: Option<OktaError> = None;
    for round in 1..=ROUNDS_MAX {
        let is_any = lookup::list(work.okta, work.action, &any(&user.id), 1).await?;
        let is_any = is_any.is_some_and(|list| !list.items.is_empty());
        let has_sent = work.may_have_sent();
        if !has_sent || is_any {
            work.must_be_as_expected(&user).await?;
        }
        let result = json!({ "user": named(&user) });
        if !is_any {
            return Ok(Finished::new(
                if has_sent { SuccessKind::Done } else { SuccessKind::Already },
                result,
            ));
        }
        match work.send(&change(&user.id)).await? {
            Sent::Planned => return Ok(Finished::planned()),
            Sent::Done(_) => return Ok(Finished::done(result)),
            Sent::Refused(error) => return Err(work.refused(&error)),
            Sent::InDoubt(error) => {
                doubt = Some(error);
                tokio::time::sleep(back_off(round)).await;
            }
        }
    }
    Err(work.gave_up(doubt.as_ref()))
}
