//! Whose: which party is the user that an event is about. The one who acts, the one whose account changes, the one who gets
//! a right and the one who gives it are not the same. Knows no format.

use std::borrow::Cow;

use super::{
    about::{is_named, is_only_actor},
    log_event::LogEvent,
    party::{Kind, Party},
};

/// Somebody whom an event is about.
#[derive(Debug)]
pub(super) enum Whose<'e, 'a> {
    /// The actor or a target, and what they have in an application.
    Party { party: &'e Party<'a>, account: Option<&'e Party<'a>> },
    /// Nobody by name: whoever is in this group.
    MembersOf(&'e Party<'a>),
    /// Whom the debug data alone names.
    Named { uid: Option<Cow<'a, str>>, name: Option<Cow<'a, str>> },
    /// The people of Okta's support, whom Okta does not name.
    OktaSupport,
    /// The event does not tell.
    Unknown,
}

impl<'e, 'a> Whose<'e, 'a> {
    fn party(party: &'e Party<'a>) -> Self {
        Self::Party { party, account: None }
    }
}

/// The party if it is somebody.
fn somebody<'e, 'a>(party: Option<&'e Party<'a>>) -> Option<&'e Party<'a>> {
    party.filter(|party| party.is_somebody())
}

/// Whether the actor is the one to be authenticated. What Okta tells of a session is the actor's, and of somebody else's that
/// an administrator ends it tells nothing.
pub(super) fn is_own_sign_on(event: &LogEvent<'_>) -> bool {
    event.target(Kind::User).is_none_or(|user| user.is_same(&event.actor) || !event.actor.is_identified())
}

/// Who is to be authenticated: the target user, else the actor if it is somebody with an account, else the account in an
/// application, else the actor whatever it is.
pub(super) fn authenticated<'e, 'a>(event: &'e LogEvent<'a>) -> Whose<'e, 'a> {
    let account = event.target(Kind::AppUser).or_else(|| event.target(Kind::Account));
    let actor = somebody(Some(&event.actor));
    // An agent of a directory, an application or a device checks others, if there are any.
    let is_itself = |actor: &&Party<'_>| actor.kind.is_account() || actor.kind.is_principal();
    let person = somebody(event.target(Kind::User)).or(actor.filter(is_itself));
    match person {
        Some(party) => Whose::Party { party, account },
        None => somebody(account).or(actor).map_or(Whose::Unknown, Whose::party),
    }
}

/// What an administrator thinks of a risk that Okta found.
const FEEDBACK: &str = "analytics.feedback.";

/// Families whose risk is that of the user whom they are about, whoever tells of it.
const RISKS_OF_A_USER: [&str; 8] = [
    FEEDBACK,
    "user.risk.",
    "user.internal.risk.",
    "policy.entity_risk.",
    "policy.auth_reevaluate.",
    "policy.continuous_access.",
    "security.events.provider.",
    "security.internal.",
];

/// Whether the risk that an event tells of is the actor's. Of most events it is that of the request, and so of who made it;
/// of those about the risk of a user it is the user's, whom an administrator, a partner or Okta itself may report.
pub(super) fn is_risk_of_actor(event: &LogEvent<'_>) -> bool {
    let actor = &event.actor;
    if !actor.is_somebody() || actor.kind == Kind::System || actor.kind.is_machine() {
        return false;
    }
    let event_type = event.root.peek("eventType");
    let event_type = event_type.as_deref().unwrap_or_default();
    if !RISKS_OF_A_USER.iter().any(|family| event_type.starts_with(family)) {
        return true;
    }
    match event.target(Kind::User) {
        Some(user) => user.is_same(actor),
        None => actor.kind == Kind::User && !event_type.starts_with(FEEDBACK),
    }
}

/// What administrators alone do, to others.
const BY_ADMINISTRATORS: [&str; 4] = [
    "user.lifecycle.",
    "user.account.unlock_by_admin",
    "user.behavior.profile.reset",
    "device.desktop_mfa.recovery_pin.generate",
];

/// Whose account changes: the target user, else a service account, else the account in an application. Only what one does to
/// oneself makes the actor the one who is changed: a failed creation changes nobody, and least of all the administrator; nor
/// does what is done to somebody else whose type nobody knows.
pub(super) fn changed<'e, 'a>(event: &'e LogEvent<'a>, event_type: &str) -> Whose<'e, 'a> {
    if let Some(user) = principal(event, event_type) {
        return user;
    }
    let is_of = |beginnings: &[&str]| beginnings.iter().any(|beginning| event_type.starts_with(beginning));
    let is_own = is_of(&["user.", "device."])
        && !is_of(&BY_ADMINISTRATORS)
        && !event.targets.iter().any(|target| may_be_another(event, target));
    let actor = somebody(Some(&event.actor)).filter(|actor| is_own && actor.kind != Kind::System);
    actor.map_or(Whose::Unknown, Whose::party)
}

/// Whether a target may be another person than the actor: its kind is not known, and it has no type, or one of a person's
/// names, or the id of a user.
fn may_be_another(event: &LogEvent<'_>, target: &Party<'_>) -> bool {
    if target.kind != Kind::Other || !target.is_identified() || target.is_same(&event.actor) {
        return false;
    }
    let is_of_user = || target.object.peek("id").is_some_and(|id| id.starts_with(ID_OF_USER));
    let is_person = |name: &str| PERSONS.iter().any(|person| name.to_ascii_lowercase().contains(person));
    target.object.peek("type").is_none_or(|name| is_person(&name)) || is_of_user()
}

/// What the ids of Okta's users begin with.
const ID_OF_USER: &str = "00u";
/// Parts of types that a person may have, in small letters.
const PERSONS: [&str; 4] = ["person", "people", "user", "member"];

/// What lets Okta's support do something, without naming anybody.
const FOR_SUPPORT: [&str; 2] = ["user.session.impersonation.", "system.directory.debugger."];
/// What gives rights to applications.
const FOR_APPS: [&str; 3] = ["app.oauth2.", "integration.api_service.", FOR_GROUPS];
/// What gives a role to whoever is named: users, groups and applications.
const FOR_GROUPS: &str = "iam.resourceset.bindings.";
/// What people ask for, or take, for themselves.
const FOR_ONESELF: [&str; 2] = ["app.access_request.request", "app.access_request.expire"];
/// Privileged accounts that are taken into use and given back. The account among the targets is what the right is to.
const CHECKOUTS: &str = "pam.resource.";

/// Who gets or loses a right, which is not who gives or takes it.
pub(super) fn receiver<'e, 'a>(event: &'e LogEvent<'a>, event_type: &str) -> Whose<'e, 'a> {
    let is_of = |beginnings: &[&str]| beginnings.iter().any(|beginning| event_type.starts_with(beginning));
    let app = || somebody(event.target(Kind::App)).map(Whose::party);
    // A consent is a user's, and what it allows is the client's.
    if is_consent(event_type) {
        return app().unwrap_or(Whose::Unknown);
    }
    if is_of(&FOR_SUPPORT) {
        let other = event.target(Kind::User).filter(|user| !user.is_same(&event.actor));
        return somebody(other).map_or(Whose::OktaSupport, Whose::party);
    }
    if is_of(&[CHECKOUTS]) {
        let person = event.target(Kind::User).or(Some(&event.actor));
        // A server or Okta itself gives back what nobody else has given back.
        let is_person = |party: &&Party<'_>| party.kind != Kind::System && !party.kind.is_machine();
        return somebody(person.filter(is_person)).map_or(Whose::Unknown, Whose::party);
    }
    let named = principal(event, event_type).or_else(|| reviewed(event));
    if let Some(user) = named {
        return user;
    }
    if let Some(group) = event.group() {
        return Whose::MembersOf(group);
    }
    let other = if is_of(&FOR_APPS) {
        app()
    } else if is_of(&FOR_ONESELF) {
        somebody(Some(&event.actor)).map(Whose::party)
    } else {
        None
    };
    other.unwrap_or(Whose::Unknown)
}

/// Whether the groups among the targets get the right too, and are not what it is a right to.
pub(super) fn is_for_groups(event_type: &str) -> bool {
    event_type.starts_with(FOR_GROUPS)
}

fn is_consent(event_type: &str) -> bool {
    event_type.starts_with("app.oauth2.") && event_type.split('.').any(|segment| segment == "consent")
}

/// Whose access is reviewed, where the debug data alone tells it.
fn reviewed<'e, 'a>(event: &'e LogEvent<'a>) -> Option<Whose<'e, 'a>> {
    let [uid, name] =
        ["accessReviewPrincipalUserId", "accessReviewPrincipalName"].map(|name| event.debug_data.take(name));
    (uid.is_some() || name.is_some()).then_some(Whose::Named { uid, name })
}

/// Who joins or leaves a group.
pub(super) fn member<'e, 'a>(event: &'e LogEvent<'a>, event_type: &str) -> Option<Whose<'e, 'a>> {
    principal(event, event_type)
}

/// The principal among the targets: the account that the event type names, else a user with the account in an application
/// if there is one, else any account.
fn principal<'e, 'a>(event: &'e LogEvent<'a>, event_type: &str) -> Option<Whose<'e, 'a>> {
    let target = |kind| {
        somebody(event.target(kind)).filter(|user: &&Party<'_>| !is_only_actor(event, event_type, user))
    };
    let is_meant = |party: &Party<'_>| {
        is_named(event_type, party) || party.kind == Kind::Account && is_about_accounts(event_type)
    };
    let of_type = |kind| somebody(event.target(kind)).filter(|account| is_meant(account));
    if let Some(account) = of_type(Kind::Service).or_else(|| of_type(Kind::Account)) {
        return Some(Whose::party(account));
    }
    match target(Kind::User) {
        Some(party) => Some(Whose::Party { party, account: event.target(Kind::AppUser) }),
        None => target(Kind::Service)
            .or_else(|| target(Kind::Account))
            .or_else(|| target(Kind::AppUser))
            .map(Whose::party),
    }
}

/// Whether the event type is about accounts elsewhere than at Okta, whatever Okta calls them there: a `local_account` is an
/// `OSAccount`.
fn is_about_accounts(event_type: &str) -> bool {
    let noun = event_type.rsplit_once('.').map_or("", |(noun, _)| noun);
    noun.split('.').any(|segment| segment.ends_with("_account"))
}
