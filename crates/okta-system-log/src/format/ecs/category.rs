//! What an event type is in ECS's four levels: reads the table, and says why.

use std::sync::LazyLock;

use super::super::rules::{Row, Rule, Rules};

const TABLE: &str = include_str!("categories.csv");

/// Verbs are grouped by the first category of their row.
const CONFIGURATION: &str = "configuration";

/// Categories that Okta's event types have, of <https://www.elastic.co/docs/reference/ecs/ecs-allowed-values-event-category>.
const CATEGORIES: [&str; 7] =
    [CONFIGURATION, "iam", "authentication", "session", "intrusion_detection", "email", "api"];

static RULES: LazyLock<Rules<Columns>> =
    LazyLock::new(|| Rules::read(TABLE, Columns::read, |columns| columns.group));

#[derive(Debug, Clone)]
struct Columns {
    categories: &'static str,
    types: &'static str,
    group: u16,
}

/// What an event type is in ECS, and why.
#[derive(Debug, Clone)]
pub struct Category {
    categories: &'static str,
    types: &'static str,
    /// The kind of rule that decided.
    pub rule: Rule,
    /// The pattern that fitted.
    pub pattern: &'static str,
    /// Why the table says so.
    pub reason: &'static str,
}

impl Columns {
    fn read([categories, types]: [&'static str; 2]) -> Option<Self> {
        let groups: Option<Vec<u16>> = categories.split('|').map(group).collect();
        let group = *groups?.first()?;
        Some(Self { categories, types, group })
    }
}

fn group(category: &str) -> Option<u16> {
    CATEGORIES.iter().zip(0..).find_map(|(known, group)| (*known == category).then_some(group))
}

impl Category {
    /// What `event_type` is. Total, as the routing to OCSF is.
    pub fn of(event_type: Option<&str>) -> Self {
        let event_type = event_type.unwrap_or_default();
        let Some(row) = RULES.find(event_type) else { return Self::nothing() };
        let verb = match row.rule {
            // Without a family the verb alone makes it the configuration of something.
            Rule::Fallback => group(CONFIGURATION).and_then(|group| RULES.find_verb(group, event_type)),
            _ if row.columns.types.is_empty() => {
                let found = RULES.find_verb(row.columns.group, event_type);
                return Self { types: found.map_or("info", |verb| verb.columns.types), ..Self::by(row) };
            }
            _ => None,
        };
        Self::by(verb.unwrap_or(row))
    }

    fn by(row: &Row<Columns>) -> Self {
        let Row { rule, pattern, reason, columns: Columns { categories, types, .. } } = row;
        Self { categories, types, rule: *rule, pattern, reason }
    }

    fn nothing() -> Self {
        let reason = "the table is empty";
        Self { categories: "api", types: "info", rule: Rule::Fallback, pattern: "*", reason }
    }

    /// `event.category`
    pub fn categories(&self) -> impl Iterator<Item = &'static str> {
        self.categories.split('|')
    }

    /// `event.type`
    pub fn types(&self) -> impl Iterator<Item = &'static str> {
        self.types.split('|')
    }

    /// `event.kind`: an alert, or a plain event.
    pub fn kind(&self) -> &'static str {
        if self.categories == "intrusion_detection" { "alert" } else { "event" }
    }

    /// Whether no row knows the event type.
    pub fn is_fallback(&self) -> bool {
        self.rule == Rule::Fallback
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(event_type: &str) -> (&'static str, &'static str) {
        let category = Category::of(Some(event_type));
        (category.categories, category.types)
    }

    #[test]
    fn every_row_makes_sense_and_is_about_something_that_exists() {
        RULES.assert_holds_all_of(TABLE);
        let catalogue = include_str!("../../catalogue.csv");
        let types: Vec<_> = catalogue.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
        for (rule, pattern) in RULES.patterns() {
            let is_about = |event_type: &&str| match rule {
                Rule::Exact => *event_type == pattern,
                Rule::Family => event_type
                    .strip_prefix(pattern)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
                Rule::Verb | Rule::Fallback => true,
            };
            assert!(types.iter().any(is_about), "{rule} {pattern} is about no event type of the catalogue");
        }
    }

    #[test]
    fn what_matters_is_where_an_analyst_looks_for_it() {
        for (event_type, expected) in [
            ("user.session.start", ("authentication|session", "start")),
            ("user.lifecycle.create", ("iam", "creation")),
            ("user.lifecycle.deactivate", ("iam", "change")),
            ("group.user_membership.add", ("iam", "group|change")),
            ("policy.rule.update", ("configuration", "change")),
            ("zone.delete", ("configuration", "deletion")),
            ("system.api_token.create", ("iam", "creation")),
            ("security.threat.detected", ("intrusion_detection", "info")),
            ("quantum.key.create", ("configuration", "creation")),
            ("quantum.entangle", ("api", "info")),
        ] {
            assert_eq!(placed(event_type), expected, "{event_type}");
        }
        assert_eq!(Category::of(Some("security.threat.detected")).kind(), "alert");
        assert!(Category::of(None).is_fallback());
    }

    /// The table of docs/ecs.md, one row for each set of categories.
    fn category_table() -> String {
        use std::fmt::Write as _;
        let mut counts =
            std::collections::BTreeMap::<_, (usize, std::collections::BTreeMap<_, usize>)>::new();
        let mut fallbacks = 0;
        let catalogue = include_str!("../../catalogue.csv");
        for event_type in catalogue.lines().skip(1).filter_map(|line| line.split(',').next()) {
            let category = Category::of(Some(event_type));
            let (count, types) = counts.entry(category.categories.replace('|', ", ")).or_default();
            *count += 1;
            *types.entry(category.types.replace('|', "+")).or_default() += 1;
            fallbacks += usize::from(category.is_fallback());
        }
        let mut table = String::new();
        for (categories, (count, types)) in counts {
            let types =
                types.iter().map(|(types, count)| format!("{types} {count}")).collect::<Vec<_>>().join(", ");
            let _ = writeln!(table, "| {categories} | {count} | {types} |");
        }
        let _ = writeln!(table, "| *of these by the fallback* | {fallbacks} | |");
        table
    }

    #[test]
    fn the_docs_tell_how_many_types_each_category_has() {
        let table = category_table();
        let docs = include_str!("../../../../../docs/ecs.md");
        assert!(docs.contains(&table), "docs/ecs.md should say\n{table}");
    }
}
