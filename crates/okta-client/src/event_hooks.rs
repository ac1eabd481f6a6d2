//! Event hooks (Okta, "Event Hooks"): requests that Okta sends to an address when something happens. Okta never shows their
//! secrets again.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{Change, Target, request::Confirmation};

/// Active event hooks of an org, at most.
pub const ACTIVE_MAX: usize = 25;
/// Event types of one hook, at most.
pub const EVENT_TYPES_MAX: usize = 300;

/// A hook as Okta shows it. Members that we do not need are left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventHook {
    /// Its id.
    pub id: String,
    /// Its name, which need not be unique.
    pub name: String,
    /// What administrators read of it.
    pub description: Option<String>,
    status: String,
    verification_status: Option<String>,
    events: Events,
    channel: Channel,
}

#[derive(Debug, Clone, Deserialize)]
struct Events {
    #[serde(default)]
    items: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Channel {
    config: ChannelConfig,
}

#[derive(Debug, Clone, Deserialize)]
struct ChannelConfig {
    uri: String,
}

impl EventHook {
    /// Whether Okta sends it, once it is verified.
    pub fn is_active(&self) -> bool {
        self.status == "ACTIVE"
    }

    /// Whether whoever is at its address has shown to be its owner.
    pub fn is_verified(&self) -> bool {
        self.verification_status.as_deref() == Some("VERIFIED")
    }

    /// The event types of which it tells.
    pub fn event_types(&self) -> &[String] {
        &self.events.items
    }

    /// Where it is sent.
    pub fn uri(&self) -> &str {
        &self.channel.config.uri
    }
}

/// What a hook is to be.
#[derive(Debug, Clone)]
pub struct EventHookSettings<'a> {
    /// Its name.
    pub name: &'a str,
    /// For administrators.
    pub description: &'a str,
    /// The event types of which it tells: only some can be chosen.
    pub event_types: &'a [String],
    /// Where it is sent: https.
    pub uri: &'a Url,
    /// The header that has the secret.
    pub header: &'a str,
    /// The secret.
    pub secret: &'a SecretString,
}

impl EventHookSettings<'_> {
    fn body(&self) -> serde_json::Value {
        json!({
            "name": self.name,
            "description": self.description,
            "events": { "type": "EVENT_TYPE", "items": self.event_types },
            "channel": {
                "type": "HTTP",
                "version": "1.0.0",
                "config": {
                    "uri": self.uri.as_str(),
                    "authScheme": { "type": "HEADER", "key": self.header, "value": self.secret.expose_secret() },
                },
            },
        })
    }
}

/// All hooks of the org, in one page.
pub fn all() -> Target {
    Target::of(&["eventHooks"])
}

/// Creates a hook, which is active and not verified.
pub fn create(settings: &EventHookSettings<'_>) -> Change {
    Change::post(all(), Confirmation::New("/name", Some(settings.name.to_owned()))).body(settings.body())
}

/// Replaces a hook. With another address or secret it has to be verified again.
pub fn replace(id: &str, settings: &EventHookSettings<'_>) -> Change {
    Change::put(Target::of(&["eventHooks", id]), Confirmation::Object(id.to_owned())).body(settings.body())
}

/// Lets Okta ask the address of a hook for a proof that it is its owner's.
pub fn verify(id: &str) -> Change {
    lifecycle(id, "verify")
}

/// Lets Okta send a hook again.
pub fn activate(id: &str) -> Change {
    lifecycle(id, "activate")
}

/// Lets Okta send a hook no more.
pub fn deactivate(id: &str) -> Change {
    lifecycle(id, "deactivate")
}

/// Deletes a hook that is not active.
pub fn delete(id: &str) -> Change {
    Change::delete(Target::of(&["eventHooks", id]))
}

fn lifecycle(id: &str, operation: &str) -> Change {
    let target = Target::of(&["eventHooks", id, "lifecycle", operation]);
    Change::post(target, Confirmation::Object(id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_shown_without_the_secret() {
        let settings = EventHookSettings {
            name: "oktabus acme",
            description: "wakes oktabus",
            event_types: &["user.session.start".to_owned()],
            uri: &Url::parse("https://bell.acme.com/acme").unwrap(),
            header: "Authorization",
            secret: &SecretString::from("correct-horse-battery"),
        };
        let org = Url::parse("https://acme.okta.com/").unwrap();
        let shown = create(&settings).shown(&org);
        assert_eq!(shown["path"], "/api/v1/eventHooks");
        assert_eq!(shown["body"]["channel"]["config"]["authScheme"]["key"], "Authorization");
        assert!(!shown.to_string().contains("correct-horse"), "{shown}");
        assert_eq!(verify("who1").shown(&org)["path"], "/api/v1/eventHooks/who1/lifecycle/verify");
    }

    #[test]
    fn a_hook_is_read_as_okta_writes_it() {
        let hook: EventHook = serde_json::from_str(
            r#"{"id":"who8","status":"ACTIVE","verificationStatus":"UNVERIFIED","name":"n","description":null,
                "events":{"type":"EVENT_TYPE","items":["user.lifecycle.activate"],"filter":null},
                "channel":{"type":"HTTP","version":"1.0.0","config":{"uri":"https://a/b","headers":[],"method":"POST",
                "authScheme":{"type":"HEADER","key":"authorization"}}},"_links":{}}"#,
        )
        .unwrap();
        assert!(hook.is_active() && !hook.is_verified() && hook.description.is_none());
        assert_eq!(
            (hook.event_types(), hook.uri()),
            (&["user.lifecycle.activate".to_owned()][..], "https://a/b")
        );
    }
}
