//! The page of metrics held against the page of the documentation, against the tool of Prometheus, and against what was
//! delivered.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{
    daemon::{TO_FILES, Workplace},
    okta::Okta,
    tools::tool,
};

/// What is only known once Okta has said it.
const BY_OKTA: [&str; 3] =
    ["oktabus_rate_limit_limit", "oktabus_rate_limit_remaining", "oktabus_rate_limit_allowed"];

/// The type and the labels of a series.
#[derive(Debug, Default, PartialEq, Eq)]
struct Series {
    kind: String,
    labels: BTreeSet<String>,
}

/// All series of `docs/metrics.md`.
fn documented() -> BTreeMap<String, Series> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut series = BTreeMap::new();
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, unit, meaning, _when] = cells[..] else { panic!("not six cells: {row}") };
        assert!(!unit.is_empty() && !meaning.is_empty(), "{row}");
        let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let described = Series { kind: kind.to_owned(), labels: words(labels).into_iter().collect() };
        assert!(series.insert(words(name).remove(0), described).is_none(), "{row} is there twice");
    }
    series
}

/// All series of the page of a daemon, a histogram as one.
fn shown(page: &str) -> BTreeMap<String, Series> {
    let mut series = BTreeMap::<String, Series>::new();
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            series.entry(name.to_owned()).or_default().kind = kind.to_owned();
        }
        if line.starts_with('#') {
            continue;
        }
        let (left, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = left.split_once('{').unwrap_or((left, ""));
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let is_histogram = |base: &&str| series.get(*base).is_some_and(|series| series.kind == "histogram");
        let name = base.filter(is_histogram).unwrap_or(name);
        // No value of a label in these tests has a comma but the features, which have no `=`.
        let labels = labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('='));
        let labels = labels.map(|(label, _)| label.to_owned()).filter(|label| label != "le");
        series.entry(name.to_owned()).or_default().labels.extend(labels);
    }
    series
}

/// Routes and commands of every kind. A free port could become that of another test's server, so nobody listens on 1.
const EVERYTHING: &str = r#"
doorbell = { kind = "nats", subject = "ring" }
[streams.log]
org = "acme"
routes = [{ sink = "events" }, { sink = "siem" }, { sink = "once" }, { sink = "files" }, { sink = "printed" }]
[searches.logins]
org = "acme"
schedule = "0 0 1 1 *"
routes = [{ sink = "events" }, { sink = "files" }]
[buses.nats]
kind = "nats"
servers = ["nats://127.0.0.1:1"]
[buses.kafka]
kind = "kafka"
brokers = ["127.0.0.1:1"]
[sinks.events]
kind = "nats"
stream = "OKTA"
[sinks.siem]
kind = "kafka"
topic = "okta"
[sinks.once]
kind = "kafka"
topic = "okta.once"
delivery = "exactly_once"
[sinks.files]
kind = "file"
directory = "{dir}/archive"
[sinks.printed]
kind = "stdout"
[commands.people]
org = "acme"
intake = { kind = "nats", stream = "COMMANDS", subject = "commands.>" }
signature = { required = false }
outcomes = { sink = "events", subject = "outcomes.{action}" }
allow = ["user.get"]
"#;

#[tokio::test]
async fn the_page_and_the_documentation_have_the_same_series_from_the_start() {
    let okta = Okta::with_backlog(1).await;
    let workplace = Workplace::new(&okta, EVERYTHING);
    let _daemon = workplace.start(&[]);
    workplace.routes().await;
    let page = workplace.get("/metrics").await.unwrap().1;
    let (mut documented, mut shown) = (documented(), shown(&page));
    for name in BY_OKTA {
        assert!(documented.remove(name).is_some(), "{name} is not documented");
        shown.remove(name);
    }
    let names = |series: &BTreeMap<String, Series>| series.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&documented), names(&shown), "the documentation has the left ones\n{page}");
    for (name, series) in shown {
        assert_eq!(documented.get(&name), Some(&series), "{name} is documented otherwise");
        assert!(page.contains(&format!("# HELP {name} ")), "{name} has no help text");
    }
    for series in [
        r#"oktabus_sink_failures_total{route="log/events",class="configuration"}"#,
        r#"oktabus_okta_failures_total{route="log/siem",class="permanent"}"#,
        r#"oktabus_dead_letters_total{route="logins/events"}"#,
        r#"oktabus_dead_letters_total{route="log/once"}"#,
        r#"oktabus_pages_delivered_total{route="log/events"}"#,
        r#"oktabus_okta_requests_total{org="acme",status="429"}"#,
        r#"oktabus_okta_request_duration_seconds_count{org="acme",bucket="user_write"}"#,
        r#"oktabus_rate_limit_used{org="acme",bucket="user_write"}"#,
        r#"oktabus_delivery_latency_seconds_bucket{route="log/once",le="+Inf"}"#,
        r#"oktabus_delivery_latency_seconds_sum{route="log/siem"}"#,
        r#"oktabus_task_panics_total{task="log/events"}"#,
        r#"oktabus_invariant_violations_total{invariant="cursor_needs_proof"}"#,
        r#"oktabus_search_slots_left_out_total{route="logins/files"}"#,
        r#"oktabus_commands_total{commands="people",action="user.deactivate",status="failed"}"#,
        r#"oktabus_command_failures_total{commands="people",what="outcomes"}"#,
        r#"oktabus_doorbell_refused_total{org="acme",reason="wrong_secret"}"#,
        r#"oktabus_doorbell_finds_total{stream="log"}"#,
    ] {
        assert_eq!(workplace.metric(series).await, Some(0.0), "{series}\n{page}");
    }
}

#[tokio::test]
async fn promtool_finds_nothing_to_say_about_the_page() {
    let okta = Okta::with_backlog(50).await;
    let workplace = Workplace::new(
        &okta,
        &format!(
            "{TO_FILES}{}",
            r#"
[commands.people]
org = "acme"
outcomes = { sink = "files" }
allow = ["user.get"]
"#
        ),
    );
    let _daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered >= 50).await;
    let page = workplace.get("/metrics").await.unwrap().1;
    let mut check = Command::new(tool("promtool/promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let checked = check.wait_with_output().unwrap();
    let said = [checked.stdout, checked.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    assert!(checked.status.success() && said.is_empty(), "{said}\n{page}");
}

#[tokio::test]
async fn every_delivered_event_is_in_the_histogram_of_its_route_and_every_request_in_that_of_its_org() {
    let okta = Okta::with_backlog(120).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let _daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered >= 120).await;
    let metric = async |series: &str| workplace.metric(series).await.unwrap_or_else(|| panic!("no {series}"));
    let delivered = metric(r#"oktabus_messages_delivered_total{route="log/files"}"#).await;
    let count = metric(r#"oktabus_delivery_latency_seconds_count{route="log/files"}"#).await;
    assert!(delivered >= 120.0 && count >= delivered, "{delivered} {count}");
    // The backlog is older than a second, and a day at most holds all of it or the last range does.
    let whole = metric(r#"oktabus_delivery_latency_seconds_bucket{route="log/files",le="+Inf"}"#).await;
    assert!(whole >= count, "{whole} {count}");
    assert!(metric(r#"oktabus_delivery_latency_seconds_sum{route="log/files"}"#).await > 0.0);
    assert!(metric(r#"oktabus_okta_request_duration_seconds_count{org="acme",bucket="logs"}"#).await > 0.0);
    assert!(metric(r#"oktabus_okta_request_duration_seconds_sum{org="acme",bucket="logs"}"#).await > 0.0);
    let build = workplace.get("/metrics").await.unwrap().1;
    let version = format!("oktabus_build_info{{version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(build.contains(&version), "{build}");
}
