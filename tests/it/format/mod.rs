//! What the program renders, judged by programs of other people: OCSF by the compiled schemas of PyPI's
//! `ocsf-json-schema`, ECS by the field list of npm's `@elastic/ecs`, UDM by the protobuf message of PyPI's
//! `google-backstory`, and all of it by the strictest reading of JSON.

#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod odd;
mod rules;
mod variants;

use std::{collections::BTreeMap, process::Command};

use serde::Deserialize;
use serde_json::Value;

use crate::support::{
    daemon::Workplace,
    judges::{node, program, run},
    okta::Okta,
    tools::tool,
};
use variants::event_types;

/// What a judge says.
#[derive(Debug, Deserialize)]
struct Verdict {
    #[serde(alias = "documents")]
    events: usize,
    invalid: usize,
    /// By class and activity, by categories, or by UDM's event type.
    #[serde(alias = "categories")]
    classes: BTreeMap<String, usize>,
    shown: Vec<Value>,
}

/// How many hostile events of each type are rendered.
const HOSTILE_VARIANTS: u64 = 2;

async fn render(options: &[&str], events: &[Value]) -> String {
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    let rendered = render_lines(options, lines).await;
    assert_eq!(rendered.lines().count(), events.len());
    rendered
}

async fn render_lines(options: &[&str], lines: String) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oktabus"));
    command.arg("render").args(options);
    let (is_well, rendered, complaints) = run(command, lines).await;
    assert!(is_well, "{complaints}");
    rendered
}

async fn judge_ocsf(rendered: String) -> Verdict {
    tool("judges-ocsf-python/python");
    let mut command = Command::new("python3");
    command.arg(program("ocsf/judge.py"));
    verdict(command, rendered).await
}

/// Whether all lines are JSON for the strictest reader, and what is wrong if not.
async fn judge_strictly(lines: String) -> Strictness {
    let mut command = Command::new("python3");
    command.arg(program("strict/judge.py"));
    let (_, printed, complaints) = run(command, lines).await;
    serde_json::from_str(&printed).unwrap_or_else(|err| panic!("{err}: {printed}{complaints}"))
}

/// What the strictest reader says.
#[derive(Debug, PartialEq, Deserialize)]
struct Strictness {
    events: usize,
    invalid: usize,
    shown: Vec<Value>,
}

async fn judge_ecs(rendered: String) -> Verdict {
    tool("judges-ecs-node/node_modules");
    let mut command = Command::new(node());
    command.arg(program("ecs/judge.mjs"));
    verdict(command, rendered).await
}

async fn judge_udm(rendered: String) -> Verdict {
    tool("judges-udm-python/python");
    let mut command = Command::new("python3");
    command.arg(program("udm/judge.py"));
    verdict(command, rendered).await
}

async fn verdict(command: Command, rendered: String) -> Verdict {
    let (_, printed, complaints) = run(command, rendered).await;
    serde_json::from_str(&printed).unwrap_or_else(|err| panic!("{err}: {printed}{complaints}"))
}

impl Verdict {
    fn assert_all_valid(&self, events: usize) {
        assert_eq!((self.events, self.invalid), (events, 0), "{:#?}", self.shown);
    }
}

/// Every event type that Okta has, sparse, full and hostile.
fn all_variants() -> Vec<Value> {
    let mut events = Vec::new();
    for event_type in event_types() {
        events.push(event_type.sparse());
        events.push(event_type.full());
        events.extend((0..HOSTILE_VARIANTS).map(|seed| event_type.hostile(seed)));
    }
    assert!(events.len() > 4_000);
    events
}

#[tokio::test]
async fn every_event_of_every_type_is_valid_ocsf() {
    let events = all_variants();
    let rendered = render(&["--format", "ocsf", "--org", "acme.okta.com", "--raw-data"], &events).await;
    judge_ocsf(rendered).await.assert_all_valid(events.len());
}

#[tokio::test]
async fn every_event_of_every_type_is_valid_ecs() {
    let events = all_variants();
    let rendered = render(&["--format", "ecs", "--org", "acme.okta.com"], &events).await;
    judge_ecs(rendered).await.assert_all_valid(events.len());
}

#[tokio::test]
async fn every_event_of_every_type_is_valid_udm() {
    let events = all_variants();
    for org in [&["--org", "acme.okta.com"][..], &[]] {
        let rendered = render(&[&["--format", "udm"], org].concat(), &events).await;
        judge_udm(rendered).await.assert_all_valid(events.len());
    }
}

#[tokio::test]
async fn what_is_cut_to_fit_a_bus_is_valid_too() {
    let events: Vec<_> = event_types().into_iter().map(variants::EventType::full).collect();
    for bytes_max in ["6000", "4000", "1"] {
        let rendered = render(&["--format", "ocsf", "--raw-data", "--max-bytes", bytes_max], &events).await;
        judge_ocsf(rendered).await.assert_all_valid(events.len());
    }
    let rendered = render(&["--format", "ecs", "--max-bytes", "1"], &events).await;
    judge_ecs(rendered).await.assert_all_valid(events.len());
    for bytes_max in ["5000", "1"] {
        let rendered = render(&["--format", "udm", "--max-bytes", bytes_max], &events).await;
        judge_udm(rendered).await.assert_all_valid(events.len());
    }
}

#[tokio::test]
async fn what_is_no_event_at_all_is_kept_in_a_valid_shape() {
    let events =
        [Value::Null, 5.into(), "text \u{1f600}".into(), serde_json::json!([["x"]]), serde_json::json!({})];
    let rendered = render(&["--format", "ocsf"], &events).await;
    judge_ocsf(rendered.clone()).await.assert_all_valid(events.len());
    for (line, event) in rendered.lines().zip(&events).take(3) {
        let rendered: Value = serde_json::from_str(line).unwrap();
        assert_eq!(rendered["class_uid"], 0);
        assert_eq!(rendered["raw_data"], event.to_string());
    }
    judge_ecs(render(&["--format", "ecs"], &events).await).await.assert_all_valid(events.len());
    judge_udm(render(&["--format", "udm"], &events).await).await.assert_all_valid(events.len());
}

#[tokio::test]
async fn no_name_is_written_twice_and_nothing_is_lost_whatever_okta_sends() {
    const EVENTS: u64 = 600;
    let odd: Vec<_> = (0..EVENTS).map(odd::event).collect();
    let lines: String = odd.iter().map(|odd| odd.json.clone() + "\n").collect();
    for format in ["ocsf", "ecs", "udm"] {
        let rendered = render_lines(&["--format", format], lines.clone()).await;
        let verdict = judge_strictly(rendered.clone()).await;
        assert_eq!((verdict.events, verdict.invalid), (odd.len(), 0), "{:#?}", verdict.shown);
        for (line, odd) in rendered.lines().zip(&odd) {
            for mark in &odd.marks {
                // A number may be told as the text that it is.
                let bare = mark.trim_matches('"');
                assert!(line.contains(bare), "{format} has no {mark}\n{}\n{line}", odd.json);
            }
        }
    }
    let okta = render_lines(&["--format", "okta"], lines.clone()).await;
    assert_eq!(okta, lines, "Okta's own form is what Okta sent");
}

#[tokio::test]
async fn whatever_has_stopped_somebody_is_rendered_for_the_strictest_reader() {
    let gallery: Vec<_> =
        odd::gallery().into_iter().filter(|event| !event.contains(&"[{\"a\":".repeat(200))).collect();
    let lines: String = gallery.iter().map(|event| event.clone() + "\n").collect();
    for format in ["ocsf", "ecs", "udm"] {
        let rendered = render_lines(
            &["--format", format, "--raw-data"][..if format == "ocsf" { 3 } else { 2 }],
            lines.clone(),
        )
        .await;
        assert_eq!(
            judge_strictly(rendered).await,
            Strictness { events: gallery.len(), invalid: 0, shown: Vec::new() }
        );
    }
    let verdict = judge_strictly("{\"a\":{\"b\":1,\"b\":1}}\n\"\\ud800\"\n1e999\n{}\n".to_owned()).await;
    assert_eq!((verdict.events, verdict.invalid), (4, 3), "the judge refuses what is wrong");
}

/// A stream into four formats, one of them redacted and one filtered, with everything that has ever stopped somebody in
/// one page.
#[tokio::test]
async fn no_event_stops_a_stream_whatever_is_in_it() {
    let okta = Okta::with_backlog(0).await;
    let gallery: Vec<_> = odd::gallery().into_iter().filter(|event| event.starts_with('{')).collect();
    okta.add(&gallery.iter().map(|event| event.clone() + "\n").collect::<String>()).await;
    okta.add("{\"uuid\":\"last\",\"eventType\":\"user.session.start\",\"actor\":{\"id\":\"00u\"}}\n").await;
    let config = r#"
[streams.log]
org = "acme"
start = "-1h"
routes = [
  { sink = "okta" }, { sink = "ocsf", format = "ocsf", redact = { presets = { personal = "mask" } } },
  { sink = "ecs", format = "ecs" }, { sink = "udm", format = "udm" }, { sink = "some", event_types = ["user.session.*"] },
  { sink = "terminal" },
]
[sinks.okta]
kind = "file"
directory = "{dir}/okta"
[sinks.ocsf]
kind = "file"
directory = "{dir}/ocsf"
[sinks.ecs]
kind = "file"
directory = "{dir}/ecs"
[sinks.udm]
kind = "file"
directory = "{dir}/udm"
[sinks.some]
kind = "file"
directory = "{dir}/some"
[sinks.terminal]
kind = "stdout"
style = "human"
"#;
    let workplace = Workplace::new(&okta, config);
    workplace.catch_up().await;
    let delivered = workplace.lines("okta");
    assert_eq!(delivered, okta.events().await);
    assert_eq!(delivered.len(), gallery.len() + 1);
    for folder in ["ocsf", "ecs", "udm"] {
        let lines = workplace.lines(folder);
        assert_eq!(lines.len(), delivered.len(), "{folder}");
        assert_eq!(lines.iter().filter(|line| line.contains("\"last")).count(), 1, "{folder}");
    }
    let some = workplace.lines("some");
    assert!(some.len() > 10 && some.len() < delivered.len() && some[some.len() - 1].contains("last"));
    let shown = std::fs::read_to_string(workplace.path("stdout")).unwrap();
    assert_eq!(shown.lines().count(), delivered.len());
    assert!(!shown.contains(|c: char| c != '\n' && c.is_control() || c == '\u{202e}'));
}

/// The same by way of buses, where what an event says becomes subjects, keys and headers. What a bus cannot carry is among
/// the dead letters, and what comes after it is not stopped.
#[cfg(all(feature = "kafka", feature = "nats"))]
#[tokio::test]
async fn no_event_stops_a_route_to_a_bus_whatever_is_in_it() {
    use crate::support::{kafka::Broker, nats::NatsServer};

    const ORDINARY: usize = 30;
    let okta = Okta::with_backlog(0).await;
    let gallery: Vec<_> = odd::gallery().into_iter().filter(|event| event.starts_with('{')).collect();
    okta.add(&gallery.iter().map(|event| event.clone() + "\n").collect::<String>()).await;
    // A sink that refuses several in a row and takes nothing after them would be taken for wrong.
    let ordinary = |n: usize| format!("{{\"uuid\":\"ordinary-{n}\",\"eventType\":\"user.session.start\"}}\n");
    okta.add(&(0..ORDINARY).map(ordinary).collect::<String>()).await;
    okta.add("{\"uuid\":\"last\",\"eventType\":\"user.session.start\",\"actor\":{\"id\":\"00u\"}}\n").await;
    let (broker, nats) = (Broker::shared().await, NatsServer::start().await);
    let topic = "okta.format.odd";
    broker.create_topic(topic, 1, &[]).await;
    let config = format!(
        r#"
[streams.log]
org = "acme"
start = "-1h"
routes = [{{ sink = "kafka", format = "ocsf" }}, {{ sink = "nats", format = "ecs" }}]
{}
{}
[sinks.kafka]
kind = "kafka"
topic = "{topic}"
key = "{{user}}{{session}}{{outcome}}{{transaction}}"
[sinks.nats]
kind = "nats"
stream = "ODD"
subject = "okta.{{org}}.{{format}}.{{actor}}.{{outcome}}.{{event_type}}"
create = {{}}
"#,
        broker.section(),
        nats.section()
    );
    let workplace = Workplace::new(&okta, &config);
    workplace.catch_up().await;
    let letters = std::fs::read_dir(workplace.path("state/dead-letters")).map(|files| {
        let text =
            files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect::<String>();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let letters = letters.unwrap_or_default();
    let letters_of = |route: &str| {
        letters.iter().filter(|letter| letter.contains(&format!("\"route\":\"log/{route}\""))).count()
    };
    let records = broker.records(topic).await;
    let messages = nats.stored("ODD").await;
    let expected = gallery.len() + ORDINARY + 1;
    assert_eq!(records.len() + letters_of("kafka"), expected);
    assert_eq!(messages.len() + letters_of("nats"), expected);
    let last = |payload: &[u8]| String::from_utf8_lossy(payload).contains("\"last\"");
    assert!(last(&records.last().unwrap().value) && last(&messages.last().unwrap().payload));
    let shortest = letters.iter().map(String::len).min();
    println!(
        "of {expected}: {} and {} on the buses, the shortest dead letter has {shortest:?} bytes",
        records.len(),
        messages.len()
    );
    let ends = || letters.iter().map(|letter| &letter[..letter.len().min(300)]).collect::<Vec<_>>();
    assert!(
        shortest.is_none_or(|bytes| bytes > 1 << 20),
        "only what no bus takes is a dead letter: {:#?}",
        ends()
    );
}

#[tokio::test]
async fn the_judges_refuse_what_is_wrong() {
    let events = [event_types()[0].full()];
    let ocsf = render(&["--format", "ocsf"], &events).await;
    for (right, wrong) in [
        ("\"metadata\":", "\"metadatum\":"),
        ("\"type_uid\":", "\"type_uid\":1"),
        ("\"severity_id\":4", "\"severity_id\":2"),
        ("\"name\":\"src_endpoint.ip\"", "\"name\":\"src_endpoint.uid\""),
    ] {
        assert!(ocsf.contains(right), "{right}: {ocsf}");
        assert_eq!(judge_ocsf(ocsf.replacen(right, wrong, 1)).await.invalid, 1, "{wrong}");
    }
    let ecs = render(&["--format", "ecs"], &events).await;
    for (right, wrong) in [
        ("\"ip\":\"", "\"ip\":\"x"),
        ("\"type\":[\"change\"]", "\"type\":[\"start\"]"),
        ("\"full_name\"", "\"fullname\""),
        ("\"category\":[\"iam\"]", "\"category\":\"iam\""),
        // What Elasticsearch would refuse, or would not find, by the template in deploy/elastic.
        ("\"authentication_step\":0", "\"authentication_step\":\"none\""),
        ("\"flattened\":{", "\"flattened\":5,\"x\":{"),
        ("\"is_proxy\":false", "\"is_proxy\":\"no\""),
        ("\"event_type\":", "\"eventType\":"),
        ("\"dataset\":\"okta.system\"", "\"dataset\":[{}]"),
    ] {
        assert!(ecs.contains(right), "{right}: {ecs}");
        assert_eq!(judge_ecs(ecs.replacen(right, wrong, 1)).await.invalid, 1, "{wrong}");
    }
    let udm = render(&["--format", "udm", "--org", "acme.okta.com"], &events).await;
    for (right, wrong) in [
        ("\"event_type\":", "\"eventType\":"),
        ("\"vendor_name\":\"Okta\"", "\"vendor\":\"Okta\""),
        ("\"platform\":\"", "\"platform\":\"X"),
        ("\"ip\":[\"", "\"ip\":[\"x"),
        ("\"target\":{", "\"src\":{"),
        ("\"asset_id\":\"Okta:", "\"asset_id\":\""),
        ("\"latitude\":", "\"latitude\":\"x\",\"longitude\":"),
    ] {
        assert!(udm.contains(right), "{right}: {udm}");
        assert_eq!(judge_udm(udm.replacen(right, wrong, 1)).await.invalid, 1, "{wrong}");
    }
}

#[tokio::test]
async fn what_a_route_delivers_is_valid_in_its_format() {
    const EVENTS: usize = 3_000;
    let okta = Okta::with_backlog(EVENTS).await;
    let config = r#"
[streams.log]
org = "acme"
start = "-90d"
routes = [{ sink = "ocsf", format = "ocsf", ocsf = { version = "1.8.0", raw_data = true } }, { sink = "ecs", format = "ecs" },
  { sink = "udm", format = "udm" }]
[sinks.ocsf]
kind = "file"
directory = "{dir}/ocsf"
[sinks.ecs]
kind = "file"
directory = "{dir}/ecs"
[sinks.udm]
kind = "file"
directory = "{dir}/udm"
"#;
    let workplace = Workplace::new(&okta, config);
    workplace.catch_up().await;
    let [ocsf, ecs, udm] = ["ocsf", "ecs", "udm"].map(|folder| workplace.lines(folder));
    let okta_events = okta.events().await;
    for (line, event) in ocsf.iter().zip(&okta_events) {
        let rendered: Value = serde_json::from_str(line).unwrap();
        assert_eq!(rendered["raw_data"], *event);
        assert_eq!(rendered["metadata"]["tenant_uid"], "127.0.0.1");
    }
    let verdict = judge_ocsf(ocsf.join("\n")).await;
    verdict.assert_all_valid(EVENTS);
    assert!(verdict.classes["3002/1"] > 100, "{:?}", verdict.classes);
    let verdict = judge_ecs(ecs.join("\n")).await;
    verdict.assert_all_valid(EVENTS);
    assert!(verdict.classes["authentication|session"] > 100, "{:?}", verdict.classes);
    let verdict = judge_udm(udm.join("\n")).await;
    verdict.assert_all_valid(EVENTS);
    assert!(verdict.classes["USER_LOGIN"] > 100, "{:?}", verdict.classes);
}

/// Events whose debug data makes them so large.
fn large_event(uuid: &str, padding_bytes: usize) -> String {
    // Not to be compressed: a Kafka topic counts what is left after compression.
    let padding: String = std::iter::repeat_with(fastrand::alphanumeric).take(padding_bytes).collect();
    let mut event = event_types()[0].full();
    event["uuid"] = uuid.into();
    event["debugContext"]["debugData"]["padding"] = padding.into();
    event.to_string()
}

/// Asserts that `rendered` are valid, that the first was cut and what it was before, and that the second was not.
async fn assert_cut_and_whole(rendered: Vec<String>, untruncated_kib: u64) {
    let values: Vec<Value> = rendered.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [cut, whole] = &values[..] else { panic!("{} messages", values.len()) };
    assert_eq!(cut["metadata"]["original_event_uid"], "large");
    assert_eq!(cut["metadata"]["is_truncated"], true);
    assert!(cut["metadata"]["untruncated_size"].as_u64().unwrap() >= untruncated_kib);
    assert!(cut["unmapped"]["debugContext"].is_null() && !cut["unmapped"]["target"].is_null());
    assert_eq!(whole["metadata"]["original_event_uid"], "small");
    assert!(whole["metadata"]["is_truncated"].is_null() && !whole["unmapped"]["debugContext"].is_null());
    judge_ocsf(rendered.join("\n")).await.assert_all_valid(2);
}
