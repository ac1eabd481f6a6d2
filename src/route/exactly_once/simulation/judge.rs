//! What must be true of the bus in the end. What must be true of every checkpoint is in `checkpoint_check.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::{World, scenario::Scenario};
use crate::source::simulation::log::uuid;

/// Keys of messages: each key's messages have an order.
const KEYS: usize = 7;
/// Messages that may go to the dead letters for each time that the bus refuses everything, although it would take them at
/// another time: those of a sink that accepts none, arriving one at a time.
const LOST_TO_REFUSAL_MAX: usize = 5;

/// The id of the message of an event.
pub(super) fn id(event: usize) -> String {
    format!("acme:{}", uuid(event))
}

/// The event of a message with this id.
pub(super) fn event(id: &str) -> usize {
    id.rsplit('-').next().unwrap().parse().unwrap()
}

/// What was wrong in the end.
pub(super) fn judge(world: &World, scenario: &Scenario) -> Vec<String> {
    let mut wrong = Vec::new();
    let committed = world.bus.log();
    let on_bus: BTreeSet<_> = committed.iter().cloned().collect();
    let dead: BTreeSet<_> = world.letters.ids().into_iter().collect();
    let lost =
        (0..world.log.committed().len()).map(id).filter(|id| !on_bus.contains(id) && !dead.contains(id));
    wrong.extend(lost.map(|id| format!("{id} is lost")));
    wrong.extend(out_of_order(world, &committed));
    if scenario.daemons.len() == 1 && scenario.damages.is_empty() {
        let twice = dead.intersection(&on_bus);
        wrong.extend(twice.map(|id| format!("{id} is delivered, and a dead letter beside that")));
    }
    // A letter that counts because nobody can know what became of its transaction is no loss if its message is delivered.
    let odd = dead.difference(&on_bus).filter(|id| !world.bus.is_poison(id)).count();
    let lives: usize = scenario.daemons.iter().map(|lives| lives.len() + 1).sum();
    let odd_max = LOST_TO_REFUSAL_MAX * world.bus.refusing_times() * lives;
    if odd > odd_max {
        wrong
            .push(format!("{odd} messages that are not odd are among the dead letters, more than {odd_max}"));
    }
    wrong
}

/// The first copies of the messages of each key must be in Okta's order. What was refused and is accepted later may come
/// behind what followed it.
fn out_of_order(world: &World, committed: &[String]) -> Option<String> {
    let (mut seen, mut last) = (BTreeSet::new(), BTreeMap::new());
    for id in committed.iter().filter(|id| !world.bus.has_refused(id)) {
        let event = event(id);
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
