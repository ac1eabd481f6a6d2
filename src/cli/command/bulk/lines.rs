//! A file with many commands, line by line: JSON lines, or CSV with a header row. Pure.

use std::path::Path;

use serde_json::{Map, Value};

use super::super::message::insert;
use crate::command::message::object;

/// Members of a command around its parameters, which a column may have.
const MEMBERS: [&str; 9] =
    ["id", "action", "not_before", "expires_at", "dry_run", "reply_to", "reason", "requested_by", "reveal"];
/// The parameters that are numbers. All other texts of digits stay texts: badges, telephone numbers.
const NUMBERS: [&str; 1] = ["limit"];

/// How the commands of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One object a line.
    JsonLines,
    /// A header row, and a row a command.
    Csv,
}

/// A command of a file, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// Where it begins, from one.
    pub(super) number: u64,
    pub(super) command: Result<Map<String, Value>, String>,
}

/// How the file called `name` with these bytes has many commands; none if it has one.
pub(super) fn form(name: &Path, bytes: &[u8]) -> Option<Form> {
    let extension = name.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "csv" => return Some(Form::Csv),
        "jsonl" | "ndjson" => return Some(Form::JsonLines),
        _ => {}
    }
    let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let begins_so = lines.next().is_some_and(|first| object(first).is_ok());
    (begins_so && lines.next().is_some()).then_some(Form::JsonLines)
}

/// The commands of a file, in its order.
pub(super) fn read(form: Form, bytes: &[u8]) -> Vec<Line> {
    match form {
        Form::JsonLines => json_lines(bytes),
        Form::Csv => rows(bytes),
    }
}

fn json_lines(bytes: &[u8]) -> Vec<Line> {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    lines.map(|(number, line)| Line { number, command: object(line).map_err(|err| err.message) }).collect()
}

fn rows(bytes: &[u8]) -> Vec<Line> {
    let without_mark = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(without_mark);
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(err) => return vec![Line { number: 1, command: Err(err.to_string()) }],
    };
    let mut lines = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let number = record.position().map_or(0, csv::Position::line);
                lines.push(Line { number, command: row(&header, &record) });
            }
            Err(err) => {
                let number = err.position().map_or(0, csv::Position::line);
                lines.push(Line { number, command: Err(err.to_string()) });
            }
        }
    }
    lines
}

fn row(header: &csv::StringRecord, cells: &csv::StringRecord) -> Result<Map<String, Value>, String> {
    let mut command = Map::new();
    // `parameters` is there even for an action without parameters.
    command.insert("parameters".to_owned(), Value::Object(Map::new()));
    for (name, cell) in header.iter().zip(cells) {
        // What a row leaves empty it does not say.
        if cell.is_empty() {
            continue;
        }
        let is_member = MEMBERS.contains(&name) || name.starts_with("expect.");
        let path = if is_member { name.to_owned() } else { format!("parameters.{name}") };
        insert(&mut command, &path, value(name, cell)?)
            .ok_or_else(|| format!("the column `{name}` stands twice, or is both a value and an object"))?;
    }
    Ok(command)
}

/// A cell is a text, unless it is `true`, `false`, or a JSON list or object.
fn value(name: &str, cell: &str) -> Result<Value, String> {
    let is_json =
        cell.starts_with(['[', '{']) || cell == "true" || cell == "false" || NUMBERS.contains(&name);
    if !is_json {
        return Ok(Value::String(cell.to_owned()));
    }
    // The reason of the reader would repeat a piece of the cell, which may be a secret.
    serde_json::from_str(cell).map_err(|_| format!("the cell of the column `{name}` is not JSON"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn commands(form: Form, text: &str) -> Vec<(u64, Value)> {
        let lines = read(form, text.as_bytes()).into_iter();
        lines.map(|line| (line.number, line.command.map_or_else(Value::String, Value::Object))).collect()
    }

    #[test]
    fn a_file_is_taken_for_what_it_is() {
        let one = b"{\n  \"action\": \"user.get\"\n}\n";
        let two = b"{\"action\":\"user.get\"}\n\n{\"action\":\"user.get\"}";
        for (name, bytes, expected) in [
            ("command.json", &one[..], None),
            ("-", b"{\"action\":\"user.get\"}\n", None),
            ("-", two, Some(Form::JsonLines)),
            ("commands.jsonl", one, Some(Form::JsonLines)),
            ("leavers.CSV", b"", Some(Form::Csv)),
            ("x", b"nothing", None),
        ] {
            assert_eq!(form(Path::new(name), bytes), expected, "{name}");
        }
    }

    #[test]
    fn lines_keep_their_numbers_and_their_mistakes() {
        let text = "{\"action\":\"user.get\"}\n\nno json\n{\"action\":\"a\",\"action\":\"b\"}\n";
        let read = commands(Form::JsonLines, text);
        assert_eq!(read[0], (1, json!({ "action": "user.get" })));
        assert!(read[1].0 == 3 && read[1].1.as_str().unwrap().contains("not JSON"), "{read:?}");
        assert!(read[2].0 == 4 && read[2].1.as_str().unwrap().contains("stands twice"), "{read:?}");
    }

    #[test]
    fn a_row_is_a_command_and_digits_stay_text() {
        let text = "\u{feff}action,id,user,profile.badge,profile.manager,limit,users,send_email,expect.status\n\
                    user.update,c-1,ada@acme.com,007,\"Lovelace, A.\",,,,ACTIVE\n\
                    user.groups,,\"4711\n\",,,5,,,\n\
                    group.add_user,c-3,,,,,\"[\"\"a\"\",\"\"b\"\"]\",true,\n\
                    user.get,c-4\n";
        let read = commands(Form::Csv, text);
        let profile = json!({ "badge": "007", "manager": "Lovelace, A." });
        let first = json!({
            "action": "user.update", "id": "c-1", "expect": { "status": "ACTIVE" },
            "parameters": { "user": "ada@acme.com", "profile": profile },
        });
        assert_eq!(read[0], (2, first));
        assert_eq!(
            read[1],
            (3, json!({ "action": "user.groups", "parameters": { "user": "4711", "limit": 5 } }))
        );
        let parameters = json!({ "users": ["a", "b"], "send_email": true });
        assert_eq!(
            read[2],
            (5, json!({ "action": "group.add_user", "id": "c-3", "parameters": parameters }))
        );
        assert!(read[3].0 == 6 && read[3].1.is_string(), "it has too few cells: {read:?}");
    }

    #[test]
    fn what_is_wrong_with_a_cell_is_told_without_it() {
        let read = commands(Form::Csv, "action,password,user,user\nuser.set_password,[hunter2,a,b\n");
        let told = read[0].1.as_str().unwrap();
        assert!(told.contains("`password` is not JSON") && !told.contains("hunter2"), "{told}");
        let read = commands(Form::Csv, "action,user,user\nuser.get,a,b\n");
        assert!(read[0].1.as_str().unwrap().contains("`user` stands twice"), "{read:?}");
    }
}
