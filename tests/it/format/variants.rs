//! Events of every type that Okta has, each in three variants: sparse, full and hostile. The same arguments always give
//! the same bytes.

use fastrand::Rng;
use serde_json::{Value, json};

const CATALOGUE: &str = include_str!("../../../crates/okta-system-log/src/catalogue.csv");

/// The columns of the catalogue that say of what schema a type's targets are.
const TARGET_SCHEMAS_COLUMN: usize = 8;

const RESULTS: [&str; 12] = [
    "SUCCESS",
    "FAILURE",
    "SKIPPED",
    "ALLOW",
    "DENY",
    "CHALLENGE",
    "UNKNOWN",
    "RATE_LIMIT",
    "DEFERRED",
    "SCHEDULED",
    "ABANDONED",
    "UNANSWERED",
];
const SEVERITIES: [&str; 4] = ["DEBUG", "INFO", "WARN", "ERROR"];
const CREDENTIALS: [&str; 12] = [
    "ASSERTION",
    "CERTIFICATE",
    "DEVICE_UDID",
    "EMAIL",
    "IWA",
    "JWT",
    "OAuth 2.0",
    "OKTA_CLIENT_SESSION",
    "OTP",
    "PASSWORD",
    "PRE_SHARED_SYMMETRIC_KEY",
    "SMS",
];
const RISKS: [&str; 4] = ["LOW", "MEDIUM", "HIGH", "NONE"];
const SYSTEMS: [&str; 6] = ["Mac OS X", "Windows 10", "iOS (iPhone)", "Android", "ChromeOS", "Linux"];
const DEVICES: [&str; 4] = ["Computer", "Mobile", "Tablet", "Game console"];
const ACTORS: [(&str, &str); 5] = [
    ("User", "ada@acme.example"),
    ("SystemPrincipal", "system@okta.com"),
    ("PublicClientApp", "0oa1client"),
    ("ServiceAccount", "svc-7"),
    ("NextYearsThing", "ada"),
];
/// Kinds of targets that mean something to a format.
const TARGETS: [&str; 13] = [
    "User",
    "AppUser",
    "AppInstance",
    "UserGroup",
    "PolicyEntity",
    "PolicyRule",
    "NetworkZone",
    "UDDevice",
    "CUSTOM_ROLE",
    "AuthenticatorEnrollment",
    "access_token",
    "Org",
    "AppGroup",
];

/// One event type with what the catalogue says of its targets.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventType {
    pub(super) name: &'static str,
    target_schemas: &'static str,
    number: usize,
}

/// All event types.
pub(super) fn event_types() -> Vec<EventType> {
    let lines = CATALOGUE.lines().skip(1).zip(0..);
    lines
        .map(|(line, number)| {
            let columns: Vec<_> = line.split(',').collect();
            EventType { name: columns[0], target_schemas: columns[TARGET_SCHEMAS_COLUMN], number }
        })
        .collect()
}

impl EventType {
    fn uuid(self, variant: usize) -> String {
        format!("00000000-0000-4000-8{variant:03}-{:012}", self.number)
    }

    fn published(self) -> String {
        format!(
            "2026-01-02T03:{:02}:{:02}.{:03}Z",
            self.number / 60 % 60,
            self.number % 60,
            self.number % 1_000
        )
    }

    /// What Okta always sends, and null for the rest.
    pub(super) fn sparse(self) -> Value {
        json!({
            "uuid": self.uuid(0), "published": self.published(), "eventType": self.name, "version": "0",
            "actor": null, "client": null, "target": null, "outcome": null, "authenticationContext": null,
            "securityContext": null, "debugContext": null, "transaction": null, "request": null,
            "displayMessage": null, "legacyEventType": null, "severity": "INFO"
        })
    }

    /// Everything that Okta may send, with other values from type to type.
    pub(super) fn full(self) -> Value {
        let n = self.number;
        let (actor_type, login) = ACTORS[n % ACTORS.len()];
        json!({
            "uuid": self.uuid(1), "published": self.published(), "eventType": self.name, "version": "0",
            "severity": SEVERITIES[n % 4], "legacyEventType": "core.legacy", "displayMessage": "What \"happened\" – é",
            "actor": {"id": "00uactor", "type": actor_type, "alternateId": login, "displayName": "Ada Lovelace",
                "detailEntry": {"status": "ACTIVE"}},
            "client": {"id": "0oaclient", "ipAddress": if n.is_multiple_of(2) { "198.51.100.7" } else { "2001:db8::7" },
                "zone": "BlockedIpZone", "device": DEVICES[n % 4],
                "userAgent": {"rawUserAgent": "Mozilla/5.0 (x)", "os": SYSTEMS[n % 6], "browser": "CHROME"},
                "geographicalContext": {"city": "Zürich", "state": "ZH", "country": "Switzerland", "postalCode": "8001",
                    "geolocation": {"lat": 47.3769, "lon": 8.5417}}},
            "device": {"id": "guoDevice", "name": "ada's laptop", "os_platform": if n.is_multiple_of(3) { "IOS" } else { "WINDOWS" },
                "os_version": "10.0", "managed": n.is_multiple_of(2), "registered": true, "device_integrator": null,
                "disk_encryption_type": "ALL_INTERNAL_VOLUMES", "screen_lock_type": "BIOMETRIC", "jailbreak": false,
                "secure_hardware_present": true},
            "authenticationContext": {"authenticationProvider": "FACTOR_PROVIDER", "credentialProvider": "DUO",
                "credentialType": CREDENTIALS[n % 12], "externalSessionId": "idxSession", "rootSessionId": "idxRoot",
                "authenticationStep": 0, "interface": "web", "issuer": {"id": "https://acme.example", "type": "OIDC"}},
            "outcome": {"result": RESULTS[n % 12], "reason": "VERIFICATION_ERROR"},
            "target": self.targets(),
            "transaction": {"id": "Ytransaction", "type": if n.is_multiple_of(3) { "JOB" } else { "WEB" },
                "detail": {"requestApiTokenId": "00Ttoken"}},
            "request": {"ipChain": [
                {"ip": "198.51.100.7", "version": "V4", "source": null, "geographicalContext": {"city": "Zürich"}},
                {"ip": "203.0.113.9", "version": "V4", "source": "proxy", "ipDetails": {"asNumber": 64500}}]},
            "securityContext": {"asNumber": 64500, "asOrg": "Example Net", "isp": "Example ISP", "domain": "example.net",
                "isProxy": n % 2 == 1,
                "risk": {"level": RISKS[n % 4], "previousLevel": "LOW", "reasons": ["Anomalous Device", "New City"],
                    "detectionName": "Session Hijacking", "issuer": "OKTA"},
                "ipDetails": {"asNumber": 64500, "ipServiceCategories": [{"isAnonymous": true, "operator": "x", "type": "VPN"}]},
                "userBehaviors": [{"id": "b1", "name": "New Device", "result": "POSITIVE"}],
                "botProtection": {"level": "LOW"}},
            "debugContext": {"debugData": self.debug_data()}
        })
    }

    fn debug_data(self) -> Value {
        json!({
            "requestId": "YrequestId", "requestUri": "/idp/idx/identify", "url": "/idp/idx/identify?x=1",
            "factor": if self.number.is_multiple_of(2) { "OKTA_VERIFY_PUSH" } else { "SMS_FACTOR" },
            "risk": "{level=HIGH, reasons=Anomalous Device, New City, detectionName=Spray}",
            "behaviors": "{New Geo-Location=NEGATIVE, New Device=POSITIVE}",
            "privilegeGranted": "Super administrator, Group administrator", "grantedScopes": ["openid", "okta.users.read"],
            "threatSuspected": "false", "logOnlySecurityData": "{\"risk\":{\"level\":\"LOW\"}}", "dtHash": "d41d8cd98f"
        })
    }

    fn targets(self) -> Vec<Value> {
        let mut kinds = TARGETS.map(str::to_owned).to_vec();
        kinds.extend(self.target_schemas.split('|').filter(|schema| !schema.is_empty()).map(str::to_owned));
        Rng::with_seed(self.number as u64).shuffle(&mut kinds);
        let target = |(index, kind): (usize, String)| {
            json!({
                "id": format!("id{index}"), "type": kind, "alternateId": format!("alt{index}@acme.example"),
                "displayName": format!("Name {index}"), "detailEntry": {"policyType": "OktaSignOn"},
                "changeDetails": {"from": {"name": "old"}, "to": {"name": "new", "list": [1, null]}}
            })
        };
        kinds.into_iter().enumerate().map(target).collect()
    }

    /// The full event with about a third of everything in it replaced by what should not be there.
    pub(super) fn hostile(self, seed: u64) -> Value {
        let mut rng = Rng::with_seed(seed << 32 | self.number as u64);
        let mut event = self.full();
        spoil(&mut event, &mut rng);
        let members = event.as_object_mut().expect("the event is an object");
        members.insert("uuid".to_owned(), self.uuid(2).into());
        members.insert("eventType".to_owned(), self.name.into());
        members.insert("memberOfNextYear".to_owned(), json!({"a": [{"b": null}]}));
        event
    }
}

fn spoil(value: &mut Value, rng: &mut Rng) {
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| spoil_or_replace(member, rng)),
        Value::Array(elements) => elements.iter_mut().for_each(|element| spoil_or_replace(element, rng)),
        _ => {}
    }
}

fn spoil_or_replace(value: &mut Value, rng: &mut Rng) {
    if rng.u8(..3) == 0 {
        *value = odd(rng);
    } else {
        spoil(value, rng);
    }
}

/// What a careless program does not expect.
fn odd(rng: &mut Rng) -> Value {
    let odds = [
        json!(null),
        json!(""),
        json!("null"),
        json!("unknown"),
        json!("UNKNOWN"),
        json!("None"),
        json!(" "),
        json!("no-at-sign"),
        json!("a@b"),
        json!("ä@ö.example"),
        json!("two@at@signs.example"),
        json!("999.1.2.3"),
        json!("198.51.100.7:443"),
        json!("fe80::1%eth0"),
        json!("\u{0}\u{1f}\u{7f}\"\\\u{2028}\u{1f600}"),
        json!("x".repeat(10_000)),
        json!("2026-13-45T99:99:99Z"),
        json!("1969-12-31T23:59:59.999Z"),
        json!("2026-01-02 03:04:05"),
        json!("{level=, reasons=}"),
        json!("{=,=}"),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(1.5e300),
        json!(true),
        json!([]),
        json!([[], [null]]),
        json!(["a", 1, null, {}]),
        json!([null]),
        json!({}),
        json!({"id": null}),
        json!({"type": "User"}),
        json!({"level": "PURPLE", "reasons": "one", "result": 7}),
        json!({"lat": 91, "lon": "x"}),
        json!({"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": {"jK": 1}}}}}}}}}}),
    ];
    odds[rng.usize(..odds.len())].clone()
}
