//! Messages for values of the wrong type or form, with what is expected.

use config::{Value, ValueKind};

use super::{
    Problem,
    layers::Layers,
    problem::did_you_mean,
    typed::{Mismatch, listed},
};

/// Tables whose keys are free and may have dots, by section and name in it.
const FREE_KEYS: [(&str, &str); 3] =
    [("buses", "options"), ("buses", "secret_options"), ("commands", "limits")];
/// What a secret option is given by.
const SECRET_KEYS: [&str; 4] = ["file", "env", "credential", "value"];

/// The problem at `below` in the table `owner`.
pub(super) fn problem(owner: &str, below: &str, mismatch: Mismatch, layers: &Layers) -> Problem {
    let path = join(owner, below);
    if let Some(problem) = unquoted(&path, layers) {
        return problem;
    }
    match mismatch {
        Mismatch::UnknownKey { key, known } => {
            let path = match path.ends_with(&key) {
                true => path,
                false => join(&path, &key),
            };
            let suggestion = match did_you_mean(&key, known.iter().copied()) {
                none if none.is_empty() => format!("; there are {}", listed(known)),
                suggestion => suggestion,
            };
            Problem::new(path, format!("unknown key{suggestion}"))
        }
        Mismatch::UnknownWord { word, known } => {
            let suggestion = did_you_mean(&word, known.iter().copied());
            Problem::new(path, format!("`{word}` is not one of {}{suggestion}", listed(known)))
        }
        Mismatch::Missing { key } => Problem::new(join(&path, key), "is missing"),
        other => Problem::new(path, other.to_string()),
    }
}

fn join(path: &str, below: &str) -> String {
    if below.is_empty() || below.starts_with('[') {
        format!("{path}{below}")
    } else {
        format!("{path}.{below}")
    }
}

/// TOML makes tables of a key with dots that has no quotes.
fn unquoted(path: &str, layers: &Layers) -> Option<Problem> {
    let keys: Vec<_> = path.split('.').collect();
    let [section, name, table, first, ..] = keys.as_slice() else { return None };
    FREE_KEYS.iter().find(|(owner, free)| owner == section && free == table)?;
    let table = format!("{section}.{name}.{table}");
    let mut value = layers.value(&format!("{table}.{first}"))?;
    let mut key = (*first).to_owned();
    while let Some((next, inner)) = first_entry(value) {
        key = format!("{key}.{next}");
        value = inner;
    }
    if key == *first {
        return None;
    }
    let reason = format!("a key with dots stands in quotes: \"{key}\" = …");
    Some(Problem::new(format!("{table}.{first}"), reason))
}

/// The first entry of a table that is there by mistake.
fn first_entry(value: &Value) -> Option<(&str, &Value)> {
    let ValueKind::Table(table) = &value.kind else { return None };
    let (key, value) = table.iter().min_by_key(|(key, _)| key.as_str())?;
    (!SECRET_KEYS.contains(&key.as_str())).then_some((key, value))
}
