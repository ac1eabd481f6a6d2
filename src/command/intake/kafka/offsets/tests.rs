//! The rules of offsets one by one, and under whatever comes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn assigned(partitions: std::ops::Range<i32>) -> Offsets {
    let mut offsets = Offsets::default();
    partitions.for_each(|partition| offsets.assign(partition));
    offsets
}

#[test]
fn a_commit_stops_below_the_first_that_is_not_done() {
    let mut offsets = assigned(3..4);
    let positions = [10, 11, 15, 16].map(|offset| offsets.receive(3, offset).unwrap());
    offsets.done(positions[2]);
    offsets.done(positions[1]);
    assert_eq!(offsets.take_commits(), []);
    offsets.done(positions[0]);
    assert_eq!(offsets.take_commits(), [(3, 16)], "up to behind 15, over the gap");
    assert_eq!(offsets.take_commits(), [], "once");
    offsets.commits_failed();
    assert_eq!(offsets.take_commits(), [(3, 16)], "unless it failed");
}

#[test]
fn what_an_earlier_assignment_received_counts_no_more() {
    let mut offsets = assigned(0..1);
    let [before, put_back] = [7, 8].map(|offset| offsets.receive(0, offset).unwrap());
    assert!(offsets.begin(before) && offsets.put_back(put_back, Record::default()));
    offsets.revoke(0);
    assert_eq!(offsets.receive(0, 8), None);
    offsets.assign(0);
    let after = offsets.receive(0, 7).unwrap();
    assert!(!offsets.begin(before) && offsets.hand_out_again(put_back).is_none());
    offsets.done(before);
    assert!(!offsets.is_open(before) && offsets.is_open(after));
    assert_eq!(offsets.take_commits(), []);
    offsets.done(after);
    assert_eq!(offsets.take_commits(), [(0, 8)]);
    assert!(!offsets.has_in_hand());
}

#[test]
fn a_partition_that_lost_its_end_begins_anew() {
    let mut offsets = assigned(0..1);
    let lost = offsets.receive(0, 7).unwrap();
    let new = offsets.receive(0, 5).unwrap();
    offsets.done(lost);
    assert_eq!(offsets.take_commits(), []);
    offsets.done(new);
    assert_eq!(offsets.take_commits(), [(0, 6)]);
}

#[test]
fn of_a_partition_that_is_about_to_go_nothing_is_begun_and_what_ends_is_committed() {
    let mut offsets = assigned(0..1);
    let [begun, waiting] = [7, 8].map(|offset| offsets.receive(0, offset).unwrap());
    assert!(offsets.begin(begun));
    offsets.leave(0);
    assert!(offsets.has_begun(&[0]) && !offsets.is_open(waiting));
    assert!(offsets.begin(begun) && !offsets.begin(waiting));
    offsets.done(begun);
    assert!(!offsets.has_begun(&[0]));
    assert_eq!(offsets.take_commits(), [(0, 8)]);
}

#[test]
fn once_no_partition_is_ours_nothing_can_be_begun() {
    let mut offsets = assigned(0..1);
    let [begun, waiting] = [7, 8].map(|offset| offsets.receive(0, offset).unwrap());
    offsets.begin(begun);
    offsets.revoke_all();
    assert!(!offsets.begin(begun) && !offsets.begin(waiting) && !offsets.put_back(begun, Record::default()));
    offsets.done(waiting);
    assert_eq!(offsets.take_commits(), []);
    assert!(!offsets.has_in_hand());
}

#[test]
fn what_is_in_hand_is_bounded_over_all_partitions_and_whatever_came_and_went() {
    let mut offsets = assigned(0..2);
    let mut positions = Vec::new();
    while offsets.regulate() == Flow::default() {
        positions.push(offsets.receive(0, i64::try_from(positions.len()).unwrap()).unwrap());
    }
    assert_eq!(positions.len(), IN_HAND_MAX);
    assert_eq!(offsets.standstill(), None, "there will be room");
    // Somebody has them still, so nothing is read by the next assignment either.
    offsets.assign(0);
    assert_eq!(offsets.regulate(), Flow { pause: vec![0], resume: vec![] });
    for position in positions.drain(..IN_HAND_MAX / 2) {
        offsets.done(position);
    }
    assert_eq!(offsets.regulate(), Flow { pause: vec![], resume: vec![0, 1] });
}

#[test]
fn what_is_put_back_holds_up_nothing_until_there_is_too_much_of_it() {
    let mut offsets = assigned(0..2);
    let mut put_back = Vec::new();
    while offsets.regulate() == Flow::default() {
        let position = offsets.receive(0, i64::try_from(put_back.len()).unwrap()).unwrap();
        assert!(offsets.put_back(position, Record::default()));
        put_back.push(position);
    }
    assert_eq!(put_back.len(), PUT_BACK_MAX);
    assert_eq!(offsets.standstill(), Some(Standstill::PutBack));
    assert!(offsets.hand_out_again(put_back[7]).is_some() && offsets.hand_out_again(put_back[7]).is_none());
    assert_eq!(offsets.standstill(), None);
    assert_eq!(offsets.regulate(), Flow { pause: vec![], resume: vec![0, 1] });
}

#[test]
fn the_memory_of_what_is_put_back_is_bounded() {
    let mut offsets = assigned(0..1);
    let mut put_back = 0;
    while offsets.regulate() == Flow::default() {
        let position = offsets.receive(0, put_back).unwrap();
        assert!(offsets.put_back(position, Record::of_bytes(1 << 20)));
        put_back += 1;
    }
    assert_eq!(put_back, 64);
    assert_eq!(offsets.standstill(), Some(Standstill::PutBack));
    offsets.revoke(0);
    assert_eq!((offsets.standstill(), offsets.put_back_bytes), (None, 0));
}

#[test]
fn a_partition_runs_so_far_ahead_of_one_that_is_not_done_and_the_others_go_on() {
    let mut offsets = assigned(0..2);
    let first = offsets.receive(0, 0).unwrap();
    offsets.begin(first);
    let mut offset = 1;
    let flow = loop {
        let position = offsets.receive(0, offset).unwrap();
        offsets.done(position);
        offset += 1;
        let flow = offsets.regulate();
        if flow != Flow::default() {
            break flow;
        }
    };
    assert_eq!(flow, Flow { pause: vec![0], resume: vec![] }, "the other partition is not held up");
    assert_eq!(offset, i64::try_from(SPAN_MAX).unwrap());
    let behind = |is_put_back| Some(Standstill::Behind { partition: 0, offset: 0, is_put_back });
    assert_eq!(offsets.standstill(), behind(false));
    offsets.put_back(first, Record::default());
    assert_eq!(offsets.standstill(), behind(true));
    offsets.hand_out_again(first).unwrap();
    offsets.done(first);
    assert_eq!(offsets.standstill(), None);
    assert_eq!(offsets.regulate(), Flow { pause: vec![], resume: vec![0] });
}

#[derive(Debug, Clone)]
enum Step {
    Assign(i32),
    Revoke(i32),
    Receive { partition: i32, gap: i64 },
    Done(prop::sample::Index),
    PutBack(prop::sample::Index),
    HandOutAgain(prop::sample::Index),
    Commit { fails: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let any_one = any::<prop::sample::Index>;
    prop_oneof![
        1 => (0..3).prop_map(Step::Assign),
        1 => (0..3).prop_map(Step::Revoke),
        12 => (0..3, 1..4_i64).prop_map(|(partition, gap)| Step::Receive { partition, gap }),
        12 => any_one().prop_map(Step::Done),
        4 => any_one().prop_map(Step::PutBack),
        4 => any_one().prop_map(Step::HandOutAgain),
        4 => any::<bool>().prop_map(|fails| Step::Commit { fails }),
    ]
}

/// What the cluster and the records of one partition are, told without the structure under test.
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
        let (mut in_hand, mut put_back) = (Vec::new(), Vec::new());
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
                    let position = offsets.receive(partition, offset);
                    prop_assert_eq!(position.is_some(), model.is_ours);
                    if let Some(position) = position {
                        model.position = offset;
                        model.received.insert(offset);
                        model.done.remove(&offset);
                        in_hand.push(position);
                    }
                }
                Step::Done(index) if !in_hand.is_empty() => {
                    let position: Position = in_hand.swap_remove(index.index(in_hand.len()));
                    if offsets.is_open(position) {
                        models[usize::try_from(position.partition).unwrap()].done.insert(position.offset);
                    }
                    offsets.done(position);
                }
                Step::PutBack(index) if !in_hand.is_empty() => {
                    let position = in_hand.swap_remove(index.index(in_hand.len()));
                    let is_ours = offsets.is_open(position);
                    prop_assert_eq!(offsets.put_back(position, Record::default()), is_ours);
                    put_back.extend(is_ours.then_some(position));
                }
                Step::HandOutAgain(index) if !put_back.is_empty() => {
                    let position = put_back.swap_remove(index.index(put_back.len()));
                    let is_ours = offsets.is_open(position);
                    prop_assert_eq!(offsets.hand_out_again(position).is_some(), is_ours);
                    in_hand.extend(is_ours.then_some(position));
                }
                Step::Done(_) | Step::PutBack(_) | Step::HandOutAgain(_) => {}
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
            prop_assert_eq!(offsets.in_hand, in_hand.len());
            prop_assert_eq!(offsets.put_back, put_back.iter().filter(|position| offsets.is_open(**position)).count());
        }
        // All that is left ends, and then everything of ours can be committed.
        for position in put_back {
            in_hand.extend(offsets.hand_out_again(position).map(|_| position));
        }
        for position in in_hand {
            offsets.done(position);
        }
        offsets.commits_failed();
        let commits: BTreeMap<_, _> = offsets.take_commits().into_iter().collect();
        for (number, model) in (0..).zip(&models) {
            let expected = model.received.last().filter(|_| model.is_ours).map(|last| last + 1);
            prop_assert_eq!(commits.get(&number).copied(), expected);
        }
    }
}
