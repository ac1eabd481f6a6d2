//! Whose: which party is the user that an event is about. The one who acts, the one whose account changes, the one who gets
//! a right and the one who gives it are not the same.

use super::{
    super::{log_event::LogEvent, party::Kind},
    about::{is_named, is_only_actor},
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
    let is_own = ["user.", "device."].iter().any(|beginning| event_type.starts_with(beginning))
        && !event_type.starts_with("user.lifecycle.");
    let actor = User::of(&event.actor).filter(|_| is_own && event.actor.kind != Kind::System);
    actor.unwrap_or_else(User::unknown)
}

/// What lets Okta's support do something, without naming anybody.
const FOR_SUPPORT: [&str; 2] = ["user.session.impersonation.", "system.directory.debugger."];
/// What gives rights to applications.
const FOR_APPS: [&str; 3] = ["app.oauth2.", "integration.api_service.", "iam.resourceset.bindings."];
/// What people ask for, or take, for themselves.
const FOR_ONESELF: [&str; 3] = ["pam.resource.", "app.access_request.request", "app.access_request.expire"];

/// Who gets or loses a right, which is not who gives or takes it.
pub(super) fn receiver<'a>(event: &LogEvent<'a>, event_type: &str) -> User<'a> {
    let is_of = |beginnings: &[&str]| beginnings.iter().any(|beginning| event_type.starts_with(beginning));
    let app = || event.target(Kind::App).and_then(User::of);
    // A consent is a user's, and what it allows is the client's.
    if is_consent(event_type) {
        return app().unwrap_or_else(User::unknown);
    }
    if is_of(&FOR_SUPPORT) {
        let other = event.target(Kind::User).filter(|user| !user.is_same(&event.actor));
        return other.and_then(User::of).unwrap_or_else(User::okta_support);
    }
    let named = principal(event, event_type).or_else(|| reviewed(event));
    if let Some(user) = named {
        return user;
    }
    if let Some(group) = event.group() {
        return User::in_group(group);
    }
    let other = if is_of(&FOR_APPS) {
        app()
    } else if is_of(&FOR_ONESELF) {
        User::of(&event.actor)
    } else {
        None
    };
    other.unwrap_or_else(User::unknown)
}

fn is_consent(event_type: &str) -> bool {
    event_type.starts_with("app.oauth2.") && event_type.split('.').any(|segment| segment == "consent")
}

/// Whose access is reviewed, where the debug data alone tells it.
fn reviewed<'a>(event: &LogEvent<'a>) -> Option<User<'a>> {
    let [uid, name] =
        ["accessReviewPrincipalUserId", "accessReviewPrincipalName"].map(|name| event.debug_data.take(name));
    User::by_name(uid, name)
}

/// Who joins or leaves a group.
pub(super) fn member<'a>(event: &LogEvent<'a>, event_type: &str) -> Option<User<'a>> {
    principal(event, event_type)
}

/// The principal among the targets: the account that the event type names, else a user with the account in an application
/// if there is one, else any account.
fn principal<'a>(event: &LogEvent<'a>, event_type: &str) -> Option<User<'a>> {
    let target =
        |kind| event.target(kind).filter(|user| !is_only_actor(event, event_type, user)).and_then(User::of);
    let of_type =
        |kind| event.target(kind).filter(|account| is_named(event_type, account)).and_then(User::of);
    if let Some(account) = of_type(Kind::Service).or_else(|| of_type(Kind::Account)) {
        return Some(account);
    }
    match target(Kind::User) {
        Some(user) => Some(user.with_account(event.target(Kind::AppUser))),
        None => target(Kind::Service).or_else(|| target(Kind::Account)).or_else(|| target(Kind::AppUser)),
    }
}
