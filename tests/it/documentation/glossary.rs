//! One noun for one thing: the names of public types, held against the glossary of the page about the architecture.

use std::{collections::BTreeMap, fs, path::PathBuf};

use super::{
    architecture::{page, rows, sources},
    repository,
};

/// Names that two public types bear, each with the reason why it may.
const SHARED: [(&str, &str); 7] = [
    ("Action", "what a command asks for; what redaction does with a field, as the configuration calls it"),
    ("Class", "the class of an error; the class of an event, which is OCSF's own word"),
    ("Client", "of an org; of the control socket. Each is named with its room"),
    ("DeadLetters", "of a route; of commands. Each is named with its room"),
    ("Options", "of the simulator; of the OCSF format. Two crates"),
    ("Request", "of a command; of a replay. Each is named with its room"),
    ("Verification", "of an audit; of a state. Each is named with its room"),
];

/// The public types of the workspace, each with the files that declare one of that name.
fn public_types() -> BTreeMap<String, Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in ["src", "crates"] {
        sources(&repository().join(folder), &mut files);
    }
    let mut types: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for name in text.lines().filter_map(public_type) {
            types.entry(name.to_owned()).or_default().push(file.clone());
        }
    }
    types
}

/// The name of the public struct, enum or trait that `line` declares.
fn public_type(line: &str) -> Option<&str> {
    let declaration = line.trim_start().strip_prefix("pub ")?;
    let rest = ["struct ", "enum ", "trait "].iter().find_map(|kind| declaration.strip_prefix(*kind))?;
    rest.split(|c: char| !c.is_alphanumeric()).next().filter(|name| !name.is_empty())
}

#[test]
fn no_two_public_types_share_a_name_without_a_reason() {
    let types = public_types();
    assert!(types.len() > 200, "only {} public types were found", types.len());
    let is_allowed = |name: &str| SHARED.iter().any(|(allowed, _)| *allowed == name);
    let shared: Vec<_> =
        types.iter().filter(|(name, files)| files.len() > 1 && !is_allowed(name.as_str())).collect();
    assert!(shared.is_empty(), "rename one of each, or give a reason in this file: {shared:?}");
    let is_unique = |name: &str| types.get(name).is_none_or(|files| files.len() < 2);
    let stale: Vec<_> = SHARED.iter().filter(|(name, _)| is_unique(name)).collect();
    assert!(stale.is_empty(), "no two types share these names any more, take them off the list: {stale:?}");
}

#[test]
fn no_public_type_bears_a_retired_name() {
    let page = page();
    let retired = rows(&page, "### Retired words");
    assert!(retired.len() > 5, "{retired:?}");
    let types = public_types();
    for name in retired {
        let files = types.get(name);
        assert!(files.is_none(), "{name} is retired, see docs/architecture.md: {files:?}");
    }
}
