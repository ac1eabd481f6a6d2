//! Outcomes, lists and limits, for people or as JSON lines.

use serde::Serialize;

use crate::{
    cli::table::table,
    command::{
        Outcome,
        engine::{Listed, ListedLimit},
        journal::Stage,
    },
};

pub(super) fn outcome(outcome: &Outcome, json: bool) -> String {
    if json {
        return lines([outcome]);
    }
    let Outcome {
        command_id, action, status, repeated, result, error, okta_request_id, before, after, ..
    } = outcome;
    let mut text = format!("{action}: {}", status.name());
    if *repeated {
        text.push_str(" (the outcome of an earlier copy)");
    }
    text.push('\n');
    let mut rows = vec![row("id", command_id.clone())];
    if let Some(error) = error {
        rows.push(row("error", format!("{}: {}", error.code, error.message)));
        rows.extend(error.remedy.iter().map(|remedy| row("remedy", remedy.clone())));
    }
    rows.extend(before.iter().map(|before| row("before", before.to_string())));
    rows.extend(after.iter().map(|after| row("after", after.to_string())));
    rows.extend(okta_request_id.iter().map(|id| row("okta request", id.clone())));
    text.push_str(&table(&rows));
    if !result.is_null() {
        // What was made of JSON is JSON.
        text.push_str(&serde_json::to_string_pretty(result).unwrap_or_default());
        text.push('\n');
    }
    harmless(&text)
}

pub(super) fn list(listed: &[Listed], json: bool) -> String {
    if json {
        return lines(listed);
    }
    let head = ["received", "status", "action", "id", "by"].map(str::to_owned).to_vec();
    let rows = listed.iter().map(|Listed { id, record, .. }| {
        // Who wants it is a claim, and a signature is none.
        let by = match &record.signed_by {
            Some(key) => format!("{key} (signed)"),
            None => record.requested_by.clone().unwrap_or_default(),
        };
        let received = format!("{:.0}", record.received_at);
        vec![received, record.standing().to_owned(), record.action.clone(), id.clone(), by]
    });
    harmless(&table(&[head].into_iter().chain(rows).collect::<Vec<_>>()))
}

pub(super) fn details(listed: &[Listed], json: bool) -> String {
    if json {
        return lines(listed);
    }
    let detail = |Listed { commands, id, record }: &Listed| match &record.stage {
        Stage::Ended { outcome: ended, answers } => {
            format!("{}answered {answers} time(s) by `{commands}`\n", outcome(ended, false))
        }
        Stage::Received | Stage::Started { .. } => {
            let rows = [
                row("id", id.clone()),
                row("commands", commands.clone()),
                row("received", record.received_at.to_string()),
                row("attempts", record.attempts().to_string()),
            ];
            format!("{}: {}\n{}", record.action, record.standing(), table(&rows))
        }
    };
    harmless(&listed.iter().map(detail).collect::<String>())
}

pub(super) fn limits(limits: &[ListedLimit], json: bool) -> String {
    if json {
        return lines(limits);
    }
    let head = ["commands", "limit", "rule", "tripped"].map(str::to_owned).to_vec();
    let rows = limits.iter().map(|limit| {
        let tripped = limit.tripped_at.map_or_else(|| "no".to_owned(), |at| format!("since {at:.0}"));
        vec![limit.commands.clone(), limit.limit.clone(), limit.rule.clone(), tripped]
    });
    table(&[head].into_iter().chain(rows).collect::<Vec<_>>())
}

/// `text` without what a terminal would obey: commands, and what Okta says of them, may come from anybody.
fn harmless(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(shown).collect()
}

fn row(name: &str, value: String) -> Vec<String> {
    vec![format!("  {name}"), value]
}

fn lines<'a, T: Serialize + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    let line = |item| serde_json::to_string(item).ok().map(|line| line + "\n");
    items.into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::command::journal::Record;

    #[test]
    fn what_a_command_says_does_not_reach_the_terminal_as_an_order() {
        let asker = "\u{1b}]0;owned\u{7}\u{9b}2J";
        let record = Record::new("user.get", "", Some(asker), Timestamp::UNIX_EPOCH);
        let listed = [Listed { commands: "hr".to_owned(), id: "c-1".to_owned(), record }];
        let shown = list(&listed, false);
        assert!(shown.contains("]0;owned") && shown.lines().count() == 2, "{shown}");
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }
}
