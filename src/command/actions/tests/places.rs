//! How many places an action takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::super::Action;

/// The table of names, effects, scopes and rows.
const TABLE: &str = "src/action/mod.rs";
/// What reads the rows.
const ROOM: &str = "src/command/actions/mod.rs";
/// Where an action is shown, to people and to tests; the tests there fail if it is not.
const SHOWN: [&str; 3] =
    ["docs/commands.md", "src/command/execute/tests/table.rs", "tests/it/command/engine/table.rs"];
const PAGE: &str = include_str!("../../../../docs/architecture.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All sources below `folder`, tests and all.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What of each source is no test, by its path.
fn code() -> BTreeMap<String, String> {
    let mut paths = Vec::new();
    sources(&root().join("src"), &mut paths);
    let of = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let is_test = ["/tests.rs", "/tests/", "/simulation/"].iter().any(|part| name.contains(part));
        let text = fs::read_to_string(&path).unwrap();
        let parts = text.split("#[cfg(test)]\n");
        // A test module with a body ends a file.
        let is_code = |part: &&str| !part.lines().next().is_some_and(|line| line.ends_with("mod tests {"));
        let code = parts.take_while(is_code).collect();
        (!is_test).then_some((name, code))
    };
    paths.into_iter().filter_map(of).collect()
}

#[test]
fn an_action_takes_five_places_and_the_architecture_page_names_them() {
    let code = code();
    let with = |text: &str| -> BTreeSet<&str> {
        code.iter().filter(|(_, code)| code.contains(text)).map(|(path, _)| path.as_str()).collect()
    };
    for action in Action::ALL {
        let rows = with(&format!("name: \"{}\",", action.name()));
        assert_eq!(rows, BTreeSet::from([TABLE]), "{}", action.name());
        assert_eq!(with(&format!("\"{}\"", action.name())), rows, "who else knows {}?", action.name());
        for form in ["Action", "Request"] {
            let variant = format!("{form}::{action:?}");
            let is_known = |path: &&str| is_named(&code[*path], &variant);
            let known: Vec<_> = with(&variant).into_iter().filter(is_known).collect();
            assert!(known.is_empty(), "{known:?} decide by {variant}: let its row say what is true of it");
        }
        assert!(with(&format!("\n            {action:?} {{ name: ")) == rows, "{action:?}");
        for place in SHOWN {
            let text = fs::read_to_string(root().join(place)).unwrap();
            assert!(text.contains(action.name()), "{place} does not show {}", action.name());
        }
    }
    let section = PAGE.split("\n## Adding a command\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() <= 5, "{rows:?}");
    for place in SHOWN.into_iter().chain([TABLE, "src/command/actions/<family>.rs"]) {
        assert!(rows.iter().any(|row| row.contains(&format!("`{place}`"))), "the page does not name {place}");
    }
}

#[test]
fn no_row_leaves_anything_to_a_default() {
    for (path, code) in code() {
        let is_row = path.starts_with("src/command/actions/") && !path.ends_with("/row.rs");
        let rows = code.split(": Row<").skip(1).filter(|_| is_row);
        for row in rows {
            let row = row.split("\n};").next().unwrap();
            assert!(!row.contains("..") && row.contains("carry_out: "), "{path}: {row}");
        }
    }
    let row = fs::read_to_string(root().join("src/command/actions/row.rs")).unwrap();
    let table = fs::read_to_string(root().join(ROOM)).unwrap();
    assert!(!row.contains("Default") && !table.contains("_ =>"));
}

/// Whether `code` has `name`, and not only as the beginning of a longer one.
fn is_named(code: &str, name: &str) -> bool {
    let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    code.match_indices(name).any(|(at, _)| is_end(&code[at + name.len()..]))
}
