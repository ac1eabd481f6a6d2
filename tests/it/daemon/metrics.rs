//! What the page of metrics shows from the start, held against the page of the documentation.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{daemon::Workplace, okta::Okta};

/// What is only known once Okta has said it.
const BY_OKTA: [&str; 3] =
    ["oktabus_rate_limit_limit", "oktabus_rate_limit_remaining", "oktabus_rate_limit_allowed"];

/// Names of metrics with their labels, as `docs/` has them.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let mut metrics = BTreeMap::new();
    for page in ["docs/operations.md", "docs/commands.md", "docs/doorbell.md"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        let text = std::fs::read_to_string(path).unwrap();
        for row in text.lines().filter(|line| line.starts_with("| `oktabus_")) {
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            let words =
                |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
            for name in words(cells[0]) {
                metrics.insert(name, words(cells[1]).into_iter().collect());
            }
        }
    }
    metrics
}

/// Names of metrics with their labels, and the values that are not 0, as the page has them.
fn shown(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut metrics = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("oktabus_")) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('='));
        metrics.insert(name.to_owned(), labels.map(|(label, _)| label.to_owned()).collect());
    }
    metrics
}

#[tokio::test]
async fn every_documented_series_is_there_from_the_start() {
    let okta = Okta::with_backlog(1).await;
    // A free port could become that of another test's server.
    let nobody = 1;
    let workplace = Workplace::new(
        &okta,
        &format!(
            r#"
doorbell = {{ kind = "nats", subject = "ring" }}
[streams.log]
org = "acme"
routes = [{{ sink = "nobody" }}]
[searches.logins]
org = "acme"
schedule = "0 0 1 1 *"
routes = [{{ sink = "nobody" }}]
[buses.nats]
kind = "nats"
servers = ["nats://127.0.0.1:{nobody}"]
[sinks.nobody]
kind = "nats"
stream = "OKTA"
[commands.people]
org = "acme"
intake = {{ kind = "nats", stream = "COMMANDS", subject = "commands.>" }}
signature = {{ required = false }}
outcomes = {{ sink = "nobody", subject = "outcomes.{{action}}" }}
allow = ["user.get"]
"#
        ),
    );
    let _daemon = workplace.start(&[]);
    workplace.routes().await;
    let page = workplace.get("/metrics").await.unwrap().1;
    let (documented, mut shown) = (documented(), shown(&page));
    let missing: Vec<_> = documented
        .keys()
        .filter(|name| !shown.contains_key(*name) && !BY_OKTA.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "not there from the start: {missing:?}\n{page}");
    shown.retain(|name, _| !BY_OKTA.contains(&name.as_str()));
    for (name, labels) in shown {
        assert_eq!(documented.get(&name), Some(&labels), "{name} is documented otherwise");
    }
    for series in [
        r#"oktabus_sink_failures_total{route="log/nobody",class="configuration"}"#,
        r#"oktabus_okta_failures_total{route="log/nobody",class="permanent"}"#,
        r#"oktabus_dead_letters_total{route="logins/nobody"}"#,
        r#"oktabus_pages_delivered_total{route="log/nobody"}"#,
        r#"oktabus_okta_requests_total{org="acme",status="429"}"#,
        r#"oktabus_rate_limit_used{org="acme",bucket="user_write"}"#,
        r#"oktabus_task_panics_total{task="log/nobody"}"#,
        r#"oktabus_invariant_violations_total{invariant="cursor_needs_proof"}"#,
        r#"oktabus_search_slots_left_out_total{route="logins/nobody"}"#,
        r#"oktabus_commands_total{commands="people",action="user.deactivate",status="failed"}"#,
        r#"oktabus_command_failures_total{commands="people",what="outcomes"}"#,
        r#"oktabus_doorbell_refused_total{org="acme",reason="wrong_secret"}"#,
        r#"oktabus_doorbell_finds_total{stream="log"}"#,
    ] {
        assert_eq!(workplace.metric(series).await, Some(0.0), "{series}\n{page}");
    }
}
