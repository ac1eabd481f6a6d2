//! Decides whether the daemon is alive and ready.

use std::time::Duration;

use super::DaemonView;
use crate::{
    command::engine::{EnginePhase, EngineSnapshot},
    route::{Phase, Snapshot},
};

/// Blocking work that has waited this long for a thread is reported.
const BLOCKED_AFTER: Duration = Duration::from_secs(10);

/// Why the daemon is not alive: loops that make no progress and report no wait or failure either. A restart of the
/// process would help. An unreachable bus or org is no reason.
pub(super) fn alive(view: &DaemonView) -> Vec<String> {
    let shown = view.shown();
    let routes = shown.routes.iter();
    let hanging = routes.filter_map(|route| {
        let patience = shown.stalled_after + route.poll_interval;
        is_hanging(&route.status.snapshot(), patience)
    });
    let commands = shown.commands.iter().map(|status| status.snapshot());
    let stuck = commands.filter_map(|commands| are_hanging(&commands, shown.stalled_after));
    let blocked = is_blocked(view.pulse.missed_for(), shown.stalled_after);
    hanging.chain(stuck).chain(blocked).collect()
}

/// Why the daemon is not ready: routes that are not delivering, for reasons outside of it.
pub(super) fn ready(view: &DaemonView) -> Vec<String> {
    let (shown, snapshots) = (view.shown(), view.snapshots());
    let commands = shown.commands.iter().flat_map(|status| are_unready(&status.snapshot()));
    let blocked = is_blocked(view.pulse.missed_for(), BLOCKED_AFTER);
    let state = view.state_trouble.text().map(|trouble| format!("state: {trouble}"));
    snapshots.iter().filter_map(is_unready).chain(commands).chain(blocked).chain(state).collect()
}

fn is_blocked(missed_for: Duration, patience: Duration) -> Option<String> {
    (missed_for > patience)
        .then(|| format!("work on the disk has got no thread for {} s: all are taken", missed_for.as_secs()))
}

fn is_hanging(route: &Snapshot, patience: Duration) -> Option<String> {
    if route.phase == Phase::Ended {
        return None;
    }
    let since = route.since_alive.filter(|since| *since > patience)?;
    Some(format!("{}: has done nothing for {} s", route.route, since.as_secs()))
}

fn are_hanging(commands: &EngineSnapshot, patience: Duration) -> Option<String> {
    if commands.phase == EnginePhase::Ended {
        return None;
    }
    let since = commands.since_alive.filter(|since| *since > patience)?;
    Some(format!("commands {}: have done nothing for {} s", commands.commands, since.as_secs()))
}

/// Lost names of protected users are no reason: the users that they stood for stay protected by id, and commands
/// continue. They are reported whether the daemon is ready or not.
fn are_unready(commands: &EngineSnapshot) -> Vec<String> {
    let name = &commands.commands;
    let mut reasons: Vec<_> =
        commands.troubles.values().map(|trouble| format!("commands {name}: {trouble}")).collect();
    if reasons.is_empty() && commands.phase == EnginePhase::Starting {
        reasons.push(format!("commands {name}: starting"));
    }
    reasons
}

/// What an operator should look into although the daemon is ready.
pub(super) fn noteworthy(view: &DaemonView) -> Vec<String> {
    let shown = view.shown();
    let commands = shown.commands.iter().filter_map(|status| lost_names(&status.snapshot()));
    let doorbells = shown.doorbells.iter().filter_map(|doorbell| {
        let snapshot = doorbell.snapshot();
        let (org, trouble) = (snapshot.org, snapshot.trouble?);
        Some(format!("doorbell {org}: {trouble}: its streams go on at their normal interval"))
    });
    let refused = view.refused_config();
    let refused = refused.map(|reason| format!("configuration: the new one is refused: {reason}"));
    commands.chain(doorbells).chain(refused).collect()
}

fn lost_names(commands: &EngineSnapshot) -> Option<String> {
    let names = Some(commands.lost_names.join(", ")).filter(|names| !names.is_empty())?;
    Some(format!("commands {}: `protect` names {names}, which are not found any more", commands.commands))
}

fn is_unready(route: &Snapshot) -> Option<String> {
    match (route.trouble(), route.phase) {
        (Some(trouble), _) => Some(format!("{}: {trouble}", route.route)),
        (None, Phase::Starting) => Some(format!("{}: starting", route.route)),
        (
            None,
            Phase::Reading
            | Phase::AtTail
            | Phase::Paused
            | Phase::Standby
            | Phase::Superseded
            | Phase::Ended,
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::engine::Trouble, overview::Pulse};

    fn snapshot(phase: Phase, since_alive: u64, sink_trouble: Option<&str>) -> Snapshot {
        Snapshot {
            route: "a/b".to_owned(),
            phase,
            owner: None,
            generation: 1,
            cursor: String::new(),
            delivered: 0,
            dead_letters: 0,
            recent_dead_letters: Vec::new(),
            published_max: None,
            advanced_at: None,
            lag_seconds: 0.0,
            lag_events: None,
            held: 0,
            paused: None,
            okta_trouble: None,
            sink_trouble: sink_trouble.map(str::to_owned),
            state_trouble: None,
            possible_gaps: 0,
            search: None,
            since_alive: Some(Duration::from_secs(since_alive)),
        }
    }

    #[test]
    fn trouble_makes_unready_but_not_dead() {
        let troubled = snapshot(Phase::Reading, 5, Some("refused"));
        assert_eq!(is_unready(&troubled).as_deref(), Some("a/b: refused"));
        assert_eq!(is_hanging(&troubled, Duration::from_secs(300)), None);
    }

    fn commands(phase: EnginePhase, troubles: &[(Trouble, &str)], lost_names: &[&str]) -> EngineSnapshot {
        EngineSnapshot {
            commands: "hr".to_owned(),
            phase,
            held: 0,
            waiting: 0,
            parked: 0,
            awaits_approval: 0,
            paused: None,
            outcomes: [].into(),
            repeated: 0,
            dead_letters: 0,
            recent: Vec::new(),
            tripped: Vec::new(),
            lost_names: lost_names.iter().map(|name| (*name).to_owned()).collect(),
            troubles: troubles.iter().map(|(trouble, text)| (*trouble, (*text).to_owned())).collect(),
            last_failure: None,
            since_alive: None,
        }
    }

    #[test]
    fn every_trouble_of_commands_makes_unready_and_a_lost_name_none() {
        let lost = commands(EnginePhase::Running, &[], &["glass@acme.com"]);
        assert_eq!(are_unready(&lost), Vec::<String>::new());
        assert!(lost_names(&lost).unwrap().contains("glass@acme.com"));
        let troubles = [(Trouble::Audit, "the disk is full"), (Trouble::Outcomes, "no stream")];
        let troubled = commands(EnginePhase::Running, &troubles, &["glass@acme.com"]);
        let mut told = are_unready(&troubled);
        told.sort();
        assert_eq!(told, ["commands hr: no stream", "commands hr: the disk is full"]);
        let starting = commands(EnginePhase::Starting, &[], &[]);
        assert_eq!(are_unready(&starting), ["commands hr: starting"]);
        assert_eq!(lost_names(&starting), None);
    }

    #[test]
    fn silence_means_death_unless_the_route_has_ended() {
        let patience = Duration::from_secs(300);
        assert!(is_hanging(&snapshot(Phase::AtTail, 301, None), patience).is_some());
        assert_eq!(is_hanging(&snapshot(Phase::AtTail, 299, None), patience), None);
        assert_eq!(is_hanging(&snapshot(Phase::Ended, 9_999, None), patience), None);
    }

    #[test]
    fn work_that_gets_no_thread_is_noticed() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
        runtime.unwrap().block_on(async {
            tokio::time::pause();
            let (release, hold) = std::sync::mpsc::channel::<()>();
            let taken = tokio::task::spawn_blocking(move || hold.recv());
            let (pulse, stop) = (Pulse::default(), tokio_util::sync::CancellationToken::new());
            let watching = async {
                // Time stands still by itself while a thread is at work.
                tokio::time::advance(BLOCKED_AFTER * 2).await;
                assert!(is_blocked(pulse.missed_for(), BLOCKED_AFTER).unwrap().contains("no thread"));
                drop(release);
                let _ = taken.await;
                while is_blocked(pulse.missed_for(), BLOCKED_AFTER).is_some() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                stop.cancel();
            };
            tokio::join!(pulse.run(&stop), watching);
        });
    }
}
