//! What a user of Google SecOps relies on, shown on whole events. Whether an event is valid is for the judge in
//! `tests/it/format`.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    event::Events,
    format::{Format, Renderer},
};

fn render(event: &Value) -> Value {
    render_text(&event.to_string())
}

fn render_text(event: &str) -> Value {
    render_as(Format::Udm, event)
}

fn render_as(format: Format, event: &str) -> Value {
    let renderer = Renderer { format, tenant: Some("acme.okta.com".to_owned()), ..Renderer::default() };
    let events = Events::parse(Bytes::from(format!("[{event}]"))).unwrap();
    serde_json::from_slice(&renderer.render(&events.get(0).unwrap(), None).bytes).unwrap()
}

fn party(id: &str, kind: &str) -> Value {
    json!({"id": id, "type": kind, "alternateId": format!("{id}@acme.example"), "displayName": format!("Name of {id}"),
        "detailEntry": {"of": id}})
}

fn event(event_type: &str, targets: &[Value]) -> Value {
    json!({
        "uuid": "u-1", "published": "2026-01-02T03:04:05.670Z", "eventType": event_type, "severity": "INFO",
        "displayMessage": "What happened", "actor": party("00uAda", "User"), "target": targets,
        "client": {"ipAddress": "198.51.100.7", "zone": "Office", "device": "Computer",
            "userAgent": {"rawUserAgent": "Mozilla/5.0", "os": "Mac OS X", "browser": "CHROME"}},
        "outcome": {"result": "SUCCESS"}, "transaction": {"id": "t-1", "type": "WEB"},
        "authenticationContext": {"externalSessionId": "s-1"},
    })
}

/// The values of labels by their keys.
fn label<'v>(labels: &'v Value, key: &str) -> Option<&'v str> {
    labels.as_array()?.iter().find(|label| label["key"] == key)?["value"].as_str()
}

#[test]
fn a_sign_on_is_a_login_of_a_user_to_an_application_by_way_of_the_org() {
    let mut sso = event("user.authentication.sso", &[party("0oaApp", "AppInstance")]);
    sso["debugContext"] =
        json!({"debugData": {"factor": "OKTA_VERIFY_PUSH", "url": "/app/x?y=1", "dtHash": "d4"}});
    let udm = render(&sso);
    assert_eq!(udm["metadata"]["event_type"], "USER_LOGIN");
    assert_eq!(udm["metadata"]["product_event_type"], "user.authentication.sso");
    assert_eq!(
        (&udm["metadata"]["vendor_name"], &udm["metadata"]["product_name"]),
        (&json!("Okta"), &json!("Okta"))
    );
    assert_eq!(udm["principal"]["ip"], json!(["198.51.100.7"]));
    for side in ["principal", "target"] {
        assert_eq!(udm[side]["user"]["product_object_id"], "00uAda", "{side}");
        assert_eq!(udm[side]["user"]["email_addresses"], json!(["00uAda@acme.example"]), "{side}");
    }
    assert_eq!(udm["target"]["application"], "Name of 0oaApp");
    assert_eq!(udm["target"]["resource"]["resource_subtype"], "AppInstance");
    assert_eq!(udm["target"]["url"], "https://acme.okta.com/app/x?y=1");
    assert_eq!(udm["intermediary"][0]["hostname"], "acme.okta.com");
    assert_eq!(udm["network"]["parent_session_id"], "s-1");
    assert_eq!(udm["network"]["http"]["user_agent"], "Mozilla/5.0");
    assert_eq!(udm["extensions"]["auth"]["type"], "SSO");
    let result = &udm["security_result"][0];
    assert_eq!((&result["summary"], &result["action"]), (&json!("What happened"), &json!(["ALLOW"])));
    assert_eq!(label(&result["detection_fields"], "dtHash"), Some("d4"));
    assert_eq!(label(&result["detection_fields"], "factor"), Some("OKTA_VERIFY_PUSH"));
    assert_eq!(udm["additional"]["client.zone"], "Office");
    assert!(udm.get("about").is_none());
}

#[test]
fn a_sign_on_that_fails_is_blocked_and_says_why() {
    let mut failed = event("user.session.start", &[]);
    failed["outcome"] = json!({"result": "FAILURE", "reason": "INVALID_CREDENTIALS"});
    let udm = render(&failed);
    let result = &udm["security_result"][0];
    assert_eq!(result["action"], json!(["BLOCK"]));
    assert_eq!(result["category"], json!(["AUTH_VIOLATION"]));
    assert_eq!(result["category_details"], json!(["INVALID_CREDENTIALS"]));
    assert_eq!(udm["extensions"]["auth"]["outcome"], "FAILURE");
    assert_eq!(
        (&udm["target"]["application"], &udm["target"]["hostname"]),
        (&json!("Okta"), &json!("acme.okta.com"))
    );
    failed["eventType"] = "user.account.lock".into();
    assert_eq!(render(&failed)["security_result"][0]["action"], json!(["BLOCK"]), "the account is locked");
    failed["eventType"] = "zone.create".into();
    assert_eq!(render(&failed)["security_result"][0]["action"], json!(["FAIL"]));
}

#[test]
fn nothing_that_failed_or_was_refused_is_allowed_whatever_word_okta_has_for_it() {
    for (event_type, action) in [
        ("user.mfa.okta_verify.deny_push", "BLOCK"),
        ("user.mfa.okta_verify.deny_push_upgrade_needed", "BLOCK"),
        ("app.generic.unauth_app_access_attempt", "BLOCK"),
        ("application.policy.sign_on.deny_access", "BLOCK"),
        ("security.request.blocked", "BLOCK"),
        ("user.account.use_token", "BLOCK"),
        ("user.account.lock", "BLOCK"),
        ("app.access_request.deny", "BLOCK"),
        ("access.request.reject", "BLOCK"),
        ("app.realtimesync.import_failed", "FAIL"),
        ("user.account.unlock_failure", "FAIL"),
        ("application.provision.group_membership.add", "FAIL"),
        ("application.provision.user.password", "FAIL"),
        ("user.session.start", "ALLOW"),
        ("zone.create", "ALLOW"),
    ] {
        for result in ["SUCCESS", "ALLOW"] {
            let mut event = event(event_type, &[]);
            event["outcome"] = json!({"result": result});
            let action_of = |event| render(event)["security_result"][0]["action"].clone();
            assert_eq!(action_of(&event), json!([action]), "{event_type} {result}");
        }
    }
}

/// UDM, OCSF and ECS never tell three stories of one event.
#[test]
fn what_was_done_agrees_with_how_it_ended_for_every_type() {
    for event_type in crate::event::catalogue::event_types() {
        for result in ["SUCCESS", "ALLOW", "FAILURE", "DENY", "RATE_LIMIT", "CHALLENGE", "SKIPPED"] {
            let mut event = event(event_type, &[]);
            event["outcome"] = json!({"result": result});
            let action = &render(&event)["security_result"][0]["action"];
            let ecs = render_as(Format::Ecs, &event.to_string());
            let failed = ecs["event"]["outcome"] == "failure";
            let is_of_failure = *action == json!(["BLOCK"]) || *action == json!(["FAIL"]);
            let is_consequence = crate::format::facts::is_consequence(event_type);
            assert!(
                failed == is_of_failure || is_consequence && !failed && *action == json!(["BLOCK"]),
                "{event_type} {result}: {action}, {}",
                ecs["event"]["outcome"]
            );
        }
    }
}

#[test]
fn who_gets_a_right_is_not_who_gives_it() {
    let mut grant = event("user.account.privilege.grant", &[party("00uBob", "User")]);
    grant["debugContext"] =
        json!({"debugData": {"privilegeGranted": "Super administrator, Group administrator"}});
    let udm = render(&grant);
    assert_eq!(udm["metadata"]["event_type"], "USER_CHANGE_PERMISSIONS");
    assert_eq!(udm["principal"]["user"]["product_object_id"], "00uAda");
    assert_eq!(udm["target"]["user"]["product_object_id"], "00uBob");
    let roles = &udm["target"]["user"]["attribute"]["roles"];
    assert_eq!(roles, &json!([{"name": "Super administrator"}, {"name": "Group administrator"}]));
    assert!(udm["principal"]["user"]["attribute"].get("roles").is_none());
}

#[test]
fn roles_and_scopes_among_the_targets_are_rights_too() {
    let scope = json!({"id": "scp1", "type": "OAuthScope", "displayName": "okta.users.manage"});
    let mut app = party("0oaApp", "AppInstance");
    app["detailEntry"] = json!({"scope": "okta.apps.read okta.users.manage"});
    let mut role = party("crRole", "CUSTOM_ROLE");
    role["displayName"] = "Auditor".into();
    let udm = render(&event("user.account.privilege.grant", &[party("00uBob", "User"), scope, app, role]));
    let attribute = &udm["target"]["user"]["attribute"];
    assert_eq!(attribute["permissions"], json!([{"name": "okta.users.manage"}, {"name": "okta.apps.read"}]));
    assert_eq!(attribute["roles"], json!([{"name": "Auditor"}]));
    let mut same = event("user.account.privilege.grant", &[party("00uBob", "User"), party("r1", "ROLE")]);
    same["debugContext"] = json!({"debugData": {"privilegeGranted": "NAME OF R1"}});
    let roles = &render(&same)["target"]["user"]["attribute"]["roles"];
    assert_eq!(roles, &json!([{"name": "NAME OF R1"}]), "one role in two spellings is one");
    assert_eq!(udm["about"].as_array().unwrap().len() + 1, 3, "they stay targets: {}", udm["about"]);
}

#[test]
fn fast_pass_is_told_from_a_push_and_results_are_known_in_any_letters() {
    let details = |factor: &str| {
        let mut mfa = event("user.authentication.auth_via_mfa", &[]);
        mfa["debugContext"] = json!({"debugData": {"factor": factor}});
        mfa["outcome"]["result"] = "deny".into();
        let udm = render(&mfa);
        assert_eq!(udm["security_result"][0]["action"], json!(["BLOCK"]));
        udm["extensions"]["auth"]["auth_details"].clone()
    };
    assert_eq!(details("SIGNED_NONCE"), "Okta FastPass");
    assert_eq!(details("Use Okta FastPass"), "Okta FastPass");
    assert_eq!(details("OKTA_VERIFY_PUSH"), "OKTA_VERIFY_PUSH");
}

#[test]
fn a_risk_that_nobody_can_read_is_told_whatever_stands_beside_it() {
    let mut risky = event("user.session.start", &[]);
    risky["debugContext"] = json!({"debugData": {"risk": "{level=VERY_HIGH}"}});
    risky["securityContext"] = json!({"risk": {"level": "MEDIUM"}});
    assert!(render(&risky)["additional"]["oktabus.note.risk"].is_string());
    risky["debugContext"] = Value::Null;
    assert!(render(&risky)["additional"].get("oktabus.note.risk").is_none());
}

#[test]
fn a_rule_of_a_policy_is_changed_with_the_policy_and_all_targets_are_told_where_they_belong() {
    let policy =
        [party("00pPolicy", "PolicyEntity"), party("0prRule", "PolicyRule"), party("00gGroup", "UserGroup")];
    let udm = render(&event("policy.rule.update", &policy));
    assert_eq!(udm["metadata"]["event_type"], "USER_RESOURCE_UPDATE_CONTENT");
    assert_eq!(udm["target"]["resource"]["product_object_id"], "00pPolicy");
    assert_eq!(udm["target"]["resource"]["resource_type"], "ACCESS_POLICY");
    assert_eq!(label(&udm["target"]["resource"]["attribute"]["labels"], "detailEntry.of"), Some("00pPolicy"));
    assert_eq!(udm["security_result"][1]["rule_id"], "0prRule");
    assert_eq!(udm["about"][0]["group"]["product_object_id"], "00gGroup");
}

#[test]
fn what_nobody_did_has_a_type_whose_demands_it_meets() {
    let mut nobody = event("zone.delete", &[party("nzoZone", "NetworkZone")]);
    nobody["actor"] = Value::Null;
    assert_eq!(render(&nobody)["metadata"]["event_type"], "RESOURCE_DELETION");
    nobody["target"] = Value::Null;
    assert_eq!(render(&nobody)["metadata"]["event_type"], "GENERIC_EVENT");
    let mut job = event("user.lifecycle.create", &[party("00uBob", "User")]);
    job["client"] = Value::Null;
    let udm = render(&job);
    assert_eq!(udm["metadata"]["event_type"], "USER_CREATION");
    assert_eq!(
        udm["principal"]["hostname"], "acme.okta.com",
        "where there was no client it was Okta's own service"
    );
    assert_eq!(render(&json!("text"))["additional"]["oktabus.original"], "\"text\"");
}

#[test]
fn a_finding_is_an_alert_with_its_risk_and_its_life() {
    let mut finding = event("user.risk.detect", &[party("00uBob", "User")]);
    finding["debugContext"] = json!({"debugData": {"traceId": "trace-1", "threatSuspected": "true",
        "risk": "{level=HIGH, reasons=Anomalous Device, New City}",
        "behaviors": "{New Device=POSITIVE, New IP=NEGATIVE}"}});
    let udm = render(&finding);
    let result = &udm["security_result"][0];
    assert_eq!((&result["alert_state"], &result["severity"]), (&json!("ALERTING"), &json!("HIGH")));
    assert_eq!((&result["threat_id"], &result["threat_status"]), (&json!("trace-1"), &json!("ACTIVE")));
    assert_eq!(result["description"], "New Device=POSITIVE");
    assert_eq!(label(&result["detection_fields"], "Risk Level"), Some("HIGH"));
    assert_eq!(label(&result["detection_fields"], "Risk Reasons"), Some("Anomalous Device, New City"));
    assert_eq!(label(&result["detection_fields"], "threatSuspected"), Some("true"));
    assert_eq!(udm["target"]["user"]["product_object_id"], "00uBob");
}

#[test]
fn what_hides_the_client_is_a_flag() {
    let mut hidden = event("user.session.start", &[]);
    hidden["securityContext"] = json!({"isProxy": "true",
        "ipDetails": {"ipServiceCategories": [{"operator": "x", "type": "VPN", "isAnonymous": true}]}});
    let udm = render(&hidden);
    assert_eq!(udm["network"]["is_proxy"], true);
    assert_eq!(udm["network"]["proxy_info"], json!({"anonymous": true, "anonymous_vpn": true}));
}

#[test]
fn no_two_paths_are_the_same() {
    let udm =
        render(&json!({"eventType": "a.b", "client.zone": 1, "client": {"zone": 2}, "oktabus.note": "3"}));
    assert_eq!(udm["additional"]["[client.zone]"], "1");
    assert_eq!(udm["additional"]["client.zone"], "2");
    assert_eq!(udm["additional"]["[oktabus.note]"], "3");
}

#[test]
fn a_finding_of_an_address_has_the_type_of_a_finding_and_no_invented_login() {
    for actor in [
        json!({"id": "unknown", "type": "User", "alternateId": "unknown", "displayName": "unknown"}),
        json!({"id": "198.51.100.7", "type": "IP address", "displayName": "198.51.100.7"}),
    ] {
        let mut finding = event("security.threat.detected", &[]);
        finding["actor"] = actor;
        let udm = render(&finding);
        assert_eq!(udm["metadata"]["event_type"], "USER_UNCATEGORIZED");
        assert_eq!(udm["principal"]["user"], json!({"user_display_name": "Unknown"}));
        assert_eq!(udm["principal"]["ip"], json!(["198.51.100.7"]));
    }
}

#[test]
fn a_risk_that_became_low_is_cleared_and_no_alert() {
    let mut change = event("user.risk.change", &[party("00uBob", "User")]);
    for (level, state, status) in
        [("LOW", "NOT_ALERTING", "CLEARED"), ("HIGH", "ALERTING", "ACTIVE"), ("MEDIUM", "ALERTING", "ACTIVE")]
    {
        change["debugContext"] =
            json!({"debugData": {"risk": format!("{{previousLevel=HIGH, level={level}}}")}});
        let result = &render(&change)["security_result"][0];
        assert_eq!(
            (&result["alert_state"], &result["threat_status"]),
            (&json!(state), &json!(status)),
            "{level}"
        );
        let kind = if level == "LOW" { "event" } else { "alert" };
        assert_eq!(render_as(Format::Ecs, &change.to_string())["event"]["kind"], kind, "{level}");
    }
}

#[test]
fn a_machine_that_acts_is_a_machine_and_no_user() {
    let mut timeout = event("device.signals.status.timeout", &[party("00uBob", "User")]);
    timeout["client"] = Value::Null;
    timeout["actor"] =
        json!({"id": "guv1", "type": "Device", "displayName": "Mac", "detailEntry": {"x": "y"}});
    let principal = &render(&timeout)["principal"];
    assert!(principal.get("user").is_none(), "{principal}");
    assert_eq!((&principal["hostname"], &principal["asset_id"]), (&json!("Mac"), &json!("Okta:guv1")));
    assert_eq!(principal["asset"]["product_object_id"], "guv1");
    assert_eq!(label(&principal["asset"]["attribute"]["labels"], "detailEntry.x"), Some("y"));
}

#[test]
fn a_server_is_what_somebody_signs_on_to_and_not_the_org() {
    let mut login =
        event("pam.server.ssh_login", &[json!({"id": "sv1", "type": "Server", "displayName": "web-01"})]);
    login["client"] = Value::Null;
    login["debugContext"] = json!({"debugData": {"fromAddress": "203.0.113.77"}});
    let udm = render(&login);
    assert_eq!(udm["metadata"]["event_type"], "USER_LOGIN");
    assert_eq!((&udm["principal"]["ip"], udm["principal"].get("hostname")), (&json!(["203.0.113.77"]), None));
    assert_eq!(
        (&udm["target"]["hostname"], &udm["target"]["asset_id"]),
        (&json!("web-01"), &json!("Okta:sv1"))
    );
    login["debugContext"] = Value::Null;
    let udm = render(&login);
    assert!(udm["principal"].get("hostname").is_none(), "the org is not where it came from");
    let mut issue = event("pam.user_creds.issue", &[]);
    issue["client"] = Value::Null;
    issue["debugContext"] = json!({"debugData": {"clientIp": "203.0.113.78", "serverHostnames": "web-01"}});
    let udm = render(&issue);
    assert_eq!(
        (&udm["principal"]["ip"], &udm["target"]["hostname"]),
        (&json!(["203.0.113.78"]), &json!("web-01"))
    );
}

#[test]
fn who_checks_out_an_account_gets_it() {
    let udm =
        render(&event("pam.resource.checkout", &[party("tm1", "Team"), party("sa1", "Service Account")]));
    assert_eq!(udm["metadata"]["event_type"], "USER_CHANGE_PERMISSIONS");
    assert_eq!(udm["target"]["user"]["product_object_id"], "00uAda");
    assert_eq!(udm["target"]["resource"]["product_object_id"], "sa1");
}

#[test]
fn what_is_made_or_ended_is_a_resource_and_never_somebody_elses_application() {
    for (event_type, kind, expected) in [
        ("workload_principal.delete", "WorkloadPrincipal", "USER_RESOURCE_DELETION"),
        ("workload_principal.ai_agent.register", "AIAgent", "USER_RESOURCE_CREATION"),
        ("pam.cloud_account.create", "CloudAccount", "USER_RESOURCE_CREATION"),
        ("pam.cloud_account.delete", "Cloud Account", "USER_RESOURCE_DELETION"),
    ] {
        let udm = render(&event(event_type, &[party("wp1", kind)]));
        assert_eq!(udm["metadata"]["event_type"], expected, "{event_type}");
        assert_eq!(udm["target"]["resource"]["product_object_id"], "wp1", "{event_type}");
        assert!(udm["target"].get("user").is_none(), "{event_type}");
    }
    let udm = render(&event("zone.deactivate", &[party("0oaAd", "AppInstance")]));
    assert_eq!(udm["metadata"]["event_type"], "USER_RESOURCE_UPDATE_CONTENT");
    assert_eq!(udm["target"]["resource"], json!({"resource_subtype": "zone"}));
    let udm = render(&event("system.agent.ad.delete", &[party("0oaAd", "AppInstance")]));
    assert_eq!(udm["metadata"]["event_type"], "USER_RESOURCE_DELETION");
    assert_eq!(udm["target"]["resource"], json!({"resource_subtype": "system.agent.ad"}));
    assert_eq!(udm["about"][0]["resource"]["product_object_id"], "0oaAd");
}

#[test]
fn a_role_of_a_group_changes_the_group() {
    let targets = [party("crRole", "CUSTOM_ROLE"), party("00gStaff", "UserGroup")];
    let udm = render(&event("iam.resourceset.bindings.add", &targets));
    assert_eq!(udm["metadata"]["event_type"], "GROUP_MODIFICATION");
    assert_eq!(udm["target"]["group"]["attribute"]["roles"], json!([{"name": "Name of crRole"}]));
}

#[test]
fn every_address_that_somebody_tells_of_is_one() {
    let mut report = event("user.account.report_suspicious_activity_by_enduser", &[]);
    report["debugContext"] = json!({"debugData": {"suspiciousActivityEventIp": "203.0.113.9"}});
    assert_eq!(render(&report)["about"], json!([{"ip": ["203.0.113.9"]}]));
    let mut session = event("user.session.start", &[]);
    session["request"] = json!({"ipChain": [{"ip": "10.0.0.1", "geographicalContext": "somewhere"}]});
    let udm = render(&session);
    assert_eq!(udm["additional"]["request.ipChain.0.geographicalContext"], "somewhere");
    session["client"]["ipAddress"] = Value::Null;
    let udm = render(&session);
    assert_eq!((&udm["principal"]["ip"], udm["principal"].get("hostname")), (&json!(["10.0.0.1"]), None));
}

#[test]
fn factors_are_told_in_one_order_whatever_order_okta_has() {
    let factor = |id: &str, method: &str| json!({"id": id, "type": "AuthenticatorEnrollment", "detailEntry": {"methodTypeUsed": method}});
    let details = |targets: &[Value]| {
        render(&event("user.authentication.auth_via_mfa", targets))["extensions"]["auth"]["auth_details"]
            .clone()
    };
    let (one, two) = (factor("f1", "Password"), factor("f2", "Get a push notification"));
    assert_eq!(details(&[one.clone(), two.clone()]), details(&[two, one]));
}
