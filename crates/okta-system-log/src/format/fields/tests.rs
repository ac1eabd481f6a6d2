//! The map of fields says what the formats do: each field of an event is changed alone, in events of types that stand for
//! all, and where the rendered events differ is where it stands.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{Format, Renderer};
use super::{COLUMNS, TABLE, fields};
use crate::event::Events;

/// Set, it lets the test write the table anew, with the words of the last column as they are.
const WRITE: &str = "OKTABUS_WRITE_FIELDS";
/// What repeats a value, or tells of others.
const REPEATED: [&str; 4] = ["observables", "related", "raw_data", "metadata.profiles"];
const TARGET_TYPES: [&str; 11] = [
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
    "*",
];
/// A type of targets that nobody knows.
const OTHER_TYPE: &str = "NextYearsThing";

/// The names of a device's system beside that of the API's document.
const PLATFORMS: [&str; 2] = ["device.osPlatform", "device.platform"];

/// Fields that are text of no particular kind.
const TEXTS: &str = "uuid version displayMessage legacyEventType \
    actor.id actor.displayName actor.detailEntry.status \
    client.id client.zone client.userAgent.rawUserAgent client.userAgent.browser \
    client.geographicalContext.city client.geographicalContext.state client.geographicalContext.postalCode \
    device.id device.name device.os_version device.osVersion device.screen_lock_type device.screenLockType \
    device.disk_encryption_type device.diskEncryptionType \
    authenticationContext.credentialProvider authenticationContext.authenticationProvider \
    authenticationContext.interface authenticationContext.issuer.id authenticationContext.issuer.type \
    authenticationContext.externalSessionId authenticationContext.rootSessionId \
    outcome.reason \
    securityContext.asOrg securityContext.isp securityContext.domain securityContext.risk.detectionName \
    securityContext.risk.issuer \
    transaction.id transaction.type transaction.detail.requestApiTokenId transaction.detail.rootApiTokenId \
    transaction.detail.requestApiTokenClientId request.ipChain.source \
    debugContext.debugData.requestId debugContext.debugData.requestUri debugContext.debugData.url \
    debugContext.debugData.dtHash debugContext.debugData.deviceFingerprint debugContext.debugData.grantType \
    debugContext.debugData.privilegeGranted debugContext.debugData.privilegeRevoked \
    debugContext.debugData.grantedScopes debugContext.debugData.requestedScopes debugContext.debugData.scopes \
    debugContext.debugData.roleName debugContext.debugData.changedAttributes debugContext.debugData.authnRequestId \
    debugContext.debugData.tunnels debugContext.debugData.proxyType debugContext.debugData.traceId \
    debugContext.debugData.endedSessionId debugContext.debugData.authMethodFirstType \
    debugContext.debugData.authMethodSecondType debugContext.debugData.authenticatorKey";

/// Fields whose values mean something: two values of each.
fn meaningful() -> Vec<(&'static str, Value, Value)> {
    let debug = |name| ["debugContext.debugData.", name].concat().leak() as &str;
    vec![
        ("published", json!("2026-01-02T03:04:05.678Z"), json!("2026-01-03T03:04:05.678Z")),
        ("eventType", json!("next.years.thing"), json!("next.years.other")),
        ("severity", json!("INFO"), json!("WARN")),
        ("outcome.result", json!("ALLOW"), json!("DENY")),
        ("actor.type", json!("User"), json!("SystemPrincipal")),
        ("actor.alternateId", json!("ada@acme.example"), json!("bob@acme.example")),
        ("client.ipAddress", json!("198.51.100.7"), json!("203.0.113.9")),
        ("client.device", json!("Computer"), json!("Mobile")),
        ("client.userAgent.os", json!("Windows 10"), json!("Mac OS X")),
        ("client.geographicalContext.country", json!("Switzerland"), json!("Norway")),
        ("client.geographicalContext.geolocation.lat", json!(47.25), json!(12.5)),
        ("client.geographicalContext.geolocation.lon", json!(8.25), json!(10.5)),
        ("device.os_platform", json!("WINDOWS"), json!("IOS")),
        ("device.osPlatform", json!("WINDOWS"), json!("IOS")),
        ("device.platform", json!("WINDOWS"), json!("IOS")),
        ("device.jailbreak", json!(false), json!(true)),
        ("device.secure_hardware_present", json!(false), json!(true)),
        ("device.secureHardwarePresent", json!(false), json!(true)),
        ("device.managed", json!(false), json!(true)),
        ("device.registered", json!(false), json!(true)),
        ("authenticationContext.credentialType", json!("PASSWORD"), json!("OTP")),
        ("authenticationContext.authenticationStep", json!(0), json!(3)),
        ("securityContext.asNumber", json!(64500), json!(64501)),
        ("securityContext.isProxy", json!(false), json!(true)),
        ("securityContext.risk.level", json!("LOW"), json!("HIGH")),
        ("securityContext.risk.reasons", json!(["Anomalous Device"]), json!(["New City"])),
        (
            "securityContext.userBehaviors",
            json!([{"id": "b", "name": "New Device", "result": "NEGATIVE"}]),
            json!([{"id": "b", "name": "New Device", "result": "POSITIVE"}]),
        ),
        ("request.ipChain.ip", json!("192.0.2.5"), json!("192.0.2.6")),
        (debug("risk"), json!("{level=LOW, reasons=A}"), json!("{level=HIGH, reasons=B}")),
        (debug("behaviors"), json!("{New Device=NEGATIVE}"), json!("{New Device=POSITIVE}")),
        (
            debug("logOnlySecurityData"),
            json!("{\"risk\":{\"level\":\"LOW\"}}"),
            json!("{\"risk\":{\"level\":\"HIGH\"}}"),
        ),
        (debug("factor"), json!("SMS_FACTOR"), json!("OKTA_VERIFY_PUSH")),
        (debug("threatSuspected"), json!("false"), json!("true")),
        (debug("signOnMode"), json!("SAML 2.0"), json!("OpenID Connect")),
    ]
}

/// One field with two of its values.
struct Leaf {
    path: String,
    target_type: Option<&'static str>,
    values: [Value; 2],
}

impl Leaf {
    fn all() -> Vec<Self> {
        let known: BTreeMap<_, _> =
            meaningful().into_iter().map(|(path, one, other)| (path, [one, other])).collect();
        let texts = TEXTS.split_whitespace().map(|path| {
            let value = |mark: &str| Value::from(format!("{} {mark}", path.replace('.', " ")));
            Self { path: path.to_owned(), target_type: None, values: [value("one"), value("two")] }
        });
        let others = known.iter().map(|(path, values)| Self {
            path: (*path).to_owned(),
            target_type: None,
            values: values.clone(),
        });
        let targets = TARGET_TYPES.iter().flat_map(|target_type| {
            // The same kind of target, whichever way it is spelled.
            let other_spelling = target_type.to_ascii_lowercase().replace('_', "");
            let own = if *target_type == "*" { OTHER_TYPE } else { target_type };
            let members: [(&str, [Value; 2]); 7] = [
                ("type", [json!(own), json!(other_spelling)]),
                ("id", [json!("00t1"), json!("00t2")]),
                ("alternateId", [json!("t1@acme.example"), json!("t2@acme.example")]),
                ("displayName", [json!("Target One"), json!("Target Two")]),
                ("detailEntry.policyType", [json!("one"), json!("two")]),
                ("changeDetails.from.name", [json!("before one"), json!("before two")]),
                ("changeDetails.to.name", [json!("after one"), json!("after two")]),
            ];
            members.map(|(member, values)| Self {
                path: format!("target.{member}"),
                target_type: Some(target_type),
                values,
            })
        });
        let mut leaves: Vec<_> = texts.chain(others).collect();
        leaves.sort_by_key(|leaf| position(&leaf.path));
        leaves.into_iter().chain(targets).collect()
    }

    /// Its name in the table.
    fn name(&self) -> String {
        match self.target_type {
            Some(target_type) => self.path.replacen("target", &format!("target[{target_type}]"), 1),
            None => self.path.clone(),
        }
    }

    /// An event that is ordinary but for this field. Where it is a target's, there are targets of all other types too, or
    /// none.
    fn event(&self, event_type: &str, value: &Value, has_others: bool) -> Value {
        let mut event = json!({
            "uuid": "u", "published": "2026-01-02T03:04:05.678Z", "eventType": event_type, "severity": "INFO",
            "actor": {"id": "00u1", "type": "User", "alternateId": "ada@acme.example", "displayName": "Ada"},
            "client": {"ipAddress": "198.51.100.7", "geographicalContext": {"city": "Bern"}},
            "device": {"id": "guo1", "os_platform": "WINDOWS"},
            "outcome": {"result": "SUCCESS"}, "securityContext": {}, "debugContext": {"debugData": {}},
            "request": {"ipChain": [{"ip": "192.0.2.5"}]}
        });
        if let Some(target_type) = self.target_type {
            let target_type = if target_type == "*" { OTHER_TYPE } else { target_type };
            let others = TARGET_TYPES.iter().filter(|other| has_others && **other != target_type);
            let types = std::iter::once(target_type).chain(others.copied());
            event["target"] = types.map(target).collect();
        }
        // A device has its system under one of several names.
        if PLATFORMS.contains(&&*self.path) {
            event["device"] = json!({"id": "guo1"});
        }
        let mut at = &mut event;
        for step in self.path.split('.') {
            if at.is_array() {
                at = &mut at[0];
            }
            at = &mut at[step];
        }
        *at = value.clone();
        event
    }
}

/// A target of a type.
fn target(target_type: &str) -> Value {
    json!({"id": format!("id {target_type}"), "type": target_type, "displayName": format!("name {target_type}"),
        "alternateId": format!("{}@acme.example", target_type.to_ascii_lowercase())})
}

/// Where a field stands in an event as Okta documents it.
fn position(path: &str) -> usize {
    const ORDER: [&str; 17] = [
        "uuid",
        "published",
        "eventType",
        "version",
        "severity",
        "legacyEventType",
        "displayMessage",
        "actor",
        "client",
        "device",
        "authenticationContext",
        "outcome",
        "transaction",
        "request",
        "securityContext",
        "debugContext",
        "target",
    ];
    let first = path.split('.').next().unwrap_or_default();
    ORDER.iter().position(|name| *name == first).unwrap()
}

/// The values at each path, whatever their positions in arrays.
type Leaves = BTreeMap<String, BTreeSet<String>>;

fn render(format: Format, event: &Value) -> Leaves {
    let renderer = Renderer { format, tenant: Some("acme.okta.com".to_owned()), ..Renderer::default() };
    let events = Events::parse(Bytes::from(format!("[{event}]"))).unwrap();
    let rendered = renderer.render(&events.get(0).unwrap(), None).bytes;
    let mut leaves = Leaves::new();
    flatten("", &serde_json::from_slice(&rendered).unwrap(), &mut leaves);
    leaves.retain(|path, _| !REPEATED.iter().any(|repeated| path.starts_with(repeated)));
    leaves
}

/// What UDM has for what has no field; in a search it is `additional.fields["key"]`.
const ADDITIONAL: &str = "additional";

/// Whether it is one of UDM's labels, whose key is a part of the path.
fn is_label(members: &serde_json::Map<String, Value>) -> bool {
    members.len() == 2 && ["key", "value"].iter().all(|name| members.contains_key(*name))
}

fn flatten(path: &str, value: &Value, leaves: &mut Leaves) {
    match value {
        Value::Object(members) if is_label(members) => {
            let key = members["key"].as_str().unwrap_or_default();
            flatten(&format!("{path}[{key:?}]"), &members["value"], leaves);
        }
        Value::Object(members) if path == ADDITIONAL => {
            members
                .iter()
                .for_each(|(name, value)| flatten(&format!("{path}.fields[{name:?}]"), value, leaves));
        }
        Value::Object(members) => {
            for (name, value) in members {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&inner, value, leaves);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| flatten(path, element, leaves)),
        scalar => {
            leaves.entry(path.to_owned()).or_default().insert(text(scalar));
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Event types of which each renders an event with targets of all types in another way than the others.
fn representatives(formats: &[Format]) -> Vec<&'static str> {
    let mut known = BTreeSet::new();
    let types = include_str!("../../catalogue.csv").lines().skip(1).filter_map(|line| line.split(',').next());
    let is_new = |event_type: &&str| {
        let base = Leaf { path: "uuid".to_owned(), target_type: None, values: [Value::Null, Value::Null] };
        let mut event = base.event(event_type, &json!("u"), false);
        event["target"] = TARGET_TYPES.iter().copied().map(target).collect();
        let shape = formats.iter().map(|format| {
            let mut leaves = render(*format, &event);
            let says_target = |value: &String| value.starts_with("id ") || value.starts_with("name ");
            for (path, values) in &mut leaves {
                values.retain(|value| path == "class_uid" || says_target(value));
            }
            leaves
        });
        known.insert(shape.collect::<Vec<_>>())
    };
    types.filter(is_new).collect()
}

/// Where the field stands: as few paths as have its value in all events, others that repeat it, and those with a value that
/// is made from it.
fn places(format: Format, leaf: &Leaf, types: &[&str]) -> [String; 3] {
    let (mut same, mut made) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeSet::new());
    let has_others = if leaf.target_type.is_some() { &[false, true][..] } else { &[false] };
    let events =
        types.iter().flat_map(|event_type| has_others.iter().map(move |others| (*event_type, *others)));
    for (event_type, has_others) in events {
        let own_type = Value::from(event_type);
        // An event type may decide everything else about an event: that is not told here.
        let values =
            if leaf.path == "eventType" { [&own_type; 2] } else { [&leaf.values[0], &leaf.values[1]] };
        let [before, after] = values.map(|value| render(format, &leaf.event(event_type, value, has_others)));
        let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for path in paths {
            if has(&before, path, values[0]) && has(&after, path, values[1]) {
                same.entry(path.clone()).or_default().insert((event_type, has_others));
            } else if before.get(path) != after.get(path) {
                made.insert(path.clone());
            }
        }
    }
    made.retain(|path| !same.contains_key(path));
    let needed = cover(&same);
    let also = same.into_keys().filter(|path| !needed.contains(path)).collect();
    [needed, also, made].map(|paths| paths.into_iter().collect::<Vec<_>>().join(" "))
}

fn has(leaves: &Leaves, path: &str, value: &Value) -> bool {
    let elements = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    leaves.get(path).is_some_and(|values| elements.iter().any(|element| values.contains(&text(element))))
}

/// The paths that are enough to find the value in all events: again and again the one that has it in the most of those
/// where no other has, of equals the shortest. What is not mapped comes last: a mapping of more would take it away.
fn cover(same: &BTreeMap<String, BTreeSet<(&str, bool)>>) -> BTreeSet<String> {
    let mut left: BTreeSet<_> = same.values().flatten().copied().collect();
    let mut needed = BTreeSet::new();
    while !left.is_empty() {
        let gain = |events: &BTreeSet<_>| events.intersection(&left).count();
        let rank = |(path, events): &(&String, &BTreeSet<_>)| {
            let gain = gain(events);
            (gain > 0 && !path.starts_with("unmapped."), gain, Reverse(path.len()))
        };
        let Some((path, events)) = same.iter().max_by_key(rank) else { break };
        left.retain(|event| !events.contains(event));
        needed.insert(path.clone());
    }
    needed
}

#[test]
fn the_map_of_fields_says_what_the_formats_do() {
    // UDM tells others apart than the two do.
    let (types, types_of_udm) =
        (representatives(&[Format::Ocsf, Format::Ecs]), representatives(&[Format::Udm]));
    assert!(types.len() > 15 && types_of_udm.len() > 15, "{types:?} {types_of_udm:?}");
    let conversions: BTreeMap<_, _> = TABLE
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<_> = line.splitn(COLUMNS, ',').collect();
            Some((*columns.first()?, *columns.get(COLUMNS - 1)?))
        })
        .collect();
    let mut table = TABLE.lines().take(1).collect::<String>() + "\n";
    for leaf in Leaf::all() {
        let name = leaf.name();
        let places = [(Format::Ocsf, &types), (Format::Ecs, &types), (Format::Udm, &types_of_udm)]
            .map(|(format, types)| places(format, &leaf, types).join(","));
        let conversion = conversions.get(&*name).copied().unwrap_or_default();
        table += &format!("{name},{},{conversion}\n", places.join(","));
    }
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/format/fields.csv"), &table).unwrap();
        return;
    }
    let (now, then): (BTreeSet<_>, BTreeSet<_>) = (table.lines().collect(), TABLE.lines().collect());
    let differ: Vec<_> = now.symmetric_difference(&then).collect();
    assert!(differ.is_empty(), "run this test with {WRITE}=1 to write fields.csv anew: {differ:#?}");
}

#[test]
fn every_row_is_read_and_every_field_is_kept() {
    let all: Vec<_> = fields().collect();
    assert_eq!(all.len(), TABLE.lines().count() - 1);
    let risk = all.iter().find(|field| field.okta == "securityContext.risk.level").unwrap();
    assert_eq!(risk.udm.same, ["security_result.detection_fields[\"Risk Level\"]"]);
    for field in &all {
        assert!(!field.ecs.same.is_empty() || !field.ecs.made.is_empty(), "{field:?}");
        assert!(!field.ocsf.same.is_empty() || !field.ocsf.made.is_empty(), "{field:?}");
        assert!(!field.udm.same.is_empty() || !field.udm.made.is_empty(), "{field:?}");
    }
}
