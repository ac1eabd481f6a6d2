//! What arrives and what is made of it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const GOOD: &str = include_str!("../../../tests/fixtures/commands/good.jsonl");
const BAD: &str = include_str!("../../../tests/fixtures/commands/bad.jsonl");

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Bytes::from((*value).to_owned()))).collect()
}

fn plain(command: &Value) -> Result<Command, Undecodable> {
    decode(&Bytes::from(command.to_string()), &Headers::new(), None)
}

fn deactivate() -> Value {
    json!({ "id": "c-1", "action": "user.deactivate", "parameters": { "user": "ada@acme.com" } })
}

fn without_id() -> Value {
    json!({ "action": "user.deactivate", "parameters": { "user": "ada@acme.com" } })
}

fn refused(payload: &str) -> OutcomeError {
    decode(&Bytes::from(payload.to_owned()), &Headers::new(), None).unwrap_err().error
}

#[test]
fn every_action_is_read_with_few_and_with_all_parameters() {
    let read = |line| plain(&serde_json::from_str(line).unwrap()).unwrap();
    let commands: Vec<_> = GOOD.lines().map(read).collect();
    for action in Action::ALL {
        let count = commands.iter().filter(|command| command.request.action() == *action).count();
        assert_eq!(count, 2, "{action:?}");
    }
    let full = commands.iter().find(|command| command.id == "user.delete-full").unwrap();
    assert!(full.dry_run && full.reveal && full.is_id_in_payload);
    assert_eq!(full.not_before, Some("2026-11-25T09:00:00Z".parse().unwrap()));
    assert_eq!(full.expires_at, Some("2026-11-26T08:00:00Z".parse().unwrap()));
    assert_eq!(full.reply_to.as_deref(), Some("okta.acme.replies.hr"));
    assert_eq!(full.reason.as_deref(), Some("Left the company"));
    assert_eq!(full.requested_by.as_deref(), Some("hr@acme.com"));
    assert_eq!(full.expect.in_groups, ["Everyone"]);
}

#[test]
fn whatever_is_wrong_is_told_with_a_code_and_the_place() {
    for line in BAD.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let undecodable = plain(&case["command"]).expect_err(line);
        let error = &undecodable.error;
        assert_eq!(case["code"], error.code, "{line}\n{error:?}");
        let told = format!("{} {}", error.message, error.remedy.as_deref().unwrap_or_default());
        assert!(told.contains(case["says"].as_str().unwrap()), "{line}\n{told}");
        assert!(!told.contains("8675309"), "a value is repeated: {told}");
        let has_id = !matches!(error.code.as_str(), "bad_id") && case["command"]["id"].is_string();
        assert_eq!(undecodable.id.is_some(), has_id, "{line}");
    }
}

#[test]
fn what_is_no_object_of_its_own_is_refused() {
    for (payload, code) in [
        ("", "not_json"),
        ("{", "not_json"),
        ("nonsense", "not_json"),
        ("{} {}", "not_json"),
        ("\u{feff}{}", "not_json"),
        ("{\"id\":1e999}", "not_json"),
        ("{\"id\":\"\\ud800\"}", "not_json"),
        ("null", "not_an_object"),
        ("[]", "not_an_object"),
        ("\"c-1\"", "not_an_object"),
        ("{\"id\":\"a\",\"id\":\"b\",\"action\":\"user.get\"}", "duplicate_name"),
        (
            "{\"id\":\"a\",\"action\":\"user.update\",\"parameters\":{\"user\":\"a\",\"profile\":{\"x\":1,\"\\u0078\":2}}}",
            "duplicate_name",
        ),
        ("{\"id\":9007199254740992}", "inexact_number"),
        ("{\"id\":\"a\",\"parameters\":{\"profile\":{\"n\":-9007199254740993}}}", "inexact_number"),
        ("{\"id\":12345678901234567890123}", "inexact_number"),
        ("{\"id\":1e300}", "inexact_number"),
        ("{\"a\":{\"$serde_json::private::RawValue\":\"{}\"}}", "not_json"),
        ("{\"action\":\"user.get\",\"parameters\":{\"user\":\"a\"}}", "missing_id"),
    ] {
        assert_eq!(refused(payload).code, code, "{payload}");
    }
    assert_eq!(refused(&"[".repeat(100_000)).code, "not_json");
    assert_eq!(refused(&" ".repeat(PAYLOAD_BYTES_MAX + 1)).code, "too_large");
    let not_utf8 = decode(&Bytes::from_static(b"{\"id\":\"\xff\"}"), &Headers::new(), None).unwrap_err();
    assert_eq!(not_utf8.error.code, "not_json");
}

#[test]
fn numbers_that_every_program_has_exactly_are_carried_as_they_are() {
    for number in ["9007199254740991", "-9007199254740991", "0.1", "-0.5", "1e15"] {
        let text = format!(
            "{{\"id\":\"a\",\"action\":\"user.update\",\"parameters\":{{\"user\":\"ada\",\"profile\":{{\"n\":{number}}}}}}}"
        );
        decode(&Bytes::from(text), &Headers::new(), None).expect(number);
    }
}

#[test]
fn what_must_be_an_object_is_no_list() {
    for (name, list) in
        [("expect", json!([])), ("expect", json!([["ACTIVE"]])), ("parameters", json!(["ada"]))]
    {
        let mut command = deactivate();
        command[name] = list;
        let error = plain(&command).unwrap_err().error;
        assert!(error.message.contains(name), "{error:?}");
    }
    let create = |question: Value| {
        let parameters = json!({ "profile": { "login": "ada" }, "recovery_question": question });
        plain(&json!({ "id": "c-1", "action": "user.create", "parameters": parameters }))
    };
    assert!(create(json!({ "question": "What?", "answer": "That." })).is_ok());
    assert_eq!(create(json!(["What?", "That."])).unwrap_err().error.code, "bad_parameters");
}

#[test]
fn what_expires_before_it_may_begin_is_refused() {
    let mut command = deactivate();
    command["not_before"] = json!("2026-11-25T09:00:00Z");
    command["expires_at"] = json!("2026-11-25T10:00:00+01:00");
    assert!(plain(&command).unwrap_err().error.message.contains("not after `not_before`"));
}

#[test]
fn the_payloads_id_wins_then_the_events_then_the_messages() {
    let [with_id, without_id] = [deactivate(), without_id()].map(|command| Bytes::from(command.to_string()));
    let event = headers(&[("CE_ID", "e-1"), ("ce_type", "oktabus.command")]);
    let none = Headers::new();
    let id = |payload: &Bytes, headers: &Headers, message_id| {
        let command = decode(payload, headers, message_id).unwrap();
        (command.id, command.is_id_in_payload)
    };
    assert_eq!(id(&with_id, &event, Some("m-1")), ("c-1".to_owned(), true));
    assert_eq!(id(&without_id, &event, Some("m-1")), ("e-1".to_owned(), false));
    assert_eq!(id(&without_id, &none, Some("m-1")), ("m-1".to_owned(), false));
    let nats = headers(&[("Ce-Id", "e%20%C3%A91")]);
    assert_eq!(id(&without_id, &nats, None).0, "e \u{e9}1");
    // By the bindings of CloudEvents: what is encoded is decoded once, and Kafka encodes nothing.
    for (name, header, expected) in [
        ("ce-id", "50%25", "50%"),
        ("ce-id", "50%2525", "50%25"),
        ("ce-id", "\"a \\\"b\\\" c\"", "a \"b\" c"),
        ("ce-id", "%22a%22", "\"a\""),
        ("ce_id", "50%25", "50%25"),
        ("ce_id", "50%", "50%"),
    ] {
        assert_eq!(id(&without_id, &headers(&[(name, header)]), None).0, expected, "{name}: {header}");
    }
    for bad in ["", " ", "a\nb", "a\u{fffe}", &"x".repeat(ID_BYTES_MAX + 1)] {
        assert_eq!(decode(&without_id, &none, Some(bad)).unwrap_err().error.code, "missing_id", "{bad}");
    }
    // What cannot be read is answered under the id that the transport gives.
    let undecodable = decode(&Bytes::from_static(b"{"), &event, None).unwrap_err();
    assert_eq!(undecodable.id.as_deref(), Some("e-1"));
    assert!(!undecodable.is_id_in_payload);
    // Whoever sends signed bytes again may put any header around them.
    let around = headers(&[("content-type", "application/cloudevents+json"), ("ce-id", "another")]);
    let undecodable = decode(&with_id, &around, None).unwrap_err();
    assert_eq!((undecodable.id.as_deref(), undecodable.is_id_in_payload), (Some("another"), false));
    let broken = Bytes::from_static(br#"{"id":"c-9","action":"user.fly","parameters":{}}"#);
    let undecodable = decode(&broken, &none, None).unwrap_err();
    assert_eq!((undecodable.id.as_deref(), undecodable.is_id_in_payload), (Some("c-9"), true));
}

#[test]
fn a_structured_event_has_the_command_inside() {
    let structured = headers(&[("Content-Type", "application/CloudEvents+json; charset=UTF-8")]);
    let event = |data: Value| {
        let mut event = json!({ "specversion": "1.0", "id": "e-1", "source": "hr", "type": "oktabus.command", "tenant": "x" });
        event.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
        Bytes::from(event.to_string())
    };
    let encoded = STANDARD.encode(without_id().to_string());
    for data in [json!({ "data": without_id() }), json!({ "data_base64": encoded })] {
        for headers in [&structured, &Headers::new()] {
            let command = decode(&event(data.clone()), headers, Some("m-1")).unwrap();
            assert_eq!((command.id.as_str(), command.request.action()), ("e-1", Action::UserDeactivate));
            assert!(command.is_id_in_payload, "the event is the payload");
        }
    }
    assert_eq!(decode(&event(json!({ "data": deactivate() })), &structured, None).unwrap().id, "c-1");
    for (data, reason) in [
        (json!({}), "`data` is missing"),
        (json!({ "data": "text" }), "`data` must be the command"),
        (json!({ "data": deactivate(), "data_base64": "e30=" }), "both `data`"),
        (json!({ "data_base64": "%" }), "is not base64"),
        (json!({ "data_base64": 5 }), "must be a string"),
        (json!({ "specversion": "0.3", "data": deactivate() }), "`specversion` must be"),
        (json!({ "id": 5, "data": deactivate() }), "`id` must be a string"),
    ] {
        let error = decode(&event(data), &structured, None).unwrap_err().error;
        assert!(error.code == "bad_cloud_event" && error.message.contains(reason), "{reason}: {error:?}");
    }
    let twice = event(json!({ "data_base64": STANDARD.encode("{\"id\":1,\"id\":2}") }));
    assert_eq!(decode(&twice, &structured, None).unwrap_err().error.code, "duplicate_name");
}

#[test]
fn the_fingerprint_is_of_what_is_asked_and_of_nothing_else() {
    let fingerprint = |payload: &str, headers: &Headers| {
        decode(&Bytes::from(payload.to_owned()), headers, None).unwrap().fingerprint.to_saved(&key("a"))
    };
    let none = Headers::new();
    let known = fingerprint(&deactivate().to_string(), &none);
    assert!(known.len() == 67 && known.starts_with("v1:"), "{known}");
    let event = json!({ "specversion": "1.0", "id": "c-1", "data": without_id() }).to_string();
    for same in [
        "{ \"parameters\": { \"user\" : \"ada@acme.com\" }, \"action\":\"user.deactivate\",\n\"id\":\"c-1\" }",
        "{\"id\":\"c-1\",\"action\":\"user.de\\u0061ctivate\",\"parameters\":{\"user\":\"ada@acme.com\"},\"dry_run\":false,\"expect\":{},\"reason\":null}",
        &event,
    ] {
        assert_eq!(fingerprint(same, &none), known, "{same}");
    }
    assert_eq!(fingerprint(&without_id().to_string(), &headers(&[("ce_id", "c-1")])), known);
    for (name, value) in [
        ("action", json!("user.suspend")),
        ("parameters", json!({ "user": "eve@acme.com" })),
        ("parameters", json!({ "user": "ada@acme.com", "send_email": true })),
        ("expires_at", json!("2026-11-26T09:00:00Z")),
        ("not_before", json!("2026-11-26T09:00:00Z")),
        ("dry_run", json!(true)),
        ("reveal", json!(true)),
        ("reply_to", json!("replies.hr")),
        ("expect", json!({ "status": ["ACTIVE"] })),
    ] {
        let mut other = deactivate();
        other[name] = value;
        if name == "action" {
            other["parameters"] = json!({ "user": "ada@acme.com" });
        }
        assert_ne!(fingerprint(&other.to_string(), &none), known, "{other}");
    }
}

fn key(credential: &str) -> FingerprintKey {
    FingerprintKey::from_credential(&secrecy::SecretString::from(credential))
}

#[test]
fn what_is_kept_of_a_secret_is_of_no_use_without_the_orgs_credential() {
    for (action, parameters, has_secret) in [
        ("user.set_password", json!({ "user": "ada", "password": "Winter2026" }), true),
        ("user.create", json!({ "profile": { "login": "ada" }, "password": "Winter2026" }), true),
        (
            "user.create",
            json!({ "profile": { "login": "ada" }, "recovery_question": { "question": "?", "answer": "!" } }),
            true,
        ),
        ("user.create", json!({ "profile": { "login": "ada" } }), false),
        ("user.suspend", json!({ "user": "ada" }), false),
    ] {
        let command = json!({ "id": "c-1", "action": action, "parameters": parameters });
        let saved = |credential| plain(&command).unwrap().fingerprint.to_saved(&key(credential));
        assert_eq!(saved("a"), saved("a"), "{command}");
        assert_eq!(
            saved("a") != saved("b"),
            has_secret,
            "{command}: whoever knows the command knows the rest"
        );
    }
}

#[test]
fn a_copy_is_known_and_another_password_under_its_id_is_not_it() {
    let fingerprint = |password: &str, user: &str| {
        let parameters = json!({ "user": user, "password": password });
        plain(&json!({ "id": "c-1", "action": "user.set_password", "parameters": parameters }))
            .unwrap()
            .fingerprint
    };
    let (command, key, exchanged) = (fingerprint("Winter2026", "ada"), key("a"), key("b"));
    let saved = command.to_saved(&key);
    assert!(command.matches(&saved, &key));
    assert!(!fingerprint("Summer2026", "ada").matches(&saved, &key));
    assert!(!fingerprint("Winter2026", "eve").matches(&saved, &key));
    // A credential is exchanged while a command stands on the queue: it must not be refused for that.
    assert!(command.matches(&saved, &exchanged));
    assert!(!fingerprint("Winter2026", "eve").matches(&saved, &exchanged));
    // Where nobody vouches for the copy, what cannot be compared is another.
    assert!(command.matches_exactly(&saved, &key) && !command.matches_exactly(&saved, &exchanged));
    assert!(!fingerprint("Summer2026", "ada").matches_exactly(&saved, &exchanged));
    let without = plain(&deactivate()).unwrap().fingerprint;
    assert!(without.matches(&without.to_saved(&key), &exchanged) && !without.matches(&saved, &key));
    // What earlier versions kept, which did not say how.
    for command in [&command, &without] {
        let saved = command.to_saved(&key);
        let kept_before = saved.strip_prefix("v1:").unwrap();
        assert!(command.matches(kept_before, &key), "{saved}");
        assert!(!command.matches(&format!("v2:{kept_before}"), &key), "another way is another thing");
    }
    assert!(!command.matches(&"0".repeat(64), &key));
}

#[test]
fn no_form_of_printing_shows_a_secret() {
    for line in GOOD.lines().filter(|line| line.contains("correct horse")) {
        let shown = format!("{:?}", plain(&serde_json::from_str(line).unwrap()).unwrap());
        assert!(!shown.contains("correct horse") && !shown.contains("That."), "{shown}");
    }
}

#[test]
fn a_command_is_due_between_its_two_times() {
    let mut command = deactivate();
    command["not_before"] = json!("2026-11-25T09:00:00Z");
    command["expires_at"] = json!("2026-11-25T10:00:00Z");
    let command = plain(&command).unwrap();
    let at = |time: &str| command.timing(time.parse().unwrap());
    assert_eq!(at("2026-11-25T08:59:59Z"), Timing::Early("2026-11-25T09:00:00Z".parse().unwrap()));
    assert_eq!(at("2026-11-25T09:00:00Z"), Timing::Due);
    assert_eq!(at("2026-11-25T10:00:00Z"), Timing::Expired);
    assert_eq!(plain(&deactivate()).unwrap().timing(Timestamp::UNIX_EPOCH), Timing::Due);
}

/// JSON values that look somewhat like commands.
fn json_like() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(Action::ALL.iter().map(|action| action.name()).collect::<Vec<_>>())
            .prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "id",
        "action",
        "parameters",
        "user",
        "users",
        "group",
        "expect",
        "specversion",
        "data",
        "data_base64",
        "x",
    ]);
    leaf.prop_recursive(4, 32, 6, move |inner| {
        let members = prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Commands with some bytes changed, some cut out and some repeated.
fn nearly_good() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..4_u8);
    let lines = prop::sample::select(GOOD.lines().collect::<Vec<_>>());
    (lines, prop::collection::vec(change, 1..4)).prop_map(|(line, changes)| {
        let mut bytes = line.as_bytes().to_vec();
        for (from, to, byte, how) in changes {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let range = from.min(to)..from.max(to);
            match how {
                0 => bytes[from] = byte,
                1 => bytes[from] = br#"{}[]",:\u0"#[usize::from(byte) % 10],
                2 if range.len() + 1 < bytes.len() => drop(bytes.drain(range)),
                _ => bytes.extend_from_within(range),
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn no_bytes_and_no_headers_make_it_panic(
        payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            json_like().prop_map(|value| value.to_string().into_bytes()),
            nearly_good(),
        ],
        headers in prop::collection::vec(
            (
                prop_oneof![Just("ce_id".to_owned()), Just("Ce-Id".to_owned()), Just("content-type".to_owned()), ".{0,8}"],
                prop_oneof![
                    Just(b"application/cloudevents+json".to_vec()),
                    prop::collection::vec(any::<u8>(), 0..20),
                    "(%[0-9a-fg]{0,2}|.){0,6}".prop_map(String::into_bytes),
                ],
            ),
            0..3,
        ),
        message_id in prop::option::of(".{0,8}"),
    ) {
        let headers = headers.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect();
        match decode(&Bytes::from(payload), &headers, message_id.as_deref()) {
            Ok(command) => prop_assert!(is_good_id(&command.id)),
            Err(undecodable) => {
                prop_assert!(undecodable.id.is_none_or(|id| is_good_id(&id)));
                prop_assert!(!undecodable.error.code.is_empty() && !undecodable.error.message.is_empty());
            }
        }
    }
}

#[test]
fn what_an_outcome_says_of_expectations_and_unknown_names_is_bounded_and_no_secret() {
    for expect in [
        json!({ "status": ["A".repeat(1_025)] }),
        json!({ "status": vec!["ACTIVE"; 200] }),
        json!({ "profile": { "x".repeat(1_025): 1 } }),
        json!({ "in_groups": ["x".repeat(1_025)] }),
    ] {
        let mut command = deactivate();
        command["expect"] = expect;
        assert_eq!(plain(&command).unwrap_err().error.code, "too_long");
    }
    let mut command = deactivate();
    command["Correct-horse-7"] = json!(true);
    let mut inside = deactivate();
    inside["parameters"]["Correct-horse-7"] = json!(true);
    for command in [command, inside] {
        let error = plain(&command).unwrap_err().error;
        assert!(error.code == "unknown_name" && !format!("{error:?}").contains("Correct-horse"), "{error:?}");
    }
    let mut misspelt = deactivate();
    misspelt["expct"] = json!({});
    assert_eq!(plain(&misspelt).unwrap_err().error.remedy.unwrap(), "did you mean `expect`?");
}

#[test]
fn what_people_are_shown_of_a_command_has_no_secret_and_what_is_approved_has_ids() {
    let parameters = json!({ "user": "ada", "password": "Correct-horse-7" });
    let command = json!({ "id": "c-1", "action": "user.set_password", "parameters": parameters }).to_string();
    let shown = without_secrets(command.as_bytes(), &Headers::new()).unwrap();
    assert_eq!(shown["parameters"], json!({ "user": "ada" }));
    let subjects = |id: &str| {
        let user = json!({ "name": "ada", "id": id });
        serde_json::from_value(json!({ "users": [user] })).unwrap()
    };
    assert_ne!(of_approval("v1:ab", &subjects("00u1")), of_approval("v1:ab", &subjects("00u2")));
    assert_ne!(of_approval("v1:ab", &subjects("00u1")), of_approval("v1:ac", &subjects("00u1")));
}
