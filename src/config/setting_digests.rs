//! What was typed, as digests by path: enough to see what another configuration says otherwise, and nothing of what it says.

use std::{collections::BTreeMap, fmt};

use config::{Value, ValueKind};
use sha2::{Digest as _, Sha256};

use super::layers::Layers;

/// What stands for a table or a list, be it empty.
const TABLE: &[u8] = b"table";
const LIST: &[u8] = b"list";

type SettingDigest = [u8; 32];

/// All settings of a configuration, by path.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SettingDigests(BTreeMap<String, SettingDigest>);

impl SettingDigests {
    pub(super) fn of(layers: &Layers) -> Self {
        let mut digests = Self::default();
        digests.collect(layers.root(), "");
        digests
    }

    /// Whether both say the same at `path` and below it, but below those of its keys that are in `but`.
    pub fn same(&self, other: &Self, path: &str, but: &[&str]) -> bool {
        self.same_as(path, other, path, but)
    }

    /// The same for two paths.
    pub fn same_as(&self, path: &str, other: &Self, other_path: &str, but: &[&str]) -> bool {
        self.below(path, but).eq(other.below(other_path, but))
    }

    /// The paths of what both say otherwise at `path` and below it.
    pub fn differences(&self, other: &Self, path: &str) -> Vec<String> {
        let (ours, theirs): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (self.below(path, &[]).collect(), other.below(path, &[]).collect());
        let below = ours.keys().chain(theirs.keys()).filter(|below| ours.get(*below) != theirs.get(*below));
        let mut paths: Vec<_> = below.map(|below| format!("{path}{below}")).collect();
        paths.sort();
        paths.dedup();
        // A table that is new says no more than its members do.
        let is_told_by_members = |path: &str| {
            let below = paths.iter().filter_map(|other| other.strip_prefix(path));
            below.into_iter().any(|below| below.starts_with(['.', '[']))
        };
        paths.iter().filter(|path| !is_told_by_members(path)).cloned().collect()
    }

    /// What is at `path` and below it, by the rest of its path, which begins with `.` or `[`.
    fn below<'a>(
        &'a self,
        path: &'a str,
        but: &'a [&str],
    ) -> impl Iterator<Item = (&'a str, &'a SettingDigest)> {
        let found = self.0.range(path.to_owned()..).map_while(move |(found, digest)| {
            let below = found.strip_prefix(path)?;
            Some((below, digest))
        });
        found.filter(move |(below, _)| {
            let is_below = below.is_empty() || below.starts_with(['.', '[']);
            let key = below.trim_start_matches('.').split(['.', '[']).next().unwrap_or_default();
            is_below && !but.contains(&key)
        })
    }

    fn collect(&mut self, value: &Value, path: &str) {
        let digest = match &value.kind {
            ValueKind::Table(table) => {
                for (key, value) in table {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    self.collect(value, &path);
                }
                Sha256::digest(TABLE)
            }
            ValueKind::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    self.collect(value, &format!("{path}[{index}]"));
                }
                Sha256::digest(LIST)
            }
            // With its type, so that a text is not taken for a number.
            typed => Sha256::digest(format!("{typed:?}")),
        };
        self.0.insert(path.to_owned(), digest.into());
    }
}

/// Not even a digest of a secret is for anybody to see.
impl fmt::Debug for SettingDigests {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SettingDigests({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(text: &str) -> SettingDigests {
        SettingDigests::of(&Layers::of_text(text).unwrap())
    }

    #[test]
    fn what_is_said_otherwise_is_found_by_its_path_and_by_nothing_of_its_value() {
        let before =
            digests("[sinks.a]\nkind = \"file\"\ntoken = \"hunter2\"\n[sinks.ab]\nkind = \"file\"\n");
        let after =
            digests("[sinks.a]\nkind = \"file\"\ntoken = \"hunter3\"\n[sinks.ab]\nkind = \"stdout\"\n");
        assert!(before.same(&before, "sinks.a", &[]));
        assert!(!before.same(&after, "sinks.a", &[]) && before.same(&after, "sinks.a", &["token"]));
        assert_eq!(before.differences(&after, "sinks.a"), ["sinks.a.token"]);
        assert_eq!(before.differences(&after, "sinks"), ["sinks.a.token", "sinks.ab.kind"]);
        assert_eq!(format!("{:?}", digests("a = 1")), "SettingDigests(2)");
        assert!(!digests("a = 1").same(&digests("a = \"1\""), "a", &[]), "a number is no text");
    }

    #[test]
    fn a_table_that_is_empty_is_not_none() {
        let (without, with) = (digests("a = 1"), digests("a = 1\n[standby]\n"));
        assert!(!without.same(&with, "standby", &[]));
        assert_eq!(without.differences(&with, "standby"), ["standby"]);
        let said = digests("a = 1\n[standby]\ntakeover_after = \"6s\"\n");
        assert_eq!(without.differences(&said, "standby"), ["standby.takeover_after"]);
    }

    #[test]
    fn the_members_of_a_list_are_compared_wherever_they_stand() {
        let before = digests("routes = [{ sink = \"a\" }, { sink = \"b\", event_types = [\"user.*\"] }]");
        let after = digests("routes = [{ sink = \"b\", event_types = [\"user.*\"] }, { sink = \"c\" }]");
        assert!(before.same_as("routes[1]", &after, "routes[0]", &[]));
        assert!(!before.same_as("routes[0]", &after, "routes[1]", &[]));
    }
}
