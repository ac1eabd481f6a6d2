//! The words of well-known events: display message and legacy event type. For all others the type
//! itself is worded.

use std::borrow::Cow;

/// Event type, display message, legacy event type.
const KNOWN: &[(&str, &str, Option<&str>)] = &[
    ("app.oauth2.token.grant.access_token", "OAuth2 access token is granted", None),
    ("application.policy.sign_on.deny_access", "Deny user access due to app sign on policy", None),
    (
        "application.user_membership.add",
        "Add user to application membership",
        Some("app.generic.provision.assign_user_to_app"),
    ),
    (
        "application.user_membership.remove",
        "Remove user's application membership",
        Some("app.generic.provision.deassign_user_from_app"),
    ),
    ("group.user_membership.add", "Add user to group membership", Some("core.user_group_member.user_add")),
    (
        "group.user_membership.remove",
        "Remove user from group membership",
        Some("core.user_group_member.user_remove"),
    ),
    ("policy.evaluate_sign_on", "Evaluation of sign-on policy", None),
    ("policy.rule.update", "Update policy rule", None),
    ("security.threat.detected", "Request from suspicious actor", None),
    ("system.api_token.create", "Create API token", Some("api.token.create")),
    ("system.push.send_factor_verify_push", "Send push verify challenge", None),
    ("user.account.lock", "Max sign in attempts exceeded", Some("core.user_auth.account_locked")),
    ("user.account.unlock_by_admin", "Unlock user account for Okta", None),
    ("user.account.reset_password", "Fired when the user's Okta password is reset", None),
    (
        "user.account.update_password",
        "User update password for Okta",
        Some("core.user.config.password_update.success"),
    ),
    ("user.account.update_profile", "Update user profile for Okta", None),
    (
        "user.authentication.auth_via_mfa",
        "Authentication of user via MFA",
        Some("core.user.factor.attempt_success"),
    ),
    ("user.authentication.sso", "User single sign on to app", Some("app.auth.sso")),
    ("user.lifecycle.activate", "Activate Okta user", Some("core.user.config.user_activated")),
    ("user.lifecycle.create", "Create Okta user", Some("core.user.config.user_creation.success")),
    ("user.lifecycle.deactivate", "Deactivate Okta user", Some("core.user.config.user_deactivated")),
    ("user.lifecycle.suspend", "Suspend Okta user", Some("core.user.config.user_suspended")),
    ("user.mfa.okta_verify.deny_push", "User rejected Okta push verify", None),
    ("user.risk.change", "Updated risk level for user", None),
    ("user.session.access_admin_app", "User accessing Okta admin app", Some("app.admin.sso.login.success")),
    ("user.session.clear", "Clear user session", None),
    ("user.session.end", "User logout from Okta", Some("core.user_auth.logout_success")),
    ("user.session.start", "User login to Okta", Some("core.user_auth.login_success")),
];

/// What the event says to people.
pub(super) fn display_message(event_type: &str) -> Cow<'static, str> {
    match find(event_type) {
        Some((_, message, _)) => Cow::Borrowed(message),
        None => Cow::Owned(sentence(event_type)),
    }
}

/// What the Events API called it, if it did.
pub(super) fn legacy_event_type(event_type: &str, is_failure: bool) -> Option<&'static str> {
    match (event_type, is_failure) {
        ("user.session.start", true) => Some("core.user_auth.login_failed"),
        ("user.authentication.auth_via_mfa", true) => Some("core.user.factor.attempt_fail"),
        _ => find(event_type)?.2,
    }
}

fn find(event_type: &str) -> Option<&'static (&'static str, &'static str, Option<&'static str>)> {
    KNOWN.iter().find(|(known, ..)| *known == event_type)
}

/// `pam.gateway.create` becomes `Create pam gateway`.
fn sentence(event_type: &str) -> String {
    let (object, verb) = event_type.rsplit_once('.').unwrap_or(("", event_type));
    let words = format!("{verb} {object}").replace(['.', '_', '-'], " ");
    let mut characters = words.trim_end().chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_types_have_their_words_and_others_are_worded() {
        assert_eq!(display_message("user.session.start"), "User login to Okta");
        assert_eq!(display_message("pam.gateway.create"), "Create pam gateway");
        assert_eq!(legacy_event_type("user.session.start", true), Some("core.user_auth.login_failed"));
        assert_eq!(legacy_event_type("pam.gateway.create", false), None);
    }
}
