//! What must be true when a world has come to its end, judged by what the buses, the log and the dead letters hold.
//!
//! While it runs, the notes see that no slot begins twice and that nothing counts as delivered without proof; the buses see
//! that nothing of a run that has ended comes again.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{RouteWorld, World, note_check::id, scenario::Scenario};
use crate::{
    config::{Emit, Empty, Missed, Overlap, WindowConfig},
    source::simulation::log::uuid,
};

/// What was wrong.
pub(super) fn judge(world: &World, scenario: &Scenario) -> Vec<String> {
    let mut wrong = Vec::new();
    for (route, config) in world.routes.iter().zip(&scenario.config.routes) {
        wrong.extend(slots(route, scenario));
        let delivered: BTreeSet<_> = route.bus.log().into_iter().chain(route.letters.ids()).collect();
        wrong.extend(match config.emit {
            Emit::Events => events(world, scenario, route, &delivered),
            Emit::Batches { batch_size } => batches(route, config.empty, batch_size, &delivered),
            Emit::Summary => summaries(route, config.empty, &delivered),
        });
    }
    wrong
}

/// With nothing left out by the configuration, every slot runs; and windows leave nothing out between them.
fn slots(route: &RouteWorld, scenario: &Scenario) -> Option<String> {
    let runs = route.notes.runs();
    let is_gapless = matches!(scenario.config.window, WindowConfig::SinceLast { .. });
    let mut covered = None;
    for (run, _) in runs.values() {
        if is_gapless && covered.is_some_and(|covered| run.since > covered) {
            return Some(format!(
                "the window of {} begins at {}, behind what was covered",
                run.slot, run.since
            ));
        }
        covered = Some(run.until);
    }
    let is_every = scenario.config.missed == Missed::All && scenario.config.overlap == Overlap::Queue;
    let mut slot = *runs.keys().next()?;
    let last = *runs.keys().last()?;
    while is_every && slot < last {
        slot = scenario.config.schedule.next_after(slot).unwrap();
        if !runs.contains_key(&slot) {
            return Some(format!("the slot {slot} did not run"));
        }
    }
    None
}

/// Every event of the time that is covered is there.
fn events(
    world: &World,
    scenario: &Scenario,
    route: &RouteWorld,
    delivered: &BTreeSet<String>,
) -> Option<String> {
    let (runs, covered) = (route.notes.runs(), route.notes.kept()?.progress.covered);
    let is_due = |published: Timestamp| match scenario.config.window {
        // What came into the log after the last window was read is for the next one.
        WindowConfig::SinceLast { .. } => published < covered - scenario.lag_max,
        WindowConfig::LookBack { .. } => {
            runs.values().any(|(run, _)| (run.since..run.until).contains(&published))
        }
    };
    let due = world.log.events.iter().enumerate().filter(|(_, event)| is_due(event.published));
    let lost = due.map(|(index, _)| format!("acme:{}", uuid(index))).find(|id| !delivered.contains(id));
    lost.map(|lost| format!("{lost} is lost"))
}

/// Each run has its batches, as many as they say, and no event is in two of one run.
fn batches(
    route: &RouteWorld,
    empty: Empty,
    batch_size: u16,
    delivered: &BTreeSet<String>,
) -> Option<String> {
    for (slot, (_, count)) in route.notes.runs() {
        if count == 0 && empty == Empty::Report {
            return Some(format!("the run of {slot} says nothing"));
        }
        let (mut events, mut total) = (0, 0);
        for number in 1..=count {
            let id = id(slot, &number.to_string());
            if !delivered.contains(&id) {
                return Some(format!("{id} is lost"));
            }
            let Some(payload) = route.bus.payload(&id) else { continue };
            let batch: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            if batch["batches"] != count.max(1) || batch["batch"] != number {
                return Some(format!("{id} of {count} says {batch}"));
            }
            let members = batch["events"].as_array().unwrap().len();
            if members > usize::from(batch_size) {
                return Some(format!("{id} has {members} events"));
            }
            events += members;
            total = batch["total"].as_u64().unwrap();
        }
        let is_whole = (1..=count).all(|number| route.bus.payload(&id(slot, &number.to_string())).is_some());
        if is_whole && events as u64 != total {
            return Some(format!("the run of {slot} has {events} events and says {total}"));
        }
    }
    None
}

fn summaries(route: &RouteWorld, empty: Empty, delivered: &BTreeSet<String>) -> Option<String> {
    for (slot, (_, count)) in route.notes.runs() {
        let id = id(slot, "summary");
        let is_due = count > 0 || empty == Empty::Report;
        if count > 1 || is_due != delivered.contains(&id) {
            return Some(format!("{id}: {count} are counted, {} delivered", delivered.contains(&id)));
        }
    }
    None
}
