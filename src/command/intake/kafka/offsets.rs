//! Which offsets are received, done and committed. Knows nothing of Kafka's client and does no I/O.
//!
//! A commit says that everything below it is done, so it stops below the first offset that is not. Each assignment of a
//! partition is a term of its own: what was received in an earlier term may still end, but counts no more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Offsets that are received and not done, over all partitions: beyond this nothing more is read.
const OPEN_MAX: usize = 256;
/// Offsets of one partition that are received and not committed. Most of them may be done while one waits to be tried
/// again; a crash makes them all come again.
const SPAN_MAX: usize = 1_000;

/// One received offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) partition: i32,
    term: u64,
    pub(super) offset: i64,
}

/// All partitions that are ours.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    partitions: BTreeMap<i32, Partition>,
    terms: u64,
    open: usize,
}

#[derive(Debug, Default)]
struct Partition {
    term: u64,
    /// Offsets from the first one that is not done on, in order, and whether each is done.
    received: VecDeque<(i64, bool)>,
    highest: Option<i64>,
    /// Everything received below this is done.
    done_below: Option<i64>,
    /// The last commit that was handed over and has not failed.
    committed: Option<i64>,
    is_paused: bool,
    /// It is about to go to another.
    is_leaving: bool,
}

/// Partitions to stop reading, and to go on reading.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) pause: Vec<i32>,
    pub(super) resume: Vec<i32>,
}

impl Offsets {
    /// The partition is ours from now on.
    pub(super) fn assign(&mut self, partition: i32) {
        self.revoke(partition);
        self.terms += 1;
        self.partitions.insert(partition, Partition { term: self.terms, ..Partition::default() });
    }

    /// The partition is not ours any more.
    pub(super) fn revoke(&mut self, partition: i32) {
        if let Some(partition) = self.partitions.remove(&partition) {
            self.open -= partition.open();
        }
    }

    /// Notes that the message at `offset` was received; none if the partition is not ours.
    pub(super) fn receive(&mut self, partition: i32, offset: i64) -> Option<Spot> {
        // An offset comes back only if the partition lost its end, and then it stands for another message.
        let known = self.partitions.get(&partition)?;
        if known.highest.is_some_and(|highest| offset <= highest) {
            let is_paused = known.is_paused;
            self.assign(partition);
            self.partitions.get_mut(&partition)?.is_paused = is_paused;
        }
        let known = self.partitions.get_mut(&partition)?;
        known.highest = Some(offset);
        known.received.push_back((offset, false));
        self.open += 1;
        Some(Spot { partition, term: known.term, offset })
    }

    /// Notes that the message there is done.
    pub(super) fn done(&mut self, spot: Spot) {
        let Some(partition) = self.current(spot) else { return };
        let Ok(at) = partition.received.binary_search_by_key(&spot.offset, |(offset, _)| *offset) else {
            return;
        };
        let Some((_, is_done)) = partition.received.get_mut(at) else { return };
        if std::mem::replace(is_done, true) {
            return;
        }
        while let Some((offset, true)) = partition.received.front() {
            partition.done_below = Some(offset + 1);
            partition.received.pop_front();
        }
        self.open -= 1;
    }

    /// The partition is about to go to another.
    pub(super) fn leave(&mut self, partition: i32) {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.is_leaving = true;
        }
    }

    /// Whether the message there is still ours to end.
    pub(super) fn is_current(&self, spot: Spot) -> bool {
        self.partitions.get(&spot.partition).is_some_and(|partition| partition.term == spot.term)
    }

    /// Whether it is still ours to begin.
    pub(super) fn is_open(&self, spot: Spot) -> bool {
        self.is_current(spot) && !self.partitions[&spot.partition].is_leaving
    }

    /// Whether anything is received and not done.
    pub(super) fn has_open(&self) -> bool {
        self.open > 0
    }

    /// What is to be committed now, each as partition and the offset to go on from. Counts as committed from here on.
    pub(super) fn take_commits(&mut self) -> Vec<(i32, i64)> {
        let commits = self.partitions.iter_mut().filter_map(|(number, partition)| {
            let below = partition.done_below.filter(|below| partition.committed < Some(*below))?;
            partition.committed = Some(below);
            Some((*number, below))
        });
        commits.collect()
    }

    /// The last commits may not have arrived: they are to be handed over again.
    pub(super) fn commits_failed(&mut self) {
        for partition in self.partitions.values_mut() {
            partition.committed = None;
        }
    }

    /// What is to be paused and resumed so that what is held stays bounded.
    pub(super) fn regulate(&mut self) -> Flow {
        let open = self.open;
        let mut flow = Flow::default();
        for (number, partition) in &mut self.partitions {
            let span = partition.received.len();
            if !partition.is_paused && (open >= OPEN_MAX || span >= SPAN_MAX) {
                partition.is_paused = true;
                flow.pause.push(*number);
            } else if partition.is_paused && open <= OPEN_MAX / 2 && span <= SPAN_MAX / 2 {
                partition.is_paused = false;
                flow.resume.push(*number);
            }
        }
        flow
    }

    /// One of the `held` messages that keep a paused partition from being read further, if they do.
    pub(super) fn held_up_by(&self, held: &BTreeSet<Spot>) -> Option<Spot> {
        let mut paused = self.partitions.iter().filter(|(_, partition)| partition.is_paused).peekable();
        if held.len() > OPEN_MAX / 2 {
            return paused.peek().and_then(|_| held.first()).copied();
        }
        paused.find_map(|(number, partition)| {
            let (offset, _) =
                *partition.received.front().filter(|_| partition.received.len() > SPAN_MAX / 2)?;
            let first = Spot { partition: *number, term: partition.term, offset };
            held.contains(&first).then_some(first)
        })
    }

    fn current(&mut self, spot: Spot) -> Option<&mut Partition> {
        self.partitions.get_mut(&spot.partition).filter(|partition| partition.term == spot.term)
    }
}

impl Partition {
    fn open(&self) -> usize {
        self.received.iter().filter(|(_, is_done)| !is_done).count()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_commit_stops_below_the_first_that_is_not_done() {
        let mut offsets = Offsets::default();
        offsets.assign(3);
        let spots: Vec<_> = [10, 11, 15, 16].map(|offset| offsets.receive(3, offset).unwrap()).into();
        offsets.done(spots[2]);
        offsets.done(spots[1]);
        assert_eq!(offsets.take_commits(), []);
        offsets.done(spots[0]);
        assert_eq!(offsets.take_commits(), [(3, 16)], "up to behind 15, over the gap");
        assert_eq!(offsets.take_commits(), [], "once");
        offsets.commits_failed();
        assert_eq!(offsets.take_commits(), [(3, 16)], "unless it failed");
    }

    #[test]
    fn what_an_earlier_term_received_counts_no_more() {
        let mut offsets = Offsets::default();
        offsets.assign(0);
        let before = offsets.receive(0, 7).unwrap();
        offsets.revoke(0);
        assert_eq!(offsets.receive(0, 8), None);
        offsets.assign(0);
        let after = offsets.receive(0, 7).unwrap();
        offsets.done(before);
        assert!(!offsets.is_open(before) && offsets.is_open(after));
        assert_eq!(offsets.take_commits(), []);
        offsets.done(after);
        assert_eq!(offsets.take_commits(), [(0, 8)]);
        assert!(!offsets.has_open());
    }

    #[test]
    fn a_partition_that_lost_its_end_begins_anew() {
        let mut offsets = Offsets::default();
        offsets.assign(0);
        let lost = offsets.receive(0, 7).unwrap();
        let new = offsets.receive(0, 5).unwrap();
        offsets.done(lost);
        assert_eq!(offsets.take_commits(), []);
        offsets.done(new);
        assert_eq!(offsets.take_commits(), [(0, 6)]);
    }

    #[test]
    fn of_a_partition_that_is_about_to_go_nothing_is_begun_and_what_ends_is_committed() {
        let mut offsets = Offsets::default();
        offsets.assign(0);
        let spot = offsets.receive(0, 7).unwrap();
        offsets.leave(0);
        assert!(offsets.is_current(spot) && !offsets.is_open(spot));
        offsets.done(spot);
        assert_eq!(offsets.take_commits(), [(0, 8)]);
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut offsets = Offsets::default();
        offsets.assign(0);
        offsets.assign(1);
        let mut spots = Vec::new();
        while offsets.regulate() == Flow::default() {
            spots.push(offsets.receive(0, i64::try_from(spots.len()).unwrap()).unwrap());
        }
        assert_eq!(spots.len(), OPEN_MAX);
        let first = spots.remove(0);
        for spot in spots {
            offsets.done(spot);
        }
        assert_eq!(offsets.regulate(), Flow { pause: vec![], resume: vec![0, 1] });

        let mut offset = i64::try_from(OPEN_MAX).unwrap();
        let paused = loop {
            let spot = offsets.receive(0, offset).unwrap();
            offsets.done(spot);
            offset += 1;
            let flow = offsets.regulate();
            if flow != Flow::default() {
                break flow;
            }
        };
        assert_eq!(paused, Flow { pause: vec![0], resume: vec![] }, "the other partition is not held up");
        assert_eq!(offset, i64::try_from(SPAN_MAX).unwrap());
        assert_eq!(offsets.held_up_by(&BTreeSet::new()), None, "it is being carried out");
        assert_eq!(offsets.held_up_by(&BTreeSet::from([first])), Some(first));
        offsets.done(first);
        assert_eq!(offsets.regulate(), Flow { pause: vec![], resume: vec![0] });
    }

    #[derive(Debug, Clone)]
    enum Step {
        Assign(i32),
        Revoke(i32),
        Receive { partition: i32, gap: i64 },
        Done(prop::sample::Index),
        Commit { fails: bool },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            1 => (0..3).prop_map(Step::Assign),
            1 => (0..3).prop_map(Step::Revoke),
            12 => (0..3, 1..4_i64).prop_map(|(partition, gap)| Step::Receive { partition, gap }),
            12 => any::<prop::sample::Index>().prop_map(Step::Done),
            4 => any::<bool>().prop_map(|fails| Step::Commit { fails }),
        ]
    }

    /// What the cluster and the messages of one partition are, told without the structure under test.
    #[derive(Debug, Default)]
    struct Model {
        is_ours: bool,
        committed: i64,
        position: i64,
        received: BTreeSet<i64>,
        done: BTreeSet<i64>,
    }

    proptest! {
        #[test]
        fn nothing_is_committed_that_is_not_done_and_nothing_goes_back(
            steps in prop::collection::vec(step(), 1..200)
        ) {
            let mut offsets = Offsets::default();
            let mut models: [Model; 3] = Default::default();
            let mut spots: Vec<Spot> = Vec::new();
            for step in steps {
                match step {
                    Step::Assign(number) => {
                        let model = &mut models[usize::try_from(number).unwrap()];
                        if !model.is_ours {
                            model.is_ours = true;
                            model.position = model.committed;
                            model.received.clear();
                            offsets.assign(number);
                        }
                    }
                    Step::Revoke(number) => {
                        models[usize::try_from(number).unwrap()].is_ours = false;
                        offsets.revoke(number);
                    }
                    Step::Receive { partition, gap } => {
                        let model = &mut models[usize::try_from(partition).unwrap()];
                        let offset = model.position + gap;
                        let spot = offsets.receive(partition, offset);
                        prop_assert_eq!(spot.is_some(), model.is_ours);
                        if let Some(spot) = spot {
                            model.position = offset;
                            model.received.insert(offset);
                            model.done.remove(&offset);
                            spots.push(spot);
                        }
                    }
                    Step::Done(index) if !spots.is_empty() => {
                        let spot = spots.swap_remove(index.index(spots.len()));
                        if offsets.is_open(spot) {
                            models[usize::try_from(spot.partition).unwrap()].done.insert(spot.offset);
                        }
                        offsets.done(spot);
                    }
                    Step::Done(_) => {}
                    Step::Commit { fails } => {
                        for (number, below) in offsets.take_commits() {
                            let model = &mut models[usize::try_from(number).unwrap()];
                            prop_assert!(model.is_ours);
                            prop_assert!(below > model.committed || fails || below == model.committed);
                            prop_assert!(model.received.range(..below).all(|offset| model.done.contains(offset)));
                            if !fails {
                                model.committed = below;
                            }
                        }
                        if fails {
                            offsets.commits_failed();
                        }
                    }
                }
                let open = models.iter().filter(|model| model.is_ours);
                let open: usize = open.map(|model| model.received.difference(&model.done).count()).sum();
                prop_assert_eq!(offsets.has_open(), open > 0);
            }
            // All that is left ends, and then everything of ours can be committed.
            for spot in spots {
                offsets.done(spot);
            }
            offsets.commits_failed();
            let commits: BTreeMap<_, _> = offsets.take_commits().into_iter().collect();
            for (number, model) in (0..).zip(&models) {
                let expected = model.received.last().filter(|_| model.is_ours).map(|last| last + 1);
                prop_assert_eq!(commits.get(&number).copied(), expected);
            }
        }
    }
}
