//! From names to ids: users by id or login, groups by id or exact name. A name that fits several is nobody's.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Okta, create,
    failure::Code,
    lookup::{self, one, until_listed},
    resolved::Resolved,
};
use crate::{
    command::{Action, Failed, GroupSubject, Request, Subjects, UserSubject},
    okta::{apps, groups, is_id, users, users::User},
};

/// All whom and what `request` names. A group is looked for up to `looks_max` times.
pub(super) async fn request(okta: &dyn Okta, request: &Request, looks_max: u32) -> Result<Resolved, Failed> {
    let action = request.action();
    let named = Named::of(request)?;
    let mut subjects = Subjects::default();
    let mut seen = None;
    for name in named.users {
        let user = match request {
            // Somebody whose login only begins so is somebody else.
            Request::UserCreate(_) => user_of_login(okta, action, name).await?,
            Request::LogByUser(_) => user_of_name_or_email(okta, action, name).await?,
            _ => user_of_name(okta, action, name).await?,
        };
        if user.is_none() && named.must_exist {
            return Err(Code::UserNotFound.because(format!("there is no user {name}")));
        }
        subjects.users.push(user_subject(name, user.as_ref()));
        seen = user;
    }
    for name in named.groups {
        let subject = match request {
            Request::GroupCreate(_) => group_subject(name, own_group(okta, action, name).await?.as_ref()),
            _ => {
                let look =
                    async || group(okta, action, name).await.map(|found| found.id.is_some().then_some(found));
                until_listed(looks_max, look).await?.unwrap_or_else(|| group_subject(name, None))
            }
        };
        // The groups of a new user must exist, though the user need not.
        if subject.id.is_none() && (named.must_exist || action == Action::UserCreate) {
            return Err(Code::GroupNotFound.because(format!("there is no group {name}")));
        }
        subjects.groups.push(subject);
    }
    if let Some(id) = named.app {
        let is_there = is_id(id) && one(okta, action, &apps::get(id)).await?.is_some();
        if !is_there {
            return Err(Code::AppNotFound.because(format!("there is no app {id}")));
        }
        subjects.app = Some(id.to_owned());
    }
    Ok(Resolved::with_sighting(subjects, seen))
}

/// What a request names.
#[derive(Debug, Default)]
pub(in crate::command) struct Named<'a> {
    pub(in crate::command) users: Vec<&'a str>,
    pub(in crate::command) groups: Vec<&'a str>,
    app: Option<&'a str>,
    must_exist: bool,
}

impl<'a> Named<'a> {
    /// What `request` names, as it is written.
    pub(in crate::command) fn of(request: &'a Request) -> Result<Self, Failed> {
        let users = |users: Vec<&'a str>| Self { users, must_exist: true, ..Self::default() };
        let groups = |groups: Vec<&'a str>| Self { groups, must_exist: true, ..Self::default() };
        Ok(match request {
            Request::UserCreate(p) => Self {
                users: vec![create::login(p)?],
                groups: strs(&p.groups),
                must_exist: false,
                ..Self::default()
            },
            Request::UserDelete(p) => Self { must_exist: false, ..users(vec![&p.user]) },
            Request::LogByUser(p) => Self { must_exist: false, ..users(vec![&p.user]) },
            Request::GroupCreate(p) => Self { must_exist: false, ..groups(vec![&p.name]) },
            Request::GroupDelete(p) => Self { must_exist: false, ..groups(vec![&p.group]) },
            Request::UserActivate(p) => users(vec![&p.user]),
            Request::UserReactivate(p) => users(vec![&p.user]),
            Request::UserUpdate(p) => users(vec![&p.user]),
            Request::UserDeactivate(p) => users(vec![&p.user]),
            Request::UserExpirePassword(p) => users(vec![&p.user]),
            Request::UserResetPassword(p) => users(vec![&p.user]),
            Request::UserForgotPassword(p) => users(vec![&p.user]),
            Request::UserSetPassword(p) => users(vec![&p.user]),
            Request::UserClearSessions(p) => users(vec![&p.user]),
            Request::UserResetFactor(p) => users(vec![&p.user]),
            Request::UserSuspend(p)
            | Request::UserUnsuspend(p)
            | Request::UserUnlock(p)
            | Request::UserFactors(p)
            | Request::UserResetFactors(p)
            | Request::UserGet(p) => users(vec![&p.user]),
            Request::UserGroups(p) | Request::UserApps(p) => users(vec![&p.user]),
            Request::GroupGet(p) => groups(vec![&p.group]),
            Request::GroupMembers(p) => groups(vec![&p.group]),
            Request::GroupUpdate(p) => groups(vec![&p.group]),
            Request::GroupAddUser(p) | Request::GroupRemoveUser(p) => {
                Self { users: strs(&p.users), ..groups(strs(&p.groups)) }
            }
            Request::AppAssignUser(p) => Self { app: Some(&p.app), ..users(strs(&p.users)) },
            Request::AppUnassignUser(p) => Self { app: Some(&p.app), ..users(strs(&p.users)) },
            Request::AppAssignGroup(p) | Request::AppUnassignGroup(p) => {
                Self { app: Some(&p.app), ..groups(strs(&p.groups)) }
            }
            Request::UserSearch(_) | Request::GroupFind(_) | Request::LogByIp(_) | Request::LogSearch(_) => {
                Self::default()
            }
        })
    }
}

fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// All users whom `name` may mean: who is protected by it must not depend on who else is called alike.
pub(super) async fn all_users(okta: &dyn Okta, name: &str) -> Result<Vec<UserSubject>, Failed> {
    let action = Action::UserGet;
    if !can_be_known(name) {
        return Ok(Vec::new());
    }
    let found = match user_of_name(okta, action, name).await {
        Ok(Some(user)) => return Ok(vec![user_subject(name, Some(&user))]),
        Ok(None) if name.contains('@') => lookup::whole(okta, action, &users::with_email(name)).await?,
        Ok(None) => None,
        Err(failed) if failed.error.code == Code::AmbiguousName.name() => {
            lookup::whole(okta, action, &users::with_login_beginning(&format!("{name}@"))).await?
        }
        Err(failed) => return Err(failed),
    };
    let found = found.unwrap_or_default().into_iter().filter_map(User::read);
    Ok(found.map(|user| user_subject(name, Some(&user))).collect())
}

/// The user of this id or login, or the only one of this e-mail.
async fn user_of_name_or_email(okta: &dyn Okta, action: Action, name: &str) -> Result<Option<User>, Failed> {
    let found = user_of_name(okta, action, name).await?;
    if found.is_some() || !name.contains('@') || !can_be_known(name) {
        return Ok(found);
    }
    let mut several = lookup::whole(okta, action, &users::with_email(name)).await?.unwrap_or_default();
    if several.len() > 1 {
        let message = format!("{} users have the e-mail `{name}`", several.len());
        return Err(Code::AmbiguousName.because(message));
    }
    Ok(several.pop().and_then(User::read))
}

fn user_subject(name: &str, user: Option<&User>) -> UserSubject {
    let login = user.and_then(User::login).map(str::to_owned);
    UserSubject { name: name.to_owned(), id: user.map(|user| user.id.clone()), login }
}

async fn user_of_name(okta: &dyn Okta, action: Action, name: &str) -> Result<Option<User>, Failed> {
    let fits = |user: &User| {
        let login = user.login().unwrap_or_default();
        // The part before `@` names a user too, if it is the only one.
        let is_short = login.split_once('@').is_some_and(|(short, _)| is_same(short, name));
        user.id == name || is_same(login, name) || is_short
    };
    if !can_be_known(name) {
        return Ok(None);
    }
    if !can_be_segment(name) {
        return user_of_login(okta, action, name).await;
    }
    let found = one(okta, action, &users::get(name)).await?.and_then(User::read);
    // `me`, for example, is the owner of the token.
    if let Some(user) = found.filter(fits) {
        return Ok(Some(user));
    }
    if name.contains('@') || name.starts_with("00u") {
        return Ok(None);
    }
    // Okta says nothing of why it finds nobody by a short name.
    let several = users::with_login_beginning(&format!("{name}@"));
    let several = lookup::list(okta, action, &several, 2).await?.map_or(0, |list| list.items.len());
    if several > 1 {
        let message = format!("`{name}` is the beginning of the logins of several users");
        return Err(Code::AmbiguousName.because(message));
    }
    Ok(None)
}

/// The user of exactly this login, apart from case.
pub(super) async fn user_of_login(
    okta: &dyn Okta,
    action: Action,
    login: &str,
) -> Result<Option<User>, Failed> {
    let is_it = |user: &User| user.login().is_some_and(|found| is_same(found, login));
    if login.is_empty() || !can_be_known(login) {
        return Ok(None);
    }
    if can_be_segment(login) {
        let found = one(okta, action, &users::get(login)).await?.and_then(User::read);
        return Ok(found.filter(is_it));
    }
    let found = lookup::whole(okta, action, &users::with_login(login)).await?.unwrap_or_default();
    Ok(found.into_iter().filter_map(User::read).find(is_it))
}

/// Logins are the same whatever their case, also beyond ASCII.
fn is_same(login: &str, name: &str) -> bool {
    login.to_lowercase() == name.to_lowercase()
}

/// Whether Okta can have anything of this name. It takes no characters beyond U+FFFF, and may answer with an internal
/// error to who asks for them.
fn can_be_known(name: &str) -> bool {
    name.chars().all(|c| c.len_utf8() <= 3)
}

/// Whether Okta can find `name` in a path: not with `/`, however it is escaped, nor with `;`, where some servers end a
/// segment, and dots lead elsewhere.
fn can_be_segment(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', ';'])
}

/// The group of this id or exact name; without an id if there is none.
pub(super) async fn group(okta: &dyn Okta, action: Action, name: &str) -> Result<GroupSubject, Failed> {
    // What looks like an id may be a name all the same.
    if is_id(name)
        && name.starts_with("00g")
        && let Some(group) = one(okta, action, &groups::get(name)).await?
    {
        return Ok(group_subject(name, Some(&group)));
    }
    let found = named_groups(okta, action, name, |_| true).await?;
    match found.as_slice() {
        [] => Ok(group_subject(name, None)),
        [only] => Ok(group_subject(name, Some(only))),
        several => {
            let ids: Vec<_> = several.iter().filter_map(|group| group.get("id")?.as_str()).collect();
            let message = format!("{} groups are named `{name}`: {}", ids.len(), ids.join(", "));
            Err(Code::AmbiguousName.because(message))
        }
    }
}

fn group_subject(name: &str, group: Option<&Value>) -> GroupSubject {
    let text = |pointer: &str| group?.pointer(pointer)?.as_str().map(str::to_owned);
    GroupSubject { name: name.to_owned(), id: text("/id"), okta_name: text("/profile/name") }
}

/// The group of exactly this name that is no app's: there is at most one.
pub(super) async fn own_group(okta: &dyn Okta, action: Action, name: &str) -> Result<Option<Value>, Failed> {
    let is_own = |group: &Value| group.get("type").and_then(Value::as_str) != Some("APP_GROUP");
    Ok(named_groups(okta, action, name, is_own).await?.into_iter().next())
}

/// All groups of exactly this name that are `wanted`, as they are now: lists are some seconds behind, and may still show a
/// group under a name that it has no more.
async fn named_groups(
    okta: &dyn Okta,
    action: Action,
    name: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Vec<Value>, Failed> {
    if name.is_empty() || !can_be_known(name) {
        return Ok(Vec::new());
    }
    let is_named = |group: &Value| group.pointer("/profile/name").and_then(Value::as_str) == Some(name);
    let listed = lookup::whole(okta, action, &groups::named(name)).await?.unwrap_or_default();
    let mut found = Vec::new();
    for group in listed.iter().filter(|group| is_named(group) && wanted(group)) {
        let Some(id) = group.get("id").and_then(Value::as_str) else { continue };
        found.extend(one(okta, action, &groups::get(id)).await?.filter(is_named));
    }
    Ok(found)
}

/// The ids of all users in a group.
pub(super) async fn members(okta: &dyn Okta, name: &str) -> Result<BTreeSet<String>, Failed> {
    let action = Action::GroupMembers;
    let absent = || Code::GroupNotFound.because(format!("there is no group {name}"));
    let id = group(okta, action, name).await?.id.ok_or_else(absent)?;
    let id_of = |user: Value| user.get("id").and_then(Value::as_str).map(str::to_owned);
    let ids = lookup::whole_as(okta, action, &groups::members(&id), id_of).await?.ok_or_else(absent)?;
    Ok(ids.into_iter().flatten().collect())
}
