//! The ids of messages that tell of a command: what copies of one message have in common, and no other message has. Senders
//! choose the ids of commands, so that one may look like an id of ours.

/// What ids have in them that are not a command's own.
const MARKS: [&str; 4] = [":outcome:", ":repeated:", ":refused:", ":audit:"];

/// Of the answer to copy number `copy` of the command `id`. The first, number zero, has the command's own id, unless that
/// looks like one that is made here.
pub(in crate::command) fn of_answer(id: &str, copy: u64) -> String {
    match copy {
        0 if MARKS.iter().any(|mark| id.contains(mark)) => format!("{id}:outcome:"),
        0 => id.to_owned(),
        copy => format!("{id}:repeated:{copy}"),
    }
}

/// Of the refusal of the message at `place`, which is named by that alone.
pub(in crate::command) fn of_refusal(place: &str) -> String {
    format!("{place}:refused:")
}

/// Of record number `sequence` of the audit, which is about the command `id`.
pub(in crate::command) fn of_audit(id: &str, sequence: u64) -> String {
    format!("{id}:audit:{sequence}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_two_messages_have_one_id_whatever_senders_call_their_commands() {
        let mut ids = vec!["c".to_owned()];
        // Commands that are called like the messages about others.
        for _ in 0..2 {
            let made = |id: &String| [of_answer(id, 0), of_answer(id, 1), of_refusal(id), of_audit(id, 1)];
            ids.extend(ids.iter().flat_map(made).collect::<Vec<_>>());
            ids.sort();
            ids.dedup();
        }
        assert!(ids.len() > 10);
        let mut messages = BTreeMap::new();
        for id in &ids {
            for (what, message) in [
                ("first", of_answer(id, 0)),
                ("first copy", of_answer(id, 1)),
                ("second copy", of_answer(id, 2)),
                ("audit", of_audit(id, 1)),
            ] {
                let other = messages.insert(message.clone(), (id, what));
                assert_eq!(other, None, "{message} is of {what} of {id} too");
            }
        }
        assert_eq!(of_answer("c-1", 0), "c-1");
    }
}
