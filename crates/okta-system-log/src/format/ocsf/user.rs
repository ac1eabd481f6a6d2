//! Users and actors: how a party is written as OCSF's `user`, and who acted. Which party is meant is decided in `whose`.

use std::borrow::Cow;

use super::{
    super::{
        log_event::LogEvent,
        party::{Kind, Party},
        vouching,
        whose::Whose,
        words::is_email,
        writer::ObjectWriter,
    },
    UNKNOWN,
    named::Named,
    notes::{Notes, Observed},
};

/// OCSF's `user`: valid because it has a name or a uid. A security principal, which need not be a person.
#[derive(Debug, Clone, Default)]
pub(super) struct User<'a> {
    uid: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    full_name: Option<Cow<'a, str>>,
    email: Option<Cow<'a, str>>,
    /// `type_id` and `type`.
    kind: (u8, Cow<'a, str>),
    /// What the user has in an application.
    account: Option<Named<'a>>,
    /// Where the user is only known to be in it.
    group: Option<Named<'a>>,
    /// API tokens and tokens of OAuth, each with its type.
    credentials: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> User<'a> {
    /// The user that `party` is, taken; None if it has neither id nor name, or is a mere address.
    pub(super) fn of(party: &Party<'a>) -> Option<Self> {
        if !party.is_somebody() {
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
            ..Self::default()
        })
    }

    /// The user whom an event is about, taken; the unknown one where it does not tell.
    pub(super) fn who(whose: Whose<'_, 'a>) -> Self {
        match whose {
            Whose::Party { party, account } => {
                Self::of(party).map_or_else(Self::unknown, |user| user.with_account(account))
            }
            Whose::MembersOf(group) => Self::in_group(group),
            Whose::Named { uid, name } => Self::by_name(uid, name),
            Whose::OktaSupport => Self::okta_support(),
            Whose::Unknown => Self::unknown(),
        }
    }

    /// An unknown user, where OCSF requires one.
    fn unknown() -> Self {
        Self { name: Some(Cow::Borrowed(UNKNOWN)), kind: (0, Cow::Borrowed(UNKNOWN)), ..Self::default() }
    }

    /// Nobody by name: whoever is in this group.
    fn in_group(group: &Party<'a>) -> Self {
        Self { group: Named::of(group), ..Self::unknown() }
    }

    /// Who is named by id and name alone.
    fn by_name(uid: Option<Cow<'a, str>>, name: Option<Cow<'a, str>>) -> Self {
        Self { uid, full_name: name.clone(), name, kind: (1, Cow::Borrowed("User")), ..Self::default() }
    }

    /// The people of Okta's support, whom Okta does not name.
    fn okta_support() -> Self {
        Self {
            name: Some(Cow::Borrowed("Okta Support")),
            kind: (99, Cow::Borrowed("Other")),
            ..Self::default()
        }
    }

    /// The same with the account that they have in an application.
    pub(super) fn with_account(self, account: Option<&Party<'a>>) -> Self {
        Self { account: account.and_then(Named::account), ..self }
    }

    /// The same with the tokens among the targets: they were issued to the user, or taken from them.
    pub(super) fn with_tokens(mut self, event: &LogEvent<'a>, tokens_max: usize) -> Self {
        let tokens = event.targets.iter().filter(|target| target.kind == Kind::Token && target.is_untold());
        for token in tokens.take(tokens_max) {
            if let Some(uid) = token.take_id() {
                let kind = token.take_name().or_else(|| token.take_type());
                self.credentials.push((uid, kind.unwrap_or(Cow::Borrowed(UNKNOWN))));
            }
        }
        self
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
            if let Some(account) = &self.account {
                out.object("account", |out| account.write(out));
            }
            if let Some(group) = &self.group {
                out.array("groups", |out| out.object(|out| group.write(out)));
            }
            out.array("programmatic_credentials", |out| {
                for (uid, kind) in &self.credentials {
                    out.object(|out| {
                        out.text("uid", uid);
                        out.text("type", kind);
                    });
                }
            });
        });
        for (uid, _) in &self.credentials {
            notes.observe(Observed::CredentialUid, path, "programmatic_credentials[].uid", Some(uid));
        }
        if let Some(group) = &self.group {
            notes.observe(Observed::GroupUid, path, "groups[].uid", group.uid.as_ref());
            notes.observe(Observed::GroupName, path, "groups[].name", group.name.as_ref());
        }
        if let Some(account) = &self.account {
            notes.observe(Observed::AccountUid, path, "account.uid", account.uid.as_ref());
            notes.observe(Observed::AccountName, path, "account.name", account.name.as_ref());
        }
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
        (Kind::App | Kind::Service, _) => (4, "Service"),
        (Kind::System, _) => (3, "System"),
        (Kind::Other, _) if party.is_program() => (4, "Service"),
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

/// The tokens of the request, taken: the one that was used, and the one that it was exchanged for.
fn credentials<'a>(event: &LogEvent<'a>) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    let detail = &event.transaction_detail;
    let used = detail.take("requestApiTokenId");
    let root = detail.take("rootApiTokenId").filter(|root| used.as_ref() != Some(root));
    // OCSF's words for what Okta issues by OAuth, and for its own tokens.
    let kind = |uid: &str| if uid.starts_with("AT.") { "Access Token" } else { "API Key" };
    [used, root]
        .into_iter()
        .flatten()
        .map(|uid| {
            let kind = kind(&uid);
            (uid, Cow::Borrowed(kind))
        })
        .collect()
}

/// Where an actor is written, which decides on what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ActorOf {
    /// API Activity demands one.
    Operation,
    /// A sign-on of the actor's own has the session itself.
    OwnSignOn,
    /// An error has no other place for the application that it is about.
    Error,
    Other,
}

/// Writes `actor`: who did it, in which session, by which client. Where OCSF demands an actor and Okta names none, it
/// is Okta itself if it was a job, and unknown otherwise.
pub(super) fn write_actor<'a>(
    event: &LogEvent<'a>,
    of: ActorOf,
    path: &'static str,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) -> bool {
    let user = User::of(&event.actor).map(|user| User { credentials: credentials(event), ..user });
    let is_job = event.transaction.peek("type").is_some_and(|kind| kind.eq_ignore_ascii_case("JOB"));
    out.object("actor", |out| {
        let has_client = write_client(event, of, out);
        let has_session = of != ActorOf::OwnSignOn && write_session(event, out);
        match &user {
            Some(user) => user.write("user", path, out, notes),
            None if has_client || has_session => {}
            None if of != ActorOf::Operation => return,
            None if is_job => out.text("app_name", "Okta"),
            None => User::unknown().write("user", path, out, notes),
        }
        write_provider(event, out);
    })
}

/// Writes `idp`: who vouches for the actor. Without an actor it is left out.
fn write_provider(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) {
    let Some(provider) = vouching::identity_provider(event) else {
        out.object("idp", |out| out.text_if("uid", event.issuer.take("id").as_deref()));
        return;
    };
    let (uid, name) = (provider.take_id(), provider.take_name());
    event.issuer.mark_if("id", |issuer| uid.as_deref() == Some(issuer));
    out.object("idp", |out| {
        out.text_if("uid", uid.as_deref());
        out.text_if("name", name.as_deref());
    });
}

/// Writes the application that acted: the client that was used, else the actor if it is one; false if there is none. Of an
/// error it is the application that it happened in.
fn write_client(event: &LogEvent<'_>, of: ActorOf, out: &mut ObjectWriter<'_>) -> bool {
    let client = event.client.take("id");
    let of_token = event.transaction_detail.peek("requestApiTokenClientId");
    // What is no text is told nowhere else.
    let is_told = |of_token: &str| client.as_deref().is_none_or(|client| client == of_token);
    event.transaction_detail.mark_if("requestApiTokenClientId", is_told);
    let uid = client.or(of_token);
    let is_meant = |app: &&Party<'_>| uid.is_none() || app.object.peek("id") == uid;
    let itself = Some(&event.actor).filter(|actor| actor.kind == Kind::App).filter(is_meant);
    let (own_uid, name) = match itself {
        Some(actor) => (actor.object.peek("id"), actor.object.peek("displayName")),
        None if of == ActorOf::Error => match event.target(Kind::App).filter(is_meant) {
            Some(app) => (app.take_id(), app.take_name()),
            None => (None, None),
        },
        None => (None, None),
    };
    let uid = uid.or(own_uid);
    out.text_if("app_uid", uid.as_deref());
    out.text_if("app_name", name.as_deref());
    uid.is_some() || name.is_some()
}

/// Writes the actor's `session`; false if there is none.
pub(super) fn write_session(event: &LogEvent<'_>, out: &mut ObjectWriter<'_>) -> bool {
    let session = event.authentication.take("externalSessionId");
    let root = event.authentication.take("rootSessionId");
    out.object("session", |out| {
        out.text_if("uid", session.as_deref());
        out.text_if("uid_alt", root.as_deref().filter(|root| session.as_deref() != Some(root)));
    })
}
