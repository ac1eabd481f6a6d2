//! The periodic summary in the log: what the daemon does, what it has delivered since the last one, and what blocks it.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use crate::{config::Config, overview::DaemonView};

/// The time between two summaries.
const TELL_EVERY: Duration = Duration::from_secs(600);

/// The tasks of the daemon by `config`.
pub(super) fn purpose(config: &Config) -> String {
    let streams = config.streams.values().map(|stream| {
        let sinks: Vec<_> = stream.routes.iter().map(|route| route.sink.as_str()).collect();
        format!("stream {} of {} goes to {}", stream.name, stream.org, sinks.join(", "))
    });
    let searches = config.searches.values().map(|search| {
        let sinks: Vec<_> = search.routes.iter().map(|route| route.route.sink.as_str()).collect();
        format!("search {} of {} goes to {}", search.name, search.org, sinks.join(", "))
    });
    let commands = config.commands.values().map(|commands| {
        let from = if commands.intake.is_some() { "a queue" } else { "the command line alone" };
        format!("commands {} for {} come from {from}", commands.name, commands.org)
    });
    streams.chain(searches).chain(commands).collect::<Vec<_>>().join("; ")
}

/// Logs what may not do what it seems to.
pub fn warn(config: &Config) {
    for warning in config.warnings() {
        tracing::warn!(at = warning.path, reason = warning.reason, "a setting may not do what it seems to");
    }
}

/// Logs a summary every ten minutes, and whenever `asked`. Never ends.
pub(super) async fn tell<T>(view: Arc<DaemonView>, asked: Arc<Notify>) -> T {
    let mut delivered_before = delivered(&view);
    loop {
        tokio::select! {
            () = tokio::time::sleep(TELL_EVERY) => {}
            () = asked.notified() => {}
        }
        let delivered = delivered(&view);
        let routes = view.snapshots();
        let in_trouble: Vec<_> = routes
            .iter()
            .filter(|route| route.trouble().is_some())
            .map(|route| route.route.as_str())
            .collect();
        let lag_s = routes.iter().map(|route| route.lag_seconds).fold(0.0, f64::max).round();
        tracing::info!(
            routes = routes.len(),
            messages = delivered.saturating_sub(delivered_before),
            messages_in_all = delivered,
            lag_s,
            in_trouble = in_trouble.join(", "),
            "how it goes"
        );
        delivered_before = delivered;
    }
}

fn delivered(view: &DaemonView) -> u64 {
    view.snapshots().iter().map(|route| route.delivered).sum()
}
