//! The rules for Prometheus, by its own tool: each alert fires in its incident and no other does, the first time included,
//! and in peace none does. And what people find at the address that an alert has.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::{Value, json};

use super::{documented_series, named_series, repository, text};
use crate::support::tools::tool;

const RULES: &str = "deploy/prometheus/oktabus.rules.yml";
/// The daemon of the scripts.
const HERE: &str = r#"job="oktabus",instance="a""#;

/// The names of all alerts.
fn alerts() -> Vec<String> {
    let rules = text(RULES);
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}

/// A day in which nothing is wrong: every series that a rule is about, by minutes.
fn peace() -> Vec<(String, String)> {
    let (route, org) = (format!(r#"{HERE},route="log/siem""#), format!(r#"{HERE},org="acme""#));
    let commands = format!(r#"{HERE},commands="people""#);
    let mut series = vec![
        (format!("up{{{HERE}}}"), "1x600"),
        (format!("process_start_time_seconds{{{HERE}}}"), "-86400x600"),
        (format!("process_open_fds{{{HERE}}}"), "40x600"),
        (format!("oktabus_config_last_reload_successful{{{HERE}}}"), "1x600"),
        (format!("process_max_fds{{{HERE}}}"), "1024x600"),
        (format!(r#"oktabus_okta_requests_total{{{org},status="200"}}"#), "0+60x600"),
        (format!(r#"oktabus_okta_requests_total{{{org},status="429"}}"#), "0x600"),
        (format!(r#"oktabus_rate_limit_used{{{org},bucket="logs"}}"#), "30x600"),
        (format!(r#"oktabus_rate_limit_allowed{{{org},bucket="logs"}}"#), "60x600"),
        (format!("oktabus_route_lag_seconds{{{route}}}"), "3x600"),
        (format!(r#"oktabus_sink_failures_total{{{route},class="transient"}}"#), "0+1x600"),
        (format!(r#"oktabus_okta_failures_total{{{route},class="transient"}}"#), "0+1x600"),
        (format!(r#"oktabus_commands_total{{{commands},action="user.get",status="failed"}}"#), "0x600"),
        (format!(r#"oktabus_commands_total{{{commands},action="user.get",status="done"}}"#), "0+9x600"),
    ];
    for gauge in ["oktabus_route_in_trouble", "oktabus_messages_held"] {
        series.push((format!("{gauge}{{{route}}}"), "0x600"));
    }
    for gauge in [
        "oktabus_commands_in_trouble",
        "oktabus_commands_paused",
        "oktabus_commands_awaiting_approval",
        "oktabus_command_limits_tripped",
        "oktabus_command_protected_names_lost",
    ] {
        series.push((format!("{gauge}{{{commands}}}"), "0x600"));
    }
    for (name, labels, bound) in [
        ("oktabus_delivery_latency_seconds", &route, "5"),
        ("oktabus_okta_request_duration_seconds", &format!(r#"{org},bucket="logs""#), "1"),
    ] {
        for bound in [bound, "30", "900", "+Inf"] {
            series.push((format!(r#"{name}_bucket{{{labels},le="{bound}"}}"#), "0+100x600"));
        }
    }
    // Three times in the past, and none since.
    series.extend(counters().into_iter().map(|(_, series)| (series, "3x600")));
    series.into_iter().map(|(series, values)| (series, values.to_owned())).collect()
}

/// Counters of which any increase is an incident, with their alerts.
fn counters() -> Vec<(&'static str, String)> {
    let (route, commands) = (format!(r#"{HERE},route="log/siem""#), format!(r#"{HERE},commands="people""#));
    let of_route = |name: &str, more: &str| format!("oktabus_{name}_total{{{route}{more}}}");
    let of_commands = |name: &str| format!("oktabus_{name}_total{{{commands}}}");
    vec![
        ("OktabusTaskPanicked", format!(r#"oktabus_task_panics_total{{{HERE},task="log/siem"}}"#)),
        (
            "OktabusInvariantViolated",
            format!(r#"oktabus_invariant_violations_total{{{HERE},invariant="cursor_needs_proof"}}"#),
        ),
        ("OktabusDeadLetters", of_route("dead_letters", "")),
        ("OktabusDeadLettersLost", of_route("dead_letters_dropped", "")),
        ("OktabusPossibleGap", of_route("possible_gaps", "")),
        ("OktabusSinkRefuses", of_route("sink_failures", r#",class="authentication""#)),
        ("OktabusOktaRefuses", of_route("okta_failures", r#",class="permanent""#)),
        ("OktabusStateFails", of_route("state_failures", "")),
        ("OktabusSearchSlotsLeftOut", of_route("search_slots_left_out", "")),
        ("OktabusCommandDeadLetters", of_commands("command_dead_letters")),
        ("OktabusCommandDeadLettersLost", of_commands("command_dead_letters_dropped")),
        ("OktabusCommandsForgottenEarly", of_commands("commands_forgotten_early")),
    ]
}

/// What is different from peace, and what fires when.
struct Incident {
    alert: &'static str,
    changed: Vec<(String, &'static str)>,
    /// Minutes.
    quiet_at: u32,
    fires_at: u32,
}

impl Incident {
    fn new(
        alert: &'static str,
        series: String,
        values: &'static str,
        [quiet_at, fires_at]: [u32; 2],
    ) -> Self {
        Self { alert, changed: vec![(series, values)], quiet_at, fires_at }
    }

    /// As a test of promtool's: at two times, exactly these alerts fire.
    fn to_test(&self) -> Value {
        let mut series = peace();
        if self.changed.iter().any(|(name, _)| name.starts_with("process_start_time_seconds")) {
            // A young process has counted nothing else.
            let counted = counters();
            let is_counter = |name: &String| counted.iter().any(|(_, counter)| counter == name);
            series
                .iter_mut()
                .filter(|(name, _)| is_counter(name))
                .for_each(|(_, values)| *values = "0x600".to_owned());
        }
        series.retain(|(name, _)| !self.changed.iter().any(|(changed, _)| changed == name));
        series.extend(self.changed.iter().map(|(name, values)| (name.clone(), (*values).to_owned())));
        let firing = json!([{ "labels": format!("{{alertname=\"{}\"}}", self.alert), "value": 1 }]);
        test(
            &format!("{} {:?}", self.alert, self.changed),
            &series,
            &[(self.quiet_at, json!([])), (self.fires_at, firing)],
        )
    }
}

fn test(name: &str, series: &[(String, String)], expected: &[(u32, Value)]) -> Value {
    let series: Vec<_> =
        series.iter().map(|(series, values)| json!({ "series": series, "values": values })).collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(minutes, samples)| {
            let query = r#"count by (alertname) (ALERTS{alertstate="firing"})"#;
            json!({ "expr": query, "eval_time": format!("{minutes}m"), "exp_samples": samples })
        })
        .collect();
    json!({ "name": name, "interval": "1m", "input_series": series, "promql_expr_test": expected })
}

fn incidents() -> Vec<Incident> {
    let (route, org) = (format!(r#"{HERE},route="log/siem""#), format!(r#"{HERE},org="acme""#));
    let of = |name: &str| format!("oktabus_{name}{{{route}}}");
    let of_commands = |name: &str| format!(r#"oktabus_{name}{{{HERE},commands="people"}}"#);
    let bucket =
        |name: &str, labels: &str, le: &str| format!(r#"oktabus_{name}_bucket{{{labels},le="{le}"}}"#);
    let mut incidents = vec![
        Incident::new("OktabusDown", format!("up{{{HERE}}}"), "1x20 0x500", [24, 30]),
        Incident::new("OktabusDown", format!("up{{{HERE}}}"), "1x20 _x500", [24, 45]),
        Incident::new(
            "OktabusRestarts",
            format!("process_start_time_seconds{{{HERE}}}"),
            "-86400x60 3600x4 3900x4 4200x500",
            [68, 72],
        ),
        Incident::new(
            "OktabusFileDescriptorsShort",
            format!("process_open_fds{{{HERE}}}"),
            "40x20 900x500",
            [28, 35],
        ),
        Incident::new(
            "OktabusReloadRefused",
            format!("oktabus_config_last_reload_successful{{{HERE}}}"),
            "1x20 0x500",
            [24, 27],
        ),
        Incident::new("OktabusRouteInTrouble", of("route_in_trouble"), "0x20 1x500", [28, 35]),
        Incident::new("OktabusRouteLags", of("route_lag_seconds"), "3x20 0+60x500", [38, 45]),
        Incident::new("OktabusMessagesHeld", of("messages_held"), "0x20 7x500", [28, 35]),
        Incident::new(
            "OktabusThrottled",
            format!(r#"oktabus_okta_requests_total{{{org},status="429"}}"#),
            "0x20 0+3x500",
            [20, 35],
        ),
        Incident::new(
            "OktabusBudgetUsedUp",
            format!(r#"oktabus_rate_limit_used{{{org},bucket="logs"}}"#),
            "30x20 60x500",
            [30, 40],
        ),
        Incident::new("OktabusCommandsInTrouble", of_commands("commands_in_trouble"), "0x20 1x500", [28, 35]),
        Incident::new(
            "OktabusCommandLimitTripped",
            of_commands("command_limits_tripped"),
            "0x20 1x500",
            [20, 22],
        ),
        Incident::new("OktabusCommandsPaused", of_commands("commands_paused"), "0x20 1x500", [200, 270]),
        Incident::new(
            "OktabusApprovalWaits",
            of_commands("commands_awaiting_approval"),
            "0x20 2x500",
            [200, 270],
        ),
        Incident::new(
            "OktabusProtectedNamesLost",
            of_commands("command_protected_names_lost"),
            "0x20 1x500",
            [20, 22],
        ),
        Incident::new(
            "OktabusCommandsFail",
            format!(
                r#"oktabus_commands_total{{{HERE},commands="people",action="user.get",status="failed"}}"#
            ),
            "0x20 0+1x500",
            [23, 35],
        ),
    ];
    for (alert, name, labels, fast) in [
        ("OktabusDeliverySlow", "delivery_latency_seconds", route, ["5", "30"]),
        ("OktabusOktaSlow", "okta_request_duration_seconds", format!(r#"{org},bucket="logs""#), ["1", "5"]),
    ] {
        // From the 20th minute on, nothing is fast any more.
        let changed = fast.map(|le| (bucket(name, &labels, le), "0+100x20 2000x500"));
        incidents.push(Incident { alert, changed: changed.into(), quiet_at: 20, fires_at: 90 });
    }
    for (alert, series) in counters() {
        // The first increase of a process that has been up for long, and one more later.
        incidents.push(Incident::new(alert, series.clone(), "0x20 1x500", [20, 22]));
        incidents.push(Incident::new(alert, series.clone(), "3x20 4x500", [20, 22]));
        incidents.push(Incident::new(alert, series.clone(), "3x20 4x500", [60, 22]));
        // One before the process was read for the first time.
        let start = (format!("process_start_time_seconds{{{HERE}}}"), "60x500");
        incidents.push(Incident {
            alert,
            changed: vec![(series, "_x2 1x500"), start],
            quiet_at: 1,
            fires_at: 4,
        });
    }
    incidents
}

fn promtool(arguments: &[&str]) -> String {
    let said = Command::new(tool("promtool/promtool")).args(arguments).output().unwrap();
    let text = [said.stdout, said.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    assert!(said.status.success(), "{text}");
    text
}

#[test]
fn promtool_understands_the_rules() {
    let rules = repository().join(RULES);
    let said = promtool(&["check", "rules", rules.to_str().unwrap()]);
    assert!(said.contains(&format!("{} rules found", alerts().len())), "{said}");
    let example = repository().join("deploy/prometheus/prometheus.yml");
    promtool(&["check", "config", example.to_str().unwrap()]);
}

#[test]
fn each_alert_fires_in_its_incident_and_nothing_else_does() {
    let incidents = incidents();
    let tried: BTreeSet<_> = incidents.iter().map(|incident| incident.alert.to_owned()).collect();
    assert_eq!(tried, alerts().into_iter().collect(), "the rules have the right ones");
    let mut tests: Vec<_> = incidents.iter().map(Incident::to_test).collect();
    let quiet = [5, 60, 300, 600].map(|minutes| (minutes, json!([])));
    tests.push(test("nothing is wrong", &peace(), &quiet));
    let directory = tempfile::tempdir().unwrap();
    let rules = repository().join(RULES);
    let file = json!({ "rule_files": [rules], "evaluation_interval": "1m", "tests": tests });
    // JSON is YAML.
    let path = directory.path().join("tests.yml");
    fs::write(&path, file.to_string()).unwrap();
    promtool(&["test", "rules", path.to_str().unwrap()]);
}

#[test]
fn rules_are_about_series_that_exist() {
    let (rules, documented) = (text(RULES), documented_series());
    let named = named_series(&rules);
    assert!(named.len() > 20 && named.is_subset(&documented), "{:?}", named.difference(&documented));
}

#[test]
fn every_alert_has_a_section_in_the_runbook_at_the_address_that_it_names() {
    let (rules, runbook) = (text(RULES), text("docs/runbook.md"));
    let sections: Vec<_> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(
        sections.iter().map(|section| (*section).to_owned()).collect::<BTreeSet<_>>(),
        alerts().into_iter().collect()
    );
    let addresses = text("deploy/addresses");
    let site = addresses.lines().find_map(|line| line.strip_prefix("site=")).unwrap();
    for alert in alerts() {
        let address = format!(" {site}/runbook.html#{}", alert.to_lowercase());
        assert!(
            rules.lines().any(|line| line.ends_with(&address)),
            "{alert} has no runbook_url with {address}"
        );
    }
    assert!(Path::new(&repository().join("docs/metrics.md")).exists());
}
