//! Compares a store with its witness and its tally, and decides whether the store is trusted. Pure.
//!
//! One fault at a time is survived or detected: the tally replaces a damaged witness, and the witness a damaged tally. A
//! store that has lost an acknowledged commit is behind one of them.

use std::collections::BTreeMap;

use super::{
    tally::Tally,
    witness::{ReadWitness, Witness},
};
use crate::state::{identity::StoreId, integrity::IntegrityError};

/// What was found where the store should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Unreadable(String),
    Damaged(String),
    Store(StoreFacts),
}

/// Identity and routes of a store that can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StoreFacts {
    /// None if it is new, emptied, or of a version before stores had an identity.
    pub(super) identity: Option<(StoreId, u64)>,
    /// The generation of each route.
    pub(super) routes: BTreeMap<String, u64>,
}

/// The decision about a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nothing was ever kept here.
    New,
    /// A store of a version before stores had an identity.
    Earlier,
    /// It has everything that was acknowledged. The warnings say what could not be checked.
    Trusted { warnings: Vec<String> },
    /// It failed the check: an operator must choose how to go on.
    Failed(IntegrityError),
}

/// Compares the store with its witness and its tally.
pub(super) fn judge(found: &Found, witness: &ReadWitness<Witness>, tally: &ReadWitness<Tally>) -> Judgement {
    let is_unknown = witness.is_absent() && tally.is_absent();
    let facts = match found {
        Found::Nothing if is_unknown => return Judgement::New,
        Found::Nothing => return Judgement::Failed(IntegrityError::Gone),
        Found::Unreadable(reason) => return Judgement::Failed(IntegrityError::Unreadable(reason.clone())),
        Found::Damaged(reason) => return Judgement::Failed(IntegrityError::Damaged(reason.clone())),
        Found::Store(facts) => facts,
    };
    let Some((id, commits)) = facts.identity else {
        return match (is_unknown, facts.routes.is_empty()) {
            // Its creation was interrupted before anything was kept.
            (true, true) => Judgement::New,
            (true, false) => Judgement::Earlier,
            (false, _) => Judgement::Failed(IntegrityError::Emptied),
        };
    };
    let against_witness =
        witness.present().and_then(|witness| behind_witness(id, commits, &facts.routes, witness));
    let against_tally = tally.present().and_then(|tally| behind(id, commits, tally.store, tally.commits));
    if let Some(error) = against_witness.or(against_tally) {
        return Judgement::Failed(error);
    }
    // Creation writes the store first. An empty store without witnesses has lost nothing.
    let is_used = commits > 0 || !facts.routes.is_empty();
    if witness.present().is_none() && tally.present().is_none() && is_used {
        return Judgement::Failed(IntegrityError::Unwitnessed);
    }
    let warnings = warning("witness", witness).into_iter().chain(warning("tally", tally)).collect();
    Judgement::Trusted { warnings }
}

fn behind_witness(
    id: StoreId,
    commits: u64,
    routes: &BTreeMap<String, u64>,
    witness: &Witness,
) -> Option<IntegrityError> {
    behind(id, commits, witness.store, witness.commits).or_else(|| {
        witness.routes.iter().find_map(|(name, witnessed)| {
            let found = routes.get(name).copied().unwrap_or_default();
            (found < witnessed.generation).then(|| IntegrityError::Behind {
                what: format!("the generation of route {name}"),
                found,
                known: witnessed.generation,
            })
        })
    })
}

fn behind(id: StoreId, commits: u64, known_id: StoreId, known_commits: u64) -> Option<IntegrityError> {
    if id != known_id {
        return Some(IntegrityError::Other { found: id.to_string(), known: known_id.to_string() });
    }
    let what = || "the number of commits".to_owned();
    (commits < known_commits).then(|| IntegrityError::Behind {
        what: what(),
        found: commits,
        known: known_commits,
    })
}

fn warning<T>(name: &str, reading: &ReadWitness<T>) -> Option<String> {
    match reading {
        ReadWitness::Present(_) => None,
        ReadWitness::Absent => {
            Some(format!("the {name} is missing; the store agrees with what is left and is trusted"))
        }
        ReadWitness::Damaged(reason) => Some(format!(
            "the {name} is damaged ({reason}); the store agrees with what is left and is trusted"
        )),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::state::{Cursor, sled::witness::WitnessedRoute};

    fn store(id: StoreId, commits: u64, generation: u64) -> Found {
        let routes = BTreeMap::from([("a/b".to_owned(), generation)]);
        Found::Store(StoreFacts { identity: Some((id, commits)), routes })
    }

    fn witness(store: StoreId, commits: u64, generation: u64) -> ReadWitness<Witness> {
        let witnessed = WitnessedRoute { generation, cursor: Cursor::for_tests("1") };
        ReadWitness::Present(Witness {
            store,
            commits,
            written_at: Timestamp::UNIX_EPOCH,
            written_by: "0.1.0".to_owned(),
            routes: BTreeMap::from([("a/b".to_owned(), witnessed)]),
        })
    }

    fn tally(store: StoreId, commits: u64) -> ReadWitness<Tally> {
        ReadWitness::Present(Tally { store, commits })
    }

    fn damaged<T>() -> ReadWitness<T> {
        ReadWitness::Damaged("test".to_owned())
    }

    fn fails(found: &Found, witness: &ReadWitness<Witness>, tally: &ReadWitness<Tally>) -> bool {
        matches!(judge(found, witness, tally), Judgement::Failed(_))
    }

    #[test]
    fn a_store_that_is_as_new_as_its_witnesses_or_newer_is_trusted() {
        let id = StoreId::generate();
        let trusted = Judgement::Trusted { warnings: Vec::new() };
        assert_eq!(judge(&store(id, 9, 4), &witness(id, 9, 4), &tally(id, 9)), trusted);
        assert_eq!(judge(&store(id, 9, 4), &witness(id, 5, 2), &tally(id, 7)), trusted);
    }

    #[test]
    fn a_store_that_has_lost_a_single_commit_is_noticed_by_either_witness() {
        let id = StoreId::generate();
        assert!(fails(&store(id, 8, 4), &witness(id, 2, 1), &tally(id, 9)));
        assert!(fails(&store(id, 8, 4), &witness(id, 9, 4), &damaged()));
        assert!(fails(&store(id, 8, 4), &damaged(), &tally(id, 9)));
        assert!(fails(&store(id, 9, 3), &witness(id, 9, 4), &tally(id, 9)));
    }

    #[test]
    fn one_damaged_witness_is_made_good_by_the_other_and_told() {
        let id = StoreId::generate();
        for (witness, tally) in
            [(damaged(), tally(id, 9)), (witness(id, 9, 4), damaged()), (ReadWitness::Absent, tally(id, 9))]
        {
            let judgement = judge(&store(id, 9, 4), &witness, &tally);
            assert!(
                matches!(&judgement, Judgement::Trusted { warnings } if warnings.len() == 1),
                "{judgement:?}"
            );
        }
    }

    #[test]
    fn what_is_lost_is_never_taken_for_new() {
        let id = StoreId::generate();
        let emptied = Found::Store(StoreFacts::default());
        assert_eq!(judge(&Found::Nothing, &ReadWitness::Absent, &ReadWitness::Absent), Judgement::New);
        for (witness, tally) in [
            (witness(id, 1, 1), tally(id, 1)),
            (witness(id, 1, 1), ReadWitness::Absent),
            (ReadWitness::Absent, tally(id, 1)),
            (damaged(), ReadWitness::Absent),
        ] {
            assert_eq!(judge(&Found::Nothing, &witness, &tally), Judgement::Failed(IntegrityError::Gone));
            assert_eq!(judge(&emptied, &witness, &tally), Judgement::Failed(IntegrityError::Emptied));
        }
        assert!(fails(&store(id, 1, 1), &ReadWitness::Absent, &ReadWitness::Absent));
        // As after an import.
        assert!(fails(&store(id, 0, 1), &ReadWitness::Absent, &ReadWitness::Absent));
    }

    #[test]
    fn files_of_another_store_are_noticed() {
        let (id, other) = (StoreId::generate(), StoreId::generate());
        assert!(fails(&store(id, 9, 4), &witness(other, 1, 1), &tally(id, 9)));
        assert!(fails(&store(id, 9, 4), &witness(id, 9, 4), &tally(other, 1)));
    }

    #[test]
    fn an_interrupted_creation_loses_nothing_and_a_store_without_identity_is_of_an_earlier_version() {
        let id = StoreId::generate();
        let created = Found::Store(StoreFacts { identity: Some((id, 0)), routes: BTreeMap::new() });
        assert!(!fails(&created, &ReadWitness::Absent, &ReadWitness::Absent));
        assert_eq!(
            judge(&Found::Store(StoreFacts::default()), &ReadWitness::Absent, &ReadWitness::Absent),
            Judgement::New
        );
        let earlier = StoreFacts { identity: None, routes: BTreeMap::from([("a".to_owned(), 3)]) };
        assert_eq!(
            judge(&Found::Store(earlier), &ReadWitness::Absent, &ReadWitness::Absent),
            Judgement::Earlier
        );
    }
}
