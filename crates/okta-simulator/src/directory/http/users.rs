//! `/api/v1/users` and everything under it.

use serde_json::{Value, json};

use super::{Call, Context, created, done, json, no_content};
use crate::answer::Answer;
use crate::directory::Directory;
use crate::directory::consent::ConsentKind;
use crate::directory::criteria::Criteria;
use crate::directory::lifecycle::Operation;
use crate::directory::listing::{Listed, Order};
use crate::directory::status::Status;
use crate::directory::user::User;
use crate::directory::users::{NewUser, Update};
use crate::okta_error::OktaError;

const MAX_LIMIT: usize = 200;
const DEFAULT_LIMIT_OF_Q: usize = 10;

/// What can be asked about users; users by id or login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserCall {
    List,
    Create,
    Get {
        user: String,
    },
    Update {
        user: String,
    },
    Replace {
        user: String,
    },
    Delete {
        user: String,
    },
    Operate {
        user: String,
        operation: Operation,
    },
    ClearSessions {
        user: String,
    },
    Groups {
        user: String,
    },
    AppLinks {
        user: String,
    },
    Factors {
        user: String,
    },
    DeleteFactor {
        user: String,
        factor: String,
    },
    Roles {
        user: String,
    },
    AssignRole {
        user: String,
    },
    UnassignRole {
        user: String,
        role: String,
    },
    /// Of one OAuth client, or of all.
    Consents {
        user: String,
        kind: ConsentKind,
        client: Option<String>,
    },
    Revoke {
        user: String,
        kind: ConsentKind,
        client: Option<String>,
    },
}

impl Call for UserCall {
    fn make(&self, directory: &mut Directory, context: &Context<'_>) -> Result<Answer, OktaError> {
        let (base, now_ms) = (context.visit.base, context.now_ms);
        match self {
            Self::List => list(directory, context),
            Self::Create => {
                let parameters = &context.parameters;
                let new = &NewUser {
                    body: &context.body()?,
                    activate: parameters.truth("activate").unwrap_or(true),
                    change_password: parameters.get("nextLogin") == Some("changePassword"),
                };
                Ok(one(&directory.create_user(new, now_ms)?, base))
            }
            Self::Get { user } => Ok(one(directory.user(user)?, base)),
            Self::Update { user } => update(directory, context, user, Update::Partial),
            Self::Replace { user } => update(directory, context, user, Update::Whole),
            Self::Delete { user } => directory.delete_user(user, now_ms).map(|()| no_content()),
            Self::Operate { user, operation } => operate(directory, context, user, *operation),
            Self::ClearSessions { user } => directory.clear_sessions(user).map(|()| no_content()),
            Self::Groups { user } => Ok(context.all(directory.groups_of(user)?, |group| group.view(base))),
            Self::AppLinks { user } => {
                let id = directory.user(user)?.id.clone();
                Ok(context.all(directory.apps_of(&id)?, |app| app.link_view(base, &id)))
            }
            Self::Factors { user } => {
                let user = directory.user(user)?;
                let factors = user.factors.iter().collect();
                Ok(context.all(factors, |factor| factor.view(base, &user.id, user.login())))
            }
            Self::DeleteFactor { user, factor } => {
                directory.delete_factor(user, factor, now_ms).map(|()| no_content())
            }
            Self::Roles { user } => {
                let user = directory.user(user)?;
                Ok(context.all(user.roles.iter().collect(), |role| role.view(base, &user.id)))
            }
            Self::AssignRole { user } => {
                let (user, role) = directory.assign_role(user, &context.body()?, now_ms)?;
                Ok(created(&role.view(base, &user)))
            }
            Self::UnassignRole { user, role } => {
                directory.unassign_role(user, role, now_ms).map(|()| no_content())
            }
            Self::Consents { user, kind, client } => {
                let (user, consents) = directory.consents(user, *kind, client.as_deref())?;
                Ok(context.all(consents, |consent| consent.view(base, &user.id)))
            }
            Self::Revoke { user, kind, client } => {
                directory.revoke(user, *kind, client.as_deref(), now_ms).map(|()| no_content())
            }
        }
    }
}

/// The list without a question and `q` leave deactivated users out; `q` has one page only.
fn list(directory: &Directory, context: &Context<'_>) -> Result<Answer, OktaError> {
    let parameters = &context.parameters;
    let criteria = Criteria::of_users(parameters)?;
    let order = Order::parse(parameters)?;
    let limit = parameters.limit(MAX_LIMIT)?;
    let is_q = matches!(criteria, Criteria::Beginning(_));
    let limit = limit.unwrap_or(if is_q { DEFAULT_LIMIT_OF_Q } else { MAX_LIMIT });
    let shows_deactivated = matches!(criteria, Criteria::Filter { .. });
    let test = |user: &&User| {
        (shows_deactivated || user.status != Status::Deprovisioned) && criteria.match_user(user)
    };
    let users: Vec<&User> = directory.listed_users(context.now_ms).collect();
    let mut page = order.page(users, parameters.get("after"), limit, test)?;
    page.next = page.next.filter(|_| !is_q);
    Ok(context.page(&page, |user| user.view(context.visit.base)))
}

fn update(
    directory: &mut Directory,
    context: &Context<'_>,
    user: &str,
    update: Update,
) -> Result<Answer, OktaError> {
    let body = context.body()?;
    let user = directory.update_user(user, &body, update, context.visit.if_match, context.now_ms)?;
    Ok(one(&user, context.visit.base))
}

fn operate(
    directory: &mut Directory,
    context: &Context<'_>,
    user: &str,
    operation: Operation,
) -> Result<Answer, OktaError> {
    let parameters = &context.parameters;
    let sends_email = parameters.truth("sendEmail");
    if operation == Operation::ResetPassword && sends_email.is_none() {
        return Err(OktaError::validation("sendEmail", "sendEmail: The field cannot be left blank"));
    }
    let user = directory.operate(user, operation, context.now_ms)?;
    let may_revoke =
        matches!(operation, Operation::ResetPassword | Operation::ExpirePasswordWithTempPassword);
    if may_revoke && parameters.truth("revokeSessions") == Some(true) {
        directory.clear_sessions(&user.id)?;
    }
    let base = context.visit.base;
    let answer = match operation {
        Operation::Activate if sends_email == Some(false) && !user.has_password => activation(base),
        Operation::Reactivate if sends_email != Some(true) => activation(base),
        Operation::ExpirePassword => one(&user, base),
        Operation::ExpirePasswordWithTempPassword => {
            json(&json!({ "tempPassword": format!("Aa1{}", token(9)) }))
        }
        Operation::ResetPassword | Operation::ForgotPassword if sends_email == Some(false) => {
            json(&json!({ "resetPasswordUrl": format!("{base}/signin/reset-password/{}", token(20)) }))
        }
        _ => done(),
    };
    Ok(answer)
}

fn one(user: &User, base: &str) -> Answer {
    json(&user.view(base)).with_header("etag", user.etag())
}

fn activation(base: &str) -> Answer {
    let token = token(20);
    json(&json!({ "activationUrl": format!("{base}/welcome/{token}"), "activationToken": token }))
}

fn token(length: usize) -> String {
    (0..length).map(|_| fastrand::alphanumeric()).collect()
}

impl Listed for &User {
    fn id(&self) -> &str {
        &self.id
    }

    fn attributes(&self) -> Value {
        User::view(self, "")
    }
}
