//! Whose each attribute is, and that all of a kind are written.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    event::Events,
    format::{Format, Renderer},
};

/// An event of this type with these members, rendered.
fn render(event_type: &str, members: Value) -> Value {
    let mut event = json!({
        "eventType": event_type, "uuid": "u", "published": "2026-01-02T03:04:05.678Z",
        "actor": {"id": "00uAdmin", "type": "User", "alternateId": "root@acme.example", "displayName": "Root"},
        "client": {"ipAddress": "198.51.100.7"}, "outcome": {"result": "SUCCESS"}
    });
    let Value::Object(members) = members else { unreachable!("the members of an event") };
    for (name, member) in members {
        event[&name] = member;
    }
    let events = Events::parse(Bytes::from(format!("[{event}]"))).unwrap();
    let renderer = Renderer { format: Format::Ocsf, ..Renderer::default() };
    serde_json::from_slice(&renderer.render(&events.get(0).unwrap(), None).bytes).unwrap()
}

fn target(id: &str, kind: &str) -> Value {
    json!({"id": id, "type": kind, "alternateId": format!("{id}@acme.example"), "displayName": format!("Name of {id}")})
}

#[test]
fn who_gets_a_right_is_not_who_gives_it() {
    let grant = render(
        "user.account.privilege.grant",
        json!({"target": [target("00uNew", "User"), target("ROLE1", "ROLE")],
               "debugContext": {"debugData": {"privilegeGranted": "Super administrator, Help Desk administrator"}}}),
    );
    assert_eq!(grant["user"]["uid"], "00uNew");
    assert_eq!(grant["actor"]["user"]["uid"], "00uAdmin");
    let privileges = json!(["Super administrator", "Help Desk administrator", "Name of ROLE1"]);
    assert_eq!(grant["privileges"], privileges, "one right an element");
    let nobody = render("user.account.privilege.grant", json!({}));
    assert_eq!(nobody["user"]["name"], "Unknown", "an administrator who gives rights does not get them");
    let consent = render(
        "app.oauth2.as.consent.grant",
        json!({"target": [target("00uAda", "User"), target("0oaClient", "PublicClientApp")],
               "debugContext": {"debugData": {"grantedScopes": "openid okta.users.read"}}}),
    );
    assert_eq!(
        (consent["user"]["uid"].as_str(), consent["user"]["type"].as_str()),
        (Some("0oaClient"), Some("Service"))
    );
    assert_eq!(consent["privileges"], json!(["openid", "okta.users.read"]));
    let bound = [target("00gStaff", "UserGroup"), target("ROLE1", "ROLE"), target("iam1", "RESOURCE_SET")];
    let binding = render("iam.resourceset.bindings.add", json!({"target": bound}));
    assert_eq!(binding["user"]["groups"][0]["uid"], "00gStaff", "whoever is in the group");
    assert_eq!(
        (&binding["privileges"], &binding["resources"][0]["uid"]),
        (&json!(["Name of ROLE1"]), &json!("iam1"))
    );
    let support = render("user.session.impersonation.grant", json!({}));
    assert_eq!(support["user"]["name"], "Okta Support");
    assert_eq!(support["actor"]["user"]["uid"], "00uAdmin");
}

#[test]
fn an_administrator_is_not_the_one_whose_account_changes() {
    let created = render("user.lifecycle.create", json!({"target": null, "outcome": {"result": "FAILURE"}}));
    assert_eq!(created["user"]["name"], "Unknown");
    let own = render("user.account.update_password", json!({"target": null}));
    assert_eq!(own["user"]["uid"], "00uAdmin");
    for event_type in [
        "user.account.unlock_by_admin",
        "user.behavior.profile.reset",
        "device.desktop_mfa.recovery_pin.generate",
    ] {
        let by_admin = render(event_type, json!({"target": [target("guo1", "UDDevice")]}));
        assert_eq!(by_admin["user"]["name"], "Unknown", "{event_type}");
    }
    for of_another in
        [json!({"id": "00uAda", "type": "Person"}), json!({"id": "x"}), target("00uAda", "Thing")]
    {
        let reset = render("user.account.reset_password", json!({"target": [of_another]}));
        assert_eq!(reset["user"]["name"], "Unknown", "{of_another}");
    }
    for own in [
        json!({"id": "00uAdmin", "type": "Person"}),
        target("f1", "AuthenticatorEnrollment"),
        target("x", "Thing"),
    ] {
        let reset = render("user.mfa.factor.deactivate", json!({"target": [own]}));
        assert_eq!(reset["user"]["uid"], "00uAdmin", "{own}");
    }
    let account = [target("00uAda", "User"), target("sa1", "ServiceAccount")];
    let rotated = render("pam.service_account.password.update", json!({"target": account}));
    assert_eq!(rotated["user"]["uid"], "sa1", "and not whoever else is named");
    let both = [target("00uAdmin", "User"), target("00uAda", "User")];
    let suspended = render("user.lifecycle.suspend", json!({"target": both}));
    assert_eq!(suspended["user"]["uid"], "00uAda", "who acts is not whom it is done to");
}

#[test]
fn not_every_actor_is_a_person() {
    let app = json!({"id": "0oaApp", "type": "PublicClientAppEntity", "alternateId": "unknown", "displayName": "Updater"});
    let detail =
        json!({"requestApiTokenId": "AT.1", "requestApiTokenClientId": "0oaApp", "rootApiTokenId": "AT.1"});
    let added = render(
        "group.user_membership.add",
        json!({"actor": app, "transaction": {"detail": detail},
               "target": [target("00uAda", "User"), target("00gStaff", "UserGroup")]}),
    );
    assert_eq!(
        (&added["actor"]["app_uid"], &added["actor"]["app_name"]),
        (&json!("0oaApp"), &json!("Updater"))
    );
    assert_eq!(added["actor"]["user"]["type"], "Service");
    let credentials = &added["actor"]["user"]["programmatic_credentials"];
    assert_eq!(credentials, &json!([{"uid": "AT.1", "type": "Access Token"}]));
    assert_eq!((&added["user"]["uid"], &added["group"]["uid"]), (&json!("00uAda"), &json!("00gStaff")));
    assert!(observed(&added, "actor.user.programmatic_credentials[].uid").contains(&"AT.1".to_owned()));
    let system = render("user.lifecycle.create", json!({"actor": target("sys", "SystemPrincipal")}));
    assert_eq!(system["actor"]["user"]["type"], "System");
}

#[test]
fn an_address_is_where_an_attack_comes_from_and_no_user() {
    let address =
        json!({"id": "x", "type": "IP address", "alternateId": "unknown", "displayName": "203.0.113.9"});
    let detected = render("security.threat.detected", json!({"actor": address}));
    let evidences = &detected["evidences"];
    assert!(evidences[0].get("actor").is_none() && detected.get("actor").is_none());
    let addresses: Vec<_> =
        evidences.as_array().unwrap().iter().map(|one| &one["src_endpoint"]["ip"]).collect();
    assert_eq!(addresses, ["198.51.100.7", "203.0.113.9"]);
}

#[test]
fn who_reports_is_not_who_is_reported() {
    let report = render(
        "user.account.report_suspicious_activity_by_enduser",
        json!({"target": [target("00uAdmin", "User")], "debugContext": {"debugData": {
            "suspiciousActivityEventIp": "203.0.113.9", "suspiciousActivityEventCity": "Oslo",
            "suspiciousActivityOs": "Linux", "suspiciousActivityEventId": "e-1",
            "suspiciousActivityEventType": "user.session.start"}}}),
    );
    assert_eq!(report["evidences"][0]["src_endpoint"]["ip"], "203.0.113.9");
    assert_eq!(report["evidences"][0]["src_endpoint"]["location"]["city"], "Oslo");
    assert!(report["evidences"][0].get("actor").is_none());
    assert_eq!(report["evidences"][0]["user"]["uid"], "00uAdmin", "whose account it is");
    assert_eq!(report["actor"]["user"]["uid"], "00uAdmin", "who says so");
    assert_eq!(report["device"]["ip"], "198.51.100.7", "and from where");
    let related = &report["finding_info"]["related_events"][0];
    assert_eq!((&related["uid"], &related["type"]), (&json!("e-1:ocsf"), &json!("user.session.start")));
    let theirs = render("user.risk.detect", json!({"target": [target("00uAda", "User")]}));
    assert_eq!(theirs["evidences"][0]["src_endpoint"]["ip"], "198.51.100.7");
}

#[test]
fn a_session_is_of_the_one_it_belongs_to() {
    let authentication = json!({"externalSessionId": "s-1"});
    let own = render("user.session.start", json!({"authenticationContext": authentication}));
    assert_eq!(own["session"]["uid"], "s-1");
    let cleared = render(
        "user.session.clear",
        json!({"authenticationContext": authentication, "target": [target("00uAda", "User")]}),
    );
    assert_eq!(cleared["user"]["uid"], "00uAda");
    assert_eq!(cleared["actor"]["session"]["uid"], "s-1", "the administrator's session did not end");
    assert!(cleared.get("session").is_none());
}

#[test]
fn what_pertains_to_an_entity_is_with_it() {
    let removed = render(
        "device.user.remove",
        json!({"target": [target("00uAda", "User"), target("guo1", "UDDevice")]}),
    );
    let entity = &removed["entity"];
    assert_eq!((&entity["uid"], &entity["device"]["uid"]), (&json!("guo1"), &json!("guo1")));
    assert_eq!(entity["user"]["uid"], "00uAda");
    let rule = render(
        "policy.rule.update",
        json!({"target": [target("0pr1", "PolicyRule"), target("00p1", "PolicyEntity")]}),
    );
    assert_eq!((&rule["entity"]["uid"], &rule["entity"]["policy"]["uid"]), (&json!("00p1"), &json!("00p1")));
    assert_eq!(rule["authorizations"][0]["policy"]["uid"], "0pr1");
    let shown = render(
        "application.user_membership.show_password",
        json!({"target": [target("0ua1", "AppUser"), target("0oa1", "AppInstance"), target("00uAda", "User")]}),
    );
    assert_eq!(
        (&shown["entity"]["uid"], &shown["entity"]["user"]["uid"]),
        (&json!("0oa1"), &json!("00uAda"))
    );
    assert_eq!(shown["entity"]["user"]["account"]["uid"], "0ua1");
    // Workflows names who acted among the targets.
    let table = render(
        "workflows.user.table.delete",
        json!({"target": [target("00uAdmin", "User"), target("t1", "Table")]}),
    );
    assert_eq!((&table["entity"]["uid"], table["entity"].get("user")), (&json!("t1"), None));
}

#[test]
fn all_of_a_kind_are_written() {
    let policies = [
        target("r1", "Rule"),
        target("p1", "PolicyEntity"),
        target("r2", "Rule"),
        target("p2", "PolicyEntity"),
    ];
    let evaluated =
        render("policy.evaluate_sign_on", json!({"target": policies, "outcome": {"result": "DENY"}}));
    let decided = evaluated["authorizations"].as_array().unwrap();
    assert_eq!(decided.iter().map(|one| &one["policy"]["uid"]).collect::<Vec<_>>(), ["r1", "p1", "r2", "p2"]);
    assert!(decided.iter().all(|one| one["decision"] == "Denied"));
    let users = [target("1", "User"), target("2", "User")];
    let found = render("user.risk.detect", json!({"target": users}));
    let victims: Vec<_> =
        found["evidences"].as_array().unwrap().iter().filter_map(|one| one["user"]["uid"].as_str()).collect();
    assert_eq!(victims, ["1", "2"]);
    let tokens = [target("t1", "access_token"), target("t2", "refresh_token"), target("00uAda", "User")];
    let granted = render("app.oauth2.as.token.grant", json!({"target": tokens}));
    let uids: Vec<_> = granted["user"]["programmatic_credentials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["uid"])
        .collect();
    assert_eq!(uids, ["t1", "t2"]);
    let apps = [target("a1", "AppInstance"), target("a2", "AppInstance"), target("00uAda", "User")];
    let given = render("application.user_membership.add", json!({"target": apps}));
    assert_eq!(given["resources"].as_array().unwrap().len(), 2);
}

#[test]
fn flags_are_labels_only_where_they_are_raised() {
    let members = |flag: bool| {
        json!({"legacyEventType": "core.old", "securityContext": {"isProxy": flag},
               "debugContext": {"debugData": {"threatSuspected": flag.to_string()}}})
    };
    let raised = render("user.session.start", members(true));
    assert_eq!(raised["metadata"]["labels"], json!(["isProxy", "threatSuspected"]));
    assert_eq!(raised["metadata"]["tags"], json!([{"name": "legacyEventType", "value": "core.old"}]));
    let other = render("user.session.start", members(false));
    assert!(other["metadata"].get("labels").is_none());
    assert_eq!(other["unmapped"]["securityContext"]["isProxy"], false);
}

#[test]
fn an_error_names_the_application_and_the_address() {
    let error =
        render("app.office365.api.error.create.user", json!({"target": [target("0oaO365", "AppInstance")]}));
    assert_eq!(error["class_uid"], 6008);
    assert_eq!(
        (&error["actor"]["app_uid"], &error["actor"]["app_name"]),
        (&json!("0oaO365"), &json!("Name of 0oaO365"))
    );
    assert_eq!(error["device"]["ip"], "198.51.100.7");
}

/// What is to be searched for at this place.
fn observed(event: &Value, name: &str) -> Vec<String> {
    let observables = event["observables"].as_array().unwrap();
    let there = observables.iter().filter(|observable| observable["name"] == name);
    there.map(|observable| observable["value"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_address_of_the_chain_can_be_searched_for() {
    let chain = json!({"ipChain": [{"ip": "198.51.100.7"}, {"ip": "203.0.113.9"}]});
    let event = render("user.session.start", json!({"request": chain}));
    assert_eq!(observed(&event, "src_endpoint.intermediate_ips[]"), ["203.0.113.9"]);
}

#[test]
fn a_scope_that_was_consented_to_is_a_privilege_wherever_okta_names_it() {
    let client = json!({"id": "0oaClient", "type": "PublicClientApp", "displayName": "Mailer",
        "detailEntry": {"scope": "okta.users.manage okta.apps.manage", "status": "ACTIVE"}});
    let scope = json!({"id": "scp1", "type": "Scope", "displayName": "mail.read"});
    let consent = render("app.oauth2.admin.consent.grant", json!({"target": [client, scope]}));
    assert_eq!(consent["privileges"], json!(["okta.users.manage", "okta.apps.manage", "mail.read"]));
    assert!(consent.get("resources").is_none(), "{consent}");
    let rest = &consent["unmapped"]["target"];
    assert_eq!(rest[0]["detailEntry"], json!({"status": "ACTIVE"}), "what is told is not told twice");
    let odd = json!([{"id": "0oaClient", "type": "PublicClientApp", "detailEntry": {"scope": {"name": "mail.read"}}}]);
    let odd = render("app.oauth2.admin.consent.grant", json!({"target": odd}));
    assert_eq!(odd["unmapped"]["target"][0]["detailEntry"]["scope"]["name"], "mail.read", "nothing is lost");
}

#[test]
fn a_group_that_gets_a_role_beside_a_user_is_not_what_the_role_is_over() {
    let bound = [
        target("00uNew", "User"),
        target("00gStaff", "UserGroup"),
        target("ROLE1", "CUSTOM_ROLE"),
        target("iam1", "RESOURCE_SET"),
    ];
    let binding = render("iam.resourceset.bindings.add", json!({"target": bound}));
    assert_eq!(
        (&binding["user"]["uid"], &binding["privileges"]),
        (&json!("00uNew"), &json!(["Name of ROLE1"]))
    );
    let resources = binding["resources"].as_array().unwrap();
    assert_eq!(resources.iter().map(|resource| &resource["uid"]).collect::<Vec<_>>(), ["iam1"]);
    let rest = binding["unmapped"]["target"].to_string();
    assert!(rest.contains("00gStaff") && !binding["user"].to_string().contains("00gStaff"), "{rest}");
    let administered = [target("00uNew", "User"), target("00gStaff", "UserGroup")];
    let grant = render("user.account.privilege.grant", json!({"target": administered}));
    assert_eq!(grant["resources"][0]["uid"], "00gStaff", "a right over a group");
}

#[test]
fn an_agent_that_checks_a_password_is_not_the_one_who_signs_on() {
    for agent in ["AD Agent", "AppInstance", "Device"] {
        let checked = render(
            "user.authentication.auth_via_AD_agent",
            json!({"actor": target("0agAgent", agent), "target": [target("0uaAda", "AppUser")]}),
        );
        assert_eq!(checked["user"]["uid"], "0uaAda", "{agent}");
        assert_eq!(checked["actor"]["user"]["uid"], "0agAgent", "{agent}");
    }
    let alone =
        render("user.authentication.auth_via_AD_agent", json!({"actor": target("0agAgent", "AD Agent")}));
    assert_eq!(alone["user"]["uid"], "0agAgent", "there is nobody else");
    let own = render("user.authentication.sso", json!({"target": [target("0uaRoot", "AppUser")]}));
    assert_eq!(
        (&own["user"]["uid"], &own["user"]["account"]["uid"]),
        (&json!("00uAdmin"), &json!("0uaRoot"))
    );
}

#[test]
fn what_okta_tells_of_a_device_is_written_with_it() {
    let device = json!({"id": "guo1", "type": "UDDevice", "alternateId": "unknown", "displayName": "Ada's phone",
        "detailEntry": {"osPlatform": "IOS", "osVersion": "26.2.1", "managed": "false", "tpmPresent": "false"}});
    let enrolled = render("device.enrollment.create", json!({"target": [device]}));
    let device = &enrolled["entity"]["device"];
    assert_eq!((&device["type"], &device["is_managed"]), (&json!("Mobile"), &json!(false)), "{device}");
    assert_eq!((&device["os"]["type"], &device["os"]["version"]), (&json!("iOS"), &json!("26.2.1")));
    assert_eq!(enrolled["unmapped"]["target"][0]["detailEntry"], json!({"tpmPresent": "false"}));
    let whole =
        json!({"id": "guo1", "type": "UDDevice", "displayName": "x", "detailEntry": {"osPlatform": "OSX"}});
    let whole = render("device.enrollment.create", json!({"target": [whole]}));
    assert_eq!(whole["entity"]["device"]["os"]["type"], "macOS");
    assert!(whole["unmapped"].get("target").is_none(), "{whole}");
    let nameless =
        json!({"id": "guo1", "type": "UDDevice", "displayName": "x", "detailEntry": {"osVersion": "26"}});
    let nameless = render("device.enrollment.create", json!({"target": [nameless]}));
    assert_eq!(nameless["unmapped"]["target"][0]["detailEntry"]["osVersion"], "26");
}

#[test]
fn the_client_of_a_token_is_not_lost_where_it_is_no_text() {
    let odd = json!({"type": "WEB", "detail": {"requestApiTokenClientId": {"id": "0oaClient"}}});
    let odd = render("group.lifecycle.delete", json!({"transaction": odd}));
    assert_eq!(odd["unmapped"]["transaction"]["detail"]["requestApiTokenClientId"]["id"], "0oaClient");
}

#[test]
fn who_signs_on_to_a_server_does_so_under_an_account_of_it() {
    let server = json!({"id": "srv1", "type": "Server", "alternateId": "unknown", "displayName": "db01"});
    let account =
        json!({"id": "acc1", "type": "ServerAccount", "alternateId": "unknown", "displayName": "root"});
    let login = render("pam.server.ssh_login", json!({"target": [server, account]}));
    let endpoint = json!({"uid": "srv1", "name": "db01", "type_id": 1, "type": "Server"});
    assert_eq!((&login["dst_endpoint"], login.get("service")), (&endpoint, None), "it is not Okta's");
    assert_eq!(login["user"]["uid"], "00uAdmin");
    assert_eq!(
        (&login["user"]["account"]["uid"], &login["user"]["account"]["name"]),
        (&json!("acc1"), &json!("root"))
    );
    assert!(login["unmapped"].get("target").is_none(), "{login}");
}

#[test]
fn who_checks_out_an_account_gets_it_and_is_not_the_account() {
    for event_type in ["pam.resource.checkout", "pam.resource.checkin.start", "pam.resource.checkin.end"] {
        let targets = json!([target("tm1", "Team"), target("sa1", "Service Account")]);
        let event = render(event_type, json!({"target": targets}));
        assert_eq!(event["user"]["uid"], "00uAdmin", "{event_type}");
        let resources = event["resources"].as_array().unwrap();
        let uids: Vec<_> = resources.iter().map(|resource| resource["uid"].clone()).collect();
        assert_eq!(uids, ["tm1", "sa1"], "{event_type}");
        let by_okta = json!({"target": targets, "actor": {"id": "okta", "type": "SystemPrincipal"}});
        assert_eq!(render(event_type, by_okta)["user"]["name"], "Unknown", "{event_type}");
    }
}

#[test]
fn who_connects_to_a_server_does_so_from_somewhere() {
    let login = render(
        "pam.server.ssh_login",
        json!({"client": null, "target": [target("sv1", "Server")],
               "debugContext": {"debugData": {"fromAddress": "203.0.113.77:50022", "unixUserName": "root"}}}),
    );
    assert_eq!(
        (&login["src_endpoint"]["ip"], &login["src_endpoint"]["port"]),
        (&json!("203.0.113.77"), &json!(50_022))
    );
    let issued = render(
        "pam.user_creds.issue",
        json!({"client": null, "debugContext": {"debugData": {"clientIp": "203.0.113.78", "serverHostnames": "web-01"}}}),
    );
    assert_eq!(issued["src_endpoint"]["ip"], "203.0.113.78");
    assert_eq!((&issued["dst_endpoint"]["name"], issued.get("service")), (&json!("web-01"), None));
    assert!(issued["unmapped"].get("debugContext").is_none(), "{issued}");
}

#[test]
fn nobody_reads_that_a_person_or_an_application_is_gone_that_is_not() {
    let connection = target("wc1", "Workflows Connection");
    let of_app = json!([target("00uAdmin", "User"), target("0oa1", "AppInstance"), connection]);
    let agent = json!([target("0oa1", "AppInstance"), target("zz1", "AD Agent")]);
    for (event_type, targets, uid) in [
        ("workflows.user.connection.delete", of_app, "wc1"),
        ("system.agent.ad.delete", agent, "zz1"),
        ("pam.gateway.delete", json!([target("tm1", "Team"), target("zz1", "Gateway")]), "zz1"),
        ("app.oauth2.client.lifecycle.delete", json!([target("0oa1", "PublicClientApp")]), "0oa1"),
        ("device.lifecycle.delete", json!([target("guo1", "UDDevice"), target("00u1", "User")]), "guo1"),
        ("policy.lifecycle.delete", json!([target("00p1", "PolicyEntity")]), "00p1"),
    ] {
        let event = render(event_type, json!({"target": targets}));
        assert_eq!((&event["activity_name"], &event["entity"]["uid"]), (&json!("Delete"), &json!(uid)));
    }
    for event_type in [
        "system.agent.ad.deactivate",
        "access.review.close",
        "event_hook.deactivated",
        "system.feature.disable",
    ] {
        let event = render(event_type, json!({"target": [target("00u1", "User")]}));
        let entity = &event["entity"];
        assert_eq!(
            (&entity["name"], &entity["user"]["uid"]),
            (&json!("Unknown"), &json!("00u1")),
            "{event_type}"
        );
    }
    for kind in ["User", "AppUser", "UserGroup", "AppInstance", "UDDevice", "PolicyEntity", "Org", "Team"] {
        let event = render("credential.revoke", json!({"target": [target("x1", kind)]}));
        let entity = &event["entity"];
        assert_eq!(
            (&entity["name"], entity.get("uid"), &entity["type"]),
            (&json!("Unknown"), None, &json!("credential")),
            "{kind}"
        );
        let of_workflows =
            render("workflows.user.connection.delete", json!({"target": [target("x1", kind)]}));
        assert_eq!(of_workflows["entity"]["name"], "Unknown", "{kind}");
        assert!(event.to_string().contains("x1"), "{kind} is told as what it belongs to, or unmapped");
    }
}

#[test]
fn one_odd_target_hides_nobody_and_is_told() {
    let user = target("00u1", "User");
    let event = render("user.lifecycle.deactivate", json!({"target": ["x", user]}));
    assert_eq!(event["user"]["uid"], "00u1");
    assert_eq!(event["unmapped"]["target"], json!(["x", user]));
    assert!(event["metadata"]["debug"][0].as_str().unwrap().starts_with("target:"));
    let event = render("user.lifecycle.deactivate", json!({"target": user}));
    assert_eq!(event["user"]["uid"], "00u1");
    assert!(event["metadata"].get("debug").is_none());
}

#[test]
fn an_agent_is_a_service() {
    let actor = json!({"id": "agt1", "type": "Agent", "displayName": "Sales agent"});
    let event =
        render("app.oauth2.token.grant.id_jag", json!({"actor": actor, "target": [target("00u1", "User")]}));
    assert_eq!(event["actor"]["user"]["type"], "Service");
    assert_eq!(event["user"]["uid"], "00u1");
}
