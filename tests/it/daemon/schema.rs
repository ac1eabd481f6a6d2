//! What `oktabus schema` says will be published is what is published, and what it prints is valid by others' judgement.

use std::fs;

use oktabus::command::Action;
use serde_json::{Value, json};

use crate::support::{
    clock::Clock,
    daemon::Workplace,
    judges::messages::{asyncapi_judge, messages_judge},
    kafka::Broker,
    nats::NatsServer,
    okta::Okta,
};

const EVENTS: usize = 400;
const COMMANDS: &str = r#"
[commands.hr]
org = "acme"
intake = { kind = "nats", stream = "COMMANDS", subject = "commands.acme.*.>" }
signature = { required = false }
outcomes = { sink = "events", subject = "outcomes.acme.{action}" }
allow = ["*"]
"#;

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
[searches.found]
org = "acme"
schedule = "0 * * * *"
start = "-6d"
routes = [
  {{ sink = "found" }},
  {{ sink = "found", name = "found/batches", emit = "batches", batch_size = 50, empty = "report" }},
  {{ sink = "found", name = "found/classes", emit = "batches", format = "ocsf" }},
  {{ sink = "found", name = "found/summary", emit = "summary" }},
  {{ sink = "wrapped", emit = "batches", redact = {{ mask = ["client"] }} }},
]
[searches.nothing]
org = "acme"
schedule = "0 * * * *"
start = "-6d"
actor = "nobody"
routes = [
  {{ sink = "none", empty = "report" }},
  {{ sink = "none", name = "nothing/batches", emit = "batches", empty = "report" }},
]
[sinks.found]
kind = "nats"
stream = "FOUND"
subject = "found.{{route}}"
create = {{}}
[sinks.wrapped]
kind = "nats"
stream = "WRAPPED"
subject = "wrapped.{{route}}"
encoding = "structured"
create = {{}}
[sinks.none]
kind = "nats"
stream = "NONE"
subject = "none.{{route}}"
create = {{}}
{}
[buses.nats]
kind = "nats"
servers = ["{}"]
auth = {{ user = "user", password_file = "{{dir}}/secret" }}
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
        broker.section(),
        nats.url()
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
    let workplace = Workplace::new(&okta, &configuration(broker, &nats));
    workplace.write_secret("secret", "secret");
    run_searches(&workplace).await;

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
    let of_searches = published_by_searches(&nats).await;
    let archived = fs::read_dir(workplace.path("archive")).unwrap();
    let names = archived.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    assert!(names.iter().any(|name| name.ends_with(".zst")), "{names:?}");
    for (name, payload) in names.iter().cycle().zip(workplace.lines("archive")) {
        let payload: Value = serde_json::from_str(&payload).unwrap();
        lines.push(json!({ "route": "log/archive", "address": name, "payload": payload }));
    }
    lines.push(json!({ "route": "log/out", "payload": lines[0]["payload"] }));
    let of_searches_count = of_searches.len();
    lines.extend(of_searches);
    let text = |lines: &[Value]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let path = schema.to_str().unwrap();
    assert_eq!(
        messages_judge(&["schema", path], &text(&lines)).await,
        [json!({ "valid": EVENTS * 7 + 1 + of_searches_count })]
    );
}

/// Lets the daemon begin hours ago and catch up, so that its searches have run.
async fn run_searches(workplace: &Workplace) {
    let clock = Clock::new(workplace);
    clock.put(-5 * 3_600);
    let began = workplace.start_with(&["--until-caught-up"], &clock.environment()).ended().await;
    assert!(began.success(), "{}", workplace.log());
    workplace.catch_up().await;
}

/// What the searches have published, as the schema speaks of it.
async fn published_by_searches(nats: &NatsServer) -> Vec<Value> {
    let mut described = Vec::new();
    for stream in ["FOUND", "WRAPPED", "NONE"] {
        for message in messages_judge(&["nats", &nats.url(), stream], "").await {
            let route = message["address"].as_str().unwrap().rsplit('.').next().unwrap();
            described.push(as_described(&route.replace('_', "/"), &message));
        }
    }
    let count = |route: &str| described.iter().filter(|line| line["route"] == route).count();
    for route in ["found/batches", "found/classes", "found/summary", "found/wrapped"] {
        assert!(count(route) > 0, "{route}");
    }
    assert_eq!((count("nothing/none"), count("nothing/batches")), (1, 1));
    assert!(count("found/found") > 50);
    described
}

#[tokio::test]
async fn the_document_is_asyncapi_by_its_own_parser() {
    let okta = Okta::with_backlog(1).await;
    let (broker, nats) = (Broker::shared().await, NatsServer::start().await);
    let workplace = Workplace::new(&okta, &format!("{}{COMMANDS}", configuration(broker, &nats)));
    let said = workplace.oktabus(&["schema"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(!said.stdout.contains("/secret") && !said.stdout.contains("password_file"), "{}", said.stdout);
    asyncapi_judge(&said.stdout).await;
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(document["channels"].as_object().unwrap().len(), 17);
    assert_eq!(document["channels"]["log.events"]["address"], "okta.acme.okta.{event_type}");
    assert_eq!(document["channels"]["log.siem"]["address"], "schema.acme.okta");
    assert_eq!(document["servers"]["nats"]["host"], nats.url().trim_start_matches("nats://"));
    let (queue, outcomes) =
        (&document["channels"]["commands.hr"], &document["channels"]["commands.hr.outcomes"]);
    assert_eq!(queue["address"], "commands.acme.{token3}.{rest}");
    assert_eq!(queue["x-jetstream-stream"], "COMMANDS");
    assert_eq!(outcomes["address"], "outcomes.acme.{action}");
    assert_eq!(document["operations"]["commands.hr"]["action"], "receive");
    assert_eq!(document["operations"]["commands.hr.outcomes"]["action"], "send");
    // One row an action, and the approval.
    let actions = document["components"]["schemas"]["command"]["oneOf"].as_array().unwrap();
    assert_eq!(actions.len(), Action::ALL.len() + 1);
}
