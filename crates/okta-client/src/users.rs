//! Users: look-ups and changes (Okta, "Users", "User Lifecycle", "User Credentials").
//!
//! A user is kept as Okta wrote it; only the members that decisions need are read.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::{Change, Target, request::Confirmation};

/// The largest page of users that Okta gives.
const PAGE_SIZE: usize = 200;

/// A user.
#[derive(Debug, Clone)]
pub struct User {
    /// The object as Okta wrote it.
    pub raw: Value,
    /// Okta's id.
    pub id: String,
    /// `ACTIVE`, `SUSPENDED` and so on; Okta may add others.
    pub status: String,
    /// The status to which Okta is changing the user, if it is.
    pub transitioning_to: Option<String>,
}

impl User {
    /// Reads a user; None if `value` is not one.
    pub fn read(raw: Value) -> Option<Self> {
        let text = |name: &str| raw.get(name).and_then(Value::as_str).map(str::to_owned);
        let (id, status) = (text("id")?, text("status")?);
        let transitioning_to = text("transitioningToStatus").filter(|status| !status.is_empty());
        Some(Self { id, status, transitioning_to, raw })
    }

    /// An attribute of the profile; `null` if it is not set.
    pub fn attribute(&self, name: &str) -> &Value {
        self.raw.get("profile").and_then(|profile| profile.get(name)).unwrap_or(&Value::Null)
    }

    /// The login.
    pub fn login(&self) -> Option<&str> {
        self.attribute("login").as_str()
    }

    /// A time such as `created`, `statusChanged`, `passwordChanged`.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        self.raw.get(name)?.as_str()?.parse().ok()
    }
}

/// By id, login, or the part of a login before `@` if it is one user's only. Okta cannot find logins with `/` in this way.
pub fn get(name: &str) -> Target {
    Target::of(&["users", name])
}

/// The users with this login, in any case: a filter would distinguish upper and lower case. Okta's lists lag by some seconds.
pub fn with_login(login: &str) -> Target {
    list().with("search", &format!("profile.login eq {}", Value::from(login)))
}

/// The users with this e-mail, in any case; several users can have the same.
pub fn with_email(email: &str) -> Target {
    list().with("search", &format!("profile.email eq {}", Value::from(email)))
}

/// The users whose login begins with this text.
pub fn with_login_beginning(beginning: &str) -> Target {
    list().with("search", &format!("profile.login sw {}", Value::from(beginning)))
}

/// A search: an expression over any attribute.
pub fn search(expression: &str) -> Target {
    list().with("search", expression)
}

/// A filter: an expression over a few attributes.
pub fn filter(expression: &str) -> Target {
    list().with("filter", expression)
}

/// The users whose name or e-mail begins with this text; Okta gives one page only.
pub fn query(words: &str, limit: usize) -> Target {
    Target::of(&["users"]).with("q", words).with("limit", &limit.min(PAGE_SIZE))
}

/// Any one user: shows whether the credential may read users.
pub fn any() -> Target {
    Target::of(&["users"]).with("limit", &1)
}

fn list() -> Target {
    Target::of(&["users"]).with("limit", &PAGE_SIZE)
}

/// A user's groups.
pub fn groups(id: &str) -> Target {
    Target::of(&["users", id, "groups"])
}

/// The apps that a user sees.
pub fn app_links(id: &str) -> Target {
    Target::of(&["users", id, "appLinks"])
}

/// A new user.
#[derive(Debug, Clone, Default)]
pub struct NewUser<'a> {
    /// Attributes as Okta names them.
    pub profile: Map<String, Value>,
    /// The password.
    pub password: Option<&'a SecretString>,
    /// The question to recover the account, and its answer.
    pub recovery_question: Option<(&'a str, &'a SecretString)>,
    /// Ids of groups, at most 20.
    pub groups: Vec<String>,
    /// Whether the user is activated at once.
    pub activate: bool,
    /// Whether the password must be changed at the first sign-in.
    pub change_password: bool,
    /// The id of the user type; the default type without one.
    pub kind: Option<&'a str>,
}

/// Creates a user.
pub fn create(user: NewUser<'_>) -> Change {
    let mut target = Target::of(&["users"]).with("activate", &user.activate);
    if user.change_password {
        target = target.with("nextLogin", "changePassword");
    }
    let mut credentials = Map::new();
    if let Some(password) = user.password {
        credentials.insert("password".to_owned(), json!({ "value": password.expose_secret() }));
    }
    if let Some((question, answer)) = user.recovery_question {
        let question = json!({ "question": question, "answer": answer.expose_secret() });
        credentials.insert("recovery_question".to_owned(), question);
    }
    let mut body = json!({ "profile": user.profile });
    if !credentials.is_empty() {
        body["credentials"] = Value::Object(credentials);
    }
    if let Some(kind) = user.kind {
        body["type"] = json!({ "id": kind });
    }
    if !user.groups.is_empty() {
        body["groupIds"] = user.groups.into();
    }
    let login = user.profile.get("login").and_then(Value::as_str).map(str::to_owned);
    Change::post(target, Confirmation::New("/profile/login", login)).body(body)
}

/// Sets these attributes and leaves the others.
pub fn update(id: &str, profile: &Map<String, Value>) -> Change {
    Change::post(Target::of(&["users", id]), Confirmation::Object(id.to_owned()))
        .body(json!({ "profile": profile }))
}

/// Sets the password.
pub fn set_password(id: &str, password: &SecretString) -> Change {
    let credentials = json!({ "password": { "value": password.expose_secret() } });
    Change::post(Target::of(&["users", id]), Confirmation::Object(id.to_owned()))
        .body(json!({ "credentials": credentials }))
}

/// Activates; without the e-mail the answer has the link.
pub fn activate(id: &str, send_email: bool) -> Change {
    lifecycle(id, "activate", Some(send_email), Confirmation::Body)
}

/// Starts the activation again; without the e-mail the answer has the link.
pub fn reactivate(id: &str, send_email: bool) -> Change {
    lifecycle(id, "reactivate", Some(send_email), told_unless(send_email, "activationUrl"))
}

/// Suspends.
pub fn suspend(id: &str) -> Change {
    lifecycle(id, "suspend", None, Confirmation::Status)
}

/// Ends a suspension.
pub fn unsuspend(id: &str) -> Change {
    lifecycle(id, "unsuspend", None, Confirmation::Status)
}

/// Unlocks.
pub fn unlock(id: &str) -> Change {
    lifecycle(id, "unlock", None, Confirmation::Status)
}

/// Deprovisions; the e-mail is for the administrator.
pub fn deactivate(id: &str, send_email: bool) -> Change {
    lifecycle(id, "deactivate", Some(send_email), Confirmation::Status)
}

/// Deletes a deprovisioned user. Any other user is only deprovisioned, and a second call deletes it.
pub fn delete(id: &str, send_email: bool) -> Change {
    Change::delete(Target::of(&["users", id]).with("sendEmail", &send_email))
}

/// Lets the password expire.
pub fn expire_password(id: &str) -> Change {
    lifecycle(id, "expire_password", None, Confirmation::Body)
}

/// Lets the password expire and makes a temporary one, which is in the answer.
pub fn expire_password_with_temporary(id: &str, revoke_sessions: bool) -> Change {
    let path = ["users", id, "lifecycle", "expire_password_with_temp_password"];
    Change::post(
        Target::of(&path).with("revokeSessions", &revoke_sessions),
        Confirmation::Member("tempPassword"),
    )
}

/// Takes the password away; without the e-mail the answer has the link.
pub fn reset_password(id: &str, send_email: bool, revoke_sessions: bool) -> Change {
    let target = Target::of(&["users", id, "lifecycle", "reset_password"]).with("sendEmail", &send_email);
    let confirmation = told_unless(send_email, "resetPasswordUrl");
    Change::post(target.with("revokeSessions", &revoke_sessions), confirmation)
}

/// Starts the recovery of the password; without the e-mail the answer has the link.
pub fn forgot_password(id: &str, send_email: bool) -> Change {
    let target = Target::of(&["users", id, "credentials", "forgot_password"]);
    Change::post(target.with("sendEmail", &send_email), told_unless(send_email, "resetPasswordUrl"))
}

/// Ends all sessions at Okta.
pub fn clear_sessions(id: &str, oauth_tokens: bool, forget_devices: bool) -> Change {
    let target = Target::of(&["users", id, "sessions"]).with("oauthTokens", &oauth_tokens);
    Change::delete(target.with("forgetDevices", &forget_devices))
}

/// The link is in the e-mail, or in the answer.
fn told_unless(send_email: bool, member: &'static str) -> Confirmation {
    if send_email { Confirmation::Body } else { Confirmation::Member(member) }
}

fn lifecycle(id: &str, operation: &str, send_email: Option<bool>, confirmation: Confirmation) -> Change {
    let target = Target::of(&["users", id, "lifecycle", operation]);
    let target = match send_email {
        Some(send_email) => target.with("sendEmail", &send_email),
        None => target,
    };
    Change::post(target, confirmation)
}
