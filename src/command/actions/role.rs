//! Administrator roles of users: standard ones, by type, and custom ones with a resource set. Roles through a group are
//! not changed.

use okta_client::{Change, OktaError, Target, roles, users::User};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Changes, Names, UserReference, names::named_shortly, row::Row};
use crate::command::{
    ActionFailure, SuccessKind,
    execute::{
        Baseline,
        failure::Code,
        log_evidence,
        lookup::{self, back_off},
        work::{Finished, ROUNDS_MAX, Sent, Work, named},
    },
};

/// The event type in Okta's log when a role is assigned.
const GRANTED: &str = "user.account.privilege.grant";
/// The mark of an earlier assignment in the baseline.
const ASSIGNMENT: &str = "assignment";
/// The mark of what the names of a custom role and its resource set meant, in the baseline.
const MEANT: &str = "meant";

/// The row of `role.assign_user`.
pub(super) const ASSIGN: Row<UserRole> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(change(work, of, Desired::Assigned)),
};

/// The row of `role.unassign_user`.
pub(super) const UNASSIGN: Row<UserRole> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(change(work, of, Desired::Unassigned)),
};

/// Who, and which role.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = standard_or_custom()))]
pub struct UserRole {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// The type of a standard role, in Okta's words: `HELP_DESK_ADMIN`, for example. With `resource_set`, the id or label
    /// of a custom role.
    pub role: String,
    /// Of a custom role: id or label of the resources that it is for.
    pub resource_set: Option<String>,
}

fn standard_or_custom() -> Value {
    json!([{ "required": ["resource_set"] }, { "properties": { "role": { "pattern": "^[A-Z_]+$" } } }])
}

/// A role in Okta's assignments.
#[derive(Debug)]
enum Role {
    Standard {
        kind: String,
    },
    /// Both by id.
    Custom {
        role: String,
        resource_set: String,
    },
}

impl Role {
    /// The role that a command means. Looks up labels.
    async fn of(work: &Work<'_>, of: &UserRole) -> Result<Self, ActionFailure> {
        let Some(set) = &of.resource_set else { return Self::standard(&of.role) };
        let role = id(work, "custom role", &of.role, roles::custom).await?;
        let resource_set = id(work, "resource set", set, roles::resource_set).await?;
        Ok(Self::Custom { role, resource_set })
    }

    fn standard(kind: &str) -> Result<Self, ActionFailure> {
        let is_type = kind.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        if is_type && !kind.is_empty() && kind != roles::CUSTOM {
            return Ok(Self::Standard { kind: kind.to_owned() });
        }
        let message = "`role` is no type of a standard role, such as HELP_DESK_ADMIN; a custom role needs a `resource_set`";
        Err(Code::InvalidParameters.because(message))
    }

    /// Whether `assignment` is of this role.
    fn is_in(&self, assignment: &Value) -> bool {
        let is = |name: &str, value: &str| assignment.get(name).and_then(Value::as_str) == Some(value);
        match self {
            Self::Standard { kind } => is("type", kind),
            Self::Custom { role, resource_set } => {
                is("type", roles::CUSTOM) && is("role", role) && is("resource-set", resource_set)
            }
        }
    }

    fn assign(&self, user: &str) -> Change {
        match self {
            Self::Standard { kind } => roles::assign(user, kind),
            Self::Custom { role, resource_set } => roles::assign_custom(user, role, resource_set),
        }
    }

    /// What its names meant, so that a later attempt uses the same ids; a standard role cannot change.
    fn meant(&self) -> Value {
        match self {
            Self::Standard { .. } => Value::Null,
            Self::Custom { role, resource_set } => json!([role, resource_set]),
        }
    }
}

/// The id of the object whose id or label is `name`.
async fn id(
    work: &Work<'_>,
    kind: &str,
    name: &str,
    target: impl Fn(&str) -> Target,
) -> Result<String, ActionFailure> {
    let none = || {
        let code = if work.may_have_sent() { Code::Unconfirmed } else { Code::RoleNotFound };
        code.because(format!("there is no {kind} {}", named_shortly(name)))
    };
    // As a path segment, these would mean another resource.
    if ["", ".", ".."].contains(&name) {
        return Err(none());
    }
    let found = lookup::one(work.okta, work.action, &target(name)).await?.ok_or_else(none)?;
    found.get("id").and_then(Value::as_str).map(str::to_owned).ok_or_else(none)
}

/// The desired state of the user and the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Desired {
    Assigned,
    Unassigned,
}

async fn change(work: &mut Work<'_>, of: &UserRole, desired: Desired) -> Result<Finished, ActionFailure> {
    let role = Role::of(work, of).await?;
    let user = work.known_user().await?;
    let mut doubt: Option<OktaError> = None;
    let mut is_answered = false;
    for round in 1..=ROUNDS_MAX {
        let held = held(work, &user, &role).await?;
        work.before.get_or_insert_with(|| held.shown.clone());
        let has_sent = work.may_have_sent();
        if !has_sent {
            work.must_be_as_expected(&user).await?;
        }
        let own = match (desired, held.own, held.is_by_group) {
            (Desired::Assigned, Some(_), _) | (Desired::Unassigned, None, false) => {
                let kind = if has_sent { SuccessKind::Done } else { SuccessKind::Already };
                let mut result = json!({ "user": named(&user), "role": of.role });
                if let Some(set) = &of.resource_set {
                    result["resource_set"] = set.as_str().into();
                }
                return Ok(Finished::new(kind, result).after(held.shown));
            }
            (Desired::Unassigned, None, true) => {
                let message = format!("user {} has the role {} through a group", user.id, of.role);
                return Err(Code::AssignedByGroup.because(message));
            }
            (_, own, _) => own,
        };
        let mark = own.clone().map_or(Value::Null, Value::from);
        let baseline = work.baseline(|| {
            Baseline::of([(ASSIGNMENT.to_owned(), mark.clone()), (MEANT.to_owned(), role.meant())])
        });
        let is_other = !baseline.is(ASSIGNMENT, &mark) || !baseline.is(MEANT, &role.meant());
        if has_sent
            && (is_other
                || (own.is_none() && log_evidence::shows(work, GRANTED, &[("id", &user.id)]).await?))
        {
            return Err(Code::ChangedMeanwhile.because(format!(
                "the roles of user {} were changed since the command was begun: what it asks may have been done and taken \
                 back, so nothing more is sent",
                user.id
            )));
        }
        let change = match &own {
            None => role.assign(&user.id),
            Some(assignment) => roles::unassign(&user.id, assignment),
        };
        match work.send(&change).await? {
            Sent::Planned => return Ok(Finished::planned()),
            // The next read shows it.
            Sent::Done(_) => {
                is_answered = true;
                work.is_unshown();
            }
            // Somebody else was faster.
            Sent::Refused(error) if error.status() == Some(409) || error.is_absence() => {}
            Sent::Refused(error) => return Err(work.refused(&error)),
            Sent::InDoubt(error) => doubt = Some(error),
        }
        tokio::time::sleep(back_off(round)).await;
    }
    let what_is = format!("the roles of user {} are", user.id);
    Err(work.gave_up_unshown(doubt.as_ref(), is_answered, &what_is))
}

/// How a user has a role.
struct RoleAssignment {
    /// The id of the user's own assignment.
    own: Option<String>,
    is_by_group: bool,
    /// All roles of the user, for the outcome.
    shown: Value,
}

async fn held(work: &Work<'_>, user: &User, role: &Role) -> Result<RoleAssignment, ActionFailure> {
    let all = lookup::whole(work.okta, work.action, &roles::of_user(&user.id)).await?;
    let all =
        all.ok_or_else(|| Code::UserNotFound.because(format!("user {} does not exist any more", user.id)))?;
    let text = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_it = |one: &&Value| role.is_in(one);
    let is_groups = |one: &Value| text(one, "assignmentType").as_deref() == Some("GROUP");
    let own = all.iter().filter(is_it).find(|one| !is_groups(one)).and_then(|one| text(one, "id"));
    let is_by_group = all.iter().filter(is_it).any(is_groups);
    let names: Vec<_> = all.iter().filter_map(shown).collect();
    Ok(RoleAssignment { own, is_by_group, shown: json!({ "roles": names }) })
}

/// The type of a standard role; the ids of a custom one and its resource set.
fn shown(assignment: &Value) -> Option<String> {
    let text = |name: &str| assignment.get(name).and_then(Value::as_str);
    match (text("type")?, text("role"), text("resource-set")) {
        (roles::CUSTOM, Some(role), Some(set)) => Some(format!("{role} on {set}")),
        (kind, ..) => Some(kind.to_owned()),
    }
}
