//! `oktabus reload`, and SIGHUP: the running daemon loads its configuration again.

use std::io;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;

use super::{ConfigArgument, Exit, fail, note, print, status::connect};
use crate::{
    operations::{ConfigChange, ReloadHandle, ReloadOutcome},
    telemetry::printable,
};

#[derive(Debug, Args)]
#[command(
    after_help = "The same as SIGHUP and `systemctl reload`, with an answer. What has not changed goes on untouched; what has changed is drained \
                  first, as at a stop, and no event is lost or delivered twice by it.

Exit codes: 0 the configuration is in force, or says nothing new; 1 it is refused and the daemon goes on as before; 64 it is \
                  no TOML, lacks what finds the daemon, or has another `state.path` than the daemon that runs; 69 no daemon runs, or it \
                  stops.

Examples:
  oktabus check --offline && oktabus reload
  oktabus reload --json | jq .changed"
)]
pub(super) struct ReloadArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Has the daemon load its configuration again.
pub(super) async fn reload(arguments: ReloadArguments) -> Exit {
    let mut daemon = match connect(&arguments.config).await {
        Ok(daemon) => daemon,
        Err(exit) => return exit,
    };
    let asked = async { daemon.post("/reload", &()).await?.only().await };
    let outcome: ReloadOutcome = match asked.await {
        Ok(outcome) => outcome,
        Err(err) => return fail(Exit::Unavailable, &err),
    };
    if arguments.json {
        // Texts can always be written.
        print(&format!("{}\n", serde_json::to_string(&outcome).unwrap_or_default()));
    }
    match (outcome, arguments.json) {
        (ReloadOutcome::Applied(change), false) => print(&told(&change)),
        (ReloadOutcome::Unchanged, false) => {
            print("The configuration says nothing new; secrets were read again.\n");
        }
        (ReloadOutcome::Refused { reason }, is_json) => {
            if !is_json {
                note(&format!("the daemon goes on as before: {reason}"));
            }
            return Exit::Failed;
        }
        (ReloadOutcome::Applied(_) | ReloadOutcome::Unchanged, true) => {}
    }
    Exit::Done
}

fn told(change: &ConfigChange) -> String {
    let ConfigChange { settings, added, changed, removed, kept } = change;
    let lists = [
        ("added", added),
        ("changed", changed),
        ("removed", removed),
        ("untouched", kept),
        ("settings", settings),
    ];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let lines = lists.map(|(name, list)| format!("{name:<10} {}\n", printable(&list.join(", "))));
    format!("The new configuration is in force.\n{}", lines.collect::<String>())
}

/// Listens for SIGHUP, which ends a process that does not: one that starts may wait for its disk.
pub(super) fn listen() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Asks for a reload on each SIGHUP, also for one that came since `hangup` listens, until the handle is dropped.
pub(super) fn on_hangup(mut hangup: Signal, reloads: ReloadHandle) -> AbortOnDropHandle<()> {
    let reloading = tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            // What became of it is in the log.
            let _ = reloads.reload().await;
        }
    });
    AbortOnDropHandle::new(reloading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reload_did_is_told_in_a_line_each_and_nothing_of_what_it_did_not() {
        let change = ConfigChange {
            settings: vec!["sinks.files.directory".to_owned()],
            changed: vec!["route log/files".to_owned(), "commands hr".to_owned()],
            ..ConfigChange::default()
        };
        let lines = told(&change);
        let expected =
            ["The new", "changed    route log/files, commands hr", "settings   sinks.files.directory"];
        assert_eq!(lines.lines().count(), expected.len(), "{lines}");
        for (line, expected) in lines.lines().zip(expected) {
            assert!(line.starts_with(expected), "{lines}");
        }
    }
}
