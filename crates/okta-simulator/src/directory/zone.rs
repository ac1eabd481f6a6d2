//! A network zone, and the JSON in which Okta writes one.

use serde_json::{Map, Value, json};

use crate::clock;
use crate::generator::Party;
use crate::okta_error::OktaError;

/// Gateways of a zone, at most: of one that blocks, of any other, and of those that every org has.
const GATEWAYS_OF_BLOCKLIST: usize = 1_000;
const GATEWAYS: usize = 150;
const GATEWAYS_OF_SYSTEM: usize = 5_000;

/// One zone.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(super) id: String,
    pub(super) is_system: bool,
    pub(super) created_ms: i64,
    pub(super) last_updated_ms: i64,
    /// What requests say of it: `type`, `name`, `status`, `usage`, `gateways`, `proxies`. What they leave out is gone.
    pub(super) said: Map<String, Value>,
}

impl Zone {
    pub(super) fn new(id: String, is_system: bool, body: &Value, created_ms: i64) -> Result<Self, OktaError> {
        let said = said(body, is_system)?;
        Ok(Self { id, is_system, created_ms, last_updated_ms: created_ms, said })
    }

    /// Takes over what a request says of it, and nothing else of what was there.
    pub(super) fn replace(&mut self, body: &Value, at_ms: i64) -> Result<(), OktaError> {
        if body["type"] != self.said["type"] {
            return Err(OktaError::validation("type", "type: The type of a zone cannot be changed"));
        }
        self.said = said(body, self.is_system)?;
        self.last_updated_ms = at_ms;
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        self.said["name"].as_str().unwrap_or_default()
    }

    /// As the System Log names it.
    pub(super) fn party(&self) -> Party {
        Party::new(&self.id, "NetworkZone", "unknown", self.name())
    }

    /// As Okta writes it. `base` is what links begin with.
    pub(super) fn view(&self, base: &str) -> Value {
        let own = format!("{base}/api/v1/zones/{}", self.id);
        let mut view = self.said.clone();
        for (name, value) in [
            ("id", json!(self.id)),
            ("system", json!(self.is_system)),
            ("created", json!(clock::date_time(self.created_ms))),
            ("lastUpdated", json!(clock::date_time(self.last_updated_ms))),
            ("_links", json!({ "self": { "href": own, "hints": { "allow": ["GET", "PUT", "DELETE"] } } })),
        ] {
            view.insert(name.to_owned(), value);
        }
        view.into()
    }
}

/// Reads and checks what a request says of a zone.
fn said(body: &Value, is_system: bool) -> Result<Map<String, Value>, OktaError> {
    let blank = |name: &str| OktaError::validation(name, format!("{name}: The field cannot be left blank"));
    let text = |name: &str| body[name].as_str().filter(|text| !text.trim().is_empty());
    let kind = text("type").ok_or_else(|| blank("type"))?;
    let name = text("name").ok_or_else(|| blank("name"))?;
    let usage = text("usage").unwrap_or("POLICY");
    let status = text("status").unwrap_or("ACTIVE");
    let mut said = Map::new();
    for (member, value) in [("type", kind), ("name", name), ("usage", usage), ("status", status)] {
        said.insert(member.to_owned(), json!(value));
    }
    if kind != "IP" {
        return Ok(said);
    }
    let gateways_max = match (is_system, usage) {
        (true, _) => GATEWAYS_OF_SYSTEM,
        (false, "BLOCKLIST") => GATEWAYS_OF_BLOCKLIST,
        (false, _) => GATEWAYS,
    };
    let gateways = addresses(body, "gateways", gateways_max)?;
    let proxies = addresses(body, "proxies", GATEWAYS)?;
    if !is_system && [&gateways, &proxies].iter().all(|list| list.as_array().is_none_or(Vec::is_empty)) {
        return Err(blank("gateways"));
    }
    said.insert("gateways".to_owned(), gateways);
    said.insert("proxies".to_owned(), proxies);
    Ok(said)
}

fn addresses(body: &Value, name: &str, count_max: usize) -> Result<Value, OktaError> {
    let Some(list) = body[name].as_array() else { return Ok(Value::Null) };
    let is_address = |address: &Value| {
        let value = address["value"].as_str().unwrap_or_default();
        match address["type"].as_str() {
            Some("CIDR") => value.contains('/'),
            Some("RANGE") => value.contains('-'),
            _ => false,
        }
    };
    if !list.iter().all(is_address) {
        return Err(OktaError::validation(name, format!("{name}: Invalid value in list")));
    }
    if list.len() > count_max {
        return Err(OktaError::validation(
            name,
            format!("{name}: The list has more than {count_max} entries"),
        ));
    }
    Ok(list.clone().into())
}
