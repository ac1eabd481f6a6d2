//! What holds for every format, whatever an event says. Whether it is valid by the schemas is for the judges in
//! `tests/it/format` to say.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::{Format, Renderer};
use crate::event::{Events, is_missing};

/// The formats that take an event apart.
const MAPPED: [Format; 3] = [Format::Ocsf, Format::Ecs, Format::Udm];

fn render(renderer: &Renderer, event: &Value, bytes_max: Option<usize>) -> Vec<u8> {
    let events = Events::parse(Bytes::from(format!("[{event}]"))).unwrap();
    renderer.render(&events.get(0).unwrap(), bytes_max).bytes.to_vec()
}

fn renderer(format: Format) -> Renderer {
    Renderer { format, tenant: Some("acme.okta.com".to_owned()), ..Renderer::default() }
}

/// Any JSON, not too large.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Of the doubles only those that are the same after a journey through text.
        any::<i32>().prop_map(|quarters| json!(f64::from(quarters) / 4.0)),
        "\\PC{0,12}".prop_map(Value::from),
        select(vec![
            "null",
            "unknown",
            "User",
            "ada@acme.example",
            "198.51.100.7",
            "HIGH",
            "POSITIVE",
            "{level=LOW}"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec((member(), inner), 0..5).prop_map(object),
        ]
    })
}

/// Names that mean something, and some that do not.
fn member() -> impl Strategy<Value = String> {
    const NAMES: &str = "id type alternateId displayName detailEntry changeDetails from to ipAddress zone device userAgent \
        rawUserAgent os browser geographicalContext city country postalCode geolocation lat lon result reason ipChain ip \
        version risk level reasons userBehaviors name asNumber asOrg isp domain isProxy debugData requestId requestUri url \
        factor behaviors privilegeGranted scopes credentialType externalSessionId rootSessionId issuer detail \
        requestApiTokenId os_platform os_version managed";
    prop_oneof![4 => select(NAMES.split_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned), 1 => "[a-zA-Z_]{0,6}"]
}

fn object(members: Vec<(String, Value)>) -> Value {
    Value::Object(Map::from_iter(members))
}

/// Types of targets that mean something, several of one kind among them.
const TARGET_TYPES: &[&str] = &[
    "User",
    "AppUser",
    "AppInstance",
    "PublicClientApp",
    "UserGroup",
    "AppGroup",
    "PolicyEntity",
    "PolicyRule",
    "Rule",
    "NetworkZone",
    "UDDevice",
    "CUSTOM_ROLE",
    "Org",
    "access_token",
    "refresh_token",
    "email",
    "ServiceAccount",
    "Thing",
];

/// An object with the members of a System Log event, each of which may be anything.
fn event() -> impl Strategy<Value = Value> {
    const MEMBERS: [&str; 16] = [
        "uuid",
        "published",
        "severity",
        "version",
        "displayMessage",
        "actor",
        "client",
        "device",
        "target",
        "outcome",
        "authenticationContext",
        "securityContext",
        "debugContext",
        "transaction",
        "request",
        "legacyEventType",
    ];
    let shaped = |name: &'static str| {
        let inside = vec((member(), any_json()), 0..6).prop_map(object).boxed();
        let plausible = match name {
            "target" => vec(inside, 0..4).prop_map(Value::Array).boxed(),
            "published" => Just(json!("2026-01-02T03:04:05.670Z")).boxed(),
            "debugContext" => inside.prop_map(|data| json!({"debugData": data})).boxed(),
            "securityContext" => {
                (inside, any_json()).prop_map(|(risk, isp)| json!({"risk": risk, "isp": isp})).boxed()
            }
            _ => inside,
        };
        prop_oneof![4 => plausible.prop_map(Some), 1 => any_json().prop_map(Some), 1 => Just(None)]
            .prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    };
    let types = select(event_types());
    (types, MEMBERS.map(shaped)).prop_map(|(event_type, members)| {
        let mut members: Vec<_> = members.into_iter().flatten().collect();
        members.push(("eventType".to_owned(), event_type.into()));
        object(members)
    })
}

fn event_types() -> Vec<&'static str> {
    let catalogue = include_str!("../catalogue.csv");
    catalogue.lines().skip(1).filter_map(|line| line.split(',').next()).chain(["next.year", ""]).collect()
}

/// All scalars in `value`, as text in small letters.
fn scalars(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Null => {}
        Value::Bool(flag) => drop(found.insert(flag.to_string())),
        Value::Number(number) => drop(found.insert(number.to_string())),
        Value::String(text) => {
            // A change may be told as the text of its JSON, and a text such as `{level=LOW}` as an object.
            if let Ok(inner @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text) {
                scalars(&inner, found);
            }
            if let Some(map) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
                found.extend(map.split([',', '=']).map(|word| word.trim().to_lowercase()));
                return;
            }
            found.insert(text.to_lowercase());
        }
        Value::Array(elements) => elements.iter().for_each(|element| scalars(element, found)),
        Value::Object(members) => members.values().for_each(|member| scalars(member, found)),
    }
}

/// The same with the elements of all arrays in one order.
fn as_sets(value: &Value) -> Value {
    match value {
        Value::Array(elements) => {
            let mut elements: Vec<_> = elements.iter().map(as_sets).collect();
            elements.sort_by_cached_key(Value::to_string);
            Value::Array(elements)
        }
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), as_sets(member))).collect()
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn nothing_depends_on_the_order_of_targets(
        (mut event, types) in (event(), vec((select(TARGET_TYPES), 0..3), 2..7).prop_shuffle()),
    ) {
        let target = |(number, (kind, id)): (usize, &(&str, i32))| {
            json!({"type": kind, "id": id.to_string(), "displayName": format!("{kind} {number}"), "alternateId": "ada@acme.example"})
        };
        let targets: Vec<_> = types.iter().enumerate().map(target).collect();
        event["uuid"] = "u".into();
        let of_order = |event: &mut Value, targets: Vec<Value>| {
            event["target"] = targets.into();
            MAPPED.map(|format| {
                let rendered = render(&renderer(format), event, None);
                as_sets(&serde_json::from_slice(&rendered).unwrap())
            })
        };
        let reversed = targets.iter().rev().cloned().collect();
        let mut turned = targets.clone();
        turned.rotate_left(1);
        let first = of_order(&mut event, targets);
        prop_assert_eq!(&of_order(&mut event, reversed), &first);
        prop_assert_eq!(&of_order(&mut event, turned), &first);
    }

    #[test]
    fn nothing_that_okta_says_is_lost(event in event()) {
        for format in MAPPED {
            let rendered: Value = serde_json::from_slice(&render(&renderer(format), &event, None)).unwrap();
            let (mut said, mut told) = (BTreeSet::new(), BTreeSet::new());
            scalars(&event, &mut said);
            scalars(&rendered, &mut told);
            let all = told.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
            let with_names = rendered.to_string();
            for text in said.iter().filter(|text| !is_missing(text)) {
                // Several rights in one text may be told one by one, and a text may be told as the object that it is.
                let separators = [',', '[', ']', '{', '}', '=', ':', '&', '"', '\\'];
                let mut parts = text.split(separators).flat_map(str::split_whitespace);
                let is_told = all.contains(text.as_str()) || parts.all(|part| with_names.contains(part));
                prop_assert!(is_told, "{} is missing in {rendered}", text);
            }
        }
    }

    #[test]
    fn the_same_event_is_rendered_to_the_same_bytes(event in event()) {
        for format in [Format::Okta, Format::Ocsf, Format::Ecs, Format::Udm] {
            prop_assert_eq!(render(&renderer(format), &event, None), render(&renderer(format), &event, None));
        }
    }

    #[test]
    fn any_json_at_all_is_rendered_to_an_object(value in any_json()) {
        for format in MAPPED {
            let rendered: Value = serde_json::from_slice(&render(&renderer(format), &value, None)).unwrap();
            prop_assert!(rendered.is_object());
        }
    }

    #[test]
    fn less_room_gives_less_detail_and_a_mark(event in event(), bytes_max in 0_usize..6_000) {
        for format in MAPPED {
            let full = render(&renderer(format), &event, None);
            let cut = render(&renderer(format), &event, Some(bytes_max));
            prop_assert!(cut.len() <= full.len());
            let is_marked = String::from_utf8_lossy(&cut).contains("truncated");
            prop_assert_eq!(is_marked, cut != full);
            prop_assert!(full.len() > bytes_max || cut == full);
        }
    }
}

#[test]
fn the_essential_is_small_whatever_okta_sends() {
    let long = "é".repeat(20_000);
    let target = json!({"id": &long, "type": "User", "alternateId": &long, "displayName": &long});
    let event = json!({
        "uuid": "u-1", "eventType": "access.request.resolve", "displayMessage": &long, "actor": &target,
        "target": vec![target; 100], "client": {"ipAddress": "198.51.100.7", "userAgent": {"rawUserAgent": &long}},
        "debugContext": {"debugData": {"x": &long}}
    });
    for format in MAPPED {
        let rendered = render(&renderer(format), &event, Some(64 << 10));
        assert!(rendered.len() < 64 << 10, "{} bytes", rendered.len());
        let rendered: Value = serde_json::from_slice(&rendered).unwrap();
        assert!(rendered.get("unmapped").is_none() && rendered.get("okta").is_none());
        if format == Format::Ocsf {
            assert_eq!(rendered["metadata"]["is_truncated"], true);
            assert!(rendered["metadata"]["untruncated_size"].as_u64().unwrap() > 7_000);
        }
    }
}

#[test]
fn numbers_keep_their_digits() {
    let events = Events::parse(Bytes::from_static(
        br#"[{"eventType":"a.b","client":{"geographicalContext":{"city":"X","geolocation":{"lat":34.4740,"lon":-1.50}}},"n":[1e2]}]"#,
    ))
    .unwrap();
    for format in MAPPED {
        let rendered = renderer(format).render(&events.get(0).unwrap(), None);
        let rendered = String::from_utf8(rendered.bytes.to_vec()).unwrap();
        for digits in ["34.4740", "-1.50", "1e2"] {
            assert!(rendered.contains(digits), "{digits}: {rendered}");
        }
    }
}

/// Hostile events of about `bytes`: each is of a kind that something looked up again and again.
fn large_events(bytes: usize) -> Vec<String> {
    let dots = "a.".repeat(bytes / 2);
    let members: String = (0..bytes / 16).map(|number| format!("\"aB{number:08}\":1,")).collect();
    let same = "\"aB\":1,\"a_b\":2,".repeat(bytes / 16);
    let targets: String = (0..bytes / 64)
        .map(|number| {
            format!(r#"{{"id":"{number:08}","type":"User","alternateId":"{number:08}@a.example"}},"#)
        })
        .collect();
    let only_dots = ".".repeat(bytes);
    let commas = ",".repeat(bytes / 2);
    let spaces = " ".repeat(bytes / 2);
    let words: String = (0..bytes / 8).map(|number| format!("{number:06},")).collect();
    let debug = |name: &str, text: &str| {
        format!(
            r#"{{"eventType":"user.account.privilege.grant","target":[{{"id":"1","type":"User"}}],"debugContext":{{"debugData":{{"{name}":"{text}"}}}}}}"#
        )
    };
    vec![
        debug("amrList", &words),
        debug("behaviors", &commas),
        debug("threatDetections", &words),
        debug("risk", &format!("reasons={spaces}{commas}")),
        debug("scopes", &words),
        debug("privilegeGranted", &words),
        format!(r#"{{"eventType":"{only_dots}","target":[{{"type":"User"}},{{"type":"x"}}]}}"#),
        format!(r#"{{"eventType":"{dots}","target":[{targets}null]}}"#),
        format!(r#"{{"eventType":"{dots}"}}"#),
        format!(r#"{{"eventType":"user.session.start","actor":{{"id":"{dots}","type":"{dots}"}}}}"#),
        format!(r#"{{"eventType":"a.b",{members}"x":1}}"#),
        format!(r#"{{"eventType":"a.b","client":{{{members}"x":1}}}}"#),
        format!(r#"{{"eventType":"a.b","target":[{{{same}"x":1}}]}}"#),
        format!(r#"{{"eventType":"a.b","target":[{targets}null]}}"#),
        format!(
            r#"{{"eventType":"a.b","debugContext":{{"debugData":{{"risk":"{{level={dots}, x=, , }}"}}}}}}"#
        ),
    ]
}

/// Seconds that this thread has worked. That others use the machine too does not count.
fn worked_secs() -> f64 {
    let worked = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    worked.tv_sec as f64 + worked.tv_nsec as f64 / 1e9
}

/// What rendering takes of the processor, the least of a few tries.
fn work_secs(format: Format, event: &str) -> f64 {
    let events = Events::parse(Bytes::from(format!("[{event}]"))).unwrap();
    let event = events.get(0).unwrap();
    let once = || {
        let begun = worked_secs();
        renderer(format).render(&event, None);
        worked_secs() - begun
    };
    (0..3).map(|_| once()).min_by(f64::total_cmp).unwrap()
}

#[test]
fn what_is_sixteen_times_as_large_takes_nowhere_near_the_square_of_it() {
    for format in MAPPED {
        for (small, large) in large_events(16 << 10).into_iter().zip(large_events(256 << 10)) {
            // In proportion it is 16, by the square 256.
            let ratio = work_secs(format, &large) / work_secs(format, &small);
            assert!(ratio < 80.0, "{format:?} {ratio:.0}: {}", &small[..80]);
        }
    }
}

#[test]
fn depth_neither_overflows_nor_stops_anything() {
    for depth in [10_000, 200_000] {
        for [open, close] in
            [["[", "]"], ["{\"a\":", "}"], ["{\"claims\":", "}"], ["{\"events\":", "}"], ["{\"risk\":", "}"]]
        {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let event = format!(
                r#"{{"uuid":"u","eventType":"user.session.start","x":{deep},"client":{{"ipAddress":{deep}}},
                "actor":{{"id":{deep},"detailEntry":{deep}}},"target":[{{"id":"1","changeDetails":{{"from":{deep}}}}}],
                "securityContext":{{"risk":{{"reasons":{deep}}}}},"debugContext":{{"debugData":{{"risk":{deep},"x":{deep}}}}},
                "request":{{"ipChain":[{{"geographicalContext":{deep}}}]}}}}"#
            );
            let events = Events::parse(Bytes::from(format!("[{event}]"))).unwrap();
            for format in MAPPED {
                let rendered = renderer(format).render(&events.get(0).unwrap(), None).bytes;
                assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&rendered).is_ok());
            }
        }
    }
}

/// Refuses an object in which a name occurs twice, at any level.
struct Unique;

impl<'de> serde::Deserialize<'de> for Unique {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> serde::de::Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON in which no name occurs twice")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut names = BTreeSet::new();
        while let Some((name, Unique)) = map.next_entry::<String, _>()? {
            if let Some(twice) = names.replace(name) {
                return Err(serde::de::Error::custom(format!("`{twice}` occurs twice")));
            }
        }
        Ok(Unique)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Unique, A::Error> {
        while seq.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }
}

/// JSON by its grammar alone: names twice, halves of surrogate pairs, numbers of any size.
fn odd_json() -> impl Strategy<Value = String> {
    let text = || {
        select(vec![
            r#""\ud800""#,
            r#""\udc00\ud800""#,
            r#""\u0000""#,
            r#""User""#,
            r#""unknown""#,
            r#""198.51.100.7""#,
            r#""2026-01-02T03:04:05.670Z""#,
            r#""{level=HIGH, level=\ud800}""#,
            r#""user.session.start""#,
        ])
    };
    let leaf = prop_oneof![
        text().prop_map(str::to_owned),
        select(vec!["1e999", "-1E400", "0", "null", "true", "1.50", "123456789012345678901234567890"])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        let name = prop_oneof![
            8 => member(),
            1 => select(vec![r"\ud800", r"\u0069d", "aBC", "aB_c", "a_b_c", "id#1"]).prop_map(str::to_owned)
        ];
        prop_oneof![
            1 => vec(inner.clone(), 0..4).prop_map(|elements| format!("[{}]", elements.join(","))),
            3 => vec((name, inner), 0..7).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_name_is_written_twice_whatever_okta_sends(
        members in vec((select(vec!["uuid", "actor", "target", "client", "debugContext", "securityContext", "debug_context",
            "eventType", "outcome", "transaction", "request", "device", "published"]), odd_json()), 0..12),
        bytes_max in prop_oneof![Just(usize::MAX), 0_usize..2_000],
    ) {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let events = Events::parse(Bytes::from(format!("[{{{}}}]", members.join(",")))).unwrap();
        for format in MAPPED {
            let rendered = renderer(format).render(&events.get(0).unwrap(), Some(bytes_max)).bytes;
            let read = serde_json::from_slice::<Unique>(&rendered).map(drop).map_err(|err| err.to_string());
            prop_assert_eq!(read, Ok(()), "{}", String::from_utf8_lossy(&rendered));
        }
    }
}
