//! A user, and the JSON in which Okta writes one.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::consent::Consent;
use super::factor::Factor;
use super::profile::Profile;
use super::role::Role;
use super::status::Status;
use crate::clock;
use crate::generator::Party;

/// One user. Times are epoch milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(super) id: String,
    pub(super) status: Status,
    /// Where the user is on the way to, while Okta is at work on it.
    pub(super) transition: Option<Transition>,
    pub(super) profile: Profile,
    pub(super) has_password: bool,
    pub(super) recovery_question: Option<String>,
    pub(super) factors: Vec<Factor>,
    /// Administrator roles.
    pub(super) roles: Vec<Role>,
    pub(super) consents: Vec<Consent>,
    /// The id of the user type.
    pub(super) kind: String,
    pub(super) created_ms: i64,
    pub(super) activated_ms: Option<i64>,
    pub(super) status_changed_ms: Option<i64>,
    pub(super) last_updated_ms: i64,
    pub(super) password_changed_ms: Option<i64>,
}

/// A change of status that takes a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transition {
    pub(super) to: Status,
    pub(super) done_ms: i64,
}

impl User {
    /// A new user.
    pub(super) fn new(id: String, status: Status, profile: Profile, created_ms: i64) -> Self {
        Self {
            id,
            status,
            transition: None,
            profile,
            has_password: false,
            recovery_question: None,
            factors: Vec::new(),
            roles: Vec::new(),
            consents: Vec::new(),
            kind: USER_TYPE.to_owned(),
            created_ms,
            activated_ms: None,
            status_changed_ms: None,
            last_updated_ms: created_ms,
            password_changed_ms: None,
        }
    }

    /// Changes the status at that time.
    pub(super) fn enter(&mut self, status: Status, at_ms: i64) {
        if status == self.status {
            return;
        }
        self.status = status;
        self.status_changed_ms = Some(at_ms);
        match status {
            Status::Active | Status::Provisioned => {
                self.activated_ms.get_or_insert(at_ms);
            }
            // What was between the user and other systems is gone for good.
            Status::Deprovisioned => {
                self.has_password = false;
                self.factors.clear();
            }
            _ => {}
        }
    }

    pub(super) fn login(&self) -> &str {
        self.text("login")
    }

    /// The part of the login before `@`.
    pub(super) fn short_login(&self) -> &str {
        self.login().split('@').next().unwrap_or_default()
    }

    /// An attribute that is a text; empty if it is not.
    pub(super) fn text(&self, attribute: &str) -> &str {
        self.profile.get(attribute).and_then(Value::as_str).unwrap_or_default()
    }

    /// As the System Log names the user.
    pub(super) fn party(&self) -> Party {
        let name = format!("{} {}", self.text("firstName"), self.text("lastName"));
        Party::new(&self.id, "User", self.login(), &name)
    }

    /// The weak `ETag`, which does not cover the status.
    pub(super) fn etag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        serde_json::to_string(&self.profile).unwrap_or_default().hash(&mut hasher);
        (self.has_password, &self.recovery_question).hash(&mut hasher);
        format!("W/\"{:016x}\"", hasher.finish())
    }

    /// As Okta writes it. `base` is what links begin with.
    pub(super) fn view(&self, base: &str) -> Value {
        let time = |ms: Option<i64>| ms.map(clock::date_time);
        let mut credentials = json!({ "provider": { "type": "OKTA", "name": "OKTA" } });
        if self.has_password {
            credentials["password"] = json!({});
        }
        if let Some(question) = &self.recovery_question {
            credentials["recovery_question"] = json!({ "question": question });
        }
        let mut view = json!({
            "id": self.id,
            "status": self.status,
            "created": clock::date_time(self.created_ms),
            "activated": time(self.activated_ms),
            "statusChanged": time(self.status_changed_ms),
            "lastLogin": null,
            "lastUpdated": clock::date_time(self.last_updated_ms),
            "passwordChanged": time(self.password_changed_ms),
            "type": { "id": self.kind },
            "profile": self.profile,
            "credentials": credentials,
            "_links": { "self": { "href": format!("{base}/api/v1/users/{}", self.id) } },
        });
        if let Some(transition) = self.transition {
            view["transitioningToStatus"] = json!(transition.to);
        }
        view
    }
}

/// The id of the default user type.
const USER_TYPE: &str = "otyfnjfba4ye7pgjB0g4";
