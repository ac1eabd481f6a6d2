//! Outcomes, lists and limits, for people or as JSON lines.

use serde::Serialize;
use serde_json::Value;

use crate::{
    cli::table::table,
    command::{
        GroupSubject, Outcome, Subjects, UserSubject,
        engine::{Listed, ListedLimit},
        record::{CommandStage, SecondKey},
    },
    telemetry::{printable, printable_json},
};

pub(super) fn outcome(outcome: &Outcome, json: bool) -> String {
    if json {
        return lines([outcome]);
    }
    told(outcome, Vec::new())
}

/// An outcome for people, with `more` rows about its command.
fn told(outcome: &Outcome, more: Vec<Vec<String>>) -> String {
    let Outcome {
        command_id, action, status, repeated, result, error, okta_request_id, before, after, ..
    } = outcome;
    let mut text = match action.as_str() {
        // A message that could not be read so far.
        "" => status.name().to_owned(),
        action => format!("{}: {}", printable(action), status.name()),
    };
    if *repeated {
        text.push_str(" (the outcome of an earlier copy)");
    }
    text.push('\n');
    let mut rows = vec![row("id", command_id)];
    rows.extend(more);
    if let Some(error) = error {
        rows.push(row("error", &format!("{}: {}", error.code, error.message)));
        rows.extend(error.remedy.iter().map(|remedy| row("remedy", remedy)));
    }
    rows.extend(before.iter().map(|before| row("before", &before.to_string())));
    rows.extend(after.iter().map(|after| row("after", &after.to_string())));
    rows.extend(okta_request_id.iter().map(|id| row("okta request", id)));
    text.push_str(&table(&rows));
    if !result.is_null() {
        // What was made of JSON is JSON.
        for line in serde_json::to_string_pretty(result).unwrap_or_default().lines() {
            text.push_str(&printable(line));
            text.push('\n');
        }
    }
    text
}

pub(super) fn list(listed: &[Listed], json: bool) -> String {
    if json {
        return lines(listed);
    }
    let head = ["received", "status", "action", "about", "id", "by"].map(str::to_owned).to_vec();
    let rows = listed.iter().map(|Listed { id, record, .. }| {
        // The requester is only claimed, while a signature is verified.
        let by = match &record.signed_by {
            Some(key) => format!("{key} (signed)"),
            None => record.requested_by.clone().unwrap_or_default(),
        };
        let received = format!("{:.0}", record.received_at);
        let about = record.subjects.as_ref().map(about).unwrap_or_default();
        let cells = [received, record.status_name().to_owned(), record.action.clone(), about, id.clone(), by];
        cells.iter().map(|cell| printable(cell).into_owned()).collect()
    });
    table(&[head].into_iter().chain(rows).collect::<Vec<_>>())
}

/// The users, groups and so on that a command names: the first of each kind, and the number of others.
fn about(subjects: &Subjects) -> String {
    let first = |names: Vec<String>| match names.as_slice() {
        [] => None,
        [name] => Some(name.clone()),
        [name, more @ ..] => Some(format!("{name} and {} more", more.len())),
    };
    let users = first(subjects.users.iter().map(user).collect());
    let groups = first(subjects.groups.iter().map(group).collect());
    let zone = subjects.zone.as_ref().map(|zone| with_id(&zone.name, Some(&zone.id)));
    let all = [users, groups, subjects.app.clone(), zone];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// All users, groups and so on that a command is about, a row each.
fn subjects(subjects: &Subjects) -> Vec<Vec<String>> {
    let users = subjects.users.iter().map(|of| row("user", &user(of)));
    let groups = subjects.groups.iter().map(|of| row("group", &group(of)));
    let app = subjects.app.iter().map(|app| row("app", app));
    let zone = subjects.zone.iter().map(|zone| row("zone", &with_id(&zone.name, Some(&zone.id))));
    users.chain(groups).chain(app).chain(zone).collect()
}

fn user(user: &UserSubject) -> String {
    with_id(user.login.as_ref().unwrap_or(&user.name), user.id.as_deref())
}

fn group(group: &GroupSubject) -> String {
    with_id(group.okta_name.as_ref().unwrap_or(&group.name), group.id.as_deref())
}

/// A name with its id, since a name can be given to another object.
fn with_id(name: &str, id: Option<&str>) -> String {
    match id {
        Some(id) if id != name => format!("{name} ({id})"),
        _ => name.to_owned(),
    }
}

/// Members of a command that are shown in words of their own.
const KNOWN: &[&str] = &["id", "action", "requested_by"];

/// How a command that has not ended comes to its end, if nobody is at work on it.
const GOES_ON: &str =
    "when its message comes again; one given by hand, when it is run again with the same --id";

/// One thing that a command says.
fn asked((name, value): (&String, &Value)) -> Vec<String> {
    row(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

pub(super) fn details(listed: &[Listed], json: bool) -> String {
    if json {
        return lines(listed);
    }
    let detail = |Listed { commands, id, record, asks }: &Listed| {
        let mut rows = vec![row("commands", commands)];
        rows.extend(record.subjects.iter().flat_map(subjects));
        rows.extend(asks.iter().flatten().filter(|(name, _)| !KNOWN.contains(&name.as_str())).map(asked));
        rows.extend(record.requested_by.iter().map(|by| row("requested by", by)));
        rows.extend(record.signed_by.iter().map(|key| row("signed by", key)));
        match &record.second_key {
            Some(SecondKey::Awaited { until, fingerprint }) if !record.has_ended() => {
                rows.push(row("awaits approval", &format!("until {until:.0}")));
                rows.push(row("fingerprint", fingerprint));
            }
            Some(SecondKey::Given { by, at, .. }) => {
                rows.push(row("approved by", &format!("{by} at {at:.0}")));
            }
            Some(SecondKey::Awaited { .. }) | None => {}
        }
        rows.push(row("received", &format!("{:.3}", record.received_at)));
        match &record.stage {
            CommandStage::Ended { outcome, answers } => {
                rows.push(row("ended", &format!("{:.3}", outcome.finished_at)));
                rows.push(row("attempts", &record.attempts().to_string()));
                rows.push(row("answered", &format!("{answers} time(s)")));
                told(outcome, rows)
            }
            CommandStage::Received | CommandStage::Started { .. } => {
                if matches!(record.status_name(), "received" | "started") {
                    rows.push(row("goes on", GOES_ON));
                }
                rows.push(row("attempts", &record.attempts().to_string()));
                rows.insert(0, row("id", id));
                format!("{}: {}\n{}", printable(&record.action), record.status_name(), table(&rows))
            }
        }
    };
    listed.iter().map(detail).collect()
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

fn row(name: &str, value: &str) -> Vec<String> {
    vec![format!("  {name}"), printable(value).into_owned()]
}

fn lines<'a, T: Serialize + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    let line = |item| serde_json::to_string(item).ok().map(|line| printable_json(&line).into_owned() + "\n");
    items.into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use serde_json::json;

    use crate::command::record::Record;

    fn listed(requested_by: &str, users: &[&str], groups: &[&str]) -> Listed {
        let user = |name: &&str| UserSubject { name: (*name).to_owned(), id: None, login: None };
        let group = |name: &&str| GroupSubject { name: (*name).to_owned(), id: None, okta_name: None };
        let subjects = Subjects {
            users: users.iter().map(user).collect(),
            groups: groups.iter().map(group).collect(),
            ..Subjects::default()
        };
        let record = Record::new("group.add_user", "", Some(requested_by), Timestamp::UNIX_EPOCH);
        Listed {
            commands: "hr".to_owned(),
            id: "c-1".to_owned(),
            record: record.about(&subjects),
            asks: None,
        }
    }

    #[test]
    fn whoever_approves_a_command_sees_whom_it_is_about_and_what_it_says() {
        let mut listed = listed("hr", &[], &[]);
        let user = |name: &str, id: &str, login: &str| UserSubject {
            name: name.to_owned(),
            id: Some(id.to_owned()),
            login: Some(login.to_owned()),
        };
        let users = vec![user("ada", "00u1", "ada@acme.com"), user("bob", "00u2", "bob@acme.com")];
        listed.record.subjects = Some(Subjects { users, ..Subjects::default() });
        listed.record.second_key = Some(SecondKey::Awaited {
            until: Timestamp::UNIX_EPOCH,
            fingerprint: "v1:of-the-approval".to_owned(),
        });
        let asks = json!({ "id": "c-1", "parameters": { "users": ["ada", "bob"] }, "dry_run": true });
        listed.asks = asks.as_object().cloned();
        let listed = [listed];
        let table = list(&listed, false);
        assert!(table.contains("ada@acme.com (00u1) and 1 more"), "{table}");
        let shown = details(&listed, false);
        for said in [
            "ada@acme.com (00u1)",
            "bob@acme.com (00u2)",
            r#"{"users":["ada","bob"]}"#,
            "dry_run",
            "v1:of-the-approval",
        ] {
            assert!(shown.contains(said), "{said}: {shown}");
        }
        let read: Listed = serde_json::from_str(&details(&listed, true)).unwrap();
        assert_eq!((&read.record, &read.asks), (&listed[0].record, &listed[0].asks));
    }

    #[test]
    fn a_list_says_whom_and_what_commands_are_about() {
        for (users, groups, expected) in [
            (&["ada"][..], &[][..], "ada"),
            (&["ada", "bob", "eve"], &["Staff"], "ada and 2 more, Staff"),
            (&[], &["Staff"], "Staff"),
        ] {
            let listed = listed("hr", users, groups);
            assert_eq!(about(listed.record.subjects.as_ref().unwrap()), expected);
            assert!(list(&[listed], false).contains(expected));
        }
    }

    #[test]
    fn what_a_sender_writes_does_not_reach_the_terminal_as_a_command() {
        let listed = [listed("\u{1b}\u{9b}[2Jroot", &["ada\n"], &[])];
        for text in [list(&listed, false), details(&listed, false)] {
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
            assert!(text.contains("[2Jroot") && text.contains("ada"), "{text:?}");
        }
    }
}
