//! The contract of a store, held against each implementation with the same seeds: what a store does under concurrent writers,
//! under a scan while others delete, and when it fails in the middle of a commit.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use fastrand::Rng;
use tokio::task::JoinSet;

use super::{
    Cursor, MemoryStore, Opening, StateError, StatePaths, cursors,
    memory::CommitFault,
    sled::SledStore,
    store::{Change, Key, Scan, Space, Store, StoredRecord, Value},
};

/// Seeds of every test run: few, as each commit waits for the disk. More are tried with `OKTABUS_SEEDS`.
const SEEDS: u64 = 5;
const WRITERS: u64 = 4;

fn seeds() -> u64 {
    std::env::var("OKTABUS_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap())
}

/// A store that is tested, and what can be done to it from outside.
trait Subject: Send {
    fn store(&self) -> Arc<dyn Store>;

    /// Makes a commit fail that is under way now or comes next.
    fn fail(&self, random: &mut Rng);

    /// The process dies, and another one opens the store.
    fn restart(self) -> impl Future<Output = Self> + Send;
}

struct InMemory(MemoryStore);

struct InSled {
    directory: tempfile::TempDir,
    store: Arc<SledStore>,
    /// What lets sled fail, and may still be at it.
    breaking: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Subject for InMemory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    fn fail(&self, random: &mut Rng) {
        let faults = [CommitFault::NotApplied, CommitFault::NotAcknowledged];
        self.0.fail_next(faults[random.usize(..2)]);
    }

    async fn restart(self) -> Self {
        self
    }
}

impl InSled {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Self::open(directory.path()).await;
        Self { directory, store, breaking: Mutex::default() }
    }

    async fn open(directory: &Path) -> Arc<SledStore> {
        let paths = StatePaths::within(directory.to_owned());
        Arc::new(SledStore::open(paths, Opening::Trusted).await.unwrap())
    }
}

impl Subject for InSled {
    fn store(&self) -> Arc<dyn Store> {
        Arc::<SledStore>::clone(&self.store)
    }

    fn fail(&self, random: &mut Rng) {
        let (store, wait) = (Arc::clone(&self.store), Duration::from_micros(random.u64(..2_000)));
        let breaking = thread::spawn(move || {
            // Not a wait for something: any moment of a commit is as good as any other.
            thread::sleep(wait);
            store.break_for_tests();
        });
        self.breaking.lock().unwrap().push(breaking);
    }

    async fn restart(self) -> Self {
        let Self { directory, store, breaking } = self;
        breaking.into_inner().unwrap().into_iter().for_each(|breaking| breaking.join().unwrap());
        // Without a word to the store, as a process that is killed.
        store.break_for_tests();
        drop(store);
        let store = Self::open(directory.path()).await;
        Self { directory, store, breaking: Mutex::default() }
    }
}

/// Runs `$scenario` with all seeds on each implementation.
macro_rules! on_each_store {
    ($($scenario:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                for seed in 0..super::seeds() {
                    super::$scenario(super::InMemory(super::MemoryStore::default()), seed).await;
                }
            })+
        }

        mod in_sled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                for seed in 0..super::seeds() {
                    super::$scenario(super::InSled::start().await, seed).await;
                }
            })+
        }
    };
}

on_each_store! {
    of_concurrent_writers_one_wins_each_generation_and_none_is_lost,
    a_scan_finds_what_is_there_all_the_time_once_and_in_order_while_others_delete,
    what_was_acknowledged_outlives_failures_and_a_batch_is_there_as_a_whole_or_not_at_all,
    any_sequence_of_commits_leaves_what_the_contract_says,
}

/// Writers that add themselves to one record and count in another one, in one commit.
async fn of_concurrent_writers_one_wins_each_generation_and_none_is_lost(subject: impl Subject, seed: u64) {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, mut random) = (subject.store(), Rng::with_seed(seed * WRITERS + writer));
        writers.spawn(async move {
            let mut won = Vec::new();
            while won.len() < 8 {
                let [list, count] = read_both(&*store).await;
                let value = Value { content: vec![], tail: [&list.value.tail[..], &[writer as u8]].concat() };
                let changes = vec![
                    Change::Set { key: list_key(), expected: list.generation, value },
                    set(count_key(), count.generation, "counted"),
                ];
                if random.bool() {
                    tokio::task::yield_now().await;
                }
                match store.commit(changes).await {
                    Ok(()) => won.push(list.generation + 1),
                    Err(StateError::Regressed { expected, found, .. }) => assert!(found > expected),
                    Err(err) => panic!("{err}"),
                }
            }
            (writer, won)
        });
    }
    let mut winners = BTreeMap::new();
    while let Some(ended) = writers.join_next().await {
        let (writer, won) = ended.unwrap();
        won.into_iter().for_each(|generation| assert_eq!(winners.insert(generation, writer as u8), None));
    }
    let [list, count] = read_both(&*subject.store()).await;
    assert_eq!((list.generation, count.generation), (WRITERS * 8, WRITERS * 8), "seed {seed}");
    assert_eq!(list.value.tail, winners.into_values().collect::<Vec<_>>(), "seed {seed}");
}

/// Pages are read while others remove and add keys between those that stay.
async fn a_scan_finds_what_is_there_all_the_time_once_and_in_order_while_others_delete(
    subject: impl Subject,
    seed: u64,
) {
    let mut random = Rng::with_seed(seed);
    let store = subject.store();
    let name = |number: u32| format!("scan/{number:03}");
    let all = (0..120).map(|number| set(note(&name(number)), 0, "there")).collect();
    store.commit(all).await.unwrap();
    store
        .commit(vec![set(note("scanned"), 0, "no part of it"), set(note("a"), 0, "nor this")])
        .await
        .unwrap();
    let stays: BTreeSet<_> = (0..120).filter(|_| random.bool()).collect();
    let goes: Vec<_> = (0..120).filter(|number| !stays.contains(number)).collect();
    let others = tokio::spawn({
        let (store, mut random) = (subject.store(), random.fork());
        async move {
            for number in goes {
                store.commit(vec![Change::Remove(note(&name(number)))]).await.unwrap();
                if random.bool() {
                    store.commit(vec![set(note(&format!("{}+", name(number))), 0, "new")]).await.unwrap();
                }
            }
        }
    });
    for is_descending in [false, true] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let scan = Scan { limit: random.usize(1..20), ..Scan::of(Space::Notes).with_prefix("scan/") };
            let scan = if is_descending { scan.descending() } else { scan };
            let page = store.scan(scan.after(after)).await.unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(last.name.clone());
            found.extend(page.into_iter().map(|(key, _)| key.text()));
        }
        if is_descending {
            found.reverse();
        }
        assert!(found.is_sorted_by(|one, next| one < next), "seed {seed}: {found:?}");
        assert!(found.iter().all(|found| found.starts_with("scan/")), "seed {seed}: {found:?}");
        let found: BTreeSet<_> = found.into_iter().collect();
        assert!(stays.iter().all(|number| found.contains(&name(*number))), "seed {seed}: {found:?}");
    }
    others.await.unwrap();
}

/// Each commit sets the link of a cursor and a note to the same text. The store fails in between, and the process dies.
async fn what_was_acknowledged_outlives_failures_and_a_batch_is_there_as_a_whole_or_not_at_all(
    mut subject: impl Subject,
    seed: u64,
) {
    let mut random = Rng::with_seed(seed);
    let mut written = Cursor::for_tests("");
    for generation in 0..20 {
        let text = format!("step {generation}");
        written.link.clone_from(&text);
        (0..random.u32(..200)).for_each(|event| written.recent.remember(&format!("{text} {event}")));
        let value = cursors::encode("list", &written).unwrap();
        let changes = vec![
            Change::Set { key: list_key(), expected: generation, value },
            set(count_key(), generation, &text),
        ];
        if random.u8(..3) == 0 {
            subject.fail(&mut random);
        }
        commit(&*subject.store(), &changes).await;
        if random.u8(..4) == 0 {
            subject = subject.restart().await;
        }
        // An acknowledgement that was lost on its way: the same once more changes nothing.
        commit(&*subject.store(), &changes).await;
        let [list, count] = read_both(&*subject.store()).await;
        assert_eq!((list.generation, count.generation), (generation + 1, generation + 1), "seed {seed}");
        let found = cursors::decode(&list_key(), &list).unwrap().cursor;
        assert_eq!(found, written, "seed {seed}");
        assert_eq!(count.value.content, text.into_bytes(), "seed {seed}: half of a batch");
    }
}

/// Random commits on few keys, of which many are refused, against what the rules of the contract say.
async fn any_sequence_of_commits_leaves_what_the_contract_says(subject: impl Subject, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let mut model: BTreeMap<Key, StoredRecord> = BTreeMap::new();
    let store = subject.store();
    for _ in 0..60 {
        let mut changes: BTreeMap<Key, Change> = BTreeMap::new();
        for _ in 0..random.usize(1..4) {
            let change = random_change(&mut random, &model);
            changes.insert(key_of(&change).clone(), change);
        }
        let changes: Vec<_> = changes.into_values().collect();
        let is_expected = changes.iter().all(|change| match change {
            Change::Set { key, expected, .. } => {
                model.get(key).map_or(0, |stored| stored.generation) == *expected
            }
            Change::Mark(_) | Change::Remove(_) => true,
        });
        let committed = store.commit(changes.clone()).await;
        match committed {
            Ok(()) => assert!(is_expected, "seed {seed}: {changes:?} were let through"),
            Err(StateError::Regressed { .. }) => {
                assert!(!is_expected, "seed {seed}: {changes:?} were refused");
            }
            Err(err) => panic!("seed {seed}: {err}"),
        }
        for change in changes.into_iter().filter(|_| is_expected) {
            match change {
                Change::Set { key, expected, value } => {
                    model.insert(key, StoredRecord { generation: expected + 1, value });
                }
                Change::Mark(key) => drop(model.insert(key, StoredRecord::default())),
                Change::Remove(key) => drop(model.remove(&key)),
            }
        }
        let mut found = BTreeMap::new();
        for space in [Space::Cursors, Space::Journal, Space::Received, Space::Notes] {
            found.extend(store.scan(Scan::of(space)).await.unwrap());
        }
        assert_eq!(found, model, "seed {seed}");
        let keys: Vec<_> = model.keys().cloned().collect();
        let read = store.get(keys).await.unwrap();
        assert_eq!(
            read.into_iter().flatten().collect::<Vec<_>>(),
            model.values().cloned().collect::<Vec<_>>()
        );
    }
}

fn random_change(random: &mut Rng, model: &BTreeMap<Key, StoredRecord>) -> Change {
    let name = ["a", "a/b", "ab", "b"][random.usize(..4)];
    let space = [Space::Cursors, Space::Journal, Space::Notes][random.usize(..3)];
    let key = Key::new(space, name);
    match random.u8(..6) {
        0 => Change::Mark(Key::new(Space::Received, name)),
        1 => Change::Remove(Key::new(Space::Received, name)),
        2 => Change::Remove(key),
        _ => {
            let found = model.get(&key).map_or(0, |stored| stored.generation);
            let expected = if random.u8(..5) == 0 { found + 1 } else { found };
            let tail_bytes = if space == Space::Cursors { random.usize(..3_000) } else { 0 };
            let tail = (0..tail_bytes).map(|_| random.u8(..)).collect();
            // No two changes are the same, so that none is taken for a repeated one.
            let content = random.u64(..).to_be_bytes().to_vec();
            Change::Set { key, expected, value: Value { content, tail } }
        }
    }
}

fn key_of(change: &Change) -> &Key {
    match change {
        Change::Set { key, .. } | Change::Mark(key) | Change::Remove(key) => key,
    }
}

/// Commits what may be in doubt at first, and is repeated as it was.
async fn commit(store: &dyn Store, changes: &[Change]) {
    while let Err(err) = store.commit(changes.to_vec()).await {
        assert!(matches!(err, StateError::Store { .. }), "{err}");
    }
}

async fn read_both(store: &dyn Store) -> [StoredRecord; 2] {
    let found = loop {
        match store.get(vec![list_key(), count_key()]).await {
            Ok(found) => break found,
            Err(err) => assert!(matches!(err, StateError::Store { .. }), "{err}"),
        }
    };
    let found: Vec<_> = found.into_iter().map(Option::unwrap_or_default).collect();
    found.try_into().unwrap()
}

fn list_key() -> Key {
    Key::new(Space::Cursors, "list")
}

fn count_key() -> Key {
    note("count")
}

fn note(name: &str) -> Key {
    Key::new(Space::Notes, name)
}

fn set(key: Key, expected: u64, content: &str) -> Change {
    Change::Set { key, expected, value: content.as_bytes().to_vec().into() }
}
