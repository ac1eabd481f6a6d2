//! The names of all metrics, and one function for each thing that is counted. Nothing is counted an event at a time,
//! and no label has more values than the configuration has names.

use std::sync::OnceLock;

use metrics::{counter, describe_counter, describe_gauge, gauge};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::{ended_series::without_ended, histogram::HistogramFamily, process};
use crate::version;

const DELIVERED: &str = "oktabus_messages_delivered_total";
const DEAD_LETTERS: &str = "oktabus_dead_letters_total";
const PAGES: &str = "oktabus_pages_delivered_total";
const FILTERED: &str = "oktabus_events_filtered_total";
const DROPPED: &str = "oktabus_overlap_duplicates_dropped_total";
const GAPS: &str = "oktabus_possible_gaps_total";
const SINK_FAILURES: &str = "oktabus_sink_failures_total";
const SINK_DUPLICATES: &str = "oktabus_sink_duplicates_total";
const OKTA_FAILURES: &str = "oktabus_okta_failures_total";
const STATE_FAILURES: &str = "oktabus_state_failures_total";
const REQUESTS: &str = "oktabus_okta_requests_total";
const PANICS: &str = "oktabus_task_panics_total";
const VIOLATIONS: &str = "oktabus_invariant_violations_total";
const SEARCH_RUNS: &str = "oktabus_search_runs_total";
const SEARCH_EVENTS: &str = "oktabus_search_events_total";
const SEARCH_SECONDS: &str = "oktabus_search_run_seconds";
const SEARCH_LEFT_OUT: &str = "oktabus_search_slots_left_out_total";
const COMMANDS: &str = "oktabus_commands_total";
const COMMANDS_REPEATED: &str = "oktabus_commands_repeated_total";
const COMMANDS_FORGOTTEN_EARLY: &str = "oktabus_commands_forgotten_early_total";
const DEAD_LETTERS_DROPPED: &str = "oktabus_dead_letters_dropped_total";
const COMMAND_DEAD_LETTERS_DROPPED: &str = "oktabus_command_dead_letters_dropped_total";
const DEAD_LETTERS_EXPIRED: &str = "oktabus_dead_letters_expired_total";
const COMMAND_DEAD_LETTERS_EXPIRED: &str = "oktabus_command_dead_letters_expired_total";
const FILES_REMOVED: &str = "oktabus_files_removed_total";
const FILE_BYTES_REMOVED: &str = "oktabus_file_bytes_removed_total";
const AUDIT_FILES_REMOVED: &str = "oktabus_audit_files_removed_total";
const SPANS_EXPORTED: &str = "oktabus_spans_exported_total";
const SPANS_DROPPED: &str = "oktabus_spans_dropped_total";
const COMMAND_DEAD_LETTERS: &str = "oktabus_command_dead_letters_total";
const COMMAND_FAILURES: &str = "oktabus_command_failures_total";
const COMMANDS_HELD: &str = "oktabus_commands_held";
const COMMANDS_WAITING: &str = "oktabus_commands_waiting";
const COMMANDS_TROUBLE: &str = "oktabus_commands_in_trouble";
const COMMANDS_PARKED: &str = "oktabus_commands_parked";
const COMMANDS_AWAITING_APPROVAL: &str = "oktabus_commands_awaiting_approval";
const COMMANDS_PAUSED: &str = "oktabus_commands_paused";
const LOST_NAMES: &str = "oktabus_command_protected_names_lost";
const LIMITS_TRIPPED: &str = "oktabus_command_limits_tripped";
const LIMIT: &str = "oktabus_rate_limit_limit";
const REMAINING: &str = "oktabus_rate_limit_remaining";
const ALLOWED: &str = "oktabus_rate_limit_allowed";
const USED: &str = "oktabus_rate_limit_used";
const OTHERS: &str = "oktabus_rate_limit_others";
const LAG: &str = "oktabus_route_lag_seconds";
const CURSOR_AGE: &str = "oktabus_cursor_age_seconds";
const TROUBLE: &str = "oktabus_route_in_trouble";
const ROUTE_PAUSED: &str = "oktabus_route_paused";
const HELD: &str = "oktabus_messages_held";
const PHASE: &str = "oktabus_route_phase";
const BUILD_INFO: &str = "oktabus_build_info";
const RELOADS: &str = "oktabus_config_reloads_total";
const RELOAD_SUCCESSFUL: &str = "oktabus_config_last_reload_successful";
const RELOADED_AT: &str = "oktabus_config_last_reload_success_timestamp_seconds";

/// By route of a stream. A poll a second or a doorbell makes seconds; an outage or the first reading makes days.
pub(crate) static DELIVERY_SECONDS: HistogramFamily = HistogramFamily::new(
    "oktabus_delivery_latency_seconds",
    "How long after they were published the sink had proved messages, or they were kept as dead letters.",
    &[0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0],
);
/// By org and rate-limit bucket.
pub(crate) static OKTA_SECONDS: HistogramFamily = HistogramFamily::new(
    "oktabus_okta_request_duration_seconds",
    "How long Okta took until its answer began, or until there was none.",
    &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0],
);

/// What needs attention, of a sink and of Okta.
const SINK_CLASSES: [&str; 3] = ["transient", "authentication", "configuration"];
const OKTA_CLASSES: [&str; 4] = ["transient", "permanent", "authentication", "configuration"];
/// HTTP statuses that Okta documents; `none` if no answer came. Others appear when they do.
const STATUSES: [&str; 12] =
    ["none", "200", "201", "204", "400", "401", "403", "404", "429", "500", "502", "503"];

/// Counters by name, with their help texts.
const COUNTERS: [(&str, &str); 31] = [
    (DELIVERED, "Messages that the sink has proved to have."),
    (DEAD_LETTERS, "Messages that can never be delivered and were kept as dead letters."),
    (
        DEAD_LETTERS_DROPPED,
        "Dead letters of routes that were removed because there were too many: they are lost.",
    ),
    (COMMAND_DEAD_LETTERS_DROPPED, "Dead letters of commands that were removed because there were too many."),
    (DEAD_LETTERS_EXPIRED, "Dead letters of routes that were removed because of their age: they are lost."),
    (COMMAND_DEAD_LETTERS_EXPIRED, "Dead letters of commands that were removed because of their age."),
    (FILES_REMOVED, "Closed files of a file sink that were removed because of their age or size."),
    (FILE_BYTES_REMOVED, "The bytes of these files."),
    (AUDIT_FILES_REMOVED, "Closed files of an audit that were removed because of their age or size."),
    (SPANS_EXPORTED, "Spans that the collector has taken."),
    (SPANS_DROPPED, "Spans that were dropped, because the collector is away or too slow."),
    (PAGES, "Pages whose cursor has moved."),
    (FILTERED, "Events that the route's own filter left out."),
    (DROPPED, "Events dropped after a refused link because they had been delivered before."),
    (GAPS, "Times that Okta refused a link and the route resumed by time: look at the log."),
    (SINK_FAILURES, "Failed deliveries that are tried again, by class."),
    (SINK_DUPLICATES, "Messages that JetStream said it had already."),
    (OKTA_FAILURES, "Failed requests that are tried again, by class."),
    (STATE_FAILURES, "Commits of a cursor that failed and are tried again."),
    (REQUESTS, "Requests to Okta by HTTP status; `none` if no answer came."),
    (PANICS, "Tasks that panicked and were started again: each is a bug."),
    (SEARCH_RUNS, "Runs of searches that are wholly delivered."),
    (SEARCH_EVENTS, "Events that they found."),
    (SEARCH_LEFT_OUT, "Times that slots of searches were left out: look at the log."),
    (COMMANDS, "Commands that have ended, by action and status."),
    (COMMANDS_REPEATED, "Answers to further copies of commands that had ended."),
    (
        COMMANDS_FORGOTTEN_EARLY,
        "Commands that were forgotten before their time, because there were too many.",
    ),
    (COMMAND_DEAD_LETTERS, "Messages that can never be commands and were kept as dead letters."),
    (COMMAND_FAILURES, "Failures on the way of commands that are tried again, by what failed."),
    (VIOLATIONS, "Broken invariants: each is a bug."),
    (RELOADS, "Reloads of the configuration, by result."),
];

/// Gauges by name, with their help texts.
const GAUGES: [(&str, &str); 23] = [
    (BUILD_INFO, "1, with version, commit and features of this binary as labels."),
    (RELOAD_SUCCESSFUL, "Whether the configuration is what was reloaded last: 1, or 0 if that was refused."),
    (
        RELOADED_AT,
        "When the configuration was loaded or reloaded last with success, in seconds since 1970 UTC.",
    ),
    (SEARCH_SECONDS, "How long the last run of a search took."),
    (COMMANDS_HELD, "Commands that are held: at work or waiting."),
    (COMMANDS_WAITING, "Commands that wait for others that touch the same user or group."),
    (COMMANDS_TROUBLE, "1 while something keeps commands from being carried out."),
    (COMMANDS_PARKED, "Commands that wait in the state for their `not_before`."),
    (COMMANDS_AWAITING_APPROVAL, "Commands that wait in the state for a second key to approve them."),
    (COMMANDS_PAUSED, "Whether an operator has paused the commands: 1 or 0."),
    (LOST_NAMES, "Names of protected users that are not found any more."),
    (LIMITS_TRIPPED, "Limits that have tripped and wait to be released."),
    (LIMIT, "Requests that the rate-limit bucket allows a minute, as Okta says."),
    (REMAINING, "Requests left in the bucket's window, as Okta says."),
    (ALLOWED, "Requests that the configured share allows a window."),
    (USED, "Requests made in this window."),
    (OTHERS, "Requests made by others in this window, as far as Okta's headers show them."),
    (LAG, "Age of the oldest event that Okta has shown, or may have, and that the sink has not proved."),
    (
        HELD,
        "Messages that the sink refused and that wait until it is known whether they are wrong or the sink.",
    ),
    (CURSOR_AGE, "Seconds since the cursor moved last."),
    (ROUTE_PAUSED, "Whether an operator has paused the route: 1 or 0."),
    (PHASE, "1 for the phase that the route is in, 0 for the others."),
    (TROUBLE, "1 while Okta, the sink or the state keeps the route from making progress."),
];

/// The recorder behind the metrics, installed on first use; None if the process has another one.
pub fn recorder() -> Option<PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let install = || {
        process::started();
        let handle = PrometheusBuilder::new().install_recorder().ok()?;
        describe();
        gauge!(
            BUILD_INFO,
            "version" => version::VERSION,
            "commit" => version::COMMIT.unwrap_or("unknown"),
            "features" => version::features().join(",")
        )
        .set(1.0);
        Some(handle)
    };
    RECORDER.get_or_init(install).clone()
}

/// The page of metrics: the exporter's counters and gauges, then histograms and the figures of the process.
pub(crate) fn page(handle: &PrometheusHandle) -> String {
    let mut page = handle.render();
    DELIVERY_SECONDS.render(&mut page);
    OKTA_SECONDS.render(&mut page);
    process::render(&mut page);
    without_ended(page)
}

fn describe() {
    for (name, text) in COUNTERS {
        describe_counter!(name, text);
    }
    for (name, text) in GAUGES {
        describe_gauge!(name, text);
    }
    super::polling_metrics::describe();
}

/// The series of `route` are there, at 0: an alert must not miss the first time.
pub(crate) fn route_exists(route: &str) {
    let counted = [
        PAGES,
        DELIVERED,
        DEAD_LETTERS,
        DEAD_LETTERS_DROPPED,
        DEAD_LETTERS_EXPIRED,
        FILTERED,
        DROPPED,
        GAPS,
        STATE_FAILURES,
    ];
    for name in counted {
        counter!(name, "route" => route.to_owned()).increment(0);
    }
    for class in SINK_CLASSES {
        counter!(SINK_FAILURES, "route" => route.to_owned(), "class" => class).increment(0);
    }
    for class in OKTA_CLASSES {
        counter!(OKTA_FAILURES, "route" => route.to_owned(), "class" => class).increment(0);
    }
    counter!(PANICS, "task" => route.to_owned()).increment(0);
}

/// Creates the additional series of a search's route, at 0.
pub(crate) fn search_exists(route: &str) {
    for name in [SEARCH_RUNS, SEARCH_EVENTS, SEARCH_LEFT_OUT] {
        counter!(name, "route" => route.to_owned()).increment(0);
    }
    gauge!(SEARCH_SECONDS, "route" => route.to_owned()).set(0.0);
}

/// The series of `org` are there.
pub(crate) fn org_exists(org: &str) {
    for status in STATUSES {
        counter!(REQUESTS, "org" => org.to_owned(), "status" => status).increment(0);
    }
}

/// The series of the commands of a name are there, for these actions and statuses.
pub(crate) fn commands_exist(
    commands: &str,
    actions: impl IntoIterator<Item = &'static str>,
    statuses: &[&'static str],
    troubles: impl IntoIterator<Item = &'static str>,
) {
    for action in actions {
        for status in statuses.iter().copied() {
            counter!(COMMANDS, "commands" => commands.to_owned(), "action" => action, "status" => status)
                .increment(0);
        }
    }
    let counted = [
        COMMANDS_REPEATED,
        COMMANDS_FORGOTTEN_EARLY,
        COMMAND_DEAD_LETTERS,
        COMMAND_DEAD_LETTERS_DROPPED,
        COMMAND_DEAD_LETTERS_EXPIRED,
        AUDIT_FILES_REMOVED,
    ];
    for name in counted {
        counter!(name, "commands" => commands.to_owned()).increment(0);
    }
    for what in troubles {
        counter!(COMMAND_FAILURES, "commands" => commands.to_owned(), "what" => what).increment(0);
    }
    counter!(PANICS, "task" => commands.to_owned()).increment(0);
}

/// The series of traces are there.
pub(crate) fn spans_exist() {
    spans_dropped(0);
    counter!(SPANS_EXPORTED).increment(0);
}

/// The collector has taken spans.
#[cfg(feature = "otlp")]
pub(crate) fn spans_exported(spans: u64) {
    counter!(SPANS_EXPORTED).increment(spans);
}

/// Spans were dropped.
pub(crate) fn spans_dropped(spans: u64) {
    counter!(SPANS_DROPPED).increment(spans);
}

/// The series of a file sink are there.
pub(crate) fn file_sink_exists(sink: &str) {
    files_removed(sink, 0, 0);
}

/// Closed files of a sink were removed, with so many bytes.
pub(crate) fn files_removed(sink: &str, files: u64, bytes: u64) {
    counter!(FILES_REMOVED, "sink" => sink.to_owned()).increment(files);
    counter!(FILE_BYTES_REMOVED, "sink" => sink.to_owned()).increment(bytes);
}

/// Closed files of an audit were removed.
pub(crate) fn audit_files_removed(commands: &str, files: u64) {
    counter!(AUDIT_FILES_REMOVED, "commands" => commands.to_owned()).increment(files);
}

/// The series of an invariant is there.
pub(crate) fn invariant_exists(name: &'static str) {
    counter!(VIOLATIONS, "invariant" => name).increment(0);
}

/// A page of `route` is where it belongs.
pub(crate) fn page_delivered(route: &str, messages: u64, rejected: u64) {
    counter!(PAGES, "route" => route.to_owned()).increment(1);
    counter!(DELIVERED, "route" => route.to_owned()).increment(messages);
    counter!(DEAD_LETTERS, "route" => route.to_owned()).increment(rejected);
}

/// The sink of `route` had so many messages already.
#[cfg(feature = "nats")]
pub(crate) fn sink_duplicates(route: &str, messages: u64) {
    counter!(SINK_DUPLICATES, "route" => route.to_owned()).increment(messages);
}

/// Events of a page that were left out.
pub(crate) fn page_selected(route: &str, filtered: u64, dropped: u64) {
    counter!(FILTERED, "route" => route.to_owned()).increment(filtered);
    counter!(DROPPED, "route" => route.to_owned()).increment(dropped);
}

/// A run of a search is wholly delivered.
pub(crate) fn search_run(route: &str, events: u64, took: std::time::Duration) {
    counter!(SEARCH_RUNS, "route" => route.to_owned()).increment(1);
    counter!(SEARCH_EVENTS, "route" => route.to_owned()).increment(events);
    gauge!(SEARCH_SECONDS, "route" => route.to_owned()).set(took.as_secs_f64());
}

/// Slots of a search were left out.
pub(crate) fn search_left_out(route: &str) {
    counter!(SEARCH_LEFT_OUT, "route" => route.to_owned()).increment(1);
}

/// A command has ended.
pub(crate) fn command_ended(commands: &str, action: &'static str, status: &'static str) {
    counter!(COMMANDS, "commands" => commands.to_owned(), "action" => action, "status" => status)
        .increment(1);
}

/// A further copy of a command was answered.
pub(crate) fn command_repeated(commands: &str) {
    counter!(COMMANDS_REPEATED, "commands" => commands.to_owned()).increment(1);
}

/// Commands were forgotten before their time, because there were too many.
pub(crate) fn commands_forgotten_early(commands: &str, forgotten: u64) {
    if forgotten > 0 {
        counter!(COMMANDS_FORGOTTEN_EARLY, "commands" => commands.to_owned()).increment(forgotten);
    }
}

/// Dead letters of `route` were removed because there were too many.
pub(crate) fn dead_letters_dropped(route: &str, letters: u64) {
    if letters > 0 {
        counter!(DEAD_LETTERS_DROPPED, "route" => route.to_owned()).increment(letters);
    }
}

/// Dead letters of commands were removed because there were too many.
pub(crate) fn command_dead_letters_dropped(commands: &str, letters: u64) {
    if letters > 0 {
        counter!(COMMAND_DEAD_LETTERS_DROPPED, "commands" => commands.to_owned()).increment(letters);
    }
}

/// Dead letters of `route` were removed because of their age.
pub(crate) fn dead_letters_expired(route: &str, letters: u64) {
    counter!(DEAD_LETTERS_EXPIRED, "route" => route.to_owned()).increment(letters);
}

/// Dead letters of commands were removed because of their age.
pub(crate) fn command_dead_letters_expired(commands: &str, letters: u64) {
    counter!(COMMAND_DEAD_LETTERS_EXPIRED, "commands" => commands.to_owned()).increment(letters);
}

/// A message can never be a command.
pub(crate) fn command_dead_letter(commands: &str) {
    counter!(COMMAND_DEAD_LETTERS, "commands" => commands.to_owned()).increment(1);
}

/// Something on the way of commands failed.
pub(crate) fn command_trouble(commands: &str, what: &'static str) {
    counter!(COMMAND_FAILURES, "commands" => commands.to_owned(), "what" => what).increment(1);
}

/// The current state of the commands of one `[commands.NAME]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommandGauges {
    pub(crate) held: usize,
    pub(crate) waiting: usize,
    pub(crate) parked: usize,
    pub(crate) awaits_approval: usize,
    pub(crate) is_paused: bool,
    pub(crate) tripped: usize,
    pub(crate) lost_names: usize,
    pub(crate) in_trouble: bool,
}

/// Sets the gauges of one `[commands.NAME]`; called for each scrape.
#[expect(clippy::cast_precision_loss, reason = "they are few")]
pub(crate) fn commands(commands: &str, gauges: &CommandGauges) {
    let values = [
        (COMMANDS_HELD, gauges.held),
        (COMMANDS_WAITING, gauges.waiting),
        (COMMANDS_PARKED, gauges.parked),
        (COMMANDS_AWAITING_APPROVAL, gauges.awaits_approval),
        (COMMANDS_PAUSED, usize::from(gauges.is_paused)),
        (LIMITS_TRIPPED, gauges.tripped),
        (LOST_NAMES, gauges.lost_names),
        (COMMANDS_TROUBLE, usize::from(gauges.in_trouble)),
    ];
    for (name, value) in values {
        gauge!(name, "commands" => commands.to_owned()).set(value as f64);
    }
}

/// Okta refused a link.
pub(crate) fn possible_gap(route: &str) {
    counter!(GAPS, "route" => route.to_owned()).increment(1);
}

/// The sink of `route` failed.
pub(crate) fn sink_failure(route: &str, class: &'static str) {
    counter!(SINK_FAILURES, "route" => route.to_owned(), "class" => class).increment(1);
}

/// The cursor of `route` could not be committed.
pub(crate) fn state_failure(route: &str) {
    counter!(STATE_FAILURES, "route" => route.to_owned()).increment(1);
}

/// A request for `route` failed.
pub(crate) fn okta_failure(route: &str, class: &'static str) {
    counter!(OKTA_FAILURES, "route" => route.to_owned(), "class" => class).increment(1);
}

/// A request was made to `org`, and answered with this status if at all.
pub(crate) fn okta_request(org: &str, status: Option<u16>) {
    let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
    counter!(REQUESTS, "org" => org.to_owned(), "status" => status).increment(1);
}

/// A task panicked.
pub(crate) fn panic(task: &str) {
    counter!(PANICS, "task" => task.to_owned()).increment(1);
}

/// An invariant does not hold.
pub(crate) fn invariant_violated(name: &'static str) {
    counter!(VIOLATIONS, "invariant" => name).increment(1);
}

/// Sets the gauges of one rate-limit bucket of `org`. Unknown values are not set.
#[expect(clippy::cast_precision_loss, reason = "limits are small")]
pub(crate) fn budget(
    org: &str,
    bucket: &'static str,
    limit: Option<u64>,
    remaining: Option<u64>,
    allowed: Option<u64>,
    used: u64,
    others: u64,
) {
    let known = [(USED, Some(used)), (OTHERS, Some(others))];
    for (name, value) in [(LIMIT, limit), (REMAINING, remaining), (ALLOWED, allowed)].into_iter().chain(known)
    {
        if let Some(value) = value {
            gauge!(name, "org" => org.to_owned(), "bucket" => bucket).set(value as f64);
        }
    }
}

/// Sets the gauges of `route`; called for each scrape.
#[expect(clippy::cast_precision_loss, reason = "they are few")]
pub(crate) fn route(route: &str, lag_seconds: f64, cursor_age_seconds: f64, in_trouble: bool, held: usize) {
    gauge!(LAG, "route" => route.to_owned()).set(lag_seconds);
    gauge!(CURSOR_AGE, "route" => route.to_owned()).set(cursor_age_seconds);
    gauge!(TROUBLE, "route" => route.to_owned()).set(if in_trouble { 1.0 } else { 0.0 });
    gauge!(HELD, "route" => route.to_owned()).set(held as f64);
}

/// The configuration is what the daemon runs by, from its start on; `results` are those that a reload may have.
pub(crate) fn config_loaded(results: &[&'static str]) {
    for result in results.iter().copied() {
        counter!(RELOADS, "result" => result).increment(0);
    }
    reload_succeeded();
}

/// The configuration was reloaded, or was to be.
pub(crate) fn config_reloaded(result: &'static str, is_successful: bool) {
    counter!(RELOADS, "result" => result).increment(1);
    match is_successful {
        true => reload_succeeded(),
        false => gauge!(RELOAD_SUCCESSFUL).set(0.0),
    }
}

fn reload_succeeded() {
    gauge!(RELOAD_SUCCESSFUL).set(1.0);
    gauge!(RELOADED_AT).set(jiff::Timestamp::now().as_duration().as_secs_f64());
}

/// Sets whether an operator has paused `route`; called for each scrape.
pub(crate) fn route_paused(route: &str, is_paused: bool) {
    gauge!(ROUTE_PAUSED, "route" => route.to_owned()).set(if is_paused { 1.0 } else { 0.0 });
}

/// Sets the gauges of the phases of `route`, each with whether it is in that; called for each scrape.
pub(crate) fn route_phases(route: &str, phases: impl IntoIterator<Item = (&'static str, bool)>) {
    for (phase, is_in) in phases {
        gauge!(PHASE, "route" => route.to_owned(), "phase" => phase).set(if is_in { 1.0 } else { 0.0 });
    }
}
