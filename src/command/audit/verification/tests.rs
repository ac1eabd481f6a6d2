//! What can be done to an audit behind its back, and what is seen of it.

use jiff::Timestamp;

use super::*;
use crate::command::audit::{AuditChain, AuditRecord, Decision};

fn records(ids: &[&str]) -> Vec<String> {
    let at = Timestamp::from_second(1_800_000_000).unwrap();
    let record = AuditRecord::new(at, "hr", Decision::Begun);
    let of = |id: &&str| AuditRecord { command_id: Some(id), ..record.clone() }.to_json().unwrap();
    ids.iter().map(of).collect()
}

fn verified(lines: &[String]) -> Verification {
    verified_against(lines, &KeptChain::default())
}

fn verified_against(lines: &[String], kept: &KeptChain) -> Verification {
    let mut verification = Verification::default();
    verification.expect("hr", kept);
    for (number, line) in (1..).zip(lines) {
        verification.read("audit.jsonl", number, line);
    }
    verification.finish();
    verification
}

fn flaws(verification: &Verification) -> Vec<String> {
    verification.flaws().iter().map(ToString::to_string).collect()
}

/// Five records, written one and two at a time, and what the state keeps.
fn five() -> (Vec<String>, KeptChain) {
    let mut chain = AuditChain::default();
    let mut lines = chain.seal(&records(&["c-1"])).lines;
    lines.extend(chain.seal(&records(&["c-2", "c-3"])).lines);
    let last = chain.seal(&records(&["c-4", "c-5"]));
    lines.extend(last.lines.clone());
    (lines, last.kept)
}

#[test]
fn an_audit_that_nobody_touched_is_whole() {
    let (lines, kept) = five();
    assert!(lines[0].contains(r#""command_id":"c-1","sequence":1,"prev":"0000"#), "{}", lines[0]);
    let verification = verified_against(&lines, &kept);
    assert_eq!((flaws(&verification), verification.flaw_count()), (vec![], 0));
    let report = verification.chains().next().unwrap();
    assert_eq!((report.records, report.first_sequence, report.last), (5, 1, kept.head));
}

#[test]
fn whatever_is_changed_taken_out_moved_or_put_in_is_seen() {
    let (lines, kept) = five();
    let mut changed = lines.clone();
    changed[1] = changed[1].replace("c-2", "c-9");
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    let mut forged = lines.clone();
    forged.insert(2, records(&["c-9"]).remove(0));
    // Who knows how records are made can make others, which do not lead to the rest.
    let mut again = AuditChain::default();
    let mut remade = again.seal(&records(&["c-1", "c-8"])).lines;
    remade.extend_from_slice(&lines[2..]);
    let cases = [
        (changed, "audit.jsonl:2: record 2 of `hr` was changed"),
        ([&lines[..1], &lines[3..]].concat(), "audit.jsonl:2: records 2 to 3 of `hr` are missing"),
        (swapped, "audit.jsonl:2: record 2 of `hr` is missing"),
        (forged, "audit.jsonl:3: a record has no place in the chain"),
        (remade, "audit.jsonl:3: record 3 of `hr` does not follow record 2"),
        (lines[..3].to_vec(), ""),
    ];
    for (lines, expected) in cases {
        let told = flaws(&verified(&lines));
        match expected {
            "" => assert!(told.is_empty(), "the lines do not say what came after them: {told:?}"),
            expected => assert!(told[0].starts_with(expected), "{expected}: {told:?}"),
        }
    }
    let settled = KeptChain { lines: Vec::new(), ..kept.clone() };
    for (left, first) in
        [(4, "record 5"), (3, "records 4 to 5"), (2, "records 3 to 5"), (0, "records 1 to 5")]
    {
        let told = flaws(&verified_against(&lines[..left], &settled));
        assert!(told.len() == 1 && told[0].starts_with(first), "{first}: {told:?}");
    }
    // After a crash it is not known whether the last batch was written.
    let verification = verified_against(&lines[..3], &kept);
    assert_eq!((flaws(&verification), verification.in_doubt()), (vec![], 1));
    // The daemon has written more since.
    let earlier = KeptChain { head: AuditChain::after(&settled).seal(&[]).kept.head, lines: Vec::new() };
    let more = AuditChain::after(&earlier).seal(&records(&["c-6"])).lines;
    assert_eq!(flaws(&verified_against(&[lines, more].concat(), &settled)), Vec::<String>::new());
}

#[test]
fn crashes_and_files_from_before_the_chain_are_no_flaws() {
    let (lines, kept) = five();
    let old = records(&["c-0"]).remove(0);
    let torn = lines[3][..40].to_owned();
    // The last two are written again after a failure.
    let all = [&[old], &lines[..3], &[torn], &lines[3..], &lines[3..]].concat();
    let verification = verified_against(&all, &kept);
    assert_eq!(flaws(&verification), Vec::<String>::new());
    assert_eq!((verification.fragments(), verification.unchained()), (1, 1));
}

#[test]
fn two_chains_in_one_file_are_held_apart() {
    let (lines, _) = five();
    let mut other = AuditChain::default();
    let others: Vec<_> =
        records(&["x-1", "x-2"]).iter().map(|record| record.replace("\"hr\"", "\"it\"")).collect();
    let mixed = [&lines[..2], &other.seal(&others).lines, &lines[2..]].concat();
    let verification = verified(&mixed);
    assert_eq!(flaws(&verification), Vec::<String>::new());
    assert_eq!(verification.chains().count(), 2);
}

#[test]
fn what_a_crash_left_in_doubt_can_be_completed() {
    let (lines, kept) = five();
    let unwritten = kept.unwritten().unwrap();
    assert_eq!((unwritten.first_sequence, &unwritten.lines[..]), (4, &lines[3..]));
    let mut chain = AuditChain::after(&kept);
    let next = chain.seal(&records(&["c-6"]));
    assert_eq!(next.first_sequence, 6);
    assert_eq!(flaws(&verified(&[lines, next.lines].concat())), Vec::<String>::new());
    // What is too large to keep is written without a net.
    let large = chain.seal(&records(&[&"x".repeat(20_000)]));
    assert!(large.kept.unwritten().is_none() && large.kept.head.sequence == 7);
    let text = serde_json::to_string(&kept).unwrap();
    assert_eq!(serde_json::from_str::<KeptChain>(&text).unwrap(), kept);
    assert!(text.len() < crate::state::NOTE_MAX_BYTES);
}
