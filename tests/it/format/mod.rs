//! What the program renders, judged by programs of other people: OCSF by the compiled schemas of PyPI's
//! `ocsf-json-schema`, ECS by the field list of npm's `@elastic/ecs`.

mod variants;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde::Deserialize;
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::support::tools::tool;
use variants::event_types;

/// What a judge says.
#[derive(Debug, Deserialize)]
struct Verdict {
    #[serde(alias = "documents")]
    events: usize,
    invalid: usize,
    #[serde(alias = "categories")]
    classes: BTreeMap<String, usize>,
    shown: Vec<Value>,
}

/// How many hostile events of each type are rendered.
const HOSTILE_VARIANTS: u64 = 2;

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a program on `input`: whether it ended well, what it printed, and what it complained of.
async fn run(mut command: Command, input: String) -> (bool, String, String) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writing = tokio::spawn(async move { stdin.write_all(input.as_bytes()).await });
    let output = child.wait_with_output().await.unwrap();
    writing.await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

async fn render(options: &[&str], events: &[Value]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oktabus"));
    command.arg("render").args(options);
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    let (is_well, rendered, complaints) = run(command, lines).await;
    assert!(is_well, "{complaints}");
    assert_eq!(rendered.lines().count(), events.len());
    rendered
}

async fn judge_ocsf(rendered: String) -> Verdict {
    tool("judges-ocsf/python");
    let mut command = Command::new("python3");
    command.arg(in_repository("tests/judges/ocsf/judge.py"));
    verdict(command, rendered).await
}

async fn judge_ecs(rendered: String) -> Verdict {
    tool("judges-ecs/node_modules");
    let mut command = Command::new("node");
    command.arg(in_repository("tests/judges/ecs/judge.mjs"));
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
async fn what_is_cut_to_fit_a_bus_is_valid_too() {
    let events: Vec<_> = event_types().into_iter().map(|event_type| event_type.full()).collect();
    for bytes_max in ["6000", "4000", "1"] {
        let rendered = render(&["--format", "ocsf", "--raw-data", "--max-bytes", bytes_max], &events).await;
        judge_ocsf(rendered).await.assert_all_valid(events.len());
    }
    let rendered = render(&["--format", "ecs", "--max-bytes", "1"], &events).await;
    judge_ecs(rendered).await.assert_all_valid(events.len());
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
}

#[tokio::test]
async fn the_judges_refuse_what_is_wrong() {
    let events = [event_types()[0].full()];
    let ocsf = render(&["--format", "ocsf"], &events).await;
    for (right, wrong) in [
        ("\"metadata\":", "\"metadatum\":"),
        ("\"type_uid\":", "\"type_uid\":1"),
        ("\"severity_id\":1", "\"severity_id\":2"),
        ("\"name\":\"src_endpoint.ip\"", "\"name\":\"src_endpoint.uid\""),
    ] {
        assert!(ocsf.contains(right), "{right}: {ocsf}");
        assert_eq!(judge_ocsf(ocsf.replacen(right, wrong, 1)).await.invalid, 1, "{wrong}");
    }
    let ecs = render(&["--format", "ecs"], &events).await;
    for (right, wrong) in [
        ("\"ip\":\"", "\"ip\":\"x"),
        ("\"type\":[\"info\"]", "\"type\":[\"start\"]"),
        ("\"full_name\"", "\"fullname\""),
        ("\"category\":[\"iam\"]", "\"category\":\"iam\""),
    ] {
        assert!(ecs.contains(right), "{right}: {ecs}");
        assert_eq!(judge_ecs(ecs.replacen(right, wrong, 1)).await.invalid, 1, "{wrong}");
    }
}
