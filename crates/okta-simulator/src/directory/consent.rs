//! What a user has let OAuth clients have: refresh tokens, and grants of scopes.

use serde_json::{Value, json};

use super::change::Change;
use super::user::User;
use super::{Directory, new_id};
use crate::clock;
use crate::okta_error::OktaError;

/// What kind of consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsentKind {
    Token,
    Grant,
}

/// One token or grant.
#[derive(Clone, Debug)]
pub(super) struct Consent {
    pub(super) id: String,
    pub(super) kind: ConsentKind,
    pub(super) client: String,
    created_ms: i64,
}

impl Consent {
    pub(super) fn new(kind: ConsentKind, client: String, created_ms: i64) -> Self {
        let id = new_id(match kind {
            ConsentKind::Token => "oar",
            ConsentKind::Grant => "oag",
        });
        Self { id, kind, client, created_ms }
    }

    /// As Okta writes it.
    pub(super) fn view(&self, base: &str, user: &str) -> Value {
        let time = clock::date_time(self.created_ms);
        let mut view = json!({
            "id": self.id,
            "status": "ACTIVE",
            "created": time,
            "lastUpdated": time,
            "clientId": self.client,
            "userId": user,
            "issuer": base,
        });
        match self.kind {
            ConsentKind::Token => view["scopes"] = json!(["offline_access", "openid"]),
            ConsentKind::Grant => {
                view["scopeId"] = json!("okta.users.read");
                view["source"] = json!("END_USER");
            }
        }
        view
    }
}

impl Directory {
    /// The tokens or grants of a user, of all clients or of one.
    pub(super) fn consents(
        &self,
        key: &str,
        kind: ConsentKind,
        client: Option<&str>,
    ) -> Result<(&User, Vec<&Consent>), OktaError> {
        let user = self.user(key)?;
        let is_meant =
            |consent: &&Consent| consent.kind == kind && client.is_none_or(|client| consent.client == client);
        Ok((user, user.consents.iter().filter(is_meant).collect()))
    }

    /// Revokes them.
    pub(super) fn revoke(
        &mut self,
        key: &str,
        kind: ConsentKind,
        client: Option<&str>,
        now_ms: i64,
    ) -> Result<(), OktaError> {
        let mut user = self.user(key)?.clone();
        user.consents
            .retain(|consent| consent.kind != kind || client.is_some_and(|client| consent.client != client));
        let event_type = match kind {
            ConsentKind::Token => "app.oauth2.token.revoke",
            ConsentKind::Grant => "app.oauth2.as.consent.revoke.user",
        };
        let change = Change::of(event_type, [user.party()]);
        self.changes.push(change.between(Some(user.status), Some(user.status)));
        self.keep_user(user, now_ms);
        Ok(())
    }
}
