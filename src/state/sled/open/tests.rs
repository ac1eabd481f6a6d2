//! What happens to a store when it is opened: taken over, refused, recovered, compacted.

use super::*;
use crate::state::{
    Cursor, Entry, FreshNote, IntegrityError, RecoverFrom, StoredEntry, cursors, journal,
    sled::{
        engine::Batch,
        layout,
        record::{self, encode_version_1},
        tests::{add, advance, entry, load, note},
    },
};
use jiff::Timestamp;

fn for_tests(directory: &std::path::Path) -> Database {
    open(StatePaths::within(directory.to_owned()), Opening::Trusted).unwrap()
}

fn cursor_key(route: &str) -> Vec<u8> {
    layout::encode_key(&cursors::key(route))
}

fn recovered(from: RecoverFrom) -> Opening {
    let fresh = FreshNote { name: "recovered/hr".to_owned(), content: "paused".to_owned() };
    Opening::Recovered { from, notes: vec![fresh] }
}

fn refusal(directory: &std::path::Path) -> IntegrityError {
    match open(StatePaths::within(directory.to_owned()), Opening::Trusted) {
        Err(StateError::Refused(refusal)) => refusal.error,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_store_of_an_earlier_version_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    {
        let engine = SledEngine::open(&directory.path().join("store")).unwrap();
        let mut batch = Batch::default();
        batch.insert(
            cursor_key("r"),
            encode_version_1(7, &cursors::encode("r", &Cursor::for_tests("1")).unwrap().content),
        );
        engine.apply(batch).unwrap();
        engine.flush().unwrap();
    }
    let store = for_tests(directory.path());
    assert_eq!(load(&store, "r").unwrap().generation, 7);
    advance(&store, "r", 7, "2").unwrap();
    drop(store);
    assert_eq!(load(&for_tests(directory.path()), "r").unwrap().generation, 8);
}

#[test]
fn a_record_of_a_later_version_is_refused_with_its_number() {
    let directory = tempfile::tempdir().unwrap();
    {
        let store = for_tests(directory.path());
        advance(&store, "r", 0, "1").unwrap();
        let mut record = store.engine.get(&cursor_key("r")).unwrap().unwrap();
        record[3] = record::VERSION + 1;
        let mut batch = Batch::default();
        batch.insert(cursor_key("r"), record);
        store.engine.apply(batch).unwrap();
        store.engine.flush().unwrap();
    }
    let refused = open(StatePaths::within(directory.path().to_owned()), Opening::Trusted).unwrap_err();
    assert!(matches!(&refused, StateError::NewerFormat { found: 3, known: 2, .. }), "{refused}");
}

#[test]
fn a_lost_an_emptied_and_an_older_store_are_refused_and_recovered_in_the_way_that_was_chosen() {
    let directory = tempfile::tempdir().unwrap();
    let older = tempfile::tempdir().unwrap();
    let (path, kept) = (directory.path().join("store"), older.path().join("store"));
    {
        let store = for_tests(directory.path());
        advance(&store, "r", 0, "1").unwrap();
        let received = Entry { received_at: Timestamp::UNIX_EPOCH, content: "1".to_owned() };
        let stored = StoredEntry { id: "c-1".to_owned(), generation: 1, entry: received };
        let (key, record, _) = journal::records(&stored).unwrap();
        add(&store, (key, record));
        store.close().unwrap();
    }
    copy(&path, &kept);
    {
        let store = for_tests(directory.path());
        advance(&store, "r", 1, "2").unwrap();
        store.close().unwrap();
    }
    let latest = older.path().join("latest");
    copy(&path, &latest);

    fs::remove_dir_all(&path).unwrap();
    assert_eq!(refusal(directory.path()), IntegrityError::Gone);
    fs::create_dir(&path).unwrap();
    assert_eq!(refusal(directory.path()), IntegrityError::Gone);
    copy(&latest, &path);
    fs::write(path.join("db"), "").unwrap();
    assert!(matches!(refusal(directory.path()), IntegrityError::Emptied | IntegrityError::Unreadable(_)));
    fs::remove_dir_all(&path).unwrap();
    copy(&kept, &path);
    assert!(matches!(refusal(directory.path()), IntegrityError::Behind { .. }));

    let store =
        open(StatePaths::within(directory.path().to_owned()), recovered(RecoverFrom::Witness)).unwrap();
    let stored = load(&store, "r").unwrap();
    assert_eq!((stored.cursor.link.as_str(), stored.generation), ("2", 3));
    assert!(entry(&store, "c-1").is_some(), "the journal is salvaged");
    let note = |store: &Database| note(store, "recovered/hr").map(|note| (note.generation, note.content));
    assert_eq!(note(&store), Some((1, "paused".to_owned())));
    store.close().unwrap();
    drop(store);
    let store = for_tests(directory.path());
    assert_eq!(load(&store, "r").unwrap().generation, 3);
    store.close().unwrap();
    drop(store);

    // Cut back to an older copy once more.
    fs::remove_dir_all(&path).unwrap();
    copy(&kept, &path);
    let at = vec![("r".to_owned(), Cursor::for_tests("chosen"))];
    let store =
        open(StatePaths::within(directory.path().to_owned()), recovered(RecoverFrom::Cursors(at))).unwrap();
    let stored = load(&store, "r").unwrap();
    assert_eq!((stored.cursor.link.as_str(), stored.generation), ("chosen", 4));
    let aside = fs::read_dir(directory.path()).unwrap();
    let aside = aside.filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("store.before-recovery")
    });
    assert_eq!(aside.count(), 2, "what was there is kept");
    assert_eq!(note(&store), Some((1, "paused".to_owned())), "the copy has none");
    store.close().unwrap();
    drop(store);

    // And trusted as it is.
    fs::remove_dir_all(&path).unwrap();
    copy(&kept, &path);
    let store = open(StatePaths::within(directory.path().to_owned()), recovered(RecoverFrom::Store)).unwrap();
    assert_eq!(load(&store, "r").unwrap().generation, 1);
    assert_eq!(note(&store), Some((1, "paused".to_owned())));
    store.close().unwrap();
    drop(store);
    assert!(note(&for_tests(directory.path())).is_some(), "it lasts");
}

#[test]
fn a_sound_state_is_not_recovered() {
    let directory = tempfile::tempdir().unwrap();
    let paths = || StatePaths::within(directory.path().to_owned());
    let at = || recovered(RecoverFrom::Cursors(vec![("r".to_owned(), Cursor::for_tests("chosen"))]));
    // Nothing was ever kept: where routes begin may be chosen.
    open(paths(), at()).unwrap().close().unwrap();
    let before = fs::read(paths().tally()).unwrap();
    for opening in [recovered(RecoverFrom::Witness), recovered(RecoverFrom::Store), at()] {
        let refused = open(paths(), opening).unwrap_err();
        assert!(matches!(&refused, StateError::Sound(_)), "{refused}");
        assert!(refused.to_string().contains("state reset"), "{refused}");
    }
    assert_eq!(fs::read(paths().tally()).unwrap(), before);
    let store = for_tests(directory.path());
    assert_eq!(load(&store, "r").unwrap().cursor.link, "chosen");
}

#[test]
fn a_compacted_store_holds_the_same_and_can_be_trusted() {
    let directory = tempfile::tempdir().unwrap();
    {
        let store = for_tests(directory.path());
        for generation in 0..20 {
            advance(&store, "r", generation, &generation.to_string()).unwrap();
        }
        store.close().unwrap();
    }
    let paths = StatePaths::within(directory.path().to_owned());
    open(paths, Opening::Compacted).unwrap().close().unwrap();
    let store = for_tests(directory.path());
    let stored = load(&store, "r").unwrap();
    assert_eq!((stored.generation, stored.cursor.link.as_str()), (20, "19"));
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.metadata().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}
