//! Rules of other people's kinds find the events that they are for in what the program renders: Elastic's on ECS, Sigma's on
//! ECS and OCSF through the pipelines in `deploy/sigma`, Panther's on what can be put together again from either. The judge
//! evaluates them by programs that share no code with this one: Kibana's reader of KQL, `eql`, pySigma, and OpenSearch.

use std::{path::Path, process::Command};

use serde::Deserialize;
use serde_json::Value;

use crate::support::{
    judges::{node, program, run},
    tools::tool,
};

/// A folder with public rules to be judged too: checkouts of elastic/detection-rules, SigmaHQ/sigma and
/// panther-labs/panther-analysis, or parts of them.
const PUBLIC_RULES: &str = "OKTABUS_PUBLIC_RULES";

#[derive(Debug, Deserialize)]
struct Verdict {
    sources: Vec<Source>,
    /// Rules that a single event of Okta's cannot fulfil, or that cannot be evaluated, and why.
    unjudged: Value,
}

/// How many rules of one source match in one format.
#[derive(Debug, Deserialize)]
struct Source {
    source: String,
    format: String,
    rules: usize,
    #[serde(rename = "match")]
    matching: usize,
    wrong: Value,
}

async fn judge(folder: &Path, renderer: &str) -> Verdict {
    tool("judges-rules-python/python");
    tool("judges-rules-node/node_modules");
    tool("opensearch/libs");
    let mut command = Command::new("python3");
    command.arg(program("rules/judge.py")).arg(folder);
    command.args(["--node", &node(), "--render", renderer]);
    let (_, said, complaints) = run(command, String::new()).await;
    serde_json::from_str(&said).unwrap_or_else(|err| panic!("{err}: {said}{complaints}"))
}

fn renderer(format: &str) -> String {
    format!("'{}' render --org acme.okta.com --format {format}", env!("CARGO_BIN_EXE_oktabus"))
}

impl Verdict {
    fn summary(&self) -> Vec<(&str, &str, usize, usize)> {
        self.sources
            .iter()
            .map(|source| (&*source.source, &*source.format, source.matching, source.rules))
            .collect()
    }
}

#[tokio::test]
async fn rules_of_every_kind_find_what_they_are_for() {
    let verdict = judge(&program("rules/own"), &renderer("{format}")).await;
    for source in &verdict.sources {
        assert_eq!(
            source.matching, source.rules,
            "{} in {}: {:#}",
            source.source, source.format, source.wrong
        );
    }
    assert_eq!(verdict.unjudged, serde_json::json!({}));
    let numbers = verdict.summary();
    for (source, format, rules) in [
        ("Elastic KQL", "ecs", 11),
        ("Elastic EQL", "ecs", 2),
        ("Elastic ES|QL", "ecs", 2),
        ("Sigma", "okta", 13),
        ("Sigma", "ocsf", 13),
        ("Sigma", "ecs", 13),
        ("Panther", "okta", 3),
        ("Panther", "ocsf", 3),
        ("Panther", "ecs", 3),
    ] {
        assert!(numbers.contains(&(source, format, rules, rules)), "{source} in {format}: {numbers:?}");
    }
}

#[tokio::test]
async fn the_judge_of_rules_refuses_what_they_cannot_find() {
    // Events in another format than the one that the rules are asked for.
    let verdict = judge(&program("rules/own"), &renderer("okta")).await;
    for source in verdict.sources.iter().filter(|source| source.format != "okta") {
        assert_eq!(source.matching, 0, "{} in {}", source.source, source.format);
    }
}

#[tokio::test]
async fn public_rules_find_what_they_are_for() {
    let Some(folder) = std::env::var_os(PUBLIC_RULES) else {
        println!("{PUBLIC_RULES} names no folder with public rules");
        return;
    };
    let verdict = judge(Path::new(&folder), &renderer("{format}")).await;
    println!("{:#?}\n{:#}", verdict.summary(), verdict.unjudged);
    for source in &verdict.sources {
        assert_eq!(
            source.matching, source.rules,
            "{} in {}: {:#}",
            source.source, source.format, source.wrong
        );
    }
}

/// The pipelines and the map of fields are one.
#[tokio::test]
async fn the_pipelines_for_sigma_are_what_the_map_of_fields_makes_of_them() {
    let map =
        Command::new(env!("CARGO_BIN_EXE_oktabus")).args(["schema", "--what", "fields"]).output().unwrap();
    assert!(map.status.success());
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/sigma/generate.py")).arg("--check");
    let map = String::from_utf8(map.stdout).unwrap();
    let (is_same, _, complaints) = run(command, map.clone()).await;
    assert!(is_same, "{complaints}");
    let rows: Vec<Value> = serde_json::from_str(&map).unwrap();
    let row = |okta: &str| rows.iter().find(|row| row["okta"] == okta).unwrap();
    assert_eq!(row("eventType")["ocsf"]["same"][0], "metadata.event_code");
    assert_eq!(row("client.ipAddress")["ecs"]["same"], serde_json::json!(["source.ip"]));
}
