//! Redaction from outside: what leaves the daemon, by whatever way, has nothing of what was redacted.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::support::{daemon::Workplace, nats::NatsServer, okta::Okta};

const KEY: &str = "a key that only this test knows";

fn to_files(redact: &str) -> String {
    format!(
        r#"
[streams.log]
org = "acme"
start = "-90d"
poll_interval = "200ms"
routes = [{{ sink = "files", redact = {{ {redact} }} }}]
[sinks.files]
kind = "file"
directory = "{{dir}}/archive"
"#
    )
}

fn workplace(okta: &Okta, rest: &str) -> Workplace {
    let org = format!(
        "[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\nbudget = {{ share = 1.0 }}\n",
        okta.url()
    );
    Workplace::with_orgs(&format!("{rest}\n{org}"))
}

fn parsed(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every string of a value, with its path.
fn strings<'a>(value: &'a Value, path: &str, found: &mut Vec<(String, &'a str)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text)),
        Value::Array(items) => items.iter().for_each(|item| strings(item, path, found)),
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| strings(value, &format!("{path}.{name}"), found));
        }
        _ => {}
    }
}

#[tokio::test]
async fn what_is_not_redacted_keeps_its_bytes() {
    let okta = Okta::with_backlog(1_500).await;
    let workplace = workplace(&okta, &to_files(r#"drop = ["debugContext", "client.userAgent"]"#));
    workplace.catch_up().await;
    let expected = okta.events().await.into_iter().map(|event| {
        // The simulator writes neither twice nor with space between tokens.
        let without = |text: String, name: &str| {
            let Some(start) = text.find(&format!("\"{name}\":")) else { return text };
            let value = start + name.len() + 3;
            let mut values =
                serde_json::Deserializer::from_str(&text[value..]).into_iter::<serde::de::IgnoredAny>();
            values.next();
            let end = value + values.byte_offset();
            match (text[..start].strip_suffix(','), text[end..].strip_prefix(',')) {
                (Some(before), _) => format!("{before}{}", &text[end..]),
                (None, Some(after)) => format!("{}{after}", &text[..start]),
                (None, None) => format!("{}{}", &text[..start], &text[end..]),
            }
        };
        without(without(event, "debugContext"), "userAgent")
    });
    assert_eq!(workplace.lines("archive"), expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_personal_leaves_and_equal_values_stay_equal() {
    let okta = Okta::with_backlog(2_000).await;
    let presets = r#"presets = { personal = "pseudonymize", sensitive = "mask" }"#;
    let workplace = workplace(&okta, &to_files(&format!("{presets}, key_file = \"{{dir}}/token\"")));
    workplace.catch_up().await;
    let (before, after) = (parsed(&okta.events().await), parsed(&workplace.lines("archive")));
    assert_eq!(before.len(), after.len());
    let mut persons = BTreeSet::new();
    for (before, after) in before.iter().zip(&after) {
        for path in ["/uuid", "/published", "/eventType", "/severity", "/outcome/result", "/transaction/id"] {
            assert_eq!(before.pointer(path), after.pointer(path), "{path}");
        }
        let is_person = before["actor"]["type"] == "User";
        for member in ["id", "alternateId", "displayName"] {
            let (was, is) = (&before["actor"][member], &after["actor"][member]);
            if is_person && was.as_str().is_some_and(|was| !["", "unknown"].contains(&was)) {
                persons.insert(was.as_str().unwrap().to_owned());
                assert!(is.as_str().unwrap().starts_with("hmac-"), "{member}: {is}");
            }
        }
        for (was, is) in before["target"]
            .as_array()
            .into_iter()
            .flatten()
            .zip(after["target"].as_array().into_iter().flatten())
        {
            if was["type"] == "AppInstance" {
                assert_eq!(was["displayName"], is["displayName"], "an app is no person");
            }
            if was["id"] == before["actor"]["id"] && was["type"] == "User" && is_person {
                assert_eq!(is["id"], after["actor"]["id"], "equal values stay joinable");
            }
        }
    }
    assert!(persons.len() > 20, "so few persons prove nothing: {}", persons.len());
    let mut leaks = Vec::new();
    for event in &after {
        let mut found = Vec::new();
        strings(event, "", &mut found);
        leaks.extend(found.into_iter().filter(|(_, text)| persons.contains(*text)).map(|(path, _)| path));
    }
    let leaks: BTreeSet<_> = leaks.into_iter().collect();
    assert!(leaks.is_empty(), "persons are told in {leaks:?}");
}

#[tokio::test]
async fn a_refused_link_costs_nothing_where_fields_are_redacted() {
    let okta = Okta::with_backlog(3_500).await;
    okta.arm(json!({"kind": "refuse_cursor", "count": 1, "after": 1})).await;
    let workplace = workplace(&okta, &to_files(r#"mask = ["actor"]"#));
    workplace.catch_up().await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
    assert!(workplace.log().contains("POSSIBLE GAP"));
}

#[tokio::test]
async fn neither_subjects_nor_headers_nor_dead_letters_tell_what_was_redacted() {
    let okta = Okta::with_backlog(200).await;
    let nats = NatsServer::start().await;
    let config = nats.configuration(
        r#"{ sink = "nats", redact = { pseudonymize = ["actor", "target", "client.ipAddress", "debugContext"], key_file = "{dir}/key" } }"#,
    );
    let workplace = workplace(&okta, &(config + "subject = \"okta.{user}.{event_type}\"\n"));
    workplace.write_secret("key", KEY);
    let _daemon = workplace.start(&[]);
    workplace.route("log/nats", |route| route.delivered == 200).await;
    let huge = format!(
        r#"{{"uuid":"huge","actor":{{"id":"00ahuge","type":"User","displayName":"Huge"}},"padding":"{}"}}"#,
        "x".repeat(2 << 20)
    );
    okta.add(&format!("[{huge}]")).await;
    workplace.route("log/nats", |route| route.dead_letters == 1).await;

    let letter = fs::read_to_string(workplace.path("state/dead-letters/log.nats.jsonl")).unwrap();
    let letter: Value = serde_json::from_str(&letter).unwrap();
    assert!(letter["event"]["actor"]["displayName"].as_str().unwrap().starts_with("hmac-"));
    assert_eq!((&letter["event"]["uuid"], &letter["id"]), (&json!("huge"), &json!("acme:huge:redacted")));

    let mut told = BTreeSet::new();
    for event in parsed(&okta.events().await) {
        for party in std::iter::once(&event["actor"]).chain(event["target"].as_array().into_iter().flatten())
        {
            told.extend(party["id"].as_str().filter(|id| id.len() > 10).map(str::to_owned));
        }
    }
    assert!(told.len() > 20);
    for message in nats.stored("OKTA").await {
        let headers = message.headers.iter().map(|(_, value)| value.as_str());
        for text in headers.chain([message.subject.as_str()]) {
            assert!(!told.iter().any(|id| text.contains(id.as_str())), "{text}");
        }
        assert!(
            message.subject.starts_with("okta.hmac-") || message.subject.starts_with("okta._"),
            "{}",
            message.subject
        );
    }
    assert!(!workplace.log().contains(KEY));
}

#[tokio::test]
async fn what_cannot_be_redacted_as_told_is_refused() {
    let okta = Okta::with_backlog(1).await;
    for (redact, told) in [
        (r#"drop = ["uuid"]"#, "streams.log.routes[0].redact.drop: `uuid` cannot be redacted"),
        (r#"mask = ["client.ipAdress"]"#, "did you mean `ipAddress`?"),
        (
            r#"pseudonymize = ["actor.id"]"#,
            "redact.key: missing: give `key_file`, `key_env` or `key_credential`",
        ),
        (
            r#"pseudonymize = ["actor.id"], key_file = "{dir}/none""#,
            "redact.key: cannot read the secret file",
        ),
        (r#"mask = ["a..b"]"#, "is not the path of a field"),
        (r#"presets = { privat = "drop" }"#, "there are `personal`, `sensitive`"),
    ] {
        let workplace = workplace(&okta, &to_files(redact));
        let said = workplace.oktabus(&["check", "--offline"]).await;
        assert_eq!(said.code, Some(64), "{redact}");
        assert!(said.stderr.contains(told), "wanted: {told}\ntold: {}", said.stderr);
    }
}

#[tokio::test]
async fn routes_of_one_sink_that_redact_differently_are_refused() {
    let okta = Okta::with_backlog(1).await;
    let routes = |second: &str| {
        let first = r#"{ sink = "files", redact = { drop = ["actor"] } }"#;
        to_files("").replace(
            r#"{ sink = "files", redact = {  } }"#,
            &format!("{first}, {{ sink = \"files\", name = \"b\"{second} }}"),
        )
    };
    for (second, is_refused) in [
        (r#", redact = { mask = ["actor"] }"#, true),
        (r#", redact = { drop = ["actor"] }"#, false),
        ("", false),
    ] {
        let said = workplace(&okta, &routes(second)).oktabus(&["check", "--offline"]).await;
        assert_eq!(said.code, Some(if is_refused { 64 } else { 0 }), "{second}: {}", said.stderr);
        assert_eq!(
            said.stderr.contains("`log/files` and `b` redact differently"),
            is_refused,
            "{}",
            said.stderr
        );
    }
}

#[tokio::test]
async fn a_stream_may_have_an_event_with_and_without_what_is_redacted() {
    let okta = Okta::with_backlog(50).await;
    let nats = NatsServer::start().await;
    let config = nats.configuration(
        r#"{ sink = "nats" }, { sink = "nats", name = "log/redacted", redact = { drop = ["actor"] } }"#,
    );
    workplace(&okta, &config).catch_up().await;
    let stored = nats.stored("OKTA").await;
    assert_eq!(stored.len(), 100, "neither is taken for a copy of the other");
    let redacted = stored.iter().filter(|message| message.header("ce-id").unwrap().ends_with(":redacted"));
    assert!(redacted.clone().all(|message| !String::from_utf8_lossy(&message.payload).contains("\"actor\"")));
    assert_eq!(redacted.count(), 50);
}
