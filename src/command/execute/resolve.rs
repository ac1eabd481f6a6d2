//! Resolves names to ids: users by id or login, groups by id or exact name. An ambiguous name is an error.

use std::collections::BTreeSet;

use okta_client::{
    apps, groups, is_id,
    users::{self, User},
    zones,
};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Okta,
    failure::Code,
    lookup::{self, one, until_listed},
    resolved::ResolvedSubjects,
};
use crate::command::{
    Action, ActionFailure, GroupSubject, Request, Subjects, UserSubject, ZoneSubject,
    actions::{GroupName, Names, Presence, UserAttribute, UserName, named_shortly},
};

/// Everything that `request` names. A group is searched up to `looks_max` times.
pub(super) async fn request(
    okta: &dyn Okta,
    request: &Request,
    looks_max: u32,
) -> Result<ResolvedSubjects, ActionFailure> {
    let (action, asked_at) = (request.action(), Instant::now());
    let Names { users, groups, app, zone, blocked: _ } = request.names()?;
    let mut subjects = Subjects::default();
    let mut seen = None;
    for name in users {
        let user = named_user(okta, action, name, looks_max).await?;
        subjects.users.push(user_subject(name.text(), user.as_ref()));
        seen = user;
    }
    for name in groups {
        subjects.groups.push(named_group(okta, action, name, looks_max).await?);
    }
    if let Some(id) = app {
        let is_there = is_id(id) && one(okta, action, &apps::get(id)).await?.is_some();
        if !is_there {
            return Err(Code::AppNotFound.because(format!("there is no app {}", named_shortly(id))));
        }
        subjects.app = Some(id.to_owned());
    }
    if let Some(name) = zone {
        subjects.zone = Some(named_zone(okta, action, name).await?);
    }
    Ok(ResolvedSubjects::with_snapshot(subjects, seen, asked_at))
}

/// Whether a name in `request` means another object by now than the one that was `found`, or several. A name that means
/// nobody does not. Fails if Okta does not say. Names that are ids mean the same for ever.
pub(super) async fn means_another(
    okta: &dyn Okta,
    request: &Request,
    found: &Subjects,
) -> Result<bool, ActionFailure> {
    let action = request.action();
    let Names { users, groups, app: _, zone, blocked: _ } = request.names()?;
    for name in users {
        let subject = found.users.iter().find(|user| user.name == name.text());
        let Some(id) = subject.and_then(|user| user.id.as_deref()).filter(|id| *id != name.text()) else {
            continue;
        };
        let now = named_user(okta, action, name, 1).await.map(|now| now.map(|user| user.id));
        if is_another(now, id)? {
            return Ok(true);
        }
    }
    for name in groups {
        let subject = found.groups.iter().find(|group| group.name == name.name);
        let Some(id) = subject.and_then(|group| group.id.as_deref()).filter(|id| *id != name.name) else {
            continue;
        };
        let now = named_group(okta, action, name, 1).await.map(|now| now.id);
        if is_another(now, id)? {
            return Ok(true);
        }
    }
    if let (Some(name), Some(zone)) = (zone, &found.zone)
        && zone.id != name
    {
        return is_another(named_zone(okta, action, name).await.map(|now| Some(now.id)), &zone.id);
    }
    Ok(false)
}

/// Whether a name that meant the object `id` means another one `now`, or several.
fn is_another(now: Result<Option<String>, ActionFailure>, id: &str) -> Result<bool, ActionFailure> {
    let absent = [Code::UserNotFound, Code::GroupNotFound, Code::ZoneNotFound].map(Code::name);
    match now {
        Ok(now) => Ok(now.is_some_and(|now| now != id)),
        Err(failed) if absent.contains(&failed.error.code.as_str()) => Ok(false),
        Err(failed) if failed.error.code == Code::AmbiguousName.name() => Ok(true),
        Err(failed) => Err(failed),
    }
}

async fn named_user(
    okta: &dyn Okta,
    action: Action,
    name: UserName<'_>,
    looks_max: u32,
) -> Result<Option<User>, ActionFailure> {
    match name {
        UserName::Known(name) => {
            let found = user_of_name(okta, action, name).await?;
            let absent = || Code::UserNotFound.because(format!("there is no user {name}"));
            found.ok_or_else(absent).map(Some)
        }
        UserName::MaybeGone(name) => user_of_name(okta, action, name).await,
        UserName::MaybeGoneByEmail(name) => user_of_name_or_email(okta, action, name).await,
        UserName::Attribute(attribute) => {
            let found = until_listed(looks_max, || user_having(okta, action, attribute)).await?;
            let absent = || {
                Code::UserNotFound
                    .because(format!("there is no user with {}", named_shortly(&attribute.text)))
            };
            found.ok_or_else(absent).map(Some)
        }
        // A user whose login only begins with the name is a different user.
        UserName::New(login) => user_of_login(okta, action, login).await,
    }
}

async fn named_group(
    okta: &dyn Okta,
    action: Action,
    GroupName { name, presence, hold: _ }: GroupName<'_>,
    looks_max: u32,
) -> Result<GroupSubject, ActionFailure> {
    if presence == Presence::New {
        return Ok(group_subject(name, own_group(okta, action, name).await?.as_ref()));
    }
    let look = async || group(okta, action, name).await.map(|found| found.id.is_some().then_some(found));
    match until_listed(looks_max, look).await? {
        Some(found) => Ok(found),
        None if presence == Presence::MaybeGone => Ok(group_subject(name, None)),
        None => Err(Code::GroupNotFound.because(format!("there is no group {name}"))),
    }
}

/// All users whom `name` may mean: protection must not depend on other users with a similar name.
pub(super) async fn all_users(okta: &dyn Okta, name: &str) -> Result<Vec<UserSubject>, ActionFailure> {
    let action = Action::OWN_LOOK_FOR_A_USER;
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

/// The user with this id or login, or the only one with this e-mail.
async fn user_of_name_or_email(
    okta: &dyn Okta,
    action: Action,
    name: &str,
) -> Result<Option<User>, ActionFailure> {
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

/// The only user with this attribute, read again: lists are some seconds old, and may still show a user who no longer
/// has it.
async fn user_having(
    okta: &dyn Okta,
    action: Action,
    UserAttribute { attribute, value, text }: &UserAttribute,
) -> Result<Option<User>, ActionFailure> {
    if !can_be_known(text) {
        return Ok(None);
    }
    let search = users::search(&format!("profile.{attribute} eq {value}"));
    let listed = lookup::whole(okta, action, &search).await?.unwrap_or_default();
    let mut found = Vec::new();
    for id in listed.iter().filter_map(|user| user.get("id")?.as_str()) {
        let user = one(okta, action, &users::get(id)).await?.and_then(User::read);
        found.extend(user.filter(|user| user.attribute(attribute) == value));
    }
    if found.len() > 1 {
        let ids: Vec<_> = found.iter().map(|user| user.id.as_str()).collect();
        let message = format!("{} users have {text}: {}", ids.len(), ids.join(", "));
        return Err(Code::AmbiguousName.because(message));
    }
    Ok(found.pop())
}

fn user_subject(name: &str, user: Option<&User>) -> UserSubject {
    let login = user.and_then(User::login).map(str::to_owned);
    UserSubject { name: name.to_owned(), id: user.map(|user| user.id.clone()), login }
}

async fn user_of_name(okta: &dyn Okta, action: Action, name: &str) -> Result<Option<User>, ActionFailure> {
    let fits = |user: &User| {
        let login = user.login().unwrap_or_default();
        // The part of a login before the `@` is a name too, if it is unambiguous.
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
    // Okta does not say why it finds nobody by a short name.
    let several = users::with_login_beginning(&format!("{name}@"));
    let several = lookup::list(okta, action, &several, 2).await?.map_or(0, |list| list.items.len());
    if several > 1 {
        let message = format!("`{name}` is the beginning of the logins of several users");
        return Err(Code::AmbiguousName.because(message));
    }
    Ok(None)
}

/// The user with exactly this login, ignoring case.
pub(in crate::command) async fn user_of_login(
    okta: &dyn Okta,
    action: Action,
    login: &str,
) -> Result<Option<User>, ActionFailure> {
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

/// Compares logins ignoring case, also beyond ASCII.
fn is_same(login: &str, name: &str) -> bool {
    login.to_lowercase() == name.to_lowercase()
}

/// Whether Okta can have an object with this name. Okta accepts no characters beyond U+FFFF, and may answer a query for
/// them with an internal error.
fn can_be_known(name: &str) -> bool {
    name.chars().all(|c| c.len_utf8() <= 3)
}

/// Whether `name` is safe as a path segment: not with `/`, even escaped, nor with `;`, at which some servers end a
/// segment, and not only dots.
fn can_be_segment(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', ';'])
}

/// The group with this id or exact name; without an id if there is none.
pub(in crate::command) async fn group(
    okta: &dyn Okta,
    action: Action,
    name: &str,
) -> Result<GroupSubject, ActionFailure> {
    // A text that looks like an id may be a name.
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

/// The group with exactly this name that belongs to no app: there is at most one.
pub(in crate::command) async fn own_group(
    okta: &dyn Okta,
    action: Action,
    name: &str,
) -> Result<Option<Value>, ActionFailure> {
    let is_own = |group: &Value| group.get("type").and_then(Value::as_str) != Some("APP_GROUP");
    Ok(named_groups(okta, action, name, is_own).await?.into_iter().next())
}

/// All groups with exactly this name that are `wanted`, read again: lists are some seconds old, and may still show a
/// group under an old name.
async fn named_groups(
    okta: &dyn Okta,
    action: Action,
    name: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Vec<Value>, ActionFailure> {
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

/// The network zone of this id or exact name. Names are unique; what a list shows is looked at by its id, as of groups.
async fn named_zone(okta: &dyn Okta, action: Action, name: &str) -> Result<ZoneSubject, ActionFailure> {
    let subject = |id: &str| ZoneSubject { name: name.to_owned(), id: id.to_owned() };
    if is_id(name) && name.starts_with("nzo") && one(okta, action, &zones::get(name)).await?.is_some() {
        return Ok(subject(name));
    }
    let is_named = |zone: &Value| zone.get("name").and_then(Value::as_str) == Some(name);
    let listed = lookup::whole(okta, action, &zones::all()).await?.unwrap_or_default();
    for zone in listed.iter().filter(|zone| is_named(zone)) {
        let Some(id) = zone.get("id").and_then(Value::as_str) else { continue };
        if one(okta, action, &zones::get(id)).await?.is_some_and(|zone| is_named(&zone)) {
            return Ok(subject(id));
        }
    }
    Err(Code::ZoneNotFound.because(format!("there is no network zone {name}")))
}

/// The ids of all users in a group.
pub(in crate::command) async fn members(
    okta: &dyn Okta,
    name: &str,
) -> Result<BTreeSet<String>, ActionFailure> {
    let action = Action::OWN_LOOK_AT_MEMBERS;
    let absent = || Code::GroupNotFound.because(format!("there is no group {name}"));
    let id = group(okta, action, name).await?.id.ok_or_else(absent)?;
    let id_of = |user: Value| user.get("id").and_then(Value::as_str).map(str::to_owned);
    let ids = lookup::whole_as(okta, action, &groups::members(&id), id_of).await?.ok_or_else(absent)?;
    Ok(ids.into_iter().flatten().collect())
}

/// How many members `groups` have together, counted until there are more than `count_max`. One who is in two of them counts
/// twice, and a group that is gone has none.
pub(in crate::command) async fn count_members(
    okta: &dyn Okta,
    groups: &[GroupSubject],
    count_max: usize,
) -> Result<usize, ActionFailure> {
    let action = Action::OWN_LOOK_AT_MEMBERS;
    let mut count = 0;
    for id in groups.iter().filter_map(|group| group.id.as_deref()) {
        let left = count_max.saturating_sub(count);
        count += lookup::count(okta, action, &groups::members(id), left).await?.unwrap_or_default();
        if count > count_max {
            break;
        }
    }
    Ok(count)
}

/// The ids of the app of this id, or of all apps of exactly this label: Okta does not keep labels unique. None if there is
/// none.
pub(in crate::command) async fn app_ids(
    okta: &dyn Okta,
    name: &str,
) -> Result<BTreeSet<String>, ActionFailure> {
    let action = Action::OWN_LOOK_FOR_AN_APP;
    // What looks like an id may be a label all the same.
    if is_id(name) && name.starts_with("0oa") && one(okta, action, &apps::get(name)).await?.is_some() {
        return Ok([name.to_owned()].into());
    }
    if name.is_empty() || !can_be_known(name) {
        return Ok(BTreeSet::new());
    }
    let listed = lookup::whole(okta, action, &apps::beginning(name)).await?.unwrap_or_default();
    let text = |app: &Value, name: &str| app.get(name).and_then(Value::as_str).map(str::to_owned);
    let labelled = listed.iter().filter(|app| text(app, "label").as_deref() == Some(name));
    Ok(labelled.filter_map(|app| text(app, "id")).collect())
}
