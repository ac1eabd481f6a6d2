//! Who may go when: commands that touch the same run one after another in the order in which they came, others do not
//! wait for each other. Pure.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// What a command touches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::command) struct Claim {
    /// What it is: a user, a group, the command itself.
    pub(in crate::command) key: String,
    /// Whether nobody else may touch it at the same time; those who share it may.
    pub(in crate::command) alone: bool,
}

/// A place in the lanes, in the order of arrival.
pub(in crate::command) type Place = u64;

/// All commands that wait or run.
#[derive(Debug, Default)]
pub(in crate::command) struct Lanes {
    next: Place,
    present: BTreeMap<Place, Present>,
    by_key: HashMap<String, VecDeque<(Place, bool)>>,
}

#[derive(Debug)]
struct Present {
    claims: Vec<Claim>,
    may_go: bool,
}

impl Lanes {
    /// Takes in a command, and says whether it may go at once. Each key may be claimed once.
    pub(in crate::command) fn join(&mut self, claims: Vec<Claim>) -> (Place, bool) {
        let place = self.next;
        self.next += 1;
        for claim in &claims {
            self.by_key.entry(claim.key.clone()).or_default().push_back((place, claim.alone));
        }
        let may_go = self.is_free(place, &claims);
        self.present.insert(place, Present { claims, may_go });
        (place, may_go)
    }

    /// Lets go of a command that has come to an end, or is given up, and says who may go because of it.
    pub(in crate::command) fn leave(&mut self, place: Place) -> Vec<Place> {
        let Some(left) = self.present.remove(&place) else { return Vec::new() };
        let mut candidates = Vec::new();
        for claim in &left.claims {
            let Some(queue) = self.by_key.get_mut(&claim.key) else { continue };
            queue.retain(|(other, _)| *other != place);
            if queue.is_empty() {
                self.by_key.remove(&claim.key);
                continue;
            }
            candidates.extend(queue.iter().map(|(other, _)| *other));
        }
        candidates.sort_unstable();
        candidates.dedup();
        let waits = |place: &Place| self.present.get(place).is_some_and(|present| !present.may_go);
        candidates.retain(|place| waits(place) && self.is_free(*place, &self.present[place].claims));
        for place in &candidates {
            if let Some(present) = self.present.get_mut(place) {
                present.may_go = true;
            }
        }
        candidates
    }

    /// How many wait or run.
    pub(super) fn len(&self) -> usize {
        self.present.len()
    }

    /// How many wait for others.
    pub(super) fn waiting(&self) -> usize {
        self.present.values().filter(|present| !present.may_go).count()
    }

    /// Whether nobody who came before touches the same.
    fn is_free(&self, place: Place, claims: &[Claim]) -> bool {
        claims.iter().all(|claim| {
            let before = self.by_key.get(&claim.key).into_iter().flatten();
            let mut before = before.take_while(|(other, _)| *other < place);
            before.all(|(_, alone)| !alone && !claim.alone)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(keys: &[&str]) -> Vec<Claim> {
        keys.iter().map(|key| Claim { key: (*key).to_owned(), alone: true }).collect()
    }

    fn shared(key: &str) -> Vec<Claim> {
        vec![Claim { key: key.to_owned(), alone: false }]
    }

    #[test]
    fn who_touches_the_same_goes_in_order_and_others_at_once() {
        let mut lanes = Lanes::default();
        let (ada, goes) = lanes.join(alone(&["ada"]));
        assert!(goes);
        let (both, goes) = lanes.join(alone(&["ada", "bob"]));
        assert!(!goes);
        // Behind one who waits, not only behind one who runs.
        let (bob, goes) = lanes.join(alone(&["bob"]));
        assert!(!goes);
        assert!(lanes.join(alone(&["eve"])).1);
        assert_eq!((lanes.len(), lanes.waiting()), (4, 2));
        assert_eq!(lanes.leave(ada), [both]);
        assert_eq!(lanes.leave(both), [bob]);
        assert_eq!(lanes.leave(bob), [0_u64; 0]);
    }

    #[test]
    fn those_who_share_go_together_and_one_who_does_not_goes_alone() {
        let mut lanes = Lanes::default();
        let (first, _) = lanes.join(shared("group"));
        let (second, goes) = lanes.join(shared("group"));
        assert!(goes);
        let (owner, goes) = lanes.join(alone(&["group"]));
        assert!(!goes);
        let (third, goes) = lanes.join(shared("group"));
        assert!(!goes, "nobody overtakes");
        assert_eq!(lanes.leave(second), [0_u64; 0]);
        assert_eq!(lanes.leave(first), [owner]);
        assert_eq!(lanes.leave(owner), [third]);
    }

    #[test]
    fn whatever_comes_everybody_goes_once_in_order_and_nothing_is_left_behind() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut lanes = Lanes::default();
            let mut claims_of: BTreeMap<Place, Vec<Claim>> = BTreeMap::new();
            let (mut running, mut gone, mut left) = (Vec::new(), Vec::new(), 200);
            while left > 0 || !running.is_empty() {
                if left > 0 && random.bool() {
                    left -= 1;
                    let mut claims: Vec<Claim> = (0..random.u8(1..4))
                        .map(|_| Claim { key: random.u8(0..6).to_string(), alone: random.bool() })
                        .collect();
                    claims.sort();
                    claims.dedup_by(|a, b| a.key == b.key);
                    let (place, goes) = lanes.join(claims.clone());
                    claims_of.insert(place, claims);
                    running.extend(goes.then_some(place));
                } else if !running.is_empty() {
                    let place = running.swap_remove(random.usize(..running.len()));
                    gone.push(place);
                    running.extend(lanes.leave(place));
                }
                let clash = |a: &Place, b: &Place| {
                    let pairs = claims_of[a].iter().flat_map(|a| claims_of[b].iter().map(move |b| (a, b)));
                    pairs.into_iter().any(|(a, b)| a.key == b.key && (a.alone || b.alone))
                };
                for (index, a) in running.iter().enumerate() {
                    assert!(!running[..index].iter().any(|b| clash(a, b)), "seed {seed}: {a} beside another");
                }
                if let Some((last, before)) = gone.split_last() {
                    assert!(
                        !before.iter().any(|b| b > last && clash(b, last)),
                        "seed {seed}: {last} overtaken"
                    );
                }
            }
            gone.sort_unstable();
            assert_eq!(gone, (0..200).collect::<Vec<_>>(), "seed {seed}");
            assert!(lanes.by_key.is_empty() && lanes.len() == 0, "seed {seed}");
        }
    }
}
