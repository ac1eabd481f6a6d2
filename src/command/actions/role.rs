//! Administrator roles of users: standard ones, by type. Roles that a group gives are the group's.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Changes, Effect, Names, UserReference, row::Row};
use crate::{
    command::{
        Failed, Way,
        execute::{
            Baseline,
            failure::Code,
            lookup::{self, back_off},
            trace,
            work::{Finished, ROUNDS_MAX, Sent, Work, named},
        },
    },
    config::Scope,
    okta::{OktaError, roles, users::User},
};

/// What Okta's log says when a role is given.
const GRANTED: &str = "user.account.privilege.grant";
/// The mark of the assignment that there was.
const ASSIGNMENT: &str = "assignment";

/// The row of `role.assign_user`.
pub(super) const ASSIGN: Row<UserRole> = Row {
    name: "role.assign_user",
    about: "Give a user an administrator role.",
    effect: Effect::Empower,
    scope: Scope::RolesManage,
    scopes_to_find: &[Scope::UsersRead],
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(change(work, &of.role, Wish::Assigned)),
};

/// The row of `role.unassign_user`.
pub(super) const UNASSIGN: Row<UserRole> = Row {
    name: "role.unassign_user",
    about: "Take an administrator role from a user.",
    effect: Effect::Empower,
    scope: Scope::RolesManage,
    scopes_to_find: &[Scope::UsersRead],
    secrets: &[],
    names: |of| Ok(Names::user(of.user.known())),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(change(work, &of.role, Wish::Unassigned)),
};

/// Who, and which role.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserRole {
    /// Id or login, or an attribute that only this user has so.
    pub user: UserReference,
    /// The type of a standard role, in Okta's words: `HELP_DESK_ADMIN`, for example.
    #[schemars(regex(pattern = "^[A-Z_]+$"))]
    pub role: String,
}

/// What shall be of the user and the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Assigned,
    Unassigned,
}

async fn change(work: &mut Work<'_>, role: &str, wish: Wish) -> Result<Finished, Failed> {
    let is_type = role.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if !is_type || role.is_empty() || role == "CUSTOM" {
        let message = "`role` is no type of a standard role, such as HELP_DESK_ADMIN";
        return Err(Code::InvalidParameters.because(message));
    }
    let user = work.known_user().await?;
    let mut doubt: Option<OktaError> = None;
    for round in 1..=ROUNDS_MAX {
        let held = held(work, &user, role).await?;
        work.before.get_or_insert_with(|| held.shown.clone());
        let has_sent = work.may_have_sent();
        if !has_sent {
            work.must_be_as_expected(&user).await?;
        }
        let own = match (wish, held.own, held.is_by_group) {
            (Wish::Assigned, Some(_), _) | (Wish::Unassigned, None, false) => {
                let way = if has_sent { Way::Done } else { Way::Already };
                let result = json!({ "user": named(&user), "role": role });
                return Ok(Finished::new(way, result).after(held.shown));
            }
            (Wish::Unassigned, None, true) => {
                let message = format!("user {} has the role {role} through a group", user.id);
                return Err(Code::AssignedByGroup.because(message));
            }
            (_, own, _) => own,
        };
        let mark = own.clone().map_or(Value::Null, Value::from);
        let baseline = work.baseline(|| Baseline::of([(ASSIGNMENT.to_owned(), mark.clone())]));
        let is_other = !baseline.is(ASSIGNMENT, &mark);
        if has_sent
            && (is_other || (own.is_none() && trace::shows(work, GRANTED, &[("id", &user.id)]).await?))
        {
            return Err(Code::ChangedMeanwhile.because(format!(
                "the roles of user {} were changed since the command was begun: what it asks may have been done and taken \
                 back, so nothing more is sent",
                user.id
            )));
        }
        let change = match &own {
            None => roles::assign(&user.id, role),
            Some(assignment) => roles::unassign(&user.id, assignment),
        };
        match work.send(&change).await? {
            Sent::Planned => return Ok(Finished::planned()),
            // The next look shows it.
            Sent::Done(_) => {}
            // Somebody was quicker.
            Sent::Refused(error) if error.status() == Some(409) || error.is_absence() => {}
            Sent::Refused(error) => return Err(work.refused(&error)),
            Sent::InDoubt(error) => doubt = Some(error),
        }
        tokio::time::sleep(back_off(round)).await;
    }
    Err(work.gave_up(doubt.as_ref()))
}

/// How a user has a role.
struct Held {
    /// The id of the user's own assignment.
    own: Option<String>,
    is_by_group: bool,
    /// All roles of the user, for the outcome.
    shown: Value,
}

async fn held(work: &Work<'_>, user: &User, role: &str) -> Result<Held, Failed> {
    let all = lookup::whole(work.okta, work.action, &roles::of_user(&user.id)).await?;
    let all =
        all.ok_or_else(|| Code::UserNotFound.because(format!("user {} does not exist any more", user.id)))?;
    let text = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_it = |one: &&Value| text(one, "type").as_deref() == Some(role);
    let is_groups = |one: &Value| text(one, "assignmentType").as_deref() == Some("GROUP");
    let own = all.iter().filter(is_it).find(|one| !is_groups(one)).and_then(|one| text(one, "id"));
    let is_by_group = all.iter().filter(is_it).any(is_groups);
    let types: Vec<_> = all.iter().filter_map(|one| text(one, "type")).collect();
    Ok(Held { own, is_by_group, shown: json!({ "roles": types }) })
}
