//! Tables that say what an event type is: rows for exact types, for families and for verbs, in this order of
//! precedence, each with its reason. Total over all event types, those that do not exist yet included.
//!
//! A table is a text of lines `rule,pattern,…,reason`; the columns between are its owner's. The rule is one of
//!
//! * `exact`: the event type is the pattern.
//! * `family`: the event type is the pattern or goes on after it with a dot; the longest pattern counts.
//! * `verb`: the last segment of the event type is the pattern, or its first or last word is.
//! * `fallback`: everything else.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, Hasher},
};

/// A kind of rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// For one event type.
    Exact,
    /// For all that begin alike.
    Family,
    /// By what was done.
    Verb,
    /// For what no other rule knows.
    Fallback,
}

/// One row: the owner's columns, and why.
#[derive(Debug, Clone)]
pub(super) struct Row<T> {
    pub(super) rule: Rule,
    pub(super) pattern: &'static str,
    pub(super) reason: &'static str,
    pub(super) columns: T,
}

/// The rows of one table. Verbs may stand in several groups, for example one for each class, by its name.
#[derive(Debug)]
pub(super) struct Rules<T> {
    exact: ByPattern<Row<T>>,
    families: ByPattern<Row<T>>,
    /// Bytes of the longest pattern of a family.
    family_bytes_max: usize,
    verbs: ByPattern<ByPattern<Row<T>>>,
}

/// What stands in a table, by its pattern or its group.
type ByPattern<T> = HashMap<&'static str, T, BuildHasherDefault<WordHasher>>;

/// Hashes eight bytes at a time. Nobody but the table chooses what is in it, so that nobody can make many of one hash.
#[derive(Debug, Default)]
struct WordHasher(u64);

impl Hasher for WordHasher {
    fn write(&mut self, bytes: &[u8]) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let (words, rest) = bytes.as_chunks::<8>();
        let rest = rest.iter().fold(0, |rest, byte| rest << 8 | u64::from(*byte));
        for word in words.iter().map(|word| u64::from_le_bytes(*word)).chain([rest]) {
            self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(ODD);
        }
    }

    fn finish(&self) -> u64 {
        // The upper bits have what all below have done.
        self.0 ^ self.0 >> 32
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Exact => "exact",
            Self::Family => "family",
            Self::Verb => "verb",
            Self::Fallback => "fallback",
        })
    }
}

impl<T> Rules<T> {
    /// Reads a table whose rows have `COLUMNS` columns between pattern and reason. `columns` makes sense of them, and
    /// `group` tells a verb's group. Rows that make no sense are left out; the tests see to it that there are none.
    pub(super) fn read<const COLUMNS: usize>(
        table: &'static str,
        columns: impl Fn([&'static str; COLUMNS]) -> Option<T>,
        group: impl Fn(&T) -> &'static str,
    ) -> Self {
        let mut rules = Self {
            exact: HashMap::default(),
            families: HashMap::default(),
            family_bytes_max: 0,
            verbs: HashMap::default(),
        };
        for line in lines(table) {
            let Some(row) = row(line, &columns) else { continue };
            match row.rule {
                Rule::Exact => rules.exact.insert(row.pattern, row),
                Rule::Family | Rule::Fallback => {
                    rules.family_bytes_max = rules.family_bytes_max.max(row.pattern.len());
                    rules.families.insert(row.pattern, row)
                }
                Rule::Verb => rules.verbs.entry(group(&row.columns)).or_default().insert(row.pattern, row),
            };
        }
        rules
    }

    /// The row for exactly this type, or for the longest beginning of it, or the fallback.
    pub(super) fn find(&self, event_type: &str) -> Option<&Row<T>> {
        if let Some(row) = self.exact.get(event_type) {
            return Some(row);
        }
        // What is longer than every pattern need not be looked up, however many dots it has.
        let mut beginning = match event_type.as_bytes().get(..=self.family_bytes_max) {
            None => event_type,
            Some(head) => match head.iter().rposition(|byte| *byte == b'.') {
                Some(at) => &event_type[..at],
                None => return self.fallback(),
            },
        };
        loop {
            if let Some(row) = self.families.get(beginning).filter(|row| row.rule == Rule::Family) {
                return Some(row);
            }
            match beginning.rsplit_once('.') {
                Some((shorter, _)) => beginning = shorter,
                None => return self.fallback(),
            }
        }
    }

    /// The row for everything else.
    pub(super) fn fallback(&self) -> Option<&Row<T>> {
        self.families.get("*")
    }

    /// The row for what was done, in this group of verbs.
    pub(super) fn find_verb(&self, group: &str, event_type: &str) -> Option<&Row<T>> {
        let known = self.verbs.get(group)?;
        verbs(event_type).into_iter().find_map(|verb| known.get(verb))
    }
}

/// The rows of a table as text.
fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().skip(1).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn row<T, const COLUMNS: usize>(
    line: &'static str,
    columns: &impl Fn([&'static str; COLUMNS]) -> Option<T>,
) -> Option<Row<T>> {
    // The reason is the last column, so that it may have commas.
    let mut cells = line.splitn(COLUMNS + 3, ',');
    let rule = match cells.next()? {
        "exact" => Rule::Exact,
        "family" => Rule::Family,
        "verb" => Rule::Verb,
        "fallback" => Rule::Fallback,
        _ => return None,
    };
    let pattern = cells.next()?;
    let mut own = [""; COLUMNS];
    for cell in &mut own {
        *cell = cells.next()?;
    }
    let reason = cells.next().filter(|reason| !reason.is_empty())?;
    Some(Row { rule, pattern, reason, columns: columns(own)? })
}

/// What may be the verb of an event type: its last segment, and that segment's first and last word.
fn verbs(event_type: &str) -> [&str; 3] {
    let segment = event_type.rsplit('.').next().unwrap_or_default();
    let first = segment.split('_').next().unwrap_or_default();
    let last = segment.rsplit('_').next().unwrap_or_default();
    [segment, first, last]
}

#[cfg(test)]
impl<T> Rules<T> {
    /// Every line of `table` must have become a row of its own.
    pub(super) fn assert_holds_all_of(&self, table: &'static str) {
        let verbs: usize = self.verbs.values().map(HashMap::len).sum();
        let rows = self.exact.len() + self.families.len() + verbs;
        assert_eq!(rows, lines(table).count(), "a row makes no sense or occurs twice");
    }

    /// Every row of `table` is about event types of the catalogue, and something is decided in another way without it.
    /// `read` reads a table, and `decide` tells what it makes of an event type.
    pub(super) fn assert_every_row_has_an_effect<D: PartialEq>(
        &self,
        table: &'static str,
        read: impl Fn(&'static str) -> Self,
        decide: impl Fn(&Self, &str) -> D,
    ) {
        use crate::event::catalogue::event_types;
        for line in lines(table).filter(|line| !line.starts_with("fallback")) {
            let (rule, pattern) = line.split_once(',').unwrap();
            let pattern = pattern.split(',').next().unwrap();
            let is_about = |event_type: &str| match rule {
                "exact" => event_type == pattern,
                "family" => event_type
                    .strip_prefix(pattern)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
                _ => verbs(event_type).contains(&pattern),
            };
            let mut types: Vec<String> =
                event_types().filter(|name| is_about(name)).map(str::to_owned).collect();
            assert!(!types.is_empty(), "{rule} {pattern} is about no event type of the catalogue");
            if rule == "family" {
                // What Okta may add to the family later.
                let later = ["unheard_of", "unheard_of.create", "unheard_of.view"];
                types.extend(later.map(|name| format!("{pattern}.{name}")));
            }
            let without: String =
                table.split_inclusive('\n').filter(|other| other.trim_end() != line).collect();
            let without = read(without.leak());
            assert!(
                types.iter().any(|name| decide(self, name) != decide(&without, name)),
                "{rule} {pattern} changes nothing"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "rule,pattern,group,reason\n\
        # A comment.\n\
        exact,user.session.start,1,because, indeed\n\
        family,user,2,all of user\n\
        family,user.session,3,all of sessions\n\
        verb,start,3,it begins\n\
        verb,read,3,it is read\n\
        fallback,*,9,nobody knows\n";

    fn rules() -> Rules<u16> {
        let number = |[group]: [&'static str; 1]| group.parse().ok();
        Rules::read(TABLE, number, |group| if *group == 3 { "sessions" } else { "others" })
    }

    #[test]
    fn the_closest_row_counts() {
        let rules = rules();
        rules.assert_holds_all_of(TABLE);
        let group = |event_type: &str| rules.find(event_type).unwrap().columns;
        assert_eq!(group("user.session.start"), 1);
        assert_eq!(group("user.session.started"), 3);
        assert_eq!(group("user.sessions"), 2);
        assert_eq!(group("users.session"), 9);
        assert_eq!(group(""), 9);
        assert_eq!(group("*"), 9);
        for length in 0..40 {
            assert_eq!(group(&format!("user.session.{}", "x".repeat(length))), 3, "{length}");
            assert_eq!(group(&format!("user.{}", "x".repeat(length))), 2, "{length}");
            assert_eq!(group(&"é".repeat(length)), 9, "{length}");
        }
        assert_eq!(group(&format!("user.session{}", ".a".repeat(500_000))), 3);
        assert_eq!(rules.find("user.session.start").unwrap().reason, "because, indeed");
    }

    #[test]
    fn verbs_are_found_in_the_last_segment_of_their_group() {
        let rules = rules();
        assert!(rules.find_verb("sessions", "a.b.start").is_some());
        assert!(rules.find_verb("sessions", "a.read_client_secret").is_some());
        assert!(rules.find_verb("sessions", "a.b_read").is_some());
        assert!(rules.find_verb("sessions", "start.other").is_none());
        assert!(rules.find_verb("others", "a.b.start").is_none());
    }
}
