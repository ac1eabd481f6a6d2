//! What the table must hold for every event type, and where those that matter go.

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
    let catalogue = include_str!("../../../catalogue.csv");
    let schemas: BTreeMap<&str, Vec<&str>> = catalogue
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<_> = line.split(',').collect();
            (
                cells[0],
                cells[8].split('|').filter(|name| !name.is_empty() && *name != "ResourceDetails").collect(),
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
        let activities = activities.iter().map(|(id, count)| format!("{id} {} {count}", class.activity(*id)));
        let activities = activities.collect::<Vec<_>>().join(", ");
        let _ = writeln!(table, "| {uid} {} | {count} | {activities} |", class.name);
    }
    let _ = writeln!(table, "| *of these by the fallback* | {fallbacks} | |");
    table
}

#[test]
fn the_docs_tell_how_many_types_each_class_has() {
    let table = class_table();
    let docs = include_str!("../../../../../../docs/ocsf.md");
    assert!(docs.contains(&table), "docs/ocsf.md should say\n{table}");
}
