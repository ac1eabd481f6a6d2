//! The order of commands: those that touch the same object run one after another in the order of arrival; others do not
//! wait for each other. A command that only reads waits for earlier changes, and delays nothing. Pure.
//!
//! A command is queued under the names in its message. When its turn has come and the names are resolved, it is queued
//! again under names and ids together, and may have to wait again, because other commands may name the same object
//! differently.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::command::{
    Effect, NewName, Request, Subjects,
    actions::{Hold, Names, UserName},
};

/// Something that a command touches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OrderingKey {
    /// What it is: a user, a group, the command itself.
    pub(super) name: String,
    /// How it is touched.
    pub(super) access: Access,
}

/// How a command touches something, the strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    /// It only reads it: it sees what was changed before it, and delays nobody.
    Read,
    /// It changes it together with all others who share it.
    Shared,
    /// Nobody else changes it at the same time.
    Exclusive,
}

/// The number of a command in the order of arrival.
pub(super) type SequenceNumber = u64;

/// All commands that wait or run.
#[derive(Debug, Default)]
pub(super) struct Ordering {
    next: SequenceNumber,
    queued: BTreeMap<SequenceNumber, QueuedCommand>,
    by_name: HashMap<String, BTreeMap<SequenceNumber, Access>>,
}

#[derive(Debug)]
struct QueuedCommand {
    keys: Vec<OrderingKey>,
    runs: bool,
}

impl OrderingKey {
    /// The key that copies of one command share.
    pub(super) fn of_command(id: &str) -> Self {
        Self { name: format!("command {id}"), access: Access::Exclusive }
    }

    /// What the command `id` touches, as its row says: by the names that it gives and by what is known of those whom they
    /// mean. Users are touched exclusively by whatever changes something about them. The System Log is not what commands
    /// change, and may be waited for long: whoever reads it touches nothing.
    pub(super) fn all(id: &str, request: &Request, subjects: Option<&Subjects>) -> Vec<Self> {
        let action = request.action();
        if action.reads_log() {
            return vec![Self::of_command(id)];
        }
        let (exclusive, shared) = match action.effect() {
            Effect::Read => (Access::Read, Access::Read),
            Effect::Write | Effect::Destroy | Effect::Empower => (Access::Exclusive, Access::Shared),
        };
        let held = |hold: Hold| if hold == Hold::Alone { exclusive } else { shared };
        let mut keys = BTreeMap::new();
        let mut touch = |kind: &str, name: &str, access: Access| {
            let key = keys.entry(format!("{kind} {}", name.to_lowercase())).or_insert(access);
            *key = access.max(*key);
        };
        // A request with invalid names fails before it touches anything.
        let names = request.names().unwrap_or_else(|_| Names::nothing());
        // Okta accepts the part of a login before the `@` as a name.
        let short = |login: &str| login.split_once('@').map(|(short, _)| short.to_owned());
        for user in &names.users {
            touch("user", user.text(), exclusive);
            if let UserName::New(login) = user {
                short(login).iter().for_each(|short| touch("user", short, exclusive));
            }
        }
        names.groups.iter().for_each(|group| touch("group", group.name, held(group.hold)));
        // A zone is changed as a whole.
        let zone = subjects.and_then(|subjects| subjects.zone.as_ref()).map(|zone| zone.id.as_str());
        names.zone.into_iter().chain(zone).for_each(|name| touch("zone", name, exclusive));
        // Whoever gets a name is touched by that name too.
        match request.renames() {
            Some(name @ NewName::User(_)) => {
                for login in name.logins() {
                    touch("user", login, exclusive);
                    short(login).iter().for_each(|short| touch("user", short, exclusive));
                }
            }
            Some(NewName::Group(name)) => touch("group", name, exclusive),
            None => {}
        }
        for user in subjects.iter().flat_map(|subjects| &subjects.users) {
            // Okta accepts the part of a login before the `@` as a name.
            let short = user.login.as_deref().and_then(|login| login.split_once('@')).map(|(short, _)| short);
            let names = [Some(user.name.as_str()), user.id.as_deref(), user.login.as_deref(), short];
            names.into_iter().flatten().for_each(|name| touch("user", name, exclusive));
        }
        // The subjects are in the order of the names.
        let found = subjects.iter().flat_map(|subjects| &subjects.groups);
        for (named, group) in names.groups.iter().zip(found) {
            let names = [Some(group.name.as_str()), group.id.as_deref(), group.okta_name.as_deref()];
            names.into_iter().flatten().for_each(|name| touch("group", name, held(named.hold)));
        }
        let keys = keys.into_iter().map(|(name, access)| Self { name, access });
        keys.chain([Self::of_command(id)]).collect()
    }
}

impl Access {
    /// Whether who touches something so waits for `other`, who touches it too.
    fn waits_for(self, other: Self) -> bool {
        match (self, other) {
            (_, Self::Read) | (Self::Shared, Self::Shared) => false,
            (_, Self::Exclusive) | (Self::Read | Self::Exclusive, Self::Shared) => true,
        }
    }
}

impl Ordering {
    /// Adds a command, and returns whether it may run at once. Each name may be in `keys` once.
    pub(super) fn join(&mut self, keys: Vec<OrderingKey>) -> (SequenceNumber, bool) {
        let sequence = self.next;
        self.next += 1;
        self.claim(sequence, &keys);
        let runs = self.is_free(sequence, &keys);
        self.queued.insert(sequence, QueuedCommand { keys, runs });
        (sequence, runs)
    }

    /// Replaces the keys of a running command. Returns whether it may continue at once, and which commands may run
    /// because of the change.
    pub(super) fn settle(
        &mut self,
        sequence: SequenceNumber,
        keys: Vec<OrderingKey>,
    ) -> (bool, Vec<SequenceNumber>) {
        let Some(queued) = self.queued.remove(&sequence) else { return (false, Vec::new()) };
        self.release(sequence, &queued.keys);
        self.claim(sequence, &keys);
        let runs = self.is_free(sequence, &keys);
        let concerned = names(&queued.keys).chain(names(&keys)).cloned().collect();
        self.queued.insert(sequence, QueuedCommand { keys, runs });
        (runs, self.let_go(&concerned))
    }

    /// Removes a command that has ended or was given up, and returns which commands may run now.
    pub(super) fn leave(&mut self, sequence: SequenceNumber) -> Vec<SequenceNumber> {
        let Some(left) = self.queued.remove(&sequence) else { return Vec::new() };
        self.release(sequence, &left.keys);
        self.let_go(&names(&left.keys).cloned().collect())
    }

    /// The number of copies of the command `id` that wait or run.
    pub(super) fn copies(&self, id: &str) -> usize {
        self.by_name.get(&OrderingKey::of_command(id).name).map_or(0, BTreeMap::len)
    }

    /// The number of commands that wait or run.
    pub(super) fn len(&self) -> usize {
        self.queued.len()
    }

    /// The number of commands that wait for others.
    pub(super) fn waiting(&self) -> usize {
        self.queued.values().filter(|queued| !queued.runs).count()
    }

    fn claim(&mut self, sequence: SequenceNumber, keys: &[OrderingKey]) {
        for OrderingKey { name, access } in keys {
            self.by_name.entry(name.clone()).or_default().insert(sequence, *access);
        }
    }

    fn release(&mut self, sequence: SequenceNumber, keys: &[OrderingKey]) {
        for OrderingKey { name, .. } in keys {
            let Some(queue) = self.by_name.get_mut(name) else { continue };
            queue.remove(&sequence);
            if queue.is_empty() {
                self.by_name.remove(name);
            }
        }
    }

    /// Marks the waiting commands among those with one of `names` that may run now.
    fn let_go(&mut self, names: &BTreeSet<String>) -> Vec<SequenceNumber> {
        let queues = names.iter().filter_map(|name| self.by_name.get(name));
        let candidates: BTreeSet<SequenceNumber> = queues.flat_map(BTreeMap::keys).copied().collect();
        let mut going = Vec::new();
        for sequence in candidates {
            let is_free = |queued: &QueuedCommand| !queued.runs && self.is_free(sequence, &queued.keys);
            if self.queued.get(&sequence).is_some_and(is_free)
                && let Some(queued) = self.queued.get_mut(&sequence)
            {
                queued.runs = true;
                going.push(sequence);
            }
        }
        going
    }

    /// Whether it need not wait for anybody who touches the same and came before, or runs.
    fn is_free(&self, sequence: SequenceNumber, keys: &[OrderingKey]) -> bool {
        keys.iter().all(|key| {
            let others = self.by_name.get(&key.name).into_iter().flatten();
            let mut in_the_way = others.filter(|(other, access)| {
                let runs = || self.queued.get(other).is_some_and(|queued| queued.runs);
                **other != sequence && key.access.waits_for(**access) && (**other < sequence || runs())
            });
            in_the_way.next().is_none()
        })
    }
}

fn names(keys: &[OrderingKey]) -> impl Iterator<Item = &String> {
    keys.iter().map(|key| &key.name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        Access::{Exclusive, Read, Shared},
        *,
    };
    use crate::command::{Action, UserSubject};

    fn keys(action: Action, parameters: Value, subjects: Option<&Subjects>) -> Vec<(String, Access)> {
        let request = Request::read(action, parameters).unwrap();
        let keys = OrderingKey::all("c-1", &request, subjects).into_iter();
        keys.filter(|key| *key != OrderingKey::of_command("c-1")).map(|key| (key.name, key.access)).collect()
    }

    #[test]
    fn a_user_is_the_same_by_login_in_any_case_and_by_id_and_before_they_exist() {
        let ada = UserSubject {
            name: "Ada@acme.com".to_owned(),
            id: Some("00uA".to_owned()),
            login: Some("ada@acme.com".to_owned()),
        };
        let found = Subjects { users: vec![ada], ..Subjects::default() };
        let suspended = keys(Action::UserSuspend, json!({ "user": "Ada@acme.com" }), Some(&found));
        let known = ["user 00ua", "user ada", "user ada@acme.com"].map(|name| (name.to_owned(), Exclusive));
        assert_eq!(suspended, known);
        let created = keys(Action::UserCreate, json!({ "profile": { "login": "ADA@acme.com" } }), None);
        assert_eq!(
            created,
            [("user ada".to_owned(), Exclusive), ("user ada@acme.com".to_owned(), Exclusive)]
        );
        let renamed = json!({ "user": "ada@acme.com", "profile": { "login": "al@acme.com" } });
        let renamed = keys(Action::UserUpdate, renamed, None);
        let known =
            ["user ada@acme.com", "user al", "user al@acme.com"].map(|name| (name.to_owned(), Exclusive));
        assert_eq!(renamed, known);
    }

    #[test]
    fn membership_shares_the_group_and_changing_the_group_does_not() {
        let added = keys(Action::GroupAddUser, json!({ "user": "ada", "group": "Ops" }), None);
        assert_eq!(added, [("group ops".to_owned(), Shared), ("user ada".to_owned(), Exclusive)]);
        let renamed = keys(Action::GroupUpdate, json!({ "group": "Ops", "name": "Operations" }), None);
        assert_eq!(
            renamed,
            [("group operations".to_owned(), Exclusive), ("group ops".to_owned(), Exclusive)]
        );
    }

    #[test]
    fn what_only_reads_waits_for_changes_before_it_and_delays_nobody() {
        let (user, group) = (|| json!({ "user": "ada" }), || json!({ "group": "Ops" }));
        assert_eq!(keys(Action::UserGet, user(), None), [("user ada".to_owned(), Read)]);
        assert_eq!(keys(Action::GroupMembers, group(), None), [("group ops".to_owned(), Read)]);
        assert_eq!(keys(Action::LogByUser, user(), None), []);
        let key = |access| vec![OrderingKey { name: "ada".to_owned(), access }];
        let mut ordering = Ordering::default();
        let (reading, goes) = ordering.join(key(Read));
        assert!(goes && ordering.join(key(Read)).1);
        let (change, goes) = ordering.join(key(Exclusive));
        assert!(goes, "a change waits for no read");
        let (behind, goes) = ordering.join(key(Read));
        assert!(!goes, "who reads sees the changes before");
        // Once it is known whom they mean, too.
        assert_eq!(ordering.settle(change, key(Exclusive)), (true, vec![]));
        assert_eq!(ordering.leave(reading), [0_u64; 0]);
        assert_eq!(ordering.leave(change), [behind]);
    }

    fn alone(names: &[&str]) -> Vec<OrderingKey> {
        names.iter().map(|name| OrderingKey { name: (*name).to_owned(), access: Exclusive }).collect()
    }

    fn shared(name: &str) -> Vec<OrderingKey> {
        vec![OrderingKey { name: name.to_owned(), access: Shared }]
    }

    #[test]
    fn who_touches_the_same_goes_in_order_and_others_at_once() {
        let mut ordering = Ordering::default();
        let (ada, goes) = ordering.join(alone(&["ada"]));
        assert!(goes);
        let (both, goes) = ordering.join(alone(&["ada", "bob"]));
        assert!(!goes);
        // Behind one who waits, not only behind one who runs.
        let (bob, goes) = ordering.join(alone(&["bob"]));
        assert!(!goes);
        assert!(ordering.join(alone(&["eve"])).1);
        assert_eq!((ordering.len(), ordering.waiting()), (4, 2));
        assert_eq!(ordering.leave(ada), [both]);
        assert_eq!(ordering.leave(both), [bob]);
        assert_eq!(ordering.leave(bob), [0_u64; 0]);
    }

    #[test]
    fn those_who_share_go_together_and_one_who_does_not_goes_alone() {
        let mut ordering = Ordering::default();
        let (first, _) = ordering.join(shared("group"));
        let (second, goes) = ordering.join(shared("group"));
        assert!(goes);
        let (owner, goes) = ordering.join(alone(&["group"]));
        assert!(!goes);
        let (third, goes) = ordering.join(shared("group"));
        assert!(!goes, "nobody overtakes");
        assert_eq!(ordering.leave(second), [0_u64; 0]);
        assert_eq!(ordering.leave(first), [owner]);
        assert_eq!(ordering.leave(owner), [third]);
    }

    #[test]
    fn who_is_known_by_more_names_waits_for_those_before_and_for_those_who_run() {
        let mut ordering = Ordering::default();
        let (by_id, _) = ordering.join(alone(&["00u1"]));
        let (by_login, goes) = ordering.join(alone(&["ada@acme.com"]));
        assert!(goes, "nobody knows yet that both are one");
        assert_eq!(ordering.settle(by_login, alone(&["00u1", "ada@acme.com"])), (false, vec![]));
        let (third, goes) = ordering.join(alone(&["ada@acme.com"]));
        assert!(!goes);
        assert_eq!(ordering.settle(by_id, alone(&["00u1", "ada@acme.com"])), (true, vec![]));
        assert_eq!(ordering.leave(by_id), [by_login]);
        let (fourth, _) = ordering.join(alone(&["00u1"]));
        assert_eq!(ordering.leave(by_login), [third, fourth]);
        // It came later, and runs: who came before waits for it all the same.
        let (early, _) = ordering.join(alone(&["eve"]));
        assert_eq!(ordering.leave(third), [0_u64; 0]);
        assert_eq!(ordering.settle(early, alone(&["eve", "00u1"])), (false, vec![]));
        assert_eq!(ordering.leave(fourth), [early]);
    }

    #[test]
    fn whatever_comes_everybody_goes_once_in_order_and_nothing_is_left_behind() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut ordering = Ordering::default();
            let mut keys_of: BTreeMap<SequenceNumber, Vec<OrderingKey>> = BTreeMap::new();
            let (mut running, mut gone, mut left) = (Vec::new(), Vec::new(), 200);
            while left > 0 || !running.is_empty() {
                if left > 0 && random.bool() {
                    left -= 1;
                    let mut keys: Vec<OrderingKey> = (0..random.u8(1..4))
                        .map(|_| OrderingKey {
                            name: random.u8(0..6).to_string(),
                            access: [Read, Shared, Exclusive][random.usize(..3)],
                        })
                        .collect();
                    keys.sort();
                    keys.dedup_by(|a, b| a.name == b.name);
                    let (sequence, goes) = ordering.join(keys.clone());
                    keys_of.insert(sequence, keys);
                    running.extend(goes.then_some(sequence));
                } else if !running.is_empty() {
                    let sequence = running.swap_remove(random.usize(..running.len()));
                    gone.push(sequence);
                    running.extend(ordering.leave(sequence));
                }
                let waits = |a: &SequenceNumber, b: &SequenceNumber| {
                    let pairs = keys_of[a].iter().flat_map(|a| keys_of[b].iter().map(move |b| (a, b)));
                    pairs.into_iter().any(|(a, b)| a.name == b.name && a.access.waits_for(b.access))
                };
                for (index, a) in running.iter().enumerate() {
                    let is_beside = |b: &&SequenceNumber| waits(a.max(b), a.min(b));
                    assert!(
                        !running[..index].iter().any(|b| is_beside(&b)),
                        "seed {seed}: {a} beside another"
                    );
                }
                if let Some((last, before)) = gone.split_last() {
                    assert!(
                        !before.iter().any(|b| b > last && waits(b, last)),
                        "seed {seed}: {last} overtaken"
                    );
                }
            }
            gone.sort_unstable();
            assert_eq!(gone, (0..200).collect::<Vec<_>>(), "seed {seed}");
            assert!(ordering.by_name.is_empty() && ordering.len() == 0, "seed {seed}");
        }
    }
}
