//! Creates a user. Logins are unique, so a user who may have been created is looked up by login.

use okta_client::{
    OktaError,
    users::{self, NewUser, User},
};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Changes, Names, NewName, Profile, UserName, group_membership::member_of, row::Row, yes};
use crate::command::{
    ActionFailure,
    execute::{
        failure::Code,
        log_evidence,
        lookup::{LISTING_LOOKS_MAX, back_off, until_listed},
        resolve,
        work::{Finished, ROUNDS_MAX, Sent, Work, named, status_of, still_changing},
    },
    object_only,
};

/// The row of `user.create`.
pub(super) const CREATE: Row<CreateUser> = Row {
    secrets: &["password", "recovery_question"],
    names: |new| Ok(Names::user(UserName::New(login(&new.profile)?)).and_groups(&new.groups)),
    renames: |new| Some(NewName::User(&new.profile)),
    changes: |new| Changes::Fixed(1 + new.groups.len()),
    carry_out: |work, new| Box::pin(create(work, new)),
};

/// A new user.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// Attributes as Okta names them; `login`, `email`, `firstName` and `lastName` at least, unless the org says otherwise.
    pub profile: Profile,
    /// The password, if the user shall have one at once.
    #[schemars(with = "Option<String>")]
    pub password: Option<SecretString>,
    /// The recovery question.
    #[serde(default, deserialize_with = "object_only::optional")]
    pub recovery_question: Option<RecoveryQuestion>,
    /// Groups to be in from the beginning, at most 20, by id or exact name.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Whether the user is activated at once, which sends an e-mail to one without a password.
    #[serde(default = "yes")]
    pub activate: bool,
    /// Whether the password must be changed at the first sign-in; needs `password` and `activate`.
    #[serde(default)]
    pub change_password: bool,
    /// The id of the user's type; the default type unless set.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// The question that a user answers to recover the account.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryQuestion {
    /// The question.
    pub question: String,
    /// The answer.
    #[schemars(with = "String")]
    pub answer: SecretString,
}

/// The event type in Okta's log.
const CREATED: &str = "user.lifecycle.create";
/// Okta's maximum.
const GROUPS_MAX: usize = 20;

/// Creates the user, or finds that this command did.
pub(super) async fn create(work: &mut Work<'_>, new: &CreateUser) -> Result<Finished, ActionFailure> {
    let login = login(&new.profile)?;
    let groups = group_ids(work, new)?;
    let mut has_tried = false;
    let mut doubt: Option<OktaError> = None;
    for round in 1..=ROUNDS_MAX {
        if let Some(found) = find(work, login).await? {
            return existing(work, new, found, has_tried).await;
        }
        if work.may_have_sent()
            && let Some(id) = log_evidence::created(work, CREATED, "User", ("alternateId", login)).await?
        {
            let found = work
                .settled_user(&id)
                .await?
                .filter(|user| is_same("login", user.attribute("login"), &login.into()));
            return match found {
                Some(found) => existing(work, new, found, has_tried).await,
                None => Err(Code::ChangedMeanwhile.because(format!(
                    "user {login} ({id}) was created since the command was begun, and is gone or has another login: \
                     nothing more is sent"
                ))),
            };
        }
        work.must_be_named(&work.subjects.groups).await?;
        let change = users::create(NewUser {
            profile: new.profile.clone(),
            password: new.password.as_ref(),
            recovery_question: new.recovery_question.as_ref().map(|one| (one.question.as_str(), &one.answer)),
            groups: groups.clone(),
            activate: new.activate,
            change_password: new.change_password,
            kind: new.kind.as_deref(),
        });
        match work.send(&change).await? {
            Sent::Planned => return Ok(Finished::planned()),
            Sent::Done(raw) => {
                let created = User::read(raw);
                let unread = || work.refused(&OktaError::NotAsAsked("it is no user".to_owned()));
                let created = created.ok_or_else(unread)?;
                let settled = work.settled_user(&created.id).await?.unwrap_or(created);
                return done(&settled, new);
            }
            Sent::Refused(error) => {
                // The login is taken: by us, in an earlier round or attempt, or by somebody else.
                let looks_max = if error.is_duplicate() { LISTING_LOOKS_MAX } else { 1 };
                return match until_listed(looks_max, || find(work, login)).await? {
                    Some(found) => existing(work, new, found, has_tried).await,
                    None => Err(work.refused(&error)),
                };
            }
            Sent::InDoubt(error) => {
                has_tried = true;
                doubt = Some(error);
                tokio::time::sleep(back_off(round)).await;
            }
        }
    }
    if let Some(found) = find(work, login).await? {
        return existing(work, new, found, has_tried).await;
    }
    Err(work.gave_up(doubt.as_ref()))
}

/// The login of the new user.
pub(super) fn login(profile: &Profile) -> Result<&str, ActionFailure> {
    let login = profile.get("login").and_then(Value::as_str).filter(|login| !login.is_empty());
    login.ok_or_else(|| Code::InvalidParameters.because("profile.login is missing, or no text"))
}

fn group_ids(work: &Work<'_>, new: &CreateUser) -> Result<Vec<String>, ActionFailure> {
    if new.groups.len() > GROUPS_MAX {
        let message = format!("there are {} groups; okta takes {GROUPS_MAX} at most", new.groups.len());
        return Err(Code::InvalidParameters.because(message));
    }
    if new.change_password && (new.password.is_none() || !new.activate) {
        return Err(Code::InvalidParameters.because("`change_password` needs `password` and `activate`"));
    }
    Ok(work.subjects.groups.iter().filter_map(|group| group.id.clone()).collect())
}

async fn find(work: &Work<'_>, login: &str) -> Result<Option<User>, ActionFailure> {
    let found = resolve::user_of_login(work.okta, work.action, login).await?;
    // Read again: lists are some seconds old.
    let Some(found) = found else { return Ok(None) };
    work.settled_user(&found.id).await
}

/// A user with this login exists: ours, if we sent the request and the user matches it.
async fn existing(
    work: &mut Work<'_>,
    new: &CreateUser,
    found: User,
    has_tried: bool,
) -> Result<Finished, ActionFailure> {
    let is_young = if has_tried {
        // It may be ours even without an earlier attempt.
        found.time("created").is_none_or(|created| created >= work.not_before())
    } else {
        work.may_be_ours(found.time("created"))
    };
    let is_same = is_as_asked(&found, new);
    // Okta adds a new user to the groups in the same step: one without them was created by somebody else.
    if is_young && is_same && is_in_groups(work, &found).await? {
        return completed(work, new, found).await;
    }
    let login = found.login().unwrap_or_default();
    let mut failed = Code::AlreadyExists
        .because(format!("there is a user {login} already: {} ({})", found.id, found.status));
    failed.result = json!({ "user": named(&found) });
    failed.before = Some(status_of(&found));
    Err(failed)
}

/// Whether the user is in all groups of the command.
async fn is_in_groups(work: &Work<'_>, user: &User) -> Result<bool, ActionFailure> {
    if work.subjects.groups.is_empty() {
        return Ok(true);
    }
    let known = member_of(work, &user.id).await?;
    Ok(work.subjects.groups.iter().all(|group| group.id.as_ref().is_some_and(|id| known.contains(id))))
}

/// Whether an attribute has the requested value. Logins and e-mails are compared without case.
fn is_same(name: &str, found: &Value, wanted: &Value) -> bool {
    match (name, found.as_str(), wanted.as_str()) {
        ("login" | "email", Some(found), Some(wanted)) => found.to_lowercase() == wanted.to_lowercase(),
        _ => found == wanted,
    }
}

/// The user is ours. Only the activation may have failed.
async fn completed(work: &mut Work<'_>, new: &CreateUser, found: User) -> Result<Finished, ActionFailure> {
    if !new.activate || found.status != "STAGED" || found.transitioning_to.is_some() {
        return done(&found, new);
    }
    match work.send(&users::activate(&found.id, true)).await? {
        Sent::Planned => Ok(Finished::planned()),
        Sent::Done(_) => {
            let active = work.settled_user(&found.id).await?;
            done(&active.unwrap_or(found), new)
        }
        Sent::Refused(error) | Sent::InDoubt(error) => Err(work.refused(&error)),
    }
}

/// Done once Okta has finished work on the user. Another attempt recognises the user by the requested attributes. If
/// they differ, the user would not be recognised, so the outcome says what Okta is still doing.
fn done(user: &User, new: &CreateUser) -> Result<Finished, ActionFailure> {
    if user.transitioning_to.is_some() && is_as_asked(user, new) {
        return Err(still_changing(user));
    }
    Ok(Finished::done(json!({ "user": user.raw })).after(status_of(user)))
}

fn is_as_asked(user: &User, new: &CreateUser) -> bool {
    new.profile.iter().all(|(name, value)| is_same(name, user.attribute(name), value))
}
