//! What docs/configuration.md says of each key, put beside the key in the schema: the page is the one place where keys are
//! described.

use serde_json::{Map, Value, json};

const PAGE: &str = include_str!("../../docs/configuration.md");

/// Where in the configuration a heading's table is, if the heading itself does not say. `*` stands for a name.
const PLACES: [(&str, &[&str]); 6] = [
    ("### Routes", &["streams.*.routes", "searches.*.routes"]),
    ("#### `redact`", &["streams.*.routes.redact", "searches.*.routes.redact"]),
    ("### `kind = \"kafka\"`", &["buses.*"]),
    ("### `kind = \"nats\"`", &["buses.*"]),
    ("### The doorbell of an org", &["orgs.*.doorbell"]),
    ("## The process", &[""]),
];
/// The ways in which a secret is given.
const WAYS: [&str; 4] = ["", "_file", "_env", "_credential"];

/// Adds descriptions to `schema`, where the page has one.
pub(super) fn add(schema: &mut Value) {
    for (path, text) in described() {
        for way in WAYS {
            let path = format!("{path}{way}");
            if let Some(found) = find(schema, path.split('.')) {
                found.insert("description".to_owned(), json!(text));
            }
        }
    }
}

/// Each key of the page's tables by its path, and what is said of it.
fn described() -> Vec<(String, String)> {
    let (mut found, mut places, mut columns) = (Vec::new(), Vec::new(), Vec::new());
    for line in PAGE.lines() {
        if line.starts_with('#') {
            places = places_of(line);
        }
        let cells = cells(line);
        if cells.iter().any(|cell| cell == "key") {
            columns = cells;
            continue;
        }
        let cell =
            |column: &str| columns.iter().zip(&cells).find(|(name, _)| *name == column).map(|(_, cell)| cell);
        let Some(keys) = cell("key").and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`')) else {
            continue;
        };
        let kind = cell("`kind`").map(|kind| format!("kind {kind}"));
        let default = cell("default").filter(|default| !default.is_empty());
        let parts = [
            kind,
            cell("type").cloned(),
            default.map(|default| format!("default: {default}")),
            cell("").cloned(),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        for key in keys.split("`, `") {
            let key = key.replace("[]", "").replace("<name>", "*");
            let path = |place: &&str| if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            found.extend(
                places.iter().map(|place: &String| (path(&place.as_str()), plain(&parts.join("; ")))),
            );
        }
    }
    found
}

/// The cells of a row of a table; none of any other line.
fn cells(line: &str) -> Vec<String> {
    let Some(row) = line.strip_prefix('|') else { return Vec::new() };
    let row = row.replace("\\|", "\u{1}");
    let row = row.strip_suffix('|').unwrap_or(&row);
    row.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
}

/// The paths of the tables that a heading is about.
fn places_of(heading: &str) -> Vec<String> {
    if let Some((_, places)) = PLACES.iter().find(|(text, _)| *text == heading) {
        return places.iter().map(|place| (*place).to_owned()).collect();
    }
    let section = heading.strip_prefix("## `[").and_then(|rest| rest.split(']').next());
    section.map(|section| section.replace("<name>", "*")).into_iter().collect()
}

/// `text` without the addresses of links.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let (label_start, behind) = (before.rfind('[').unwrap_or(before.len()), after.split_once(')'));
        plain.push_str(&before[..label_start]);
        plain.push_str(before.get(label_start + 1..).unwrap_or_default());
        rest = behind.map_or("", |(_, behind)| behind);
    }
    plain + rest
}

/// The schema of the key at `path`.
fn find<'a, 'p>(
    schema: &'a mut Value,
    mut path: impl Iterator<Item = &'p str> + Clone,
) -> Option<&'a mut Map<String, Value>> {
    let members = schema.as_object_mut()?;
    // A list is looked into, and so is what may be given as a variable.
    if let Some(Value::Array(either)) = members.get("anyOf")
        && path.clone().next().is_some()
        && !either.is_empty()
    {
        return find(members.get_mut("anyOf")?.get_mut(0)?, path);
    }
    if members.contains_key("items") && path.clone().next().is_some() {
        return find(members.get_mut("items")?, path);
    }
    match path.next() {
        None => Some(members),
        Some("*") => find(members.get_mut("additionalProperties")?, path),
        Some(key) => find(members.get_mut("properties")?.get_mut(key)?, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::configuration_schema;

    #[test]
    fn links_are_left_out() {
        assert_eq!(plain("see [okta.md](okta.md#a) and [b](c)."), "see okta.md and b.");
        assert_eq!(plain("a list [x]"), "a list [x]");
    }

    #[test]
    fn the_keys_of_the_page_are_in_the_schema_with_what_is_said_of_them() {
        let mut schema = configuration_schema();
        let described = described();
        assert!(described.len() > 100, "{}", described.len());
        let missing: Vec<_> = described.iter().collect();
        // Of a secret there may be files and variables alone.
        let has_way = |path: &str, schema: &mut Value| {
            WAYS.iter().any(|way| find(schema, format!("{path}{way}").split('.')).is_some())
        };
        let missing: Vec<_> = missing.into_iter().filter(|(path, _)| !has_way(path, &mut schema)).collect();
        assert!(missing.is_empty(), "the page describes what the schema does not have: {missing:#?}");
    }
}
