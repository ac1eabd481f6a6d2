//! Users and groups that a test puts into the directory as they are: no rule is asked, nothing is logged, and
//! lists see them at once.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::consent::{Consent, ConsentKind};
use super::factor::{Factor, FactorKind};
use super::group::{Group, GroupKind, GroupProfile};
use super::profile::{self, Profile};
use super::status::Status;
use super::user::User;
use super::versioned::Versioned;
use super::{Directory, new_id};
use crate::okta_error::OktaError;

/// Since when planted things are there for lists.
const ALWAYS: i64 = i64::MIN;

/// A user as a test wants one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlantedUser {
    /// Replaces the user of this id.
    id: Option<String>,
    #[serde(default = "active")]
    status: Status,
    /// Only the login is needed.
    profile: Map<String, Value>,
    #[serde(default = "yes")]
    password: bool,
    recovery_question: Option<String>,
    #[serde(default)]
    factors: Vec<FactorKind>,
    /// Ids of groups.
    #[serde(default)]
    groups: Vec<String>,
    /// Ids of OAuth clients that have a refresh token.
    #[serde(default)]
    tokens: Vec<String>,
    /// Ids of OAuth clients that have a grant.
    #[serde(default)]
    grants: Vec<String>,
}

/// A group as a test wants one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlantedGroup {
    /// Replaces the group of this id.
    id: Option<String>,
    #[serde(default, rename = "type")]
    kind: GroupKind,
    profile: GroupProfile,
    /// Ids of users.
    #[serde(default)]
    members: Vec<String>,
}

impl Directory {
    /// Plants a user; answers the id.
    pub(crate) fn plant_user(&mut self, planted: PlantedUser, now_ms: i64) -> Result<String, OktaError> {
        let profile = completed(planted.profile);
        profile::check(&profile)?;
        let id = checked_id(planted.id, "00u")?;
        self.check_login_is_free(&profile, Some(&id))?;
        for group in &planted.groups {
            self.group(group)?;
        }
        let mut user = User::new(id.clone(), Status::Staged, profile, now_ms);
        user.enter(planted.status, now_ms);
        if planted.password && planted.status != Status::Deprovisioned {
            (user.has_password, user.password_changed_ms) = (true, Some(now_ms));
        }
        user.recovery_question = planted.recovery_question;
        user.factors = planted.factors.into_iter().map(|kind| Factor::new(kind, now_ms)).collect();
        let tokens = planted.tokens.into_iter().map(|client| (ConsentKind::Token, client));
        let grants = planted.grants.into_iter().map(|client| (ConsentKind::Grant, client));
        user.consents =
            tokens.chain(grants).map(|(kind, client)| Consent::new(kind, client, now_ms)).collect();
        self.users.insert(id.clone(), Versioned::new(ALWAYS, user));
        for group in planted.groups {
            self.members.entry(group).or_default().insert(id.clone());
        }
        Ok(id)
    }

    /// Plants a group; answers the id.
    pub(crate) fn plant_group(&mut self, planted: PlantedGroup, now_ms: i64) -> Result<String, OktaError> {
        let id = checked_id(planted.id, "00g")?;
        self.check_name_is_free(&planted.profile.name, Some(&id))?;
        let members = planted.members.iter().map(|user| Ok(self.user(user)?.id.clone()));
        let members = members.collect::<Result<_, OktaError>>()?;
        let group = Group::new(id.clone(), planted.kind, planted.profile, now_ms);
        self.groups.insert(id.clone(), Versioned::new(ALWAYS, group));
        self.members.insert(id.clone(), members);
        Ok(id)
    }

    /// Everybody as they are now, the deleted ones marked.
    pub(crate) fn user_views(&self, base: &str) -> Vec<Value> {
        let views = self.all_users().map(|(user, is_deleted)| {
            let mut view = user.view(base);
            view["deleted"] = json!(is_deleted);
            view
        });
        views.collect()
    }
}

/// What every user must have, made from the login where it is not given.
fn completed(profile: Profile) -> Profile {
    let login = profile.get("login").and_then(Value::as_str).unwrap_or_default().to_owned();
    let first = login.split('@').next().unwrap_or_default().to_owned();
    let mut all = Map::new();
    all.insert("firstName".to_owned(), first.into());
    all.insert("lastName".to_owned(), "Planted".into());
    all.insert("email".to_owned(), login.into());
    all.extend(profile);
    all
}

fn checked_id(id: Option<String>, prefix: &str) -> Result<String, OktaError> {
    match id {
        None => Ok(new_id(prefix)),
        Some(id) if id.starts_with(prefix) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(id),
        Some(_) => {
            let cause = format!("id: must begin with {prefix} and have only letters and digits");
            Err(OktaError::validation("id", cause))
        }
    }
}

fn active() -> Status {
    Status::Active
}

fn yes() -> bool {
    true
}
