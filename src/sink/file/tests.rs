//! The writer on a real directory: crashes, restored states, and people who touch its files.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::Timestamp;
use tempfile::TempDir;

use super::{
    File,
    error::WriterError,
    name::Form,
    own_files::{OwnFile, OwnFiles},
    upkeep::{self, Removed},
    writer::Writer,
};
use crate::{
    config::{Compression, FileSink, FileStem, Retention, Rotate},
    message::{Origin, tests::batch},
    sink::{Sink as _, retention::FileRecord},
    state::SinkMark,
};

const LARGE: u64 = 1 << 20;

fn remove_due(
    files: &OwnFiles,
    retention: &Retention,
    below: u64,
    now: Timestamp,
) -> Result<Removed, WriterError> {
    let mut removed = Removed::default();
    upkeep::remove_due(files, retention, below, now, &mut removed)?;
    Ok(removed)
}

pub(super) fn config(directory: &Path, size_bytes: u64, compress: Option<Compression>) -> FileSink {
    let rotate = Rotate { size_bytes, age: Duration::from_secs(86_400), compress };
    FileSink {
        name: "archive".to_owned(),
        directory: directory.to_owned(),
        rotate,
        retention: None,
        former_directory: None,
    }
}

pub(super) fn files(directory: &Path, route: &str) -> OwnFiles {
    let (directory, stem) = (directory.to_owned(), FileStem::of_route(route));
    OwnFiles { sink: "archive".to_owned(), directory, stem }
}

/// What each of the files that are wanted holds, in their order.
pub(super) fn contents(directory: &Path, route: &str, is_wanted: impl Fn(&OwnFile) -> bool) -> Vec<String> {
    let wanted = files(directory, route).list().unwrap().into_iter().filter(|file| is_wanted(file));
    let read = |file: OwnFile| {
        let mut content = String::new();
        file.open().unwrap().read_to_string(&mut content).unwrap();
        content
    };
    wanted.map(read).collect()
}

fn content(directory: &Path, route: &str, is_wanted: impl Fn(&OwnFile) -> bool) -> String {
    contents(directory, route, is_wanted).concat()
}

pub(super) fn is_aside(file: &OwnFile) -> bool {
    matches!(file.form, Form::Superseded(_))
}

fn archive(directory: &Path) -> String {
    content(directory, "r", OwnFile::is_archive)
}

fn aside(directory: &Path) -> String {
    content(directory, "r", is_aside)
}

/// A directory with the files of the route `r`.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn open(&self, size_bytes: u64, mark: Option<&SinkMark>) -> Writer {
        let config = config(self.path(), size_bytes, None);
        Writer::open(config, FileStem::of_route("r"), mark).unwrap()
    }

    /// The only file of the archive that is not compressed.
    fn file(&self) -> PathBuf {
        let all = files(self.path(), "r").list().unwrap();
        all.into_iter().rfind(|file| file.form == Form::Plain).unwrap().path
    }
}

/// Writes a line for each of `values`.
fn append(writer: &mut Writer, values: &[&str]) {
    let values: Vec<_> = values.iter().map(|value| Bytes::copy_from_slice(value.as_bytes())).collect();
    writer.append(&values).unwrap();
}

/// The same, and proves it.
fn deliver(writer: &mut Writer, values: &[&str]) -> SinkMark {
    append(writer, values);
    writer.prove().unwrap();
    writer.mark()
}

fn add(path: &Path, bytes: &str) {
    fs::File::options().append(true).open(path).unwrap().write_all(bytes.as_bytes()).unwrap();
}

#[test]
fn what_a_crash_left_unproved_is_recognised_and_not_written_twice() {
    let place = Place::new();
    let mark = {
        let mut writer = place.open(LARGE, None);
        let mark = deliver(&mut writer, &["1", "2"]);
        append(&mut writer, &["3", "4"]);
        mark
    };
    // In the middle of a line.
    add(&place.file(), "\"fi");
    let mut writer = place.open(LARGE, Some(&mark));
    assert_eq!(writer.mark(), mark);
    deliver(&mut writer, &["3"]);
    deliver(&mut writer, &["4", "\"five\"", "6"]);
    assert_eq!(archive(place.path()), "1\n2\n3\n4\n\"five\"\n6\n");
    assert_eq!(aside(place.path()), "");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3, "the file, its lock and the record");
}

#[test]
fn what_is_not_what_is_delivered_is_set_aside_and_never_removed() {
    let place = Place::new();
    let mark = {
        let mut writer = place.open(1, None);
        let mark = deliver(&mut writer, &["1"]);
        // Of three files, two were begun after the mark.
        deliver(&mut writer, &["2"]);
        deliver(&mut writer, &["3"]);
        writer.finish();
        mark
    };
    add(&files(place.path(), "r").list().unwrap().last().unwrap().path, "somebody's\n");
    let mut writer = place.open(1, Some(&mark));
    deliver(&mut writer, &["2"]);
    assert_eq!(aside(place.path()), "", "nothing else was delivered yet");
    deliver(&mut writer, &["3", "4"]);
    writer.finish();
    assert_eq!(archive(place.path()), "1\n2\n3\n4\n");
    assert_eq!(aside(place.path()), "somebody's\n");
}

#[test]
fn an_older_mark_finds_what_came_later_and_what_is_not_delivered_again_stays() {
    let place = Place::new();
    let mut writer = place.open(4, None);
    let early = deliver(&mut writer, &["1"]);
    for value in ["2", "3", "4", "5", "6"] {
        deliver(&mut writer, &[value]);
    }
    writer.finish();
    let all = archive(place.path());

    // Everything is delivered again: it is the same archive.
    let mut writer = place.open(4, Some(&early));
    let late = deliver(&mut writer, &["2", "3", "4", "5", "6"]);
    writer.finish();
    assert_eq!((archive(place.path()), aside(place.path())), (all, String::new()));

    // The beginning is not: what was there is still to be found.
    let mut writer = place.open(4, Some(&early));
    assert_ne!(early, late);
    deliver(&mut writer, &["4", "5", "6", "7"]);
    assert_eq!(archive(place.path()), "1\n4\n5\n6\n7\n");
    assert_eq!(aside(place.path()), "2\n3\n4\n5\n6\n");
}

#[test]
fn routes_whose_names_begin_alike_leave_each_other_alone() {
    let directory = tempfile::tempdir().unwrap();
    let open = |route: &str, mark: Option<&SinkMark>| {
        Writer::open(config(directory.path(), 1, None), FileStem::of_route(route), mark).unwrap()
    };
    let mut marks = Vec::new();
    for route in ["audit", "audit-2", "audit-00000001"] {
        let mut writer = open(route, None);
        let values = ["1", "2", "3", "4"].map(|value| format!("\"{route} {value}\""));
        for value in &values {
            deliver(&mut writer, &[value]);
        }
        marks.push((route, writer.mark()));
        writer.finish();
    }
    for (route, mark) in &marks {
        let mut writer = open(route, Some(mark));
        deliver(&mut writer, &["5"]);
        writer.finish();
    }
    for (route, _) in &marks {
        let expected: String = (1..=4).map(|value| format!("\"{route} {value}\"\n")).collect();
        assert_eq!(content(directory.path(), route, OwnFile::is_archive), format!("{expected}5\n"));
    }
}

/// Delivers 1, lets somebody touch the file, and gives what a failed proof says and the writer as it goes on with 2 and 3.
fn touched(place: &Place, touch: impl FnOnce(&Path)) -> (String, Writer) {
    let mut writer = place.open(LARGE, None);
    deliver(&mut writer, &["1"]);
    append(&mut writer, &["2"]);
    touch(&place.file());
    let told = writer.prove().unwrap_err();
    assert!(writer.append(&[Bytes::new()]).is_err(), "nothing is written to a file that is not ours");
    writer.recover().unwrap();
    deliver(&mut writer, &["2"]);
    deliver(&mut writer, &["3"]);
    (format!("{}: {}", told.action, told.source), writer)
}

#[test]
fn nothing_is_proved_into_a_file_that_is_gone() {
    let place = Place::new();
    let (told, _writer) = touched(&place, |file| fs::remove_file(file).unwrap());
    assert!(told.contains("moved or removed"), "{told}");
    assert_eq!(archive(place.path()), "2\n3\n");

    let (place, elsewhere) = (Place::new(), tempfile::tempdir().unwrap());
    let moved = elsewhere.path().join("moved");
    let (told, _writer) = touched(&place, |file| fs::rename(file, &moved).unwrap());
    assert!(told.contains("moved or removed"), "{told}");
    assert_eq!((archive(place.path()), fs::read_to_string(&moved).unwrap()), ("2\n3\n".into(), "1\n".into()));
}

#[test]
fn nothing_is_proved_into_a_directory_that_is_gone() {
    let place = Place::new();
    let (_, writer) = touched(&place, |file| fs::remove_dir_all(file.parent().unwrap()).unwrap());
    assert_eq!(archive(place.path()), "2\n3\n");
    assert!(place.path().join(".r.lock").exists(), "it is locked again");
    writer.finish();

    let parent = tempfile::tempdir().unwrap();
    let (directory, old) = (parent.path().join("archive"), parent.path().join("old"));
    let open = || Writer::open(config(&directory, LARGE, None), FileStem::of_route("r"), None).unwrap();
    let mut writer = open();
    deliver(&mut writer, &["1"]);
    append(&mut writer, &["2"]);
    fs::rename(&directory, &old).unwrap();
    fs::create_dir(&directory).unwrap();
    writer.prove().unwrap_err();
    writer.recover().unwrap();
    deliver(&mut writer, &["2"]);
    assert_eq!((archive(&old), archive(&directory)), ("1\n".to_owned(), "2\n".to_owned()));
}

#[test]
fn a_file_in_place_of_ours_is_left_as_it_is() {
    let place = Place::new();
    let (told, _writer) = touched(&place, |file| {
        let draft = file.with_extension("draft");
        fs::write(&draft, "edited\n").unwrap();
        fs::rename(&draft, file).unwrap();
    });
    assert!(told.contains("another file in its place"), "{told}");
    assert_eq!(archive(place.path()), "edited\n2\n3\n");
}

#[test]
fn a_file_that_was_shortened_is_left_and_the_next_one_begun() {
    let place = Place::new();
    let (told, writer) = touched(&place, |file| fs::write(file, "").unwrap());
    assert!(told.contains("copytruncate") && told.contains("from 4 to 0 bytes"), "{told}");
    assert_eq!(archive(place.path()), "2\n3\n");
    let mark = writer.mark();
    writer.finish();

    // The same while nobody writes.
    fs::write(place.file(), "").unwrap();
    let mut writer = place.open(LARGE, Some(&mark));
    assert_ne!(writer.mark(), mark);
    deliver(&mut writer, &["4"]);
    assert_eq!(archive(place.path()), "4\n");
}

#[test]
fn a_file_that_was_edited_is_left_and_the_next_one_begun() {
    let place = Place::new();
    let mut writer = place.open(LARGE, None);
    let mark = deliver(&mut writer, &["\"one\"", "\"two\""]);
    writer.finish();
    fs::write(place.file(), "\"replaced by somebody\"\n\"two\"\n").unwrap();
    let mut writer = place.open(LARGE, Some(&mark));
    deliver(&mut writer, &["3"]);
    assert_eq!(archive(place.path()), "\"replaced by somebody\"\n\"two\"\n3\n");
}

#[test]
fn a_file_that_is_gone_at_the_start_is_gone_on_after() {
    let place = Place::new();
    let mut writer = place.open(LARGE, None);
    let mark = deliver(&mut writer, &["1"]);
    writer.finish();
    fs::remove_file(place.file()).unwrap();
    let mut writer = place.open(LARGE, Some(&mark));
    deliver(&mut writer, &["2"]);
    assert!(place.file().to_string_lossy().contains("r-00000002-"), "no number comes twice");
    assert_eq!(archive(place.path()), "2\n");
}

#[test]
fn bytes_of_somebody_else_are_set_aside_and_destroy_nothing() {
    let place = Place::new();
    let (told, writer) = touched(&place, |file| add(file, "foreign, and half a li"));
    assert!(told.contains("22 bytes"), "{told}");
    assert_eq!(
        (archive(place.path()), aside(place.path())),
        ("1\n2\n3\n".into(), "foreign, and half a li".into())
    );

    // Before the next batch, and then a kill.
    let mark = writer.mark();
    add(&place.file(), "more\n");
    drop(writer);
    let mut writer = place.open(LARGE, Some(&mark));
    deliver(&mut writer, &["4"]);
    add(&place.file(), "even more\n");
    writer.append(&[Bytes::from_static(b"5")]).unwrap_err();
    writer.recover().unwrap();
    deliver(&mut writer, &["5"]);
    assert_eq!(archive(place.path()), "1\n2\n3\n4\n5\n");
    assert_eq!(aside(place.path()), "foreign, and half a limore\neven more\n");
}

#[test]
fn a_link_in_place_of_a_file_is_never_followed() {
    let place = Place::new();
    let mut writer = place.open(LARGE, None);
    let mark = deliver(&mut writer, &["1"]);
    writer.finish();
    let precious = place.path().join("precious");
    fs::write(&precious, "1\nprecious\n").unwrap();
    let file = place.file();
    fs::remove_file(&file).unwrap();
    symlink(&precious, &file).unwrap();
    let mut writer = place.open(LARGE, Some(&mark));
    deliver(&mut writer, &["2"]);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "1\nprecious\n");
    assert_eq!(archive(place.path()), "2\n");
}

fn wait_until(is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(30), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn of_two_forms_one_remains_and_closed_files_are_compressed_at_last() {
    let place = Place::new();
    let mark = {
        let uncompressed = config(place.path(), 1, None);
        let mut writer = Writer::open(uncompressed, FileStem::of_route("r"), None).unwrap();
        for value in ["1", "2", "3"] {
            deliver(&mut writer, &[value]);
        }
        writer.mark()
    };
    let plain = files(place.path(), "r").list().unwrap();
    let compress = |file: &OwnFile, content: &str| {
        let compressed = zstd::encode_all(content.as_bytes(), 0).unwrap();
        fs::write(format!("{}.zst", file.path.display()), compressed).unwrap();
    };
    // Killed between compressing and removing: a closed file, and the one that is written to.
    compress(&plain[0], "1\n");
    compress(&plain[2], "3\n");
    // Killed while compressing.
    fs::write(format!("{}.zst.partial", plain[1].path.display()), "half").unwrap();

    let compressing = config(place.path(), LARGE, Some(Compression::Zstd));
    let mut writer = Writer::open(compressing, FileStem::of_route("r"), Some(&mark)).unwrap();
    let forms = || {
        let all = files(place.path(), "r").list().unwrap();
        all.into_iter().map(|file| file.form).collect::<Vec<_>>()
    };
    let compressed = Form::Compressed(Compression::Zstd);
    wait_until(|| forms() == [compressed, compressed, Form::Plain]);
    deliver(&mut writer, &["4"]);
    writer.finish();
    assert_eq!(archive(place.path()), "1\n2\n3\n4\n");

    // What is not the same is not thrown away.
    compress(&files(place.path(), "r").list().unwrap()[2], "another\n");
    place.open(LARGE, Some(&mark)).finish();
    assert_eq!(forms(), [compressed, compressed, Form::Plain, Form::Superseded(Some(Compression::Zstd))]);
}

const DAY: Duration = Duration::from_secs(86_400);

fn by_age(days: u32) -> Retention {
    Retention { age: Some(DAY * days), size_bytes: None }
}

/// So many days from now.
fn after(days: u32) -> Timestamp {
    Timestamp::now() + DAY * days
}

#[test]
fn old_files_go_and_neither_the_open_one_nor_what_somebody_else_has_put_there() {
    let place = Place::new();
    let mut writer = place.open(1, None);
    for value in ["1", "2", "3", "4"] {
        deliver(&mut writer, &[value]);
    }
    let names = files(place.path(), "r").list().unwrap();
    // One with the name that another of the route's files could have, one of another route, and one of nobody.
    let strange = place.path().join("r-00000000-20200101T000000Z.jsonl");
    let others =
        [strange, place.path().join("r-2-00000001-20200101T000000Z.jsonl"), place.path().join("notes")];
    others.iter().for_each(|other| fs::write(other, "others'\n").unwrap());

    let own = files(place.path(), "r");
    let removed =
        |retention: &Retention, below, days| remove_due(&own, retention, below, after(days)).unwrap();
    assert_eq!(removed(&by_age(90), 4, 89), Removed::default(), "they are not old yet");
    assert_eq!(
        removed(&by_age(90), 2, 1_000),
        Removed { files: 1, bytes: 2 },
        "the cursor stands in the second"
    );
    assert!(!names[0].path.exists() && names[1].path.exists());
    assert_eq!(removed(&by_age(90), 100, 1_000), Removed { files: 2, bytes: 4 }, "the last is never closed");
    assert_eq!(archive(place.path()), "others'\n4\n");
    assert!(others.iter().all(|other| other.exists()));

    // It goes on as if nothing had been.
    let mark = deliver(&mut writer, &["5"]);
    writer.finish();
    let mut writer = place.open(1, Some(&mark));
    deliver(&mut writer, &["6"]);
    assert_eq!(archive(place.path()), "others'\n4\n5\n6\n");
}

#[test]
fn the_oldest_go_while_there_are_too_many_bytes_in_whatever_form() {
    let place = Place::new();
    let mut writer = place.open(1, None);
    for value in ["1", "2", "3", "4", "5"] {
        deliver(&mut writer, &[value]);
    }
    let own = files(place.path(), "r");
    let all = own.list().unwrap();
    let compressed = zstd::encode_all(&b"1\n"[..], 0).unwrap();
    fs::write(format!("{}.zst", all[0].path.display()), &compressed).unwrap();
    fs::remove_file(&all[0].path).unwrap();
    // Set aside: no part of the archive, and never removed.
    fs::write(format!("{}.superseded-1", all[1].path.display()), "aside\n").unwrap();
    let by_size = |size_bytes| Retention { age: None, size_bytes: Some(size_bytes) };
    let bytes = compressed.len() as u64;
    assert_eq!(remove_due(&own, &by_size(8 + bytes), 5, after(0)).unwrap(), Removed::default());
    assert_eq!(remove_due(&own, &by_size(7 + bytes), 5, after(0)).unwrap(), Removed { files: 1, bytes });
    assert_eq!(remove_due(&own, &by_size(5), 5, after(0)).unwrap(), Removed { files: 2, bytes: 4 });
    assert_eq!((archive(place.path()), aside(place.path())), ("4\n5\n".to_owned(), "aside\n".to_owned()));
}

#[test]
fn what_is_too_much_goes_by_itself_once_its_cursor_is_committed() {
    let place = Place::new();
    let retention = Some(Retention { age: None, size_bytes: Some(4) });
    let config = FileSink { retention, ..config(place.path(), 1, None) };
    let mut writer = Writer::open(config, FileStem::of_route("r"), None).unwrap();
    let commits = writer.commits().unwrap();
    let marks: Vec<_> = ["1", "2", "3", "4"].map(|value| deliver(&mut writer, &[value])).into();
    // Nothing is committed: a crash now would go on in the first.
    commits.committed(&marks[0]);
    commits.committed(&SinkMark::File { name: "somebody's".to_owned(), length_bytes: 0 });
    assert_eq!(archive(place.path()), "1\n2\n3\n4\n");
    commits.committed(&marks[1]);
    wait_until(|| archive(place.path()) == "2\n3\n4\n");
    commits.committed(&marks[3]);
    wait_until(|| archive(place.path()) == "3\n4\n");
    writer.finish();

    // After a start the mark of the cursor counts, with no new commit.
    let config = FileSink {
        retention: Some(Retention { age: None, size_bytes: Some(2) }),
        ..self::config(place.path(), 1, None)
    };
    let writer = Writer::open(config, FileStem::of_route("r"), Some(&marks[3])).unwrap();
    wait_until(|| archive(place.path()) == "4\n");
    writer.finish();
    let record = fs::read_to_string(place.path().join(".r.files")).unwrap();
    assert!(record.contains("r-00000004-"), "{record}");
    place.open(LARGE, Some(&marks[3])).finish();
    let record = fs::read_to_string(place.path().join(".r.files")).unwrap();
    assert_eq!(record.lines().count(), 1, "what is gone is taken off the record: {record}");
}

#[test]
fn what_is_named_and_cannot_be_removed_stays_on_the_record_and_damage_to_that_is_counted() {
    let place = Place::new();
    let mut writer = place.open(1, None);
    for value in ["1", "2", "3"] {
        deliver(&mut writer, &[value]);
    }
    let mark = writer.mark();
    writer.finish();
    let own = files(place.path(), "r");
    let named = own.named().unwrap();
    let first = named.first().unwrap().path_in(place.path());
    // Something that is no file stands in its place for a while.
    fs::remove_file(&first).unwrap();
    fs::create_dir(&first).unwrap();
    place.open(LARGE, Some(&mark)).finish();
    assert_eq!(own.named().unwrap().first(), named.first());
    fs::remove_dir(&first).unwrap();
    fs::write(&first, "1\n").unwrap();
    let by_size = Retention { age: None, size_bytes: Some(1) };
    assert_eq!(remove_due(&own, &by_size, 2, Timestamp::now()).unwrap().files, 1);

    let record = FileRecord::new(place.path().join(".r.files"), 0o640);
    assert_eq!(record.damaged::<serde_json::Value>().unwrap(), 0);
    let text = fs::read_to_string(record.path()).unwrap();
    fs::write(record.path(), text.replacen("{\"name\"", "{\"na", 1)).unwrap();
    assert_eq!(record.damaged::<serde_json::Value>().unwrap(), 1);
}

#[test]
fn files_of_before_there_was_a_record_are_left_alone_but_the_open_one() {
    let place = Place::new();
    let mut writer = place.open(1, None);
    let marks: Vec<_> = ["1", "2"].map(|value| deliver(&mut writer, &[value])).into();
    writer.finish();
    fs::remove_file(place.path().join(".r.files")).unwrap();
    let mut writer = place.open(1, Some(&marks[1]));
    deliver(&mut writer, &["3"]);
    writer.finish();
    let removed = remove_due(&files(place.path(), "r"), &by_age(1), 3, after(10)).unwrap();
    assert_eq!(removed.files, 1, "the cursor has named the second");
    assert_eq!(archive(place.path()), "1\n3\n");
}

#[test]
fn what_was_set_aside_and_has_come_again_is_not_kept_twice() {
    let place = Place::new();
    let mut writer = place.open(LARGE, None);
    let mark = deliver(&mut writer, &["1"]);
    append(&mut writer, &["2", "3"]);
    drop(writer);
    add(&place.file(), "\"fo");

    // In another order, as a replay reads.
    let mut writer = place.open(LARGE, Some(&mark));
    let mark = deliver(&mut writer, &["3"]);
    assert_eq!(aside(place.path()), "2\n3\n\"fo");
    writer.finish();
    assert_eq!(aside(place.path()), "2\n3\n\"fo", "2 has not come again");
    let mut writer = place.open(LARGE, Some(&mark));
    deliver(&mut writer, &["\"four\"", "2"]);
    writer.finish();
    assert_eq!((archive(place.path()), aside(place.path())), ("1\n3\n\"four\"\n2\n".into(), String::new()));
    assert!(!place.path().join(".r.lock").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_is_started_again_waits_for_the_old_writer() {
    let place = Place::new();
    let config = config(place.path(), LARGE, None);
    let origin = Arc::new(Origin { route: "r".to_owned(), ..batch("[]").origin().clone() });
    let mut first = File::open(&config, &origin, None).await.unwrap();
    let mark = first.mark().unwrap();
    let mut receipts = Vec::new();
    for value in 0..10 {
        let batch = Arc::new(batch(&format!("[{value}]")));
        receipts.push(first.publish(&batch, 0).await.unwrap());
    }
    // As a panic does: nobody waits for what the writer was given.
    drop((first, receipts));
    let mut second = File::open(&config, &origin, Some(&mark)).await.unwrap();
    for value in 0..10 {
        let receipt = second.publish(&Arc::new(batch(&format!("[{value}]"))), 0).await.unwrap();
        let _settled = receipt.await.unwrap();
    }
    Box::new(second).close().await;
    let expected: String = (0..10).map(|value| format!("{value}\n")).collect();
    assert_eq!((archive(place.path()), aside(place.path())), (expected, String::new()));
}
