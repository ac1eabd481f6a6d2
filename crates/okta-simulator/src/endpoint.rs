//! Which endpoint a method and a path mean, and what opens it: a scope and a rate-limit bucket.

use std::borrow::Cow;

use axum::http::Method;

use super::directory::{AppCall, ConsentKind, GroupCall, Operation, RoleCall, UserCall, ZoneCall};
use super::hooks::HookCall;
use super::okta_error::OktaError;

/// Where the System Log is.
pub(super) const LOGS_PATH: &str = "/api/v1/logs";
const API: &str = "/api/v1/";

/// One endpoint with what its path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Logs,
    Users(UserCall),
    Groups(GroupCall),
    Apps(AppCall),
    Roles(RoleCall),
    Zones(ZoneCall),
    Hooks(HookCall),
}

/// What is counted together against one limit, in Okta's own division.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bucket {
    /// `/api/v1/logs`
    Logs,
    /// `/api/v1/users`, and all that is below a user.
    Users,
    /// `GET /api/v1/users/{id}`
    User,
    /// `POST`, `PUT` and `DELETE /api/v1/users/{id}`
    UserWrites,
    /// `/api/v1/groups`, and who is in a group.
    Groups,
    /// `/api/v1/groups/{id}`
    Group,
    /// All the rest.
    Other,
}

impl Endpoint {
    /// The endpoint, or the error for a path or a method that there is not.
    pub(super) fn find(method: &Method, path: &str) -> Result<Self, OktaError> {
        let segments: Vec<String> =
            path.strip_prefix(API).unwrap_or_default().split('/').map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let Some(methods) = methods(&segments) else { return Err(OktaError::not_found(path)) };
        let found = methods.into_iter().find(|(name, _)| method.as_str() == *name);
        found.map(|(_, endpoint)| endpoint).ok_or_else(OktaError::method_not_allowed)
    }

    /// The scope that a service app needs.
    pub(super) fn scope(&self, method: &Method) -> &'static str {
        let reads = method == Method::GET;
        match self {
            Self::Logs => "okta.logs.read",
            Self::Roles(_) | Self::Users(UserCall::Roles { .. }) => "okta.roles.read",
            Self::Users(UserCall::AssignRole { .. } | UserCall::UnassignRole { .. }) => "okta.roles.manage",
            Self::Users(_) if reads => "okta.users.read",
            Self::Users(_) => "okta.users.manage",
            Self::Groups(_) if reads => "okta.groups.read",
            Self::Groups(_) => "okta.groups.manage",
            Self::Apps(_) if reads => "okta.apps.read",
            Self::Apps(_) => "okta.apps.manage",
            Self::Zones(_) if reads => "okta.networkZones.read",
            Self::Zones(_) => "okta.networkZones.manage",
            Self::Hooks(_) if reads => "okta.eventHooks.read",
            Self::Hooks(_) => "okta.eventHooks.manage",
        }
    }

    pub(super) fn bucket(&self) -> Bucket {
        match self {
            Self::Logs => Bucket::Logs,
            Self::Users(UserCall::Get { .. }) => Bucket::User,
            Self::Users(UserCall::Update { .. } | UserCall::Replace { .. } | UserCall::Delete { .. }) => {
                Bucket::UserWrites
            }
            Self::Users(_) => Bucket::Users,
            Self::Groups(GroupCall::Get { .. } | GroupCall::Replace { .. } | GroupCall::Delete { .. }) => {
                Bucket::Group
            }
            Self::Groups(_) => Bucket::Groups,
            Self::Apps(_) | Self::Roles(_) | Self::Zones(_) | Self::Hooks(_) => Bucket::Other,
        }
    }
}

/// A path with `{id}` for who or what it is about, so that requests can be counted.
pub(super) fn pattern(path: &str) -> String {
    const COLLECTIONS: [&str; 9] =
        ["users", "groups", "apps", "factors", "zones", "roles", "clients", "resource-sets", "eventHooks"];
    let mut before = "";
    let segments = path.split('/').map(|segment| {
        let is_id = COLLECTIONS.contains(&before) && path.starts_with(API);
        before = segment;
        if is_id { "{id}" } else { segment }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// What each method means at a path; `None` if there is no such path.
fn methods(segments: &[&str]) -> Option<Vec<(&'static str, Endpoint)>> {
    let users = |name, call| (name, Endpoint::Users(call));
    let groups = |name, call| (name, Endpoint::Groups(call));
    let apps = |name, call| (name, Endpoint::Apps(call));
    let zones = |name, call| (name, Endpoint::Zones(call));
    let hooks = |name, call| (name, Endpoint::Hooks(call));
    let methods = match *segments {
        ["logs"] => vec![("GET", Endpoint::Logs)],
        ["users"] => vec![users("GET", UserCall::List), users("POST", UserCall::Create)],
        ["users", user] if !user.is_empty() => vec![
            users("GET", UserCall::Get { user: user.to_owned() }),
            users("POST", UserCall::Update { user: user.to_owned() }),
            users("PUT", UserCall::Replace { user: user.to_owned() }),
            users("DELETE", UserCall::Delete { user: user.to_owned() }),
        ],
        ["users", user, "lifecycle", name] => {
            vec![users("POST", operate(user, Operation::in_path(name)?))]
        }
        ["users", user, "credentials", "forgot_password"] => {
            vec![users("POST", operate(user, Operation::ForgotPassword))]
        }
        ["users", user, "sessions"] => {
            vec![users("DELETE", UserCall::ClearSessions { user: user.to_owned() })]
        }
        ["users", user, "groups"] => vec![users("GET", UserCall::Groups { user: user.to_owned() })],
        ["users", user, "appLinks"] => vec![users("GET", UserCall::AppLinks { user: user.to_owned() })],
        ["users", user, "factors"] => vec![users("GET", UserCall::Factors { user: user.to_owned() })],
        ["users", user, "factors", factor] => {
            vec![users("DELETE", UserCall::DeleteFactor { user: user.to_owned(), factor: factor.to_owned() })]
        }
        ["users", user, "roles"] => vec![
            users("GET", UserCall::Roles { user: user.to_owned() }),
            users("POST", UserCall::AssignRole { user: user.to_owned() }),
        ],
        ["users", user, "roles", role] => {
            vec![users("DELETE", UserCall::UnassignRole { user: user.to_owned(), role: role.to_owned() })]
        }
        ["users", user, "clients", client, what] => consents(user, consent_kind(what)?, Some(client)),
        ["users", user, "grants"] => consents(user, ConsentKind::Grant, None),
        ["groups"] => vec![groups("GET", GroupCall::List), groups("POST", GroupCall::Create)],
        ["groups", group] if !group.is_empty() => vec![
            groups("GET", GroupCall::Get { group: group.to_owned() }),
            groups("PUT", GroupCall::Replace { group: group.to_owned() }),
            groups("DELETE", GroupCall::Delete { group: group.to_owned() }),
        ],
        ["groups", group, "users"] => vec![groups("GET", GroupCall::Members { group: group.to_owned() })],
        ["groups", group, "users", user] => {
            let (group, user) = (group.to_owned(), user.to_owned());
            vec![
                groups("PUT", GroupCall::AddMember { group: group.clone(), user: user.clone() }),
                groups("DELETE", GroupCall::RemoveMember { group, user }),
            ]
        }
        ["apps"] => vec![apps("GET", AppCall::List)],
        ["apps", app] if !app.is_empty() => vec![apps("GET", AppCall::Get { app: app.to_owned() })],
        ["apps", app, "users"] => vec![
            apps("GET", AppCall::Users { app: app.to_owned() }),
            apps("POST", AppCall::AssignUser { app: app.to_owned(), user: None }),
        ],
        ["apps", app, "users", user] => {
            let (app, user) = (app.to_owned(), user.to_owned());
            let assign = AppCall::AssignUser { app: app.clone(), user: Some(user.clone()) };
            vec![
                apps("GET", AppCall::GetUser { app: app.clone(), user: user.clone() }),
                apps("POST", assign.clone()),
                apps("PUT", assign),
                apps("DELETE", AppCall::UnassignUser { app, user }),
            ]
        }
        ["apps", app, "groups", group] => {
            let (app, group) = (app.to_owned(), group.to_owned());
            vec![
                apps("GET", AppCall::GetGroup { app: app.clone(), group: group.clone() }),
                apps("PUT", AppCall::AssignGroup { app: app.clone(), group: group.clone() }),
                apps("DELETE", AppCall::UnassignGroup { app, group }),
            ]
        }
        ["iam", "roles", role] => {
            vec![("GET", Endpoint::Roles(RoleCall::Custom { role: role.to_owned() }))]
        }
        ["iam", "resource-sets", set] => {
            vec![("GET", Endpoint::Roles(RoleCall::ResourceSet { set: set.to_owned() }))]
        }
        ["zones"] => vec![zones("GET", ZoneCall::List), zones("POST", ZoneCall::Create)],
        ["zones", zone] if !zone.is_empty() => vec![
            zones("GET", ZoneCall::Get { zone: zone.to_owned() }),
            zones("PUT", ZoneCall::Replace { zone: zone.to_owned() }),
            zones("DELETE", ZoneCall::Delete { zone: zone.to_owned() }),
        ],
        ["eventHooks"] => vec![hooks("GET", HookCall::List), hooks("POST", HookCall::Create)],
        ["eventHooks", hook] if !hook.is_empty() => vec![
            hooks("GET", HookCall::Get { hook: hook.to_owned() }),
            hooks("PUT", HookCall::Replace { hook: hook.to_owned() }),
            hooks("DELETE", HookCall::Delete { hook: hook.to_owned() }),
        ],
        ["eventHooks", hook, "lifecycle", operation] => {
            let hook = hook.to_owned();
            match operation {
                "verify" => vec![hooks("POST", HookCall::Verify { hook })],
                "activate" => vec![hooks("POST", HookCall::Activate { hook })],
                "deactivate" => vec![hooks("POST", HookCall::Deactivate { hook })],
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(methods)
}

fn consent_kind(segment: &str) -> Option<ConsentKind> {
    match segment {
        "tokens" => Some(ConsentKind::Token),
        "grants" => Some(ConsentKind::Grant),
        _ => None,
    }
}

fn consents(user: &str, kind: ConsentKind, client: Option<&str>) -> Vec<(&'static str, Endpoint)> {
    let (user, client) = (user.to_owned(), client.map(str::to_owned));
    let list = UserCall::Consents { user: user.clone(), kind, client: client.clone() };
    vec![("GET", Endpoint::Users(list)), ("DELETE", Endpoint::Users(UserCall::Revoke { user, kind, client }))]
}

fn operate(user: &str, operation: Operation) -> UserCall {
    UserCall::Operate { user: user.to_owned(), operation }
}

/// A segment without percent-encoding. What a form spells in another way is kept from being taken for one.
fn decoded(segment: &str) -> String {
    let form = format!("s={}", segment.replace('+', "%2B").replace('&', "%26"));
    let value = url::form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value);
    value.map(Cow::into_owned).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_by_the_segment() {
        let user = "a+b&c=d/e@acme.example".to_owned();
        let found = Endpoint::find(&Method::GET, "/api/v1/users/a+b&c=d%2Fe%40acme.example");
        assert_eq!(found, Ok(Endpoint::Users(UserCall::Get { user })));
    }

    #[test]
    fn a_wrong_method_is_not_a_wrong_path() {
        for (method, path, status) in [
            (Method::PATCH, "/api/v1/users/00u1", 405),
            (Method::POST, LOGS_PATH, 405),
            (Method::GET, "/api/v1/users/00u1/lifecycle/activate", 405),
            (Method::POST, "/api/v1/users/00u1/lifecycle/promote", 404),
            (Method::GET, "/api/v1/users/", 404),
            (Method::GET, "/api/v2/users", 404),
            (Method::GET, "/", 404),
        ] {
            assert_eq!(Endpoint::find(&method, path).unwrap_err().status.as_u16(), status, "{method} {path}");
        }
    }

    #[test]
    fn buckets_are_oktas() {
        for (method, path, bucket, scope) in [
            (Method::GET, LOGS_PATH, Bucket::Logs, "okta.logs.read"),
            (Method::POST, "/api/v1/users", Bucket::Users, "okta.users.manage"),
            (Method::GET, "/api/v1/users/00u1", Bucket::User, "okta.users.read"),
            (Method::DELETE, "/api/v1/users/00u1", Bucket::UserWrites, "okta.users.manage"),
            (Method::POST, "/api/v1/users/00u1/lifecycle/suspend", Bucket::Users, "okta.users.manage"),
            (Method::GET, "/api/v1/users/00u1/groups", Bucket::Users, "okta.users.read"),
            (Method::PUT, "/api/v1/groups/00g1/users/00u1", Bucket::Groups, "okta.groups.manage"),
            (Method::GET, "/api/v1/groups/00g1", Bucket::Group, "okta.groups.read"),
            (Method::GET, "/api/v1/apps", Bucket::Other, "okta.apps.read"),
            (Method::PUT, "/api/v1/zones/nzo1", Bucket::Other, "okta.networkZones.manage"),
            (
                Method::POST,
                "/api/v1/eventHooks/who1/lifecycle/verify",
                Bucket::Other,
                "okta.eventHooks.manage",
            ),
        ] {
            let endpoint = Endpoint::find(&method, path).unwrap();
            assert_eq!((endpoint.bucket(), endpoint.scope(&method)), (bucket, scope), "{method} {path}");
        }
    }

    #[test]
    fn a_pattern_names_nobody() {
        assert_eq!(pattern("/api/v1/users/00u1/factors/opf2"), "/api/v1/users/{id}/factors/{id}");
        assert_eq!(pattern("/api/v1/groups/00g1/users/00u1"), "/api/v1/groups/{id}/users/{id}");
        assert_eq!(pattern("/-/users/1"), "/-/users/1");
    }
}
