//! The fields under `okta` that have a name and a type of their own, as Elastic's Okta integration lists them, and how a
//! value of Okta's is written as one. Elasticsearch refuses a whole event if one value is not of its field's type, so
//! what does not fit is not written here: it is left over, and `unmapped` takes it.

use std::borrow::Cow;

use super::{
    super::super::{
        facts::Address,
        object::{Object, flag},
        writer::ObjectWriter,
    },
    flattened,
};
use crate::event::json::Key;

/// A member of one of Okta's objects, and its field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    okta: &'static str,
    /// The key of the member, so that nobody has to make it for each event.
    key: Key,
    ecs: &'static str,
    kind: Kind,
}

/// The types of Elasticsearch that such fields have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One text. What Okta writes for a missing value stays, since rules compare with it.
    Keyword,
    /// One text or several.
    Keywords,
    Boolean,
    Integer,
    Ip,
    /// An object, or several, that may have any members.
    Flattened,
}

const fn keyword(okta: &'static str, ecs: &'static str) -> Field {
    Field { okta, key: Key::of(okta), ecs, kind: Kind::Keyword }
}

const fn keywords(okta: &'static str, ecs: &'static str) -> Field {
    Field { okta, key: Key::of(okta), ecs, kind: Kind::Keywords }
}

const fn boolean(okta: &'static str, ecs: &'static str) -> Field {
    Field { okta, key: Key::of(okta), ecs, kind: Kind::Boolean }
}

const fn integer(okta: &'static str, ecs: &'static str) -> Field {
    Field { okta, key: Key::of(okta), ecs, kind: Kind::Integer }
}

const fn ip(okta: &'static str, ecs: &'static str) -> Field {
    Field { okta, key: Key::of(okta), ecs, kind: Kind::Ip }
}

const fn flattened(okta: &'static str, ecs: &'static str) -> Field {
    Field { okta, key: Key::of(okta), ecs, kind: Kind::Flattened }
}

/// `okta`
pub(super) const EVENT: [Field; 7] = [
    keyword("uuid", "uuid"),
    keyword("eventType", "event_type"),
    keyword("version", "version"),
    keyword("severity", "severity"),
    keyword("displayMessage", "display_message"),
    keyword("published", "published"),
    keyword("legacyEventType", "legacy_event_type"),
];

/// `okta.actor` and `okta.target`
pub(super) const PARTY: [Field; 4] = [
    keyword("id", "id"),
    keyword("type", "type"),
    keyword("alternateId", "alternate_id"),
    keyword("displayName", "display_name"),
];

/// `okta.client`
pub(super) const CLIENT: [Field; 4] =
    [ip("ipAddress", "ip"), keyword("zone", "zone"), keyword("device", "device"), keyword("id", "id")];

/// `okta.client.user_agent`
pub(super) const USER_AGENT: [Field; 3] =
    [keyword("rawUserAgent", "raw_user_agent"), keyword("os", "os"), keyword("browser", "browser")];

/// `okta.client.geographical_context`
pub(super) const GEOGRAPHY: [Field; 4] = [
    keyword("city", "city"),
    keyword("state", "state"),
    keyword("country", "country"),
    keyword("postalCode", "postal_code"),
];

/// `okta.device`: by the names of the API's document, and by those of events
pub(super) const DEVICE: [Field; 18] = [
    keyword("id", "id"),
    keyword("name", "name"),
    keyword("os_platform", "os_platform"),
    keyword("osPlatform", "os_platform"),
    keyword("platform", "os_platform"),
    keyword("os_version", "os_version"),
    keyword("osVersion", "os_version"),
    boolean("managed", "managed"),
    boolean("registered", "registered"),
    flattened("device_integrator", "device_integrator"),
    flattened("deviceIntegrator", "device_integrator"),
    keyword("disk_encryption_type", "disk_encryption_type"),
    keyword("diskEncryptionType", "disk_encryption_type"),
    keyword("screen_lock_type", "screen_lock_type"),
    keyword("screenLockType", "screen_lock_type"),
    boolean("jailbreak", "jailbreak"),
    boolean("secure_hardware_present", "secure_hardware_present"),
    boolean("secureHardwarePresent", "secure_hardware_present"),
];

/// `okta.outcome`
pub(super) const OUTCOME: [Field; 2] = [keyword("result", "result"), keyword("reason", "reason")];

/// `okta.transaction`
pub(super) const TRANSACTION: [Field; 2] = [keyword("id", "id"), keyword("type", "type")];

/// `okta.transaction.detail`
pub(super) const TRANSACTION_DETAIL: [Field; 2] =
    [keyword("requestApiTokenId", "request_api_token_id"), keyword("rootApiTokenId", "root_api_token_id")];

/// `okta.authentication_context`
pub(super) const AUTHENTICATION: [Field; 7] = [
    keyword("authenticationProvider", "authentication_provider"),
    integer("authenticationStep", "authentication_step"),
    keyword("credentialProvider", "credential_provider"),
    keyword("credentialType", "credential_type"),
    keyword("externalSessionId", "external_session_id"),
    keyword("rootSessionId", "root_session_id"),
    keyword("interface", "interface"),
];

/// `okta.authentication_context.issuer`
pub(super) const ISSUER: [Field; 2] = [keyword("id", "id"), keyword("type", "type")];

/// `okta.security_context`
pub(super) const SECURITY: [Field; 6] = [
    keyword("isp", "isp"),
    keyword("domain", "domain"),
    boolean("isProxy", "is_proxy"),
    flattened("ipDetails", "ip_details"),
    flattened("userBehaviors", "user_behaviors"),
    flattened("botProtection", "bot_protection"),
];

/// `okta.security_context.as`
pub(super) const SYSTEM: [Field; 1] = [integer("asNumber", "number")];
/// `okta.security_context.as.organization`
pub(super) const SYSTEM_ORGANIZATION: [Field; 1] = [keyword("asOrg", "name")];

/// `okta.security_context.risk`
pub(super) const RISK: [Field; 5] = [
    keyword("level", "level"),
    keyword("previousLevel", "previous_level"),
    keywords("reasons", "reasons"),
    keyword("detectionName", "detection_name"),
    keyword("issuer", "issuer"),
];

/// `okta.debug_context.debug_data`, beside `flattened`, which has all of it
pub(super) const DEBUG_DATA: [Field; 15] = [
    keyword("requestId", "request_id"),
    keyword("requestUri", "request_uri"),
    keyword("url", "url"),
    keyword("authnRequestId", "authnRequestId"),
    keyword("dtHash", "dt_hash"),
    keyword("deviceFingerprint", "device_fingerprint"),
    keyword("threatSuspected", "threat_suspected"),
    keyword("ThreatSuspected", "threat_suspected"),
    keyword("threat_suspected", "threat_suspected"),
    keyword("factor", "factor"),
    keyword("grantType", "grant_type"),
    keywords("requestedScopes", "requested_scopes"),
    keywords("grantedScopes", "granted_scopes"),
    keyword("clientSecret", "client_secret"),
    keywords("promptingPolicyTypes", "promptingPolicyTypes"),
];

/// `okta.debug_context.debug_data.suspicious_activity`: what a user reported
pub(super) const SUSPICIOUS_ACTIVITY: [Field; 12] = [
    keyword("suspiciousActivityBrowser", "browser"),
    keyword("suspiciousActivityEventCity", "event_city"),
    keyword("suspiciousActivityEventCountry", "event_country"),
    keyword("suspiciousActivityEventId", "event_id"),
    keyword("suspiciousActivityEventIp", "event_ip"),
    keyword("suspiciousActivityEventLatitude", "event_latitude"),
    keyword("suspiciousActivityEventLongitude", "event_longitude"),
    keyword("suspiciousActivityEventState", "event_state"),
    keyword("suspiciousActivityEventTransactionId", "event_transaction_id"),
    keyword("suspiciousActivityEventType", "event_type"),
    keyword("suspiciousActivityOs", "os"),
    keyword("suspiciousActivityTimestamp", "timestamp"),
];

/// `okta.debug_context.debug_data.originalPrincipal`
pub(super) const PRINCIPAL: [Field; 4] = [
    keyword("id", "id"),
    keyword("type", "type"),
    keyword("alternateId", "alternateId"),
    keyword("displayName", "displayName"),
];

/// Writes the members of `object` that are in `fields` and fit, and takes them. Of several names for one field, which stand
/// side by side, the first that fits counts.
pub(super) fn write(object: &Object<'_>, fields: &[Field], out: &mut ObjectWriter<'_>) {
    let mut last: Option<(&str, &str)> = None;
    for Field { okta, key, ecs, kind } in fields {
        object.take_written(*key, okta, |json| {
            if let Some((_, written)) = last.filter(|(name, _)| name == ecs) {
                return written == json;
            }
            let is_written = match kind {
                Kind::Keyword => write_keyword(ecs, json, out),
                Kind::Keywords => write_keywords(ecs, json, out),
                Kind::Boolean => write_boolean(ecs, json, out),
                Kind::Integer => write_integer(ecs, json, out),
                Kind::Ip => object.peek(okta).is_some_and(|text| write_ip(ecs, &text, out)),
                Kind::Flattened => flattened::write_objects(ecs, json, out),
            };
            if is_written {
                last = Some((ecs, json));
            }
            is_written
        });
    }
}

/// A text as it is, which an empty one needs not be; a number or a truth value as a text.
fn write_keyword(name: &'static str, json: &str, out: &mut ObjectWriter<'_>) -> bool {
    match json.as_bytes().first() {
        Some(b'"') if json.len() == 2 => {}
        Some(b'"') => out.raw(name, json),
        Some(b'{' | b'[') | None => return false,
        Some(_) => out.text(name, json),
    }
    true
}

fn write_keywords(name: &'static str, json: &str, out: &mut ObjectWriter<'_>) -> bool {
    let Some(elements) = Object::read_elements(json) else { return write_keyword(name, json, out) };
    let fits = elements.iter().all(|json| json.starts_with('"'));
    if fits {
        out.array(name, |out| elements.iter().for_each(|json| out.raw(json)));
    }
    fits
}

fn write_boolean(name: &'static str, json: &str, out: &mut ObjectWriter<'_>) -> bool {
    flag(json).is_some_and(|flag| {
        out.flag(name, flag);
        true
    })
}

fn write_integer(name: &'static str, json: &str, out: &mut ObjectWriter<'_>) -> bool {
    let digits = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(json);
    digits.parse::<u32>().is_ok_and(|number| {
        out.integer(name, number);
        true
    })
}

/// The address alone; false if Okta wrote more than that.
fn write_ip(name: &'static str, text: &str, out: &mut ObjectWriter<'_>) -> bool {
    let Some(address) = Address::read(Cow::Borrowed(text)) else { return false };
    out.text(name, &address.ip);
    address.ip == text
}
