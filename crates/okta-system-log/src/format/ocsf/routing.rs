//! Which class and activity an event type becomes: reads the table of the version, and says why.

use std::sync::LazyLock;

use super::{
    super::rules::{Row, Rule, Rules},
    class::{API_ACTIVITY, BASE_EVENT, Class, ENTITY_MANAGEMENT, OTHER},
};

/// The table of OCSF 1.8.0. A later version is another file.
const V1_8: &str = include_str!("v1_8/routing.csv");

static RULES: LazyLock<Rules<Columns>> =
    LazyLock::new(|| Rules::read(V1_8, Columns::read, |columns| columns.class.uid));

/// What a row of the table says.
#[derive(Debug, Clone)]
struct Columns {
    class: &'static Class,
    /// None: the verb decides.
    activity: Option<u8>,
    note: Note,
}

/// Further facts that follow from the event type alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    None,
    /// A privilege that is granted or revoked.
    Privilege(&'static str),
    /// `auth_protocol_id`
    Protocol(u8),
    /// The actor impersonates another user.
    Impersonation,
    /// More than one factor was shown.
    Mfa,
}

/// Where an event type goes, and why.
#[derive(Debug, Clone)]
pub struct Routing {
    /// The class.
    pub class: &'static Class,
    /// The `activity_id`.
    pub activity: u8,
    /// The kind of rule that decided.
    pub rule: Rule,
    /// The pattern that fitted.
    pub pattern: &'static str,
    /// Why the table says so.
    pub reason: &'static str,
    pub(super) note: Note,
}

impl Columns {
    fn read([class, activity, note]: [&'static str; 3]) -> Option<Self> {
        let class = Class::by_uid(class.parse().ok()?)?;
        let activity = match activity {
            "" => None,
            activity => Some(activity.parse().ok().filter(|activity| class.has_activity(*activity))?),
        };
        Some(Self { class, activity, note: Note::read(note)? })
    }
}

impl Note {
    fn read(note: &'static str) -> Option<Self> {
        match note.split_once('=').unwrap_or((note, "")) {
            ("", "") => Some(Self::None),
            ("mfa", "") => Some(Self::Mfa),
            ("impersonation", "") => Some(Self::Impersonation),
            ("privilege", privilege) => Some(Self::Privilege(privilege)),
            ("protocol", protocol) => protocol.parse().ok().map(Self::Protocol),
            _ => None,
        }
    }
}

impl Routing {
    /// Where `event_type` goes. Total: what no row knows is API Activity, and what is no event type is a Base Event.
    pub fn of(event_type: Option<&str>) -> Self {
        let (Some(event_type), Some(fallback)) = (event_type, RULES.fallback()) else {
            return Self::base_event();
        };
        let row = RULES.find(event_type).unwrap_or(fallback);
        if let Some(activity) = row.columns.activity.filter(|_| row.rule != Rule::Fallback) {
            return Self::by(row, activity);
        }
        // A family leaves it to the verb; without a family the verb alone makes it the management of something.
        let group = if row.rule == Rule::Fallback { ENTITY_MANAGEMENT } else { row.columns.class.uid };
        match RULES.find_verb(group, event_type) {
            Some(verb) if row.rule == Rule::Fallback => {
                Self::by(verb, verb.columns.activity.unwrap_or(OTHER))
            }
            Some(verb) => {
                let activity = verb.columns.activity.unwrap_or(OTHER);
                Self { note: row.columns.note, reason: row.reason, ..Self::by(verb, activity) }
            }
            None => Self::by(row, OTHER),
        }
    }

    fn by(row: &Row<Columns>, activity: u8) -> Self {
        let Row { rule, pattern, reason, columns: Columns { class, note, .. } } = row;
        Self { class, activity, rule: *rule, pattern, reason, note: *note }
    }

    fn base_event() -> Self {
        Self {
            class: Class::by_uid(BASE_EVENT).unwrap_or(&super::class::CLASSES[0]),
            activity: 0,
            rule: Rule::Fallback,
            pattern: "",
            reason: "it has no event type",
            note: Note::None,
        }
    }

    /// Whether no row knows the event type.
    pub fn is_fallback(&self) -> bool {
        self.rule == Rule::Fallback && self.class.uid == API_ACTIVITY
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const CATALOGUE: &str = include_str!("../../catalogue.csv");

    fn event_types() -> impl Iterator<Item = &'static str> {
        CATALOGUE.lines().skip(1).filter_map(|line| line.split(',').next())
    }

    fn routed(event_type: &str) -> (u16, u8) {
        let routing = Routing::of(Some(event_type));
        (routing.class.uid, routing.activity)
    }

    #[test]
    fn every_row_makes_sense_and_is_about_something_that_exists() {
        RULES.assert_holds_all_of(V1_8);
        let types: BTreeSet<_> = event_types().collect();
        for (rule, pattern) in RULES.patterns() {
            let exists = match rule {
                Rule::Exact => types.contains(pattern),
                Rule::Family => types.iter().any(|event_type| {
                    event_type
                        .strip_prefix(pattern)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                }),
                Rule::Verb | Rule::Fallback => true,
            };
            assert!(exists, "{rule} {pattern} is about no event type of the catalogue");
        }
    }

    #[test]
    fn what_matters_to_security_is_where_an_analyst_looks_for_it() {
        for (event_type, expected) in [
            ("user.session.start", (3002, 1)),
            ("user.session.end", (3002, 2)),
            ("user.session.impersonation.initiate", (3002, 7)),
            ("user.authentication.auth_via_mfa", (3002, 1)),
            ("policy.evaluate_sign_on", (3002, 6)),
            ("user.mfa.okta_verify.deny_push", (3002, 6)),
            ("user.mfa.factor.deactivate", (3001, 11)),
            ("user.mfa.factor.reset_all", (3001, 11)),
            ("user.account.lock", (3001, 9)),
            ("user.account.update_password", (3001, 3)),
            ("user.lifecycle.create", (3001, 1)),
            ("user.lifecycle.suspend", (3001, 5)),
            ("user.account.privilege.grant", (3005, 1)),
            ("application.user_membership.add", (3005, 1)),
            ("group.user_membership.add", (3006, 3)),
            ("group.lifecycle.create", (3006, 6)),
            ("group.privilege.grant", (3006, 1)),
            ("policy.rule.update", (3004, 3)),
            ("system.api_token.create", (3004, 1)),
            ("zone.delete", (3004, 4)),
            ("security.threat.detected", (2004, 1)),
            ("user.account.report_suspicious_activity_by_enduser", (2004, 1)),
            ("app.oauth2.token.detect_reuse", (2004, 1)),
            ("pam.secret.reveal", (3004, 2)),
            ("pam.server.ssh_login", (3002, 1)),
        ] {
            assert_eq!(routed(event_type), expected, "{event_type}");
        }
    }

    #[test]
    fn event_types_that_do_not_exist_yet_have_a_place() {
        assert_eq!(routed("user.session.something_new"), (3002, 99));
        assert_eq!(routed("quantum.key.create"), (3004, 1));
        assert_eq!(routed("quantum.entangle"), (6003, 99));
        assert!(Routing::of(Some("quantum.entangle")).is_fallback());
        assert_eq!(Routing::of(None).class.uid, 0);
    }

    /// The table of docs/ocsf.md, one row a class.
    fn class_table() -> String {
        use std::fmt::Write as _;
        let mut counts =
            std::collections::BTreeMap::<u16, (usize, std::collections::BTreeMap<u8, usize>)>::new();
        let mut fallbacks = 0;
        for event_type in event_types() {
            let routing = Routing::of(Some(event_type));
            let (count, activities) = counts.entry(routing.class.uid).or_default();
            *count += 1;
            *activities.entry(routing.activity).or_default() += 1;
            fallbacks += usize::from(routing.is_fallback());
        }
        let mut table = String::new();
        for (uid, (count, activities)) in counts {
            let class = Class::by_uid(uid).unwrap();
            let activities =
                activities.iter().map(|(id, count)| format!("{id} {} {count}", class.activity(*id)));
            let activities = activities.collect::<Vec<_>>().join(", ");
            let _ = writeln!(table, "| {uid} {} | {count} | {activities} |", class.name);
        }
        let _ = writeln!(table, "| *of these by the fallback* | {fallbacks} | |");
        table
    }

    #[test]
    fn the_docs_tell_how_many_types_each_class_has() {
        let table = class_table();
        let docs = include_str!("../../../../../docs/ocsf.md");
        assert!(docs.contains(&table), "docs/ocsf.md should say\n{table}");
    }
}
