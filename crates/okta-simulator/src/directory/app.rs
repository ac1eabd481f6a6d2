//! An app, how users and groups have it, and the JSON in which Okta writes that.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::user::User;
use crate::clock;
use crate::generator::Party;

/// One app.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) created_ms: i64,
    /// Users with a direct assignment, by id.
    pub(super) users: BTreeMap<String, Assignment>,
    /// Groups to which it is assigned, by id, with the time of the assignment.
    pub(super) groups: BTreeMap<String, i64>,
}

/// How a user has an app.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) created_ms: i64,
    pub(super) last_updated_ms: i64,
    /// In the app; the user's login if nothing else is said.
    pub(super) user_name: String,
    pub(super) profile: Map<String, Value>,
    pub(super) scope: Scope,
}

/// Where an assignment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    User,
    Group,
}

impl App {
    pub(super) fn new(id: String, label: String, created_ms: i64) -> Self {
        Self { id, label, created_ms, users: BTreeMap::new(), groups: BTreeMap::new() }
    }

    /// As the System Log names it.
    pub(super) fn party(&self) -> Party {
        Party::new(&self.id, "AppInstance", &self.label, &self.label)
    }

    /// The label as a name: `salesforce_com`.
    fn name(&self) -> String {
        let letters =
            self.label.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' });
        letters.collect::<String>().to_lowercase()
    }

    /// As Okta writes it. `base` is what links begin with.
    pub(super) fn view(&self, base: &str) -> Value {
        let own = format!("{base}/api/v1/apps/{}", self.id);
        let time = clock::date_time(self.created_ms);
        json!({
            "id": self.id,
            "name": self.name(),
            "label": self.label,
            "status": "ACTIVE",
            "created": time,
            "lastUpdated": time,
            "activated": time,
            "features": [],
            "signOnMode": "SAML_2_0",
            "accessibility": { "selfService": false, "errorRedirectUrl": null, "loginRedirectUrl": null },
            "visibility": { "autoSubmitToolbar": false, "hide": { "iOS": false, "web": false } },
            "credentials": { "userNameTemplate": { "template": "${source.login}", "type": "BUILT_IN" } },
            "_links": { "self": { "href": own }, "users": { "href": format!("{own}/users") },
                "groups": { "href": format!("{own}/groups") } },
        })
    }

    /// As Okta writes it on a user's dashboard.
    pub(super) fn link_view(&self, base: &str, user: &str) -> Value {
        let name = self.name();
        json!({
            "id": format!("00u{}", own_part(&self.id)),
            "label": self.label,
            "linkUrl": format!("{base}/home/{name}/{}/{user}", self.id),
            "logoUrl": format!("{base}/logo/{name}.png"),
            "appName": name,
            "appInstanceId": self.id,
            "appAssignmentId": app_user_id(user),
            "credentialsSetup": false,
            "hidden": false,
            "sortOrder": 0,
        })
    }

    /// How a group has it, as Okta writes it.
    pub(super) fn group_view(&self, base: &str, group: &str, assigned_ms: i64) -> Value {
        json!({
            "id": group,
            "priority": 0,
            "lastUpdated": clock::date_time(assigned_ms),
            "profile": {},
            "_links": {
                "app": { "href": format!("{base}/api/v1/apps/{}", self.id) },
                "group": { "href": format!("{base}/api/v1/groups/{group}") },
                "self": { "href": format!("{base}/api/v1/apps/{}/groups/{group}", self.id) },
            },
        })
    }
}

impl Assignment {
    pub(super) fn new(user: &User, scope: Scope, at_ms: i64) -> Self {
        let user_name = user.login().to_owned();
        Self { created_ms: at_ms, last_updated_ms: at_ms, user_name, profile: Map::new(), scope }
    }

    /// Takes over what a request says of it.
    pub(super) fn update(&mut self, body: &Value, at_ms: i64) {
        if let Some(name) = body["credentials"]["userName"].as_str() {
            name.clone_into(&mut self.user_name);
        }
        if let Some(profile) = body["profile"].as_object() {
            self.profile.extend(profile.clone());
        }
        self.last_updated_ms = at_ms;
    }

    /// As Okta writes it.
    pub(super) fn view(&self, base: &str, app: &App, user: &User) -> Value {
        let scope = match self.scope {
            Scope::User => "USER",
            Scope::Group => "GROUP",
        };
        json!({
            "id": user.id,
            "externalId": null,
            "created": clock::date_time(self.created_ms),
            "lastUpdated": clock::date_time(self.last_updated_ms),
            "scope": scope,
            "status": "ACTIVE",
            "statusChanged": clock::date_time(self.created_ms),
            "syncState": "DISABLED",
            "credentials": { "userName": self.user_name },
            "profile": self.profile,
            "_links": {
                "app": { "href": format!("{base}/api/v1/apps/{}", app.id) },
                "user": { "href": format!("{base}/api/v1/users/{}", user.id) },
            },
        })
    }
}

/// The id of a user inside apps.
pub(super) fn app_user_id(user: &str) -> String {
    format!("0ua{}", own_part(user))
}

/// An id without the characters that tell its kind.
fn own_part(id: &str) -> &str {
    id.get(3..).unwrap_or_default()
}
