//! What must be true when a world has come to its end, judged by what the bus, the log and the dead letters hold.
//!
//! While it runs, the bus sees that nothing comes twice on one connection or after it was committed, and not at all where
//! marks prevent it; the cursors see that none moves without proof; the log sees that reading stays within its bounds.

use std::collections::{BTreeMap, BTreeSet};

use super::{World, scenario::Scenario};
use crate::source::simulation::log::uuid;

/// Keys of messages: each key's messages have an order.
const KEYS: usize = 7;
/// Messages that may go to the dead letters for each time that the bus refuses everything, although it would take them at
/// another time: those of a sink that accepts none, arriving one at a time.
const LOST_TO_REFUSAL_MAX: usize = 4;

/// The id of the message of an event.
pub(super) fn id(event: usize) -> String {
    format!("acme:{}", uuid(event))
}

/// What was wrong.
pub(super) fn judge(world: &World, scenario: &Scenario) -> Vec<String> {
    let mut wrong = Vec::new();
    let committed = world.log.committed().len();
    let taken = world.bus.log();
    let on_bus: BTreeSet<_> = taken.iter().cloned().collect();
    let dead: BTreeSet<_> = world.letters.ids().into_iter().collect();
    for event in 0..committed {
        let id = id(event);
        if !on_bus.contains(&id) && !dead.contains(&id) {
            wrong.push(format!("{id} is lost"));
        }
    }
    wrong.extend(out_of_order(world, &taken));
    let odd = dead.iter().filter(|id| !world.bus.is_poison(id)).count();
    let odd_max = LOST_TO_REFUSAL_MAX * world.bus.refusing_times() * (scenario.lives.len() + 1);
    if odd > odd_max {
        wrong
            .push(format!("{odd} messages that are not odd are among the dead letters, more than {odd_max}"));
    }
    wrong
}

/// The first copies of the messages of each key must be in Okta's order. What was refused and is accepted later may come
/// behind what followed it.
fn out_of_order(world: &World, taken: &[String]) -> Option<String> {
    let number = |id: &str| id.rsplit('-').next().unwrap().parse::<usize>().unwrap();
    let (mut seen, mut last) = (BTreeSet::new(), BTreeMap::new());
    for id in taken.iter().filter(|id| !world.bus.has_refused(id)) {
        let event = number(id);
        if !seen.insert(event) {
            continue;
        }
        let before = last.insert(event % KEYS, event);
        if let Some(before) = before.filter(|before| *before > event) {
            return Some(format!("{id} comes after event {before} of the same key"));
        }
    }
    None
}
