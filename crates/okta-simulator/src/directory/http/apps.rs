//! `/api/v1/apps`, as far as it is about who has which.

use serde_json::{Value, json};

use super::{Call, Context, json, no_content};
use crate::answer::Answer;
use crate::directory::Directory;
use crate::directory::app::{App, Assignment};
use crate::directory::listing::{Listed, Order};
use crate::directory::user::User;
use crate::okta_error::OktaError;
use crate::scim::{Filter, Operator};

const MAX_LIMIT: usize = 200;
const DEFAULT_LIMIT: usize = 20;
/// What a filter may ask: whose apps they are, and what they are.
const FILTERED: &[&str] = &["user.id", "group.id", "status", "name", "id"];
const MAX_USERS: usize = 500;
const DEFAULT_USERS: usize = 50;

/// What can be asked about apps; apps and groups by id, users by id or login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AppCall {
    List,
    Get {
        app: String,
    },
    Users {
        app: String,
    },
    GetUser {
        app: String,
        user: String,
    },
    /// The user is in the body, if not in the path.
    AssignUser {
        app: String,
        user: Option<String>,
    },
    UnassignUser {
        app: String,
        user: String,
    },
    GetGroup {
        app: String,
        group: String,
    },
    AssignGroup {
        app: String,
        group: String,
    },
    UnassignGroup {
        app: String,
        group: String,
    },
}

impl Call for AppCall {
    fn make(&self, directory: &mut Directory, context: &Context<'_>) -> Result<Answer, OktaError> {
        let (base, now_ms) = (context.visit.base, context.now_ms);
        match self {
            Self::List => list(directory, context),
            Self::Get { app } => Ok(json(&directory.app(app)?.view(base))),
            Self::Users { app } => users(directory, context, app),
            Self::GetUser { app, user } => {
                let (app, user) = (directory.app(app)?, directory.user(user)?);
                let assignment = directory.assignment(app, user);
                let assignment = assignment.ok_or_else(|| OktaError::missing(&user.id, "AppUser"))?;
                Ok(json(&assignment.view(base, app, user)))
            }
            Self::AssignUser { app, user } => {
                let body = context.body()?;
                let named = user.as_deref().or_else(|| body["id"].as_str());
                let named =
                    named.ok_or_else(|| OktaError::validation("id", "id: The field cannot be left blank"))?;
                let (user, assignment) = directory.assign_user(app, named, &body, now_ms)?;
                Ok(json(&assignment.view(base, directory.app(app)?, &user)))
            }
            Self::UnassignUser { app, user } => directory.unassign_user(app, user).map(|()| no_content()),
            Self::GetGroup { app, group } => {
                let app = directory.app(app)?;
                let assigned_ms = app.groups.get(group);
                let assigned_ms = assigned_ms.ok_or_else(|| OktaError::missing(group, "GroupAssignment"))?;
                Ok(json(&app.group_view(base, group, *assigned_ms)))
            }
            Self::AssignGroup { app, group } => {
                let assigned_ms = directory.assign_group(app, group, now_ms)?;
                Ok(json(&directory.app(app)?.group_view(base, group, assigned_ms)))
            }
            Self::UnassignGroup { app, group } => directory.unassign_group(app, group).map(|()| no_content()),
        }
    }
}

fn list(directory: &Directory, context: &Context<'_>) -> Result<Answer, OktaError> {
    let parameters = &context.parameters;
    let filter = parameters.get("filter").map(parse_filter).transpose()?;
    let beginning = parameters.get("q").unwrap_or_default().to_lowercase();
    let limit = parameters.limit(MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    let test = |app: &&App| {
        app.label.to_lowercase().starts_with(&beginning)
            && filter.as_ref().is_none_or(|filter| filter.match_value(&filtered_view(directory, app)))
    };
    let apps: Vec<&App> = directory.apps.values().collect();
    let page = Order::ById.page(apps, parameters.get("after"), limit, test)?;
    Ok(context.page(&page, |app| app.view(context.visit.base)))
}

fn users(directory: &Directory, context: &Context<'_>, app: &str) -> Result<Answer, OktaError> {
    let (base, parameters) = (context.visit.base, &context.parameters);
    let limit = parameters.limit(MAX_USERS)?.unwrap_or(DEFAULT_USERS);
    let app = directory.app(app)?;
    let page = Order::ById.page(directory.users_of(&app.id)?, parameters.get("after"), limit, |_| true)?;
    Ok(context.page(&page, |(user, assignment)| assignment.view(base, app, user)))
}

fn parse_filter(text: &str) -> Result<Filter, OktaError> {
    let filter =
        Filter::parse(text).map_err(|error| OktaError::invalid_search().because(error.to_string()))?;
    let is_allowed = |(path, operator): &(&[String], Operator)| {
        *operator == Operator::Equal && FILTERED.contains(&path.join(".").as_str())
    };
    if filter.negates() || !filter.comparisons().iter().all(is_allowed) {
        return Err(OktaError::invalid_search());
    }
    Ok(filter)
}

/// An app with whom it is assigned to, as filters see it.
fn filtered_view(directory: &Directory, app: &App) -> Value {
    let users = directory.users_of(&app.id).unwrap_or_default();
    let users: Vec<&str> = users.iter().map(|(user, _)| user.id.as_str()).collect();
    let groups: Vec<&String> = app.groups.keys().collect();
    let mut view = app.view("");
    view["user"] = json!({ "id": users });
    view["group"] = json!({ "id": groups });
    view
}

impl Listed for &App {
    fn id(&self) -> &str {
        &self.id
    }

    fn attributes(&self) -> Value {
        App::view(self, "")
    }
}

impl Listed for (&User, Assignment) {
    fn id(&self) -> &str {
        &self.0.id
    }

    fn attributes(&self) -> Value {
        User::view(self.0, "")
    }
}
