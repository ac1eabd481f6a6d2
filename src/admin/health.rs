//! What alive and ready mean.

use std::time::Duration;

use super::Watched;
use crate::{
    command::engine::{EnginePhase, EngineSnapshot},
    route::{Phase, Snapshot},
};

/// Why the daemon is not alive: routes that do nothing at all, not even fail. To start the process again would help.
pub(super) fn alive(watched: &Watched) -> Vec<String> {
    let routes = watched.routes.iter();
    let hanging = routes.filter_map(|route| {
        let patience = watched.stalled_after + route.poll_interval;
        is_hanging(&route.status.snapshot(), patience)
    });
    let commands = watched.commands.iter().map(|status| status.snapshot());
    let stuck = commands.filter_map(|commands| are_hanging(&commands, watched.stalled_after));
    hanging.chain(stuck).collect()
}

/// Why the daemon is not ready: routes that are not delivering, for reasons outside of it.
pub(super) fn ready(watched: &Watched) -> Vec<String> {
    let snapshots = watched.snapshots();
    let commands = watched.commands.iter().filter_map(|status| are_unready(&status.snapshot()));
    snapshots.iter().filter_map(is_unready).chain(commands).collect()
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

fn are_unready(commands: &EngineSnapshot) -> Option<String> {
    match (commands.trouble(), commands.phase) {
        (Some(trouble), _) => Some(format!("commands {}: {trouble}", commands.commands)),
        (None, EnginePhase::Starting) => Some(format!("commands {}: starting", commands.commands)),
        (None, EnginePhase::Running | EnginePhase::Ended) => None,
    }
}

fn is_unready(route: &Snapshot) -> Option<String> {
    match (route.trouble(), route.phase) {
        (Some(trouble), _) => Some(format!("{}: {trouble}", route.route)),
        (None, Phase::Starting) => Some(format!("{}: starting", route.route)),
        (None, Phase::Reading | Phase::AtTail | Phase::Ended) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(phase: Phase, since_alive: u64, sink_trouble: Option<&str>) -> Snapshot {
        Snapshot {
            route: "a/b".to_owned(),
            phase,
            generation: 1,
            cursor: String::new(),
            delivered: 0,
            dead_letters: 0,
            published_max: None,
            advanced_at: None,
            lag_seconds: 0.0,
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

    #[test]
    fn silence_means_death_unless_the_route_has_ended() {
        let patience = Duration::from_secs(300);
        assert!(is_hanging(&snapshot(Phase::AtTail, 301, None), patience).is_some());
        assert_eq!(is_hanging(&snapshot(Phase::AtTail, 299, None), patience), None);
        assert_eq!(is_hanging(&snapshot(Phase::Ended, 9_999, None), patience), None);
    }
}
