//! Groups themselves. Only groups of Okta's own kind can be changed; groups of apps can only be deleted, and built-in
//! groups not even that.

use jiff::Timestamp;
use okta_client::{OktaError, groups};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use super::group_look_up::OneGroup;
use super::{Changes, Hold, Names, NewName, Presence, Profile, row::Row};
use crate::command::{
    ActionFailure, SuccessKind,
    execute::{
        Baseline,
        failure::Code,
        log_evidence,
        lookup::{self, LISTING_LOOKS_MAX, back_off, until_listed},
        naming::must_be_named,
        resolve,
        work::{Finished, ROUNDS_MAX, Sent, Work},
    },
};

/// The row of `group.create`.
pub(super) const CREATE: Row<CreateGroup> = Row {
    secrets: &[],
    names: |new| Ok(Names::group(&new.name, Presence::New, Hold::Alone)),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, new| Box::pin(create(work, new)),
};

/// The row of `group.update`.
pub(super) const UPDATE: Row<UpdateGroup> = Row {
    secrets: &[],
    names: |of| Ok(Names::group(&of.group, Presence::Known, Hold::Alone)),
    renames: |of| new_name(of).map(NewName::Group),
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(update(work, of)),
};

/// The row of `group.delete`.
pub(super) const DELETE: Row<OneGroup> = Row {
    secrets: &[],
    names: |of| Ok(Names::group(&of.group, Presence::MaybeGone, Hold::Alone)),
    renames: |_| None,
    changes: |_| Changes::MembersOf(1),
    carry_out: |work, _| Box::pin(delete(work)),
};

/// A new group.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateGroup {
    /// Its name, unique in the org.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// More attributes, as Okta names them.
    #[serde(default)]
    pub profile: Profile,
}

/// A group and what becomes different about it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateGroup {
    /// Id or exact name.
    pub group: String,
    /// The new name.
    pub name: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// More attributes to set, as Okta names them; those that are not named stay.
    #[serde(default)]
    pub profile: Profile,
}

/// The new name of the group, if it gets one.
fn new_name(of: &UpdateGroup) -> Option<&str> {
    of.name.as_deref().or_else(|| of.profile.get("name").and_then(Value::as_str))
}

/// Okta's types of groups that an app or Okta itself fills.
const APP_GROUP: &str = "APP_GROUP";
const BUILT_IN: &str = "BUILT_IN";

/// The event type in Okta's log when a group is created.
const CREATED: &str = "group.lifecycle.create";
/// The time of the last change of a group's profile.
const UPDATED: &str = "lastUpdated";

/// Creates a group, or finds that this command did.
async fn create(work: &mut Work<'_>, new: &CreateGroup) -> Result<Finished, ActionFailure> {
    let profile = wanted(Some(&new.name), new.description.as_ref(), &new.profile);
    if new.name.is_empty() {
        return Err(Code::InvalidParameters.because("`name` is empty"));
    }
    let mut doubt: Option<OktaError> = None;
    // Apps may have groups with the same name.
    let (okta, action) = (work.okta, work.action);
    let find = || resolve::own_group(okta, action, &new.name);
    for round in 1..=ROUNDS_MAX {
        if let Some(found) = find().await? {
            return existing(work, &profile, &found, doubt.is_some());
        }
        if work.may_have_sent()
            && let Some(id) =
                log_evidence::created(work, CREATED, "UserGroup", ("displayName", &new.name)).await?
        {
            let found = lookup::one(okta, action, &groups::get(&id)).await?;
            let is_named =
                |group: &Value| group.pointer("/profile/name").and_then(Value::as_str) == Some(&new.name);
            return match found.filter(is_named) {
                Some(found) => existing(work, &profile, &found, doubt.is_some()),
                None => Err(Code::ChangedMeanwhile.because(format!(
                    "group {} ({id}) was created since the command was begun, and is gone or has another name: nothing \
                     more is sent",
                    new.name
                ))),
            };
        }
        match work.send(&groups::create(&profile)).await? {
            Sent::Planned => return Ok(Finished::planned()),
            Sent::Done(raw) => return Ok(Finished::done(json!({ "group": raw })).after(shown(&raw))),
            // The name is taken, perhaps by our own earlier request.
            Sent::Refused(error) if error.is_duplicate() => {
                return match until_listed(LISTING_LOOKS_MAX, find).await? {
                    Some(found) => existing(work, &profile, &found, doubt.is_some()),
                    None => Err(work.refused(&error)),
                };
            }
            Sent::Refused(error) => return Err(work.refused(&error)),
            Sent::InDoubt(error) => {
                doubt = Some(error);
                tokio::time::sleep(back_off(round)).await;
            }
        }
    }
    Err(work.gave_up(doubt.as_ref()))
}

/// Changes what differs in a group's profile.
async fn update(work: &mut Work<'_>, parameters: &UpdateGroup) -> Result<Finished, ActionFailure> {
    let wanted = wanted(parameters.name.as_ref(), parameters.description.as_ref(), &parameters.profile);
    if wanted.is_empty() {
        return Err(Code::InvalidParameters.because("there is nothing to change"));
    }
    let id = work.group_id()?;
    let mut doubt: Option<OktaError> = None;
    for round in 1..=ROUNDS_MAX {
        let Some(group) = look(work, id).await? else {
            return Err(Code::GroupNotFound.because(format!("group {id} does not exist any more")));
        };
        let has_sent = work.may_have_sent();
        if is_so(&group, &wanted) {
            let kind = if has_sent { SuccessKind::Done } else { SuccessKind::Already };
            return Ok(Finished::new(kind, json!({ "group": group })).after(shown(&group)));
        }
        let updated = group.get(UPDATED).cloned().unwrap_or_default();
        let baseline = work.baseline(|| Baseline::of([(UPDATED.to_owned(), updated.clone())]));
        if has_sent && !baseline.is(UPDATED, &updated) {
            return Err(Code::ChangedMeanwhile.because(format!(
                "group {id} was changed since the command was begun, and is not as it asks: the change may have been \
                 made and taken back, so nothing more is sent"
            )));
        }
        must_be_named(work.group()?, Some(&group))?;
        must_not_be(&group, &[APP_GROUP, BUILT_IN])?;
        // Okta would empty attributes that the request omits.
        let mut profile = group.get("profile").and_then(Value::as_object).cloned().unwrap_or_default();
        profile.extend(wanted.clone());
        match work.send(&groups::replace(id, &profile)).await? {
            Sent::Planned => return Ok(Finished::planned()),
            Sent::Done(raw) => return Ok(Finished::done(json!({ "group": raw })).after(shown(&raw))),
            Sent::Refused(error) => return Err(work.refused(&error)),
            Sent::InDoubt(error) => {
                doubt = Some(error);
                tokio::time::sleep(back_off(round)).await;
            }
        }
    }
    Err(work.gave_up(doubt.as_ref()))
}

/// Deletes a group.
async fn delete(work: &mut Work<'_>) -> Result<Finished, ActionFailure> {
    let id = work.group_id()?;
    let gone = |kind| Ok(Finished::new(kind, json!({ "group": { "id": id } })).after(Value::Null));
    let mut doubt: Option<OktaError> = None;
    for round in 1..=ROUNDS_MAX {
        let Some(group) = look(work, id).await? else {
            return gone(if work.may_have_sent() { SuccessKind::Done } else { SuccessKind::Already });
        };
        must_be_named(work.group()?, Some(&group))?;
        must_not_be(&group, &[BUILT_IN])?;
        match work.send(&groups::delete(id)).await? {
            Sent::Planned => return Ok(Finished::planned()),
            Sent::Done(_) => return gone(SuccessKind::Done),
            Sent::Refused(error) if error.status() == Some(404) => {}
            Sent::Refused(error) => return Err(work.refused(&error)),
            Sent::InDoubt(error) => {
                doubt = Some(error);
                tokio::time::sleep(back_off(round)).await;
            }
        }
    }
    Err(work.gave_up(doubt.as_ref()))
}

/// The group as it is now. Keeps its first state for the outcome.
async fn look(work: &mut Work<'_>, id: &str) -> Result<Option<Value>, ActionFailure> {
    let group = lookup::one(work.okta, work.action, &groups::get(id)).await?;
    if let Some(group) = &group {
        work.saw(groups::get(id), group);
    }
    if work.before.is_none() {
        work.before = group.as_ref().map(shown);
    }
    Ok(group)
}

fn wanted(name: Option<&String>, description: Option<&String>, profile: &Profile) -> Profile {
    let mut wanted = profile.clone();
    for (attribute, value) in [("name", name), ("description", description)] {
        if let Some(value) = value {
            wanted.insert(attribute.to_owned(), json!(value));
        }
    }
    wanted
}

fn is_so(group: &Value, wanted: &Profile) -> bool {
    let attribute = |name: &str| group.get("profile").and_then(|profile| profile.get(name));
    wanted.iter().all(|(name, value)| attribute(name).unwrap_or(&Value::Null) == value)
}

/// Fails, with the reason, if the members of a group cannot be changed.
pub(super) async fn must_be_editable(work: &Work<'_>, id: &str) -> Result<(), ActionFailure> {
    let group = lookup::one(work.okta, work.action, &groups::get(id)).await?;
    if let Some(group) = &group {
        work.saw(groups::get(id), group);
    }
    group.map_or(Ok(()), |group| must_not_be(&group, &[APP_GROUP, BUILT_IN]))
}

fn must_not_be(group: &Value, kinds: &[&str]) -> Result<(), ActionFailure> {
    match group.get("type").and_then(Value::as_str).filter(|kind| kinds.contains(kind)) {
        Some(kind) => Err(Code::ReadOnlyGroup
            .because(format!("the group is of type {kind}: Okta does not let this be done to it"))),
        None => Ok(()),
    }
}

fn time(group: &Value, name: &str) -> Option<Timestamp> {
    group.get(name)?.as_str()?.parse().ok()
}

/// A group with this name exists: ours, if we sent the request and the group matches it.
fn existing(
    work: &Work<'_>,
    wanted: &Profile,
    found: &Value,
    has_tried: bool,
) -> Result<Finished, ActionFailure> {
    let created = time(found, "created");
    let is_young = if has_tried {
        created.is_none_or(|created| created >= work.not_before())
    } else {
        work.may_be_ours(created)
    };
    if is_young && is_so(found, wanted) {
        return Ok(Finished::done(json!({ "group": found })).after(shown(found)));
    }
    let id = found.get("id").and_then(Value::as_str).unwrap_or_default();
    let mut failed = Code::AlreadyExists.because(format!("there is a group of this name already: {id}"));
    failed.result = json!({ "group": { "id": id } });
    failed.before = Some(shown(found));
    Err(failed)
}

fn shown(group: &Value) -> Value {
    json!({ "profile": group.get("profile") })
}
