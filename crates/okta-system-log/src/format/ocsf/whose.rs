//! Whose: which party is the user that an event is about. The one who acts, the one whose account changes, the one who gets
//! a right and the one who gives it are not the same.

use super::{
    super::{log_event::LogEvent, party::Kind},
    about::is_only_actor,
    user::User,
};

/// Whether the actor is the one to be authenticated. What Okta tells of a session is the actor's, and of somebody else's that
/// an administrator ends it tells nothing.
pub(super) fn is_own_sign_on(event: &LogEvent<'_>) -> bool {
    event.target(Kind::User).is_none_or(|user| user.is_same(&event.actor) || !event.actor.is_identified())
}

/// Who is to be authenticated: the target user, else the actor, and where Okta itself acts, the account in an application.
pub(super) fn authenticated<'a>(event: &LogEvent<'a>) -> User<'a> {
    let account = event.target(Kind::AppUser);
    if let Some(user) = event.target(Kind::User).and_then(User::of) {
        return user.with_account(account);
    }
    if event.actor.kind != Kind::System {
        if let Some(actor) = User::of(&event.actor) {
            return actor.with_account(account);
        }
    }
    account.and_then(User::of).or_else(|| User::of(&event.actor)).unwrap_or_else(User::unknown)
}

/// Whose account changes: the target user, else a service account, else the account in an application. Only what one does to
/// oneself makes the actor the one who is changed: a failed creation changes nobody, and least of all the administrator.
pub(super) fn changed<'a>(event: &LogEvent<'a>, event_type: &str) -> User<'a> {
    if let Some(user) = principal(event, event_type) {
        return user;
    }
    let is_own = event_type.starts_with("user.") && !event_type.starts_with("user.lifecycle.");
    let actor = User::of(&event.actor).filter(|_| is_own && event.actor.kind != Kind::System);
    actor.unwrap_or_else(User::unknown)
}

/// Who gets or loses a right, which is not who gives or takes it.
pub(super) fn receiver<'a>(event: &LogEvent<'a>, event_type: &str) -> User<'a> {
    let app = || event.target(Kind::App).and_then(User::of);
    // A consent is a user's, and what it allows is the client's.
    if is_consent(event_type) {
        return app().unwrap_or_else(User::unknown);
    }
    if event_type.starts_with("user.session.impersonation.") {
        let other = event.target(Kind::User).filter(|user| !user.is_same(&event.actor));
        return other.and_then(User::of).unwrap_or_else(User::okta_support);
    }
    if let Some(user) = principal(event, event_type) {
        return user;
    }
    if let Some(client) = app().filter(|_| event_type.starts_with("app.oauth2.")) {
        return client;
    }
    if let Some(group) = event.group() {
        return User::in_group(group);
    }
    // Who checks out a privileged account is the one who may use it.
    let is_own = event_type.starts_with("pam.resource.");
    User::of(&event.actor).filter(|_| is_own).unwrap_or_else(User::unknown)
}

fn is_consent(event_type: &str) -> bool {
    event_type.starts_with("app.oauth2.") && event_type.split('.').any(|segment| segment == "consent")
}

/// Who joins or leaves a group.
pub(super) fn member<'a>(event: &LogEvent<'a>, event_type: &str) -> Option<User<'a>> {
    principal(event, event_type)
}

/// The principal among the targets: a user with the account in an application if there is one, a service account, or that
/// account alone.
fn principal<'a>(event: &LogEvent<'a>, event_type: &str) -> Option<User<'a>> {
    let target =
        |kind| event.target(kind).filter(|user| !is_only_actor(event, event_type, user)).and_then(User::of);
    match target(Kind::User).or_else(|| target(Kind::Service)) {
        Some(user) => Some(user.with_account(event.target(Kind::AppUser))),
        None => target(Kind::AppUser),
    }
}
