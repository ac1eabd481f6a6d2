//! The ids of messages about a command: the same for all copies of one message, and different from all others. Senders
//! choose the ids of commands, so one may look like an id that is made here.

/// Parts of ids that are made here.
const MARKS: [&str; 4] = [":outcome:", ":repeated:", ":refused:", ":audit:"];

/// The id of the answer to copy number `copy` of the command `id`. The first, number zero, has the id of the command,
/// unless that looks like an id that is made here.
pub(in crate::command) fn of_answer(id: &str, copy: u64) -> String {
    match copy {
        0 if MARKS.iter().any(|mark| id.contains(mark)) => format!("{id}:outcome:"),
        0 => id.to_owned(),
        copy => format!("{id}:repeated:{copy}"),
    }
}

/// Whether `id` has the form of a place in a queue: `STREAM@sequence` or `topic/partition@offset`. Refusals use places
/// as ids, so no command may have such an id.
pub(in crate::command) fn is_place(id: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((queue, _)) = id.rsplit_once('@').filter(|(_, number)| is_number(number)) else { return false };
    match queue.rsplit_once('/') {
        Some((topic, partition)) => is_number(partition) && topic.bytes().all(is_of_topic),
        None => !queue.is_empty() && !queue.contains(is_of_no_stream),
    }
}

/// Whether a name of a Kafka topic may have the byte.
fn is_of_topic(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}

/// Whether no name of a NATS stream has the character.
fn is_of_no_stream(c: char) -> bool {
    c.is_whitespace() || c.is_control() || ".*>/\\".contains(c)
}

/// The id of the refusal of the message at `place`.
pub(in crate::command) fn of_refusal(place: &str) -> String {
    format!("{place}:refused:")
}

/// The id of audit record number `sequence`, which is about the command `id`.
pub(in crate::command) fn of_audit(id: &str, sequence: u64) -> String {
    format!("{id}:audit:{sequence}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_place_in_a_queue_is_known_by_its_form() {
        for place in
            ["COMMANDS@5", "okta-commands_2@18446744073709551615", "commands/3@42", "acme.hr.commands/0@0"]
        {
            assert!(is_place(place), "{place}");
        }
        for id in [
            "c-1",
            "ada@acme.com",
            "ada.king@7",
            "COMMANDS@",
            "@5",
            "a b@5",
            "x/y@5",
            "a b/0@5",
            "COMMANDS@5:1",
        ] {
            assert!(!is_place(id), "{id}");
        }
    }

    #[test]
    fn no_two_messages_have_one_id_whatever_senders_call_their_commands() {
        let mut ids = vec!["c".to_owned()];
        // Commands with ids that look like those of messages about other commands.
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
