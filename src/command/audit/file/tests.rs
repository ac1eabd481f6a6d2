//! What becomes of lines on the disk.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn lines(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn written(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn records_are_lines_that_nobody_else_reads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit/provisioning.jsonl");
    let mut audit = AuditFile::new(&path);
    audit.append(&lines(&["{1}", "{2}"])).unwrap();
    audit.append(&lines(&["{3}"])).unwrap();
    assert_eq!(written(&path), ["{1}", "{2}", "{3}"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_was_moved_away_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("audit.jsonl"), directory.path().join("audit.jsonl.1"));
    let mut audit = AuditFile::new(&path);
    audit.append(&lines(&["{1}"])).unwrap();
    fs::rename(&path, &moved).unwrap();
    audit.append(&lines(&["{2}"])).unwrap();
    assert_eq!((written(&moved), written(&path)), (lines(&["{1}"]), lines(&["{2}"])));
}

#[test]
fn a_line_that_was_cut_short_spoils_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    fs::write(&path, "{1}\n{\"comm").unwrap();
    AuditFile::new(&path).append(&lines(&["{2}"])).unwrap();
    assert_eq!(written(&path), ["{1}", "{\"comm", "{2}"]);
}

#[test]
fn a_line_that_somebody_else_cut_short_meanwhile_swallows_no_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let mut audit = AuditFile::new(&path);
    audit.append(&lines(&["{1}"])).unwrap();
    fs::File::options().append(true).open(&path).unwrap().write_all(b"{\"comm").unwrap();
    audit.append(&lines(&["{2}"])).unwrap();
    assert_eq!(written(&path), ["{1}", "{\"comm", "{2}"]);
}

#[test]
fn the_last_of_a_disk_is_left_to_the_state() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let with = |free_bytes| AuditFile { free_bytes, ..AuditFile::new(&path) };
    let mut full = with(|_| Ok(ROOM_BYTES));
    let told = full.append(&lines(&["{1}"])).unwrap_err().to_string();
    assert!(told.contains("16777216 are for the state: make room"), "{told}");
    assert!(!path.exists());
    let mut nearly_full = with(|_| Ok(SPARE_ROOM_BYTES - 1));
    assert!(!nearly_full.has_room_to_spare());
    nearly_full.append(&lines(&["{1}"])).unwrap();
    assert!(with(|_| Ok(SPARE_ROOM_BYTES)).has_room_to_spare());
    assert_eq!(written(&path), ["{1}"]);
}

#[test]
fn what_a_crash_left_in_doubt_is_written_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let doubtful = lines(&["{1}", "{2}"]);
    for before in [None, Some(""), Some("{0}\n"), Some("{0}\n{1}\n{2}\n"), Some("{1}\n{2}\n")] {
        if let Some(before) = before {
            fs::write(&path, before).unwrap();
        }
        AuditFile::new(&path).complete(&doubtful).unwrap();
        let times = |line: &str| written(&path).iter().filter(|other| *other == line).count();
        assert_eq!((times("{1}"), times("{2}")), (1, 1), "{before:?}");
        fs::remove_file(&path).unwrap();
    }
}
