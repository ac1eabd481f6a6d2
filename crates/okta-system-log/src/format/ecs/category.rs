//! What an event type is in ECS's four levels: reads the table, and says why.

use std::sync::LazyLock;

use super::super::{
    findings::{Finding, Stage},
    rules::{Row, Rule, Rules},
};

const TABLE: &str = include_str!("categories.csv");

/// Without a family the verb alone makes it the configuration of something.
const CONFIGURATION: &str = "configuration";
/// Where a type says this, the verb of the event type decides.
const VERB: &str = "verb";
/// What it is if the verb is unknown.
const INFO: &str = "info";

/// Categories that Okta's event types have, of <https://www.elastic.co/docs/reference/ecs/ecs-allowed-values-event-category>.
const CATEGORIES: [&str; 10] = [
    CONFIGURATION,
    "iam",
    "authentication",
    "session",
    "host",
    "intrusion_detection",
    "threat",
    "network",
    "email",
    "api",
];

static RULES: LazyLock<Rules<Columns>> = LazyLock::new(|| read(TABLE));

#[derive(Debug, Clone)]
struct Columns {
    categories: &'static str,
    types: &'static str,
}

/// What an event type is in ECS, and why.
#[derive(Debug, Clone)]
pub struct Category {
    categories: &'static str,
    types: &'static str,
    /// What stands in `types` for `verb`.
    verb: &'static str,
    kind: &'static str,
    /// The kind of rule that decided.
    pub rule: Rule,
    /// The pattern that fitted.
    pub pattern: &'static str,
    /// Why the table says so.
    pub reason: &'static str,
}

/// Verbs are grouped by the first category of their row.
fn read(table: &'static str) -> Rules<Columns> {
    Rules::read(table, Columns::read, Columns::main_category)
}

impl Columns {
    fn read([categories, types]: [&'static str; 2]) -> Option<Self> {
        let all_known = categories.split('|').all(|category| CATEGORIES.contains(&category));
        (all_known && !types.is_empty()).then_some(Self { categories, types })
    }

    fn main_category(&self) -> &'static str {
        self.categories.split('|').next().unwrap_or_default()
    }
}

impl Category {
    /// What `event_type` is. Total, as the routing to OCSF is.
    pub fn of(event_type: Option<&str>) -> Self {
        let event_type = event_type.unwrap_or_default();
        let stage = Finding::of(event_type).map(|finding| finding.stage);
        Self { kind: Self::kind_at(stage), ..Self::by_table(&RULES, event_type) }
    }

    /// `event.kind` where a finding stands at `stage`: what is over asks nobody to look at it.
    pub(super) fn kind_at(stage: Option<Stage>) -> &'static str {
        match stage {
            Some(Stage::Opened | Stage::Changed) => "alert",
            Some(Stage::Closed) | None => "event",
        }
    }

    fn by_table(rules: &Rules<Columns>, event_type: &str) -> Self {
        let Some(row) = rules.find(event_type) else { return Self::nothing() };
        if row.rule == Rule::Fallback {
            return Self::by(rules.find_verb(CONFIGURATION, event_type).unwrap_or(row), INFO);
        }
        if !row.columns.types.contains(VERB) {
            return Self::by(row, INFO);
        }
        let verb = rules.find_verb(row.columns.main_category(), event_type);
        Self::by(row, verb.map_or(INFO, |verb| verb.columns.types))
    }

    fn by(row: &Row<Columns>, verb: &'static str) -> Self {
        let Row { rule, pattern, reason, columns: Columns { categories, types } } = row;
        Self { categories, types, verb, kind: "event", rule: *rule, pattern, reason }
    }

    fn nothing() -> Self {
        let reason = "the table is empty";
        let (categories, types, verb) = ("api", INFO, INFO);
        Self { categories, types, verb, kind: "event", rule: Rule::Fallback, pattern: "*", reason }
    }

    /// `event.category`
    pub fn categories(&self) -> impl Iterator<Item = &'static str> {
        self.categories.split('|')
    }

    /// `event.type`
    pub fn types(&self) -> impl Iterator<Item = &'static str> {
        let verb = self.verb;
        self.types.split('|').map(move |name| if name == VERB { verb } else { name })
    }

    /// `event.kind`: an alert, or a plain event.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether no row knows the event type.
    pub fn is_fallback(&self) -> bool {
        self.rule == Rule::Fallback
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::catalogue::event_types;

    fn placed(event_type: &str) -> (String, String) {
        let category = Category::of(Some(event_type));
        (category.categories().collect::<Vec<_>>().join("|"), category.types().collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn every_row_makes_sense_and_has_an_effect() {
        RULES.assert_holds_all_of(TABLE);
        RULES.assert_every_row_has_an_effect(TABLE, read, |rules, event_type| {
            let category = Category::by_table(rules, event_type);
            (category.categories, category.types().collect::<Vec<_>>(), category.is_fallback())
        });
    }

    #[test]
    fn what_matters_is_where_an_analyst_looks_for_it() {
        for (event_type, categories, types) in [
            ("user.session.start", "authentication|session", "start"),
            ("user.authentication.auth_via_mfa", "authentication", "info"),
            ("user.lifecycle.create", "iam", "user|creation"),
            ("user.lifecycle.deactivate", "iam", "user|change"),
            ("user.mfa.factor.deactivate", "iam|authentication", "user|change"),
            ("user.account.privilege.grant", "iam", "admin|user|change"),
            ("group.lifecycle.delete", "iam", "group|deletion"),
            ("group.user_membership.add", "iam", "group|user|change"),
            ("policy.rule.update", "configuration", "change"),
            ("zone.delete", "configuration", "deletion"),
            ("system.api_token.create", "iam|authentication", "creation"),
            ("security.threat.detected", "intrusion_detection|threat", "indicator|info"),
            ("security.request.blocked", "network", "denied"),
            ("quantum.key.create", "configuration", "creation"),
            ("quantum.entangle", "api", "info"),
        ] {
            assert_eq!(placed(event_type), (categories.to_owned(), types.to_owned()), "{event_type}");
        }
        assert!(Category::of(None).is_fallback());
    }

    #[test]
    fn an_import_is_work_on_users_and_groups_and_no_call_of_an_api() {
        for event_type in event_types().filter(|name| name.contains("import") || name.contains("sync")) {
            let (categories, _) = placed(event_type);
            assert!(!categories.contains("api"), "{event_type}: {categories}");
        }
        assert_eq!(placed("system.import.next_year").0, "iam");
    }

    /// In `iam`, a user, a group or a role is made or gone only where it is: not where it gets or loses something.
    #[test]
    fn nothing_is_told_to_be_gone_that_only_lost_a_part() {
        for event_type in [
            "group.user_membership.remove",
            "iam.role.permissions.delete",
            "application.user_membership.remove",
            "device.user.remove",
            "group.application_assignment.remove",
            "pam.project.remove_group",
            "workload_principal.sign_on_provider.remove",
        ] {
            let (categories, types) = placed(event_type);
            assert!(categories.contains("iam") && types.ends_with("change"), "{event_type}: {types}");
        }
    }

    /// The table of docs/ecs.md, one row for each set of categories.
    fn category_table() -> String {
        use std::fmt::Write as _;
        let mut counts =
            std::collections::BTreeMap::<_, (usize, std::collections::BTreeMap<_, usize>)>::new();
        let mut fallbacks = 0;
        for event_type in event_types() {
            let (categories, names) = placed(event_type);
            let (count, types) = counts.entry(categories.replace('|', ", ")).or_default();
            *count += 1;
            *types.entry(names.replace('|', "+")).or_default() += 1;
            fallbacks += usize::from(Category::of(Some(event_type)).is_fallback());
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
