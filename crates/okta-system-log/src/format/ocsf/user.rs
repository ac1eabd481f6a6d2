//! Users and actors.

use std::borrow::Cow;

use super::{
    super::{
        log_event::LogEvent,
        party::{Kind, Party},
        words::is_email,
        writer::ObjectWriter,
    },
    UNKNOWN,
    notes::{Notes, Observed},
};

/// OCSF's `user`: valid because it has a name or a uid.
#[derive(Debug, Clone, Default)]
pub(super) struct User<'a> {
    uid: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    full_name: Option<Cow<'a, str>>,
    email: Option<Cow<'a, str>>,
    /// `type_id` and `type`.
    kind: (u8, Cow<'a, str>),
    /// The API token that was used.
    credential: Option<Cow<'a, str>>,
}

impl<'a> User<'a> {
    /// The user that `party` is, taken; None if it has neither id nor name.
    pub(super) fn of(party: &Party<'a>) -> Option<Self> {
        if !party.is_identified() {
            return None;
        }
        let [id, login, name] = ["id", "alternateId", "displayName"].map(|member| party.object.take(member));
        let email = login.clone().filter(|login| is_email(login));
        Some(Self {
            uid: id,
            name: login.or_else(|| name.clone()),
            full_name: name,
            email,
            kind: kind(party),
            credential: None,
        })
    }

    /// An unknown user, where OCSF requires one.
    pub(super) fn unknown() -> Self {
        Self { name: Some(Cow::Borrowed(UNKNOWN)), kind: (0, Cow::Borrowed(UNKNOWN)), ..Self::default() }
    }

    /// Writes it as the member `name`, which stands at `path`.
    pub(super) fn write(
        &self,
        name: &'static str,
        path: &'static str,
        out: &mut ObjectWriter<'_>,
        notes: &mut Notes<'a>,
    ) {
        out.object(name, |out| {
            out.text_if("uid", self.uid.as_deref());
            out.text_if("name", self.name.as_deref());
            out.text_if("full_name", self.full_name.as_deref());
            out.text_if("email_addr", self.email.as_deref());
            out.integer("type_id", self.kind.0);
            out.text("type", &self.kind.1);
            out.text_if("credential_uid", self.credential.as_deref());
        });
        if self.name.as_deref() == Some(UNKNOWN) {
            return;
        }
        notes.observe(Observed::UserUid, path, "uid", self.uid.as_ref());
        notes.observe(Observed::UserName, path, "name", self.name.as_ref());
        notes.observe(Observed::EmailAddress, path, "email_addr", self.email.as_ref());
    }
}

/// `type_id` and `type`: for what OCSF has no number, Okta's word. A word that says more than OCSF's is left over.
fn kind<'a>(party: &Party<'a>) -> (u8, Cow<'a, str>) {
    let word = party.object.peek("type");
    let (id, caption) = match (party.kind, word.as_deref()) {
        (Kind::User | Kind::AppUser, _) => (1, "User"),
        (Kind::App, _) => (4, "Service"),
        (_, Some("SystemPrincipal")) => (3, "System"),
        (_, Some(word)) if word.contains("Client") || word.contains("Service") => (4, "Service"),
        (_, Some(_)) => (99, "Other"),
        (_, None) => (0, UNKNOWN),
    };
    match word {
        Some(word) if id == 99 => {
            party.object.mark("type");
            (id, word)
        }
        _ => {
            party.object.mark_same("type", caption);
            (id, Cow::Borrowed(caption))
        }
    }
}

/// The user that a sign-on or a change is about: the target user, else the actor, else the target's account in an
/// application.
pub(super) fn subject<'a>(event: &LogEvent<'a>) -> User<'a> {
    let target = |kind| event.target(kind).and_then(User::of);
    target(Kind::User)
        .or_else(|| actor_user(event))
        .or_else(|| target(Kind::AppUser))
        .unwrap_or_else(User::unknown)
}

/// Whose account or rights changed: the target user, else their account in an application, else the application itself,
/// else the actor.
pub(super) fn changed<'a>(event: &LogEvent<'a>, with_apps: bool) -> User<'a> {
    let target = |kind| event.target(kind).and_then(User::of);
    target(Kind::User)
        .or_else(|| target(Kind::AppUser))
        .or_else(|| target(Kind::App).filter(|_| with_apps))
        .or_else(|| actor_user(event))
        .unwrap_or_else(User::unknown)
}

/// The actor as a user.
pub(super) fn actor_user<'a>(event: &LogEvent<'a>) -> Option<User<'a>> {
    User::of(&event.actor)
}

/// Writes `actor`: who did it, in which session, by which client. Where OCSF demands an actor and Okta names none, it
/// is Okta itself if it was a job, and unknown otherwise.
pub(super) fn write_actor<'a>(
    event: &LogEvent<'a>,
    is_demanded: bool,
    with_session: bool,
    path: &'static str,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) -> bool {
    let user = actor_user(event)
        .map(|user| User { credential: event.transaction_detail.take("requestApiTokenId"), ..user });
    let is_job = event.transaction.peek("type").is_some_and(|kind| kind == "JOB");
    out.object("actor", |out| {
        let client = event.client.take("id");
        out.text_if("app_uid", client.as_deref());
        let has_session = with_session && write_session(event, out);
        match &user {
            Some(user) => user.write("user", path, out, notes),
            None if client.is_some() || has_session => {}
            None if !is_demanded => return,
            None if is_job => out.text("app_name", "Okta"),
            None => User::unknown().write("user", path, out, notes),
        }
        // An issuer without an actor is left out.
        if let Some(issuer) = event.issuer.take("id") {
            out.object("idp", |out| out.text("uid", &issuer));
        }
    })
}

/// Writes `session`; false if there is none.
pub(super) fn write_session(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) -> bool {
    let session = event.authentication.take("externalSessionId");
    let root = event.authentication.take("rootSessionId");
    out.object("session", |out| {
        out.text_if("uid", session.as_deref());
        out.text_if("uid_alt", root.as_deref().filter(|root| session.as_deref() != Some(root)));
    })
}
