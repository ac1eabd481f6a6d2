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
