//! Variables of the environment inside the texts of a configuration: `${NAME}`, and `${NAME:-default}` where it is not set or
//! empty. `$${` is the text `${`.
//!
//! They are replaced after the file was read as TOML, so that no value of a variable is ever read as TOML: it is a part of a text,
//! whatever is in it.

use config::{Map, Value, ValueKind};

/// What the origin of a text with variables begins with; the name of its file follows.
const EXPANDED: &str = "variables in ";

/// A text that cannot be completed: where it is, and why.
pub(super) type Unusable = (String, String);

/// The origin of a text of `file` in which variables were replaced.
fn origin_in(file: &str) -> String {
    format!("{EXPANDED}{file}")
}

/// The file of a text with this origin, if variables were replaced in it.
pub(super) fn file_of(origin: &str) -> Option<&str> {
    origin.strip_prefix(EXPANDED)
}

/// Replaces the variables in all texts of `values`, which are those of `file`.
pub(super) fn expand(
    values: &mut Map<String, Value>,
    file: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Vec<Unusable> {
    let mut unusable = Vec::new();
    for (key, value) in values {
        expand_value(value, key, file, lookup, &mut unusable);
    }
    unusable.sort();
    unusable
}

fn expand_value(
    value: &mut Value,
    path: &str,
    file: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    unusable: &mut Vec<Unusable>,
) {
    match &mut value.kind {
        ValueKind::String(text) if text.contains("${") => match replaced(text, lookup) {
            // It is still what was typed, and no text of a variable.
            Ok(Replaced { text, variables: 0 }) => value.kind = ValueKind::String(text),
            Ok(Replaced { text, .. }) => *value = Value::new(Some(&origin_in(file)), ValueKind::String(text)),
            Err(reason) => unusable.push((path.to_owned(), reason)),
        },
        ValueKind::Table(table) => {
            for (key, value) in table {
                expand_value(value, &format!("{path}.{key}"), file, lookup, unusable);
            }
        }
        ValueKind::Array(list) => {
            for (index, value) in list.iter_mut().enumerate() {
                expand_value(value, &format!("{path}[{index}]"), file, lookup, unusable);
            }
        }
        _ => {}
    }
}

struct Replaced {
    text: String,
    variables: usize,
}

/// `text` with its variables replaced. The message of an error has no part of the text, which may be a secret.
fn replaced(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Replaced, String> {
    let mut whole = Replaced { text: String::with_capacity(text.len()), variables: 0 };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            whole.text.push_str(before);
            whole.text.push_str("${");
            rest = after;
            continue;
        }
        let Some((inside, behind)) = after.split_once('}') else {
            return Err("a variable has no end: write `${NAME}`, or `$${` for the text `${`".to_owned());
        };
        whole.text.push_str(before);
        whole.text.push_str(&value_of(inside, lookup)?);
        whole.variables += 1;
        rest = behind;
    }
    whole.text.push_str(rest);
    Ok(whole)
}

fn value_of(inside: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_name(name) {
        return Err("a variable is written `${NAME}` or `${NAME:-default}`, with a name of letters, digits and `_`; `$${` is the \
                    text `${`"
            .to_owned());
    }
    match (lookup(name).filter(|value| default.is_none() || !value.is_empty()), default) {
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!(
            "the environment variable {name} is not set: set it, or give a default as in `${{{name}:-default}}`"
        )),
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lookup(name: &str) -> Option<String> {
        let value = match name {
            "HOST" => "kafka-1",
            "EMPTY" => "",
            "ODD" => "\"]\n[orgs.evil]\n${HOST}",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn text(text: &str) -> Result<String, String> {
        replaced(text, &lookup).map(|replaced| replaced.text)
    }

    #[test]
    fn variables_are_replaced_where_they_stand() {
        for (written, expected) in [
            ("${HOST}:9092", "kafka-1:9092"),
            ("a${HOST}b${HOST}c", "akafka-1bkafka-1c"),
            ("${NONE:-other}", "other"),
            ("${NONE:-}", ""),
            ("${EMPTY:-other}", "other"),
            ("${EMPTY}", ""),
            ("${HOST:-other}", "kafka-1"),
            ("${NONE:-a:-b}", "a:-b"),
            ("$${HOST}", "${HOST}"),
            ("$$${HOST}", "$${HOST}"),
            ("$HOST {org} $", "$HOST {org} $"),
            // What is in a variable is text, and nothing else.
            ("${ODD}", "\"]\n[orgs.evil]\n${HOST}"),
        ] {
            assert_eq!(text(written).as_deref(), Ok(expected), "{written}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_told_by_name_and_never_by_the_text() {
        assert!(text("hunter2 ${NONE}").unwrap_err().starts_with("the environment variable NONE is not set"));
        for odd in ["hunter2${HOST", "hunter2${}", "hunter2${A B}", "hunter2${1A}", "hunter2${A:?}"] {
            let told = text(odd).unwrap_err();
            assert!(!told.contains("hunter2") && told.contains("${NAME}"), "{told}");
        }
    }

    #[test]
    fn every_text_of_a_file_is_looked_at_and_knows_where_it_came_from() {
        let toml = "a = \"${HOST}\"\nb = { c = [\"x\", \"${NONE}\"] }\n[[d]]\ne = \"$${x}\"\n";
        let mut values =
            config::Format::parse(&config::FileFormat::Toml, Some(&"f.toml".to_owned()), toml).unwrap();
        let unusable = expand(&mut values, "f.toml", &lookup);
        assert_eq!(unusable.len(), 1);
        assert_eq!(unusable[0].0, "b.c[1]");
        assert_eq!(values["a"].origin().and_then(file_of), Some("f.toml"));
        let ValueKind::Array(list) = &values["d"].kind else { panic!() };
        let ValueKind::Table(table) = &list[0].kind else { panic!() };
        assert_eq!(table["e"].origin(), Some("f.toml"));
        assert_eq!(table["e"].clone().into_string().unwrap(), "${x}");
    }

    proptest! {
        #[test]
        fn a_text_without_variables_is_left_as_it_is(written in "[^$]*") {
            prop_assert_eq!(text(&written), Ok(written));
        }

        #[test]
        fn whatever_is_written_is_replaced_or_refused(written in "[${}:\\-A-Z]{0,20}") {
            let _ = text(&written);
        }
    }
}
