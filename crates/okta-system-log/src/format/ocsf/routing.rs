//! Which class and activity an event type becomes: reads the table of the version, and says why.

use std::sync::LazyLock;

use super::{
    super::{
        findings::{Finding, Stage},
        rules::{Row, Rule, Rules},
    },
    class::{
        API_ACTIVITY, BASE_EVENT, CLASSES, Class, DETECTION_FINDING, ENTITY_MANAGEMENT, OTHER, READ, UPDATE,
    },
};

/// The table of OCSF 1.8.0. A later version is another file.
const V1_8: &str = include_str!("v1_8/routing.csv");

static RULES: LazyLock<Rules<Columns>> = LazyLock::new(|| read(V1_8));

/// What a row of the table says.
#[derive(Debug, Clone)]
struct Columns {
    class: &'static Class,
    activity: Activity,
    note: Note,
}

/// How a row decides the activity.
#[derive(Debug, Clone, Copy)]
enum Activity {
    /// It names it.
    Is(u8),
    /// `verb`: the verb of the event type, among those of the class.
    ByVerb,
    /// `part`: what is done to a part is an update of the whole, unless the part is only read.
    OfPart,
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

fn read(table: &'static str) -> Rules<Columns> {
    Rules::read(table, Columns::read, |columns| columns.class.name)
}

impl Columns {
    fn read([class, activity, note]: [&'static str; 3]) -> Option<Self> {
        // Which events are findings is decided for all formats in one place, and not here.
        let class = Class::by_name(class).filter(|class| class.uid != DETECTION_FINDING)?;
        let activity = match activity {
            "verb" => Activity::ByVerb,
            "part" if class.uid == ENTITY_MANAGEMENT => Activity::OfPart,
            caption => Activity::Is(class.activity_id(caption)?),
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
        let Some(event_type) = event_type else { return Self::base_event("it has no event type") };
        match Finding::of(event_type) {
            Some(finding) => Self::of_finding(finding),
            None => Self::by_table(&RULES, event_type),
        }
    }

    fn by_table(rules: &Rules<Columns>, event_type: &str) -> Self {
        let Some(row) = rules.find(event_type) else { return Self::base_event("the table is empty") };
        let done = |class: &Class| rules.find_verb(class.name, event_type);
        let activity = match row.columns.activity {
            Activity::Is(activity) => activity,
            // Without a family the verb alone makes it the management of something.
            Activity::ByVerb if row.rule == Rule::Fallback => {
                return match Class::by_uid(ENTITY_MANAGEMENT).and_then(done) {
                    Some(verb) => Self::by(verb, verb.columns.activity.named()),
                    None => Self::by(row, OTHER),
                };
            }
            Activity::ByVerb => done(row.columns.class).map_or(OTHER, |verb| verb.columns.activity.named()),
            Activity::OfPart => match done(row.columns.class).map(|verb| verb.columns.activity.named()) {
                None | Some(OTHER) => OTHER,
                Some(READ) => READ,
                Some(_) => UPDATE,
            },
        };
        Self::by(row, activity)
    }

    fn by(row: &Row<Columns>, activity: u8) -> Self {
        let Row { rule, pattern, reason, columns: Columns { class, note, .. } } = row;
        Self { class, activity, rule: *rule, pattern, reason, note: *note }
    }

    fn of_finding(finding: &'static Finding) -> Self {
        let Finding { event_type, stage, reason } = finding;
        let activity = match stage {
            Stage::Opened => 1,
            Stage::Changed => 2,
            Stage::Closed => 3,
        };
        let class = Class::by_uid(DETECTION_FINDING).unwrap_or(&CLASSES[0]);
        Self { class, activity, rule: Rule::Exact, pattern: event_type, reason, note: Note::None }
    }

    fn base_event(reason: &'static str) -> Self {
        let class = Class::by_uid(BASE_EVENT).unwrap_or(&CLASSES[0]);
        Self { class, activity: 0, rule: Rule::Fallback, pattern: "", reason, note: Note::None }
    }

    /// Whether no row knows the event type.
    pub fn is_fallback(&self) -> bool {
        self.rule == Rule::Fallback && self.class.uid == API_ACTIVITY
    }
}

impl Activity {
    /// The activity that a row for a verb names.
    fn named(self) -> u8 {
        match self {
            Self::Is(activity) => activity,
            Self::ByVerb | Self::OfPart => OTHER,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::event::catalogue::event_types;

    fn routed(event_type: &str) -> (u16, u8) {
        let routing = Routing::of(Some(event_type));
        (routing.class.uid, routing.activity)
    }

    #[test]
    fn every_row_makes_sense_and_has_an_effect() {
        RULES.assert_holds_all_of(V1_8);
        RULES.assert_every_row_has_an_effect(V1_8, read, |rules, event_type| {
            let routing = Routing::by_table(rules, event_type);
            (routing.class.uid, routing.activity, routing.note, routing.rule == Rule::Fallback)
        });
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
            ("policy.lifecycle.delete", (3004, 4)),
            ("system.api_token.create", (3004, 1)),
            ("zone.delete", (3004, 4)),
            ("security.threat.detected", (2004, 1)),
            ("security.attack.end", (2004, 3)),
            ("user.account.report_suspicious_activity_by_enduser", (2004, 1)),
            ("app.oauth2.token.detect_reuse", (2004, 1)),
            ("pam.secret.reveal", (3004, 2)),
            ("pam.server.ssh_login", (3002, 1)),
            ("security.request.blocked", (6003, 99)),
        ] {
            assert_eq!(routed(event_type), expected, "{event_type}");
        }
    }

    #[test]
    fn what_is_done_to_a_part_is_an_update_of_the_whole() {
        for event_type in [
            "application.policy.sign_on.rule.create",
            "application.policy.sign_on.rule.delete",
            "application.provision.group_push.mapping.created",
            "application.provision.group_push.removed",
            "app.keys.generate",
            "app.keys.delete",
            "app.app_instance.csr.revoke",
            "app.oauth2.credentials.lifecycle.delete",
            "app.oauth2.trusted_server.delete",
            "account.org.add",
            "device.user.add",
            "device.user.remove",
            "iam.role.permissions.add",
            "iam.role.permissions.delete",
            "iam.resourceset.resources.delete",
            "oauth2.scope.deleted",
            "pki.cert.lifecycle.revoke",
            "policy.rule.delete",
            "policy.rule.deactivate",
            "policy.mapping.create",
            "resource_servers.api_server.auth_server.remove",
            "self_service.disabled",
            "system.custom_url_domain.cert_upload",
            // Nobody knows them yet.
            "application.next.delete",
            "device.next.delete",
            "policy.next.delete",
        ] {
            assert_eq!(routed(event_type), (3004, 3), "{event_type}");
        }
        assert_eq!(routed("app.oauth2.client.read_client_secret"), (3004, 2), "a part that is only read");
    }

    #[test]
    fn rights_are_given_and_taken_whatever_the_name_ends_in() {
        for (event_type, expected) in [
            ("iam.resourceset.bindings.add", (3005, 1)),
            ("iam.resourceset.bindings.delete", (3005, 2)),
            ("integration.api_service.lifecycle.authorize", (3005, 1)),
            ("resource.collection.assign", (3005, 1)),
            ("resource.collection.unassign", (3005, 2)),
            ("application.account.decision.revoke", (3005, 2)),
            ("pam.preauthorization.create", (3005, 1)),
            ("pam.member.add", (3006, 3)),
            ("application.provision.group.add", (3006, 6)),
            ("application.provision.group.remove", (3006, 5)),
        ] {
            assert_eq!(routed(event_type), expected, "{event_type}");
        }
    }

    #[test]
    fn one_process_has_one_class() {
        for (process, class) in [
            ("policy.auth_reevaluate", 3002),
            ("group.user_membership.rule", 3006),
            ("app.app_instance.provision_sync_job", 6003),
            ("entitlement.migration", 6003),
            ("app.radius", 6003),
            ("app.user_management.grouppush", 3004),
            ("application.provision.group_push", 3004),
            ("application.integration", 6008),
            ("access.request", 3004),
            ("app.access_request", 3005),
            ("scheduled_action.user_suspension", 3001),
            ("app.office365.service.principal.cleanup.job", 6003),
            ("event_hook.delivery", 6003),
        ] {
            let steps: Vec<_> = event_types()
                .filter(|name| {
                    name.strip_prefix(process).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                })
                .collect();
            assert!(!steps.is_empty(), "{process}");
            for step in steps {
                assert_eq!(routed(step).0, class, "{step}");
            }
        }
    }

    /// What an event type is about: without the verb and the word `lifecycle`.
    fn noun(event_type: &str) -> &str {
        let (noun, _) = event_type.rsplit_once('.').unwrap();
        noun.strip_suffix(".lifecycle").unwrap_or(noun)
    }

    /// Okta's catalogue names for most event types the schemas of their targets. A schema that several things share is
    /// that of a whole, which stands in the events of its parts too: `oauth2.scope.deleted` and `oauth2.as.deleted` both
    /// have the authorization server as their target, and only one of them means that it is gone.
    #[test]
    fn a_thing_is_made_and_unmade_under_one_name_only() {
        // These tell where something stands and not what it is, and an AI agent is a workload principal.
        const SHARED: [&str; 4] = [
            "AccessRequestResourceDetails",
            "DirectoryResourceDetails",
            "WorkloadPrincipalResourceDetails",
            "WorkloadPrincipalAiAgentImportDetails",
        ];
        // Whose parts have events under their name, by Okta's documentation of the event types.
        const WHOLES: [&str; 10] = [
            "application",
            "app",
            "app.oauth2.client",
            "account.org",
            "device",
            "group",
            "iam.role",
            "iam.resourceset",
            "oauth2.as",
            "policy",
        ];
        let catalogue = include_str!("../../catalogue.csv");
        let schemas: BTreeMap<&str, Vec<&str>> = catalogue
            .lines()
            .skip(1)
            .map(|line| {
                let cells: Vec<_> = line.split(',').collect();
                (
                    cells[0],
                    cells[8]
                        .split('|')
                        .filter(|name| !name.is_empty() && *name != "ResourceDetails")
                        .collect(),
                )
            })
            .collect();
        // Neither read nor changed nor something else.
        let is_of_the_whole = |event_type: &&str| {
            let (class, activity) = routed(event_type);
            class == ENTITY_MANAGEMENT && ![READ, UPDATE, OTHER].contains(&activity)
        };
        let mut nouns: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for event_type in event_types().filter(is_of_the_whole) {
            let own = |schema: &&&str| {
                schemas
                    .iter()
                    .all(|(other, listed)| !listed.contains(*schema) || other.starts_with(noun(event_type)))
            };
            for whole in WHOLES.iter().filter(|whole| noun(event_type).starts_with(&format!("{whole}."))) {
                let is_named = event_type.contains(".lifecycle.") || WHOLES.contains(&noun(event_type));
                let has_schema = schemas[event_type].iter().any(|schema| own(&schema));
                // A campaign is a thing of its own, for which the catalogue has no schema.
                let is_campaign = event_type.starts_with("app.ad.password_migration_campaign.");
                assert!(is_named || has_schema || is_campaign, "{event_type} is about a part of {whole}");
            }
            for schema in schemas[event_type].iter().filter(|schema| !SHARED.contains(schema)) {
                nouns.entry(schema).or_default().insert(noun(event_type));
            }
        }
        assert!(nouns.len() > 30, "{}", nouns.len());
        for (schema, nouns) in nouns {
            assert_eq!(nouns.len(), 1, "{schema} is made and unmade as {nouns:?}");
        }
    }

    #[test]
    fn event_types_that_do_not_exist_yet_have_a_place() {
        assert_eq!(routed("user.session.something_new"), (3002, 99));
        assert_eq!(routed("user.something_new.create"), (3001, 99));
        assert_eq!(routed("quantum.key.create"), (3004, 1));
        assert_eq!(routed("quantum.entangle"), (6003, 99));
        assert!(Routing::of(Some("quantum.entangle")).is_fallback());
        assert_eq!(Routing::of(None).class.uid, 0);
    }

    /// The table of docs/ocsf.md, one row a class.
    fn class_table() -> String {
        use std::fmt::Write as _;
        let mut counts = BTreeMap::<u16, (usize, BTreeMap<u8, usize>)>::new();
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
