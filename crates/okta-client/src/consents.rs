//! What a user has granted to OAuth clients: refresh tokens and scopes (Okta, "User OAuth" and "User Grants").

use super::{Change, Target};

/// Any one refresh token of a client.
pub fn any_token(user: &str, client: &str) -> Target {
    Target::of(&["users", user, "clients", client, "tokens"]).with("limit", &1)
}

/// Revokes all refresh tokens of a client.
pub fn revoke_tokens(user: &str, client: &str) -> Change {
    Change::delete(Target::of(&["users", user, "clients", client, "tokens"]))
}

/// Any one grant, of this client or of all.
pub fn any_grant(user: &str, client: Option<&str>) -> Target {
    grants(user, client).with("limit", &1)
}

/// Revokes all grants, of a client or of all.
pub fn revoke_grants(user: &str, client: Option<&str>) -> Change {
    Change::delete(grants(user, client))
}

fn grants(user: &str, client: Option<&str>) -> Target {
    match client {
        Some(client) => Target::of(&["users", user, "clients", client, "grants"]),
        None => Target::of(&["users", user, "grants"]),
    }
}
