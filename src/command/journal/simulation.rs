//! Many seeded runs of the journal's rules: copies, crashes at every point, answers of Okta's that are lost. Every command
//! comes to one outcome, that is told, and nothing is done twice.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{tests::outcome, *};
use crate::command::{
    Brought,
    engine::lanes::{Claim, Lanes, Place},
};

const COMMANDS: usize = 12;
const RUNS: u64 = 400;

/// What survives a crash.
#[derive(Default)]
struct World {
    journal: BTreeMap<usize, Record>,
    /// Messages that are not acknowledged.
    queue: Vec<usize>,
    /// What was done at Okta, and how often.
    done: BTreeMap<usize, u32>,
    /// What was published: which command, what it says, and whether it is marked as repeated.
    told: Vec<(usize, Brought, bool)>,
    /// Answers that a crash cut off from their record.
    unrecorded: usize,
}

/// One copy at work.
struct Worker {
    command: usize,
    message: usize,
    next: Step,
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Look,
    Begin,
    Act,
    End,
    Tell,
    KeepTold,
    Acknowledge,
}

impl World {
    fn step(&mut self, worker: &mut Worker, random: &mut fastrand::Rng) -> bool {
        let id = worker.command;
        let now = Timestamp::from_second(1).unwrap();
        match worker.next {
            Step::Look => {
                let record = self.journal.entry(id).or_insert_with(|| Record::new("a", "f", None, now));
                worker.next =
                    if matches!(record.stage, Stage::Ended { .. }) { Step::Tell } else { Step::Begin };
            }
            Step::Begin => {
                let (begun, _) = self.journal[&id].begun(now).unwrap();
                self.journal.insert(id, begun);
                worker.next = Step::Act;
            }
            Step::Act => {
                // A former attempt may have done it: then Okta says so.
                let looks_first = self.journal[&id].attempts() > 1;
                if !(looks_first && self.done.contains_key(&id)) {
                    *self.done.entry(id).or_default() += 1;
                }
                worker.next = if random.u8(..6) == 0 { Step::Begin } else { Step::End };
            }
            Step::End => {
                let ended = self.journal[&id].ended(&outcome(json!({ "command": id }))).unwrap();
                self.journal.insert(id, ended);
                worker.next = Step::Tell;
            }
            Step::Tell => {
                let Stage::Ended { outcome, answers } = &self.journal[&id].stage else {
                    panic!("it has ended")
                };
                self.told.push((id, outcome.result.clone(), *answers > 0));
                worker.next = Step::KeepTold;
            }
            Step::KeepTold => {
                let answered = self.journal[&id].answered().unwrap();
                self.journal.insert(id, answered);
                worker.next = Step::Acknowledge;
            }
            Step::Acknowledge => {
                assert!(self.journal[&id].durable().is_some());
                self.queue.retain(|message| *message != worker.message);
                return true;
            }
        }
        false
    }
}

#[test]
fn whatever_happens_each_command_comes_to_one_outcome_that_is_told() {
    for seed in 0..RUNS {
        let mut random = fastrand::Rng::with_seed(seed);
        // Some commands come twice or three times; message N is a copy of command N modulo their number.
        let queue = (0..COMMANDS * 3).filter(|message| *message < COMMANDS || random.u8(..3) == 0).collect();
        let mut world = World { queue, ..World::default() };
        let copies = world.queue.len();
        while !world.queue.is_empty() {
            live(&mut world, &mut random);
        }
        let told: BTreeSet<usize> = world.told.iter().map(|(id, ..)| *id).collect();
        assert_eq!(told.len(), COMMANDS, "seed {seed}: an outcome was never told");
        for (id, result, _) in &world.told {
            assert_eq!(*result, json!({ "command": id }).into(), "seed {seed}");
        }
        assert!(world.done.values().all(|times| *times == 1), "seed {seed}: done twice: {:?}", world.done);
        assert_eq!(world.done.len(), COMMANDS, "seed {seed}");
        let firsts = world.told.iter().filter(|(_, _, repeated)| !repeated).count();
        assert!(firsts <= COMMANDS + world.unrecorded, "seed {seed}");
        assert!(world.told.len() >= copies, "seed {seed}: a copy was not answered");
    }
}

/// The daemon from its start until it crashes or has nothing left to do.
fn live(world: &mut World, random: &mut fastrand::Rng) {
    let mut lanes = Lanes::default();
    let mut waiting: BTreeMap<Place, Worker> = BTreeMap::new();
    let mut working: Vec<(Place, Worker)> = Vec::new();
    let mut arriving = world.queue.clone();
    random.shuffle(&mut arriving);
    loop {
        if let Some(message) = arriving.pop_if(|_| random.bool()) {
            let command = message % COMMANDS;
            let worker = Worker { command, message, next: Step::Look };
            let claims = vec![Claim { key: command.to_string(), alone: true }];
            match lanes.join(claims) {
                (place, true) => working.push((place, worker)),
                (place, false) => drop(waiting.insert(place, worker)),
            }
        }
        if working.is_empty() {
            if arriving.is_empty() {
                return;
            }
            continue;
        }
        let index = random.usize(..working.len());
        let (place, worker) = &mut working[index];
        let place = *place;
        if world.step(worker, random) {
            working.swap_remove(index);
            for next in lanes.leave(place) {
                working.extend(waiting.remove(&next).map(|worker| (next, worker)));
            }
        }
        if random.u8(..60) == 0 {
            world.unrecorded += working.iter().filter(|(_, worker)| worker.next == Step::KeepTold).count();
            return;
        }
    }
}
