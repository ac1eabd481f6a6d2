//! One event hook: what a request may say of it, and the JSON in which Okta writes one.

use serde::Deserialize;
use serde_json::{Value, json};
use url::{Host, Url};

use crate::clock;
use crate::generator;
use crate::okta_error::OktaError;

/// Event types of one hook, at most.
const TYPES_MAX: usize = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    Inactive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verification {
    Unverified,
    Verified,
}

/// One hook.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) verification: Verification,
    pub(super) channel: Channel,
    name: String,
    description: Option<String>,
    types: Vec<String>,
    created_by: String,
    created_ms: i64,
    pub(super) last_updated_ms: i64,
}

/// Where a hook is sent, and with which headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) uri: Url,
    /// The header with the secret.
    pub(super) auth: Option<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    name: Option<String>,
    description: Option<String>,
    events: Option<SaidEvents>,
    channel: Option<SaidChannel>,
}

#[derive(Deserialize)]
struct SaidEvents {
    r#type: String,
    items: Vec<String>,
}

#[derive(Deserialize)]
struct SaidChannel {
    r#type: String,
    version: String,
    config: SaidConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidConfig {
    uri: String,
    #[serde(default)]
    headers: Vec<SaidHeader>,
    auth_scheme: Option<SaidAuth>,
}

#[derive(Deserialize)]
struct SaidHeader {
    key: String,
    value: String,
}

#[derive(Deserialize)]
struct SaidAuth {
    r#type: String,
    key: String,
    value: Option<String>,
}

/// What a request says of a hook, understood.
struct Content {
    name: String,
    description: Option<String>,
    types: Vec<String>,
    channel: Channel,
}

impl Hook {
    /// A new hook, active and not verified.
    pub(super) fn new(id: String, body: &Value, by: &str, now_ms: i64) -> Result<Self, OktaError> {
        let Content { name, description, types, channel } = content(body, None)?;
        Ok(Self {
            id,
            status: Status::Active,
            verification: Verification::Unverified,
            channel,
            name,
            description,
            types,
            created_by: by.to_owned(),
            created_ms: now_ms,
            last_updated_ms: now_ms,
        })
    }

    /// Takes over what a request says. Another channel has to be verified anew.
    pub(super) fn replace(&mut self, body: &Value) -> Result<(), OktaError> {
        let Content { name, description, types, channel } = content(body, Some(&self.channel))?;
        if channel != self.channel {
            self.verification = Verification::Unverified;
        }
        (self.name, self.description, self.types, self.channel) = (name, description, types, channel);
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn wants(&self, event_type: &str) -> bool {
        self.types.iter().any(|wanted| wanted == event_type)
    }

    /// As Okta writes it: without the secret. `base` is what links begin with.
    pub(super) fn view(&self, base: &str) -> Value {
        let own = format!("{base}/api/v1/eventHooks/{}", self.id);
        let (status, other) = match self.status {
            Status::Active => ("ACTIVE", "deactivate"),
            Status::Inactive => ("INACTIVE", "activate"),
        };
        let verification = match self.verification {
            Verification::Verified => "VERIFIED",
            Verification::Unverified => "UNVERIFIED",
        };
        let posted =
            |name: &str| json!({ "href": format!("{own}/lifecycle/{name}"), "hints": { "allow": ["POST"] } });
        let headers: Vec<_> =
            self.channel.headers.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let auth = self.channel.auth.as_ref().map(|(key, _)| json!({ "type": "HEADER", "key": key }));
        let config = json!({
            "uri": self.channel.uri.as_str(), "headers": headers, "method": "POST", "authScheme": auth,
        });
        json!({
            "id": self.id,
            "status": status,
            "verificationStatus": verification,
            "name": self.name,
            "description": self.description,
            "created": clock::date_time(self.created_ms),
            "createdBy": self.created_by,
            "lastUpdated": clock::date_time(self.last_updated_ms),
            "events": { "type": "EVENT_TYPE", "items": self.types, "filter": null },
            "channel": { "type": "HTTP", "version": "1.0.0", "config": config },
            "_links": { "self": { "href": own }, "verify": posted("verify"), other: posted(other) },
        })
    }
}

fn content(body: &Value, before: Option<&Channel>) -> Result<Content, OktaError> {
    let invalid = |name: &str, cause: &str| OktaError::validation(name, format!("{name}: {cause}"));
    let blank = |name: &str| invalid(name, "The field cannot be left blank");
    let said: Said = serde_json::from_value(body.clone()).map_err(|_| OktaError::unreadable_body())?;
    let name = said.name.filter(|name| !name.trim().is_empty()).ok_or_else(|| blank("name"))?;
    let events = said.events.ok_or_else(|| blank("events"))?;
    if events.r#type != "EVENT_TYPE" {
        return Err(invalid("events.type", "must be EVENT_TYPE"));
    }
    if events.items.is_empty() {
        return Err(blank("events.items"));
    }
    if events.items.len() > TYPES_MAX {
        return Err(invalid("events.items", "an event hook has 300 event types at most"));
    }
    if let Some(unfit) = events.items.iter().find(|name| !generator::is_hook_eligible(name)) {
        return Err(invalid("events.items", &format!("{unfit} is not a valid event type for event hooks")));
    }
    let channel = said.channel.ok_or_else(|| blank("channel"))?;
    if (channel.r#type.as_str(), channel.version.as_str()) != ("HTTP", "1.0.0") {
        return Err(invalid("channel", "must be of type HTTP and version 1.0.0"));
    }
    let uri = channel.config.uri.parse::<Url>().ok().filter(is_allowed);
    let uri = uri.ok_or_else(|| invalid("channel.config.uri", "must be an https URL"))?;
    let auth = match channel.config.auth_scheme {
        None => None,
        Some(scheme) if scheme.r#type == "HEADER" && !scheme.key.is_empty() => {
            // An update may leave the secret as it is.
            let kept = || before.and_then(|before| Some(before.auth.as_ref()?.1.clone()));
            let value = scheme.value.or_else(kept).ok_or_else(|| blank("channel.config.authScheme.value"))?;
            Some((scheme.key, value))
        }
        Some(_) => return Err(invalid("channel.config.authScheme", "must be of type HEADER, with a key")),
    };
    let headers = channel.config.headers.into_iter().map(|header| (header.key, header.value)).collect();
    let channel = Channel { uri, auth, headers };
    Ok(Content { name, description: said.description, types: events.items, channel })
}

/// Okta takes https alone; plain http to this machine is for tests.
fn is_allowed(uri: &Url) -> bool {
    let is_local = match uri.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    uri.scheme() == "https" || uri.scheme() == "http" && is_local
}
