//! What `oktabus schema` says will be published is what is published, and what it prints is valid by others' judgement.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    daemon::Workplace,
    judges::messages::{asyncapi_judge, messages_judge},
    kafka::Broker,
    nats::NatsServer,
    okta::Okta,
};

const EVENTS: usize = 400;

fn configuration(broker: &Broker, nats: &NatsServer) -> String {
    format!(
        r#"
[streams.log]
org = "acme"
start = "-90d"
page_size = 100
routes = [
  {{ sink = "siem" }},
  {{ sink = "siem", name = "log/classes", format = "ocsf" }},
  {{ sink = "siem", name = "log/elastic", format = "ecs", redact = {{ mask = ["client"] }} }},
  {{ sink = "structured", redact = {{ presets = {{ personal = "pseudonymize", sensitive = "drop" }}, key_file = "{{dir}}/token" }} }},
  {{ sink = "events" }},
  {{ sink = "envelopes", redact = {{ mask = ["*"] }} }},
  {{ sink = "archive" }},
  {{ sink = "out" }},
]
[buses.kafka]
kind = "kafka"
brokers = ["{}"]
[buses.nats]
kind = "nats"
servers = ["nats://user:secret@{}"]
[sinks.siem]
kind = "kafka"
topic = "schema.{{org}}.{{format}}"
[sinks.structured]
kind = "kafka"
topic = "schema.structured"
key = "{{session|org}}"
encoding = "structured"
[sinks.events]
kind = "nats"
stream = "EVENTS"
create = {{}}
[sinks.envelopes]
kind = "nats"
stream = "ENVELOPES"
subject = "envelopes.{{severity}}.{{event_type}}"
encoding = "structured"
create = {{}}
[sinks.archive]
kind = "file"
directory = "{{dir}}/archive"
rotate = {{ size = "100 KiB", compress = "zstd" }}
[sinks.out]
kind = "stdout"
"#,
        broker.bus().brokers[0],
        nats.url().trim_start_matches("nats://")
    )
}

/// What the judge read, as the schema speaks of it.
fn as_described(route: &str, message: &Value) -> Value {
    let payload: Value = serde_json::from_str(message["value"].as_str().unwrap()).unwrap();
    let mut described = json!({ "route": route, "address": message["address"], "headers": message["headers"], "payload": payload });
    if !message["key"].is_null() {
        described["key"] = message["key"].clone();
    }
    described
}

#[tokio::test]
async fn what_is_published_is_what_the_schema_says() {
    let okta = Okta::with_backlog(EVENTS).await;
    let broker = Broker::shared().await;
    let nats = NatsServer::start().await;
    for topic in ["schema.acme.okta", "schema.acme.ocsf", "schema.acme.ecs", "schema.structured"] {
        broker.create_topic(topic, 3, &[]).await;
    }
    let workplace = Workplace::with_orgs(&format!(
        "{}\n[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\nbudget = {{ share = 1.0 }}\n",
        configuration(broker, &nats),
        okta.url()
    ));
    workplace.catch_up().await;

    let said = workplace.oktabus(&["schema", "--as", "json-schema"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(!said.stdout.contains("secret"), "{}", said.stdout);
    let schema = workplace.path("schema.json");
    fs::write(&schema, &said.stdout).unwrap();

    let bootstrap = &broker.bus().brokers[0];
    let mut lines = Vec::new();
    for (route, read) in [
        ("log/siem", ["kafka", bootstrap, "schema.acme.okta"]),
        ("log/classes", ["kafka", bootstrap, "schema.acme.ocsf"]),
        ("log/elastic", ["kafka", bootstrap, "schema.acme.ecs"]),
        ("log/structured", ["kafka", bootstrap, "schema.structured"]),
        ("log/events", ["nats", &nats.url(), "EVENTS"]),
        ("log/envelopes", ["nats", &nats.url(), "ENVELOPES"]),
    ] {
        let messages = messages_judge(&read, "").await;
        assert_eq!(messages.len(), EVENTS, "{route}");
        lines.extend(messages.iter().map(|message| as_described(route, message)));
    }
    let archived = fs::read_dir(workplace.path("archive")).unwrap();
    let names: Vec<_> = archived.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name.ends_with(".zst")), "{names:?}");
    for (name, payload) in names.iter().cycle().zip(workplace.lines("archive")) {
        let payload: Value = serde_json::from_str(&payload).unwrap();
        lines.push(json!({ "route": "log/archive", "address": name, "payload": payload }));
    }
    lines.push(json!({ "route": "log/out", "payload": lines[0]["payload"] }));
    let text = |lines: &[Value]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let path = schema.to_str().unwrap();
    assert_eq!(messages_judge(&["schema", path], &text(&lines)).await, [json!({ "valid": EVENTS * 7 + 1 })]);
}

#[tokio::test]
async fn the_document_is_asyncapi_by_its_own_parser() {
    let okta = Okta::with_backlog(1).await;
    let (broker, nats) = (Broker::shared().await, NatsServer::start().await);
    let workplace = Workplace::with_orgs(&format!(
        "{}\n[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n",
        configuration(broker, &nats),
        okta.url()
    ));
    let said = workplace.oktabus(&["schema"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(!said.stdout.contains("secret"), "{}", said.stdout);
    asyncapi_judge(&said.stdout).await;
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(document["channels"].as_object().unwrap().len(), 8);
    assert_eq!(document["channels"]["log.events"]["address"], "okta.acme.okta.{event_type}");
    assert_eq!(document["channels"]["log.siem"]["address"], "schema.acme.okta");
    assert_eq!(document["servers"]["nats"]["host"], nats.url().trim_start_matches("nats://"));
}
