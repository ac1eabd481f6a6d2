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

/// By the lines alone.
fn verified(lines: &[String]) -> Verification {
    read(Verification::default(), lines, None)
}

fn verified_against(lines: &[String], saved: &SavedChain) -> Verification {
    verified_between(lines, saved, saved)
}

/// With what the state kept before and after they were read.
fn verified_between(lines: &[String], before: &SavedChain, after: &SavedChain) -> Verification {
    let mut verification = Verification::default();
    verification.expect([("hr".to_owned(), before.clone())]);
    read(verification, lines, Some(after))
}

fn read(mut verification: Verification, lines: &[String], after: Option<&SavedChain>) -> Verification {
    for (number, line) in (1..).zip(lines) {
        verification.read("audit.jsonl", number, line);
    }
    verification.finish(after.map(|saved| ("hr".to_owned(), saved.clone())));
    verification
}

fn flaws(verification: &Verification) -> Vec<String> {
    verification.flaws().iter().map(ToString::to_string).collect()
}

/// Five records, written one and two at a time, and what the state keeps.
fn five() -> (Vec<String>, SavedChain) {
    let mut chain = AuditChain::default();
    let mut lines = chain.seal(&records(&["c-1"])).lines;
    lines.extend(chain.seal(&records(&["c-2", "c-3"])).lines);
    let last = chain.seal(&records(&["c-4", "c-5"]));
    lines.extend(last.lines.clone());
    (lines, last.saved)
}

#[test]
fn an_audit_that_nobody_touched_is_whole() {
    let (lines, saved) = five();
    assert!(lines[0].contains(r#""command_id":"c-1","sequence":1,"prev":"0000"#), "{}", lines[0]);
    let verification = verified_against(&lines, &saved);
    assert_eq!((flaws(&verification), verification.flaw_count()), (vec![], 0));
    let report = verification.chains().next().unwrap();
    assert_eq!((report.records, report.first_sequence, report.last), (5, 1, saved.head));
}

#[test]
fn whatever_is_changed_taken_out_moved_or_put_in_is_seen() {
    let (lines, saved) = five();
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
    let settled = SavedChain { lines: Vec::new(), ..saved.clone() };
    for (left, first) in
        [(4, "record 5"), (3, "records 4 to 5"), (2, "records 3 to 5"), (0, "records 1 to 5")]
    {
        let told = flaws(&verified_against(&lines[..left], &settled));
        assert!(told.len() == 1 && told[0].starts_with(first), "{first}: {told:?}");
    }
    // After a crash it is not known whether the last batch was written.
    let verification = verified_against(&lines[..3], &saved);
    assert_eq!((flaws(&verification), verification.in_doubt()), (vec![], 1));
    // The daemon has written more since.
    let earlier = SavedChain { head: AuditChain::after(&settled).seal(&[]).saved.head, lines: Vec::new() };
    let more = AuditChain::after(&earlier).seal(&records(&["c-6"]));
    let verification = verified_between(&[lines, more.lines].concat(), &settled, &more.saved);
    assert_eq!(flaws(&verification), Vec::<String>::new());
}

#[test]
fn what_only_looks_like_the_daemons_is_held_against_the_state() {
    let (lines, saved) = five();
    let forged = AuditChain::after(&saved).seal(&records(&["c-6", "c-7"])).lines;
    let strangers: Vec<_> =
        records(&["x-1"]).iter().map(|record| record.replace("\"hr\"", "\"nobody\"")).collect();
    let inserted = AuditChain::default().seal(&strangers).lines;
    let unchained = records(&["c-0"]);
    let cases = [
        (lines[4..].to_vec(), "audit.jsonl:1: records 1 to 4 of `hr` are missing from the beginning"),
        (
            [&lines[..], &forged].concat(),
            "records up to 7 of `hr` stand behind the last one that the state knows of, 5",
        ),
        ([&lines[..], &inserted].concat(), "audit.jsonl:6: record 1 is of `nobody`, whose audit this is not"),
        ([&unchained, &lines[..]].concat(), "audit.jsonl:1: a record has no place in the chain"),
    ];
    for (lines, expected) in cases {
        let told = flaws(&verified_against(&lines, &saved));
        assert!(told.len() == 1 && told[0].starts_with(expected), "{expected}: {told:?}");
    }
    // The daemon has written its own record since, behind one that was put there.
    let own = AuditChain::after(&saved).seal(&records(&["c-8"]));
    let told = flaws(&verified_between(&[&lines[..], &forged[..1], &own.lines].concat(), &saved, &own.saved));
    assert!(told[0].contains("record 6 of `hr` does not follow record 6"), "{told:?}");
    // Nothing was ever recorded, as far as the state knows.
    let told = flaws(&verified_against(&lines, &SavedChain::default()));
    assert!(told[0].contains("records up to 5 of `hr` stand behind"), "{told:?}");
    assert!(!verified(&lines).is_held_against_state(), "by the lines alone all of this may go unseen");
}

#[test]
fn files_that_were_looked_at_before_need_not_be_there_again() {
    let (lines, saved) = five();
    let third = read_line(&lines[2]);
    let ReadLine::Chained(link) = third else { panic!("{third:?}") };
    let after = |text: String| {
        let mut verification = Verification::default();
        verification.go_on_after(text.parse().unwrap());
        verification.expect([("hr".to_owned(), saved.clone())]);
        flaws(&read(verification, &lines[3..], Some(&saved)))
    };
    assert_eq!(after(format!("hr:3:{}", link.hash)), Vec::<String>::new());
    let told = after(format!("hr:3:{}", "0".repeat(64)));
    assert!(told[0].contains("record 4 of `hr` does not follow record 3 as it was"), "{told:?}");
    for wrong in ["hr", "hr:3", "hr:3:abc", "hr:x:"] {
        assert!(wrong.parse::<VerifiedHead>().is_err(), "{wrong}");
    }
}

#[test]
fn the_last_records_that_were_looked_at_may_stand_again_in_the_next_file() {
    let (lines, saved) = five();
    let next = AuditChain::after(&saved).seal(&records(&["c-6"]));
    let mut other = AuditChain::default();
    let others = other.seal(&records(&["c-1", "c-2", "c-3", "x-4", "x-5"])).lines;
    let after = |lines: &[String], before: &SavedChain, end: &SavedChain| {
        let mut verification = Verification::default();
        verification.go_on_after(format!("hr:5:{}", saved.head.hash).parse().unwrap());
        verification.expect([("hr".to_owned(), before.clone())]);
        read(verification, lines, Some(end))
    };
    // A crash left the last two in doubt, their file was moved away, and the next start wrote them again.
    for again in [&lines[3..], &lines[4..]] {
        let verification = after(&[again, &next.lines].concat(), &next.saved, &next.saved);
        assert_eq!(flaws(&verification), Vec::<String>::new());
    }
    // It is about to.
    let verification = after(&lines[3..4], &saved, &saved);
    assert_eq!((flaws(&verification), verification.in_doubt()), (vec![], 1));
    let settled = SavedChain { lines: Vec::new(), ..saved.clone() };
    for (lines, expected) in [
        (&others[4..], "audit.jsonl:1: record 5 of `hr` does not follow record 5 as it was"),
        (&others[3..], "audit.jsonl:2: record 5 of `hr` is not the one that was looked at before"),
        (&lines[3..4], "records up to 4 of `hr` do not lead to record 5, which was looked at before"),
    ] {
        let told = flaws(&after(lines, &settled, &settled));
        assert!(told[0].starts_with(expected), "{expected}: {told:?}");
    }
}

#[test]
fn an_older_state_is_told_with_what_makes_it_older() {
    let (lines, saved) = five();
    let mut backup = AuditChain::default();
    let then = backup.seal(&records(&["c-1"])).saved;
    let told = flaws(&verified_against(&lines, &then));
    assert!(
        told[0].contains("behind the last one that the state knows of, 1")
            && told[0].contains("state import"),
        "{told:?}"
    );
    // It goes on from there.
    let next = backup.seal(&records(&["c-6"]));
    let told = flaws(&verified_against(&[&lines[..], &next.lines].concat(), &next.saved));
    assert!(
        told[0].starts_with("audit.jsonl:6: record 2 of `hr` does not follow record 5")
            && told[0].contains("state import"),
        "{told:?}"
    );
    assert!(saved.head.sequence == 5);
}

#[test]
fn what_a_crash_leaves_is_no_flaw() {
    let (lines, saved) = five();
    let torn = lines[3][..40].to_owned();
    // The last two are written again after a failure.
    let all = [&lines[..3], &[torn], &lines[3..], &lines[3..]].concat();
    let verification = verified_against(&all, &saved);
    assert_eq!(flaws(&verification), Vec::<String>::new());
    assert_eq!(verification.fragments(), 1);
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
    let (lines, saved) = five();
    let unwritten = saved.unwritten().unwrap();
    assert_eq!((unwritten.first_sequence, &unwritten.lines[..]), (4, &lines[3..]));
    let mut chain = AuditChain::after(&saved);
    let next = chain.seal(&records(&["c-6"]));
    assert_eq!(next.first_sequence, 6);
    assert_eq!(flaws(&verified(&[lines, next.lines].concat())), Vec::<String>::new());
    // What is too large to keep is written without a net.
    let large = chain.seal(&records(&[&"x".repeat(20_000)]));
    assert!(large.saved.unwritten().is_none() && large.saved.head.sequence == 7);
    let text = serde_json::to_string(&saved).unwrap();
    assert_eq!(serde_json::from_str::<SavedChain>(&text).unwrap(), saved);
    assert!(text.len() < crate::state::CONTENT_MAX_BYTES);
}

/// A record that says that those up to `removed` are about to go.
fn removal(chain: &mut AuditChain, removed: &ChainHead) -> Vec<String> {
    let at = Timestamp::from_second(1_800_000_000).unwrap();
    let record = AuditRecord { removed: Some(removed), ..AuditRecord::new(at, "hr", Decision::Removing) };
    chain.seal(&[record.to_json().unwrap()]).lines
}

fn head_of(line: &str) -> ChainHead {
    let ReadLine::Chained(link) = read_line(line) else { panic!("{line}") };
    ChainHead { sequence: link.place.sequence, hash: link.hash }
}

#[test]
fn an_audit_may_begin_where_a_record_in_it_says_that_older_ones_were_removed() {
    let (lines, saved) = five();
    let mut chain = AuditChain::after(&saved);
    let removing = removal(&mut chain, &head_of(&lines[2]));
    let more = chain.seal(&records(&["c-7"]));
    let all = [&lines[..], &removing, &more.lines].concat();
    let since = |from: usize| verified_against(&all[from..], &more.saved);
    // Nothing is gone yet, or a crash left the second file, or all that was to go went.
    for from in [0, 2, 3] {
        assert_eq!(flaws(&since(from)), Vec::<String>::new(), "from {from}");
    }
    let report = since(3).chains().next().unwrap();
    assert_eq!((report.first_sequence, report.removed_by, report.records), (4, Some(6), 4));
    // More is gone than that.
    for from in [4, 5, 6] {
        let told = flaws(&since(from));
        assert!(
            told.len() == 1 && told[0].contains("are missing from the beginning"),
            "from {from}: {told:?}"
        );
    }
    // What the record says is of another history.
    let mut other = AuditChain::after(&saved);
    let wrong = removal(&mut other, &ChainHead { sequence: 3, hash: "f".repeat(64) });
    let told = flaws(&verified(&[&lines[3..], &wrong].concat()));
    assert!(told[0].contains("are missing from the beginning"), "{told:?}");
    // It is not in the chain.
    let forged = removal(&mut AuditChain::default(), &head_of(&lines[2]));
    let told = flaws(&verified(&[&lines[3..], &forged].concat()));
    assert!(told.iter().any(|told| told.contains("are missing from the beginning")), "{told:?}");
}

#[test]
fn an_audit_of_which_only_the_record_of_the_removal_is_left_is_whole() {
    let (lines, saved) = five();
    let mut chain = AuditChain::after(&saved);
    let removing = removal(&mut chain, &head_of(&lines[4]));
    let more = chain.seal(&records(&["c-7"]));
    let told = flaws(&verified_against(&[&removing[..], &more.lines].concat(), &more.saved));
    assert_eq!(told, Vec::<String>::new());
}
