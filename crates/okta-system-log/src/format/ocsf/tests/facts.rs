//! Facts that Okta writes in several forms, and flags that come from the content.

use serde_json::{Value, json};

use crate::event::Events;
use crate::format::{Format, Renderer};

fn render(event: &Value) -> Value {
    let events = Events::parse(bytes::Bytes::from(format!("[{event}]"))).unwrap();
    let renderer =
        Renderer { format: Format::Ocsf, tenant: Some("acme.okta.com".to_owned()), ..Renderer::default() };
    serde_json::from_slice(&renderer.render(&events.get(0).unwrap(), None).bytes).unwrap()
}

fn sign_on(debug_data: &Value) -> Value {
    json!({"uuid": "u", "eventType": "user.session.start", "published": "2026-01-02T03:04:05.678Z", "severity": "INFO",
        "outcome": {"result": "SUCCESS"}, "debugContext": {"debugData": debug_data}})
}

#[test]
fn a_high_risk_is_severe_wherever_okta_wrote_it() {
    for data in [
        json!({"risk": "reasons=Anomalous Location, level=HIGH"}),
        json!({"risk": "{level=HIGH,reasons=Anomalous Location}"}),
        json!({"logOnlySecurityData": "{\"risk\":{\"level\":\"HIGH\",\"reasons\":\"Anomalous Location\"}}"}),
        json!({"logOnlySecurityData": {"risk": {"level": "HIGH", "reasons": "Anomalous Location"}}}),
    ] {
        let event = render(&sign_on(&data));
        assert_eq!((&event["severity"], &event["risk_level_id"]), (&json!("High"), &json!(3)), "{data}");
        assert_eq!(event["risk_details"], "Anomalous Location", "{data}");
    }
}

#[test]
fn a_risk_that_nobody_can_read_is_never_harmless() {
    let event = render(&sign_on(&json!({"risk": "<level>HIGH</level>"})));
    assert_eq!((&event["severity_id"], &event["risk_level_id"]), (&json!(0), &json!(99)));
    assert_eq!(event["risk_level"], "<level>HIGH</level>");
    assert!(event["metadata"]["debug"][0].as_str().unwrap().starts_with("risk:"));
}

#[test]
fn what_was_decided_is_known_in_any_letters() {
    for (result, status, action, disposition, decision) in [
        ("allow", "Success", "Allowed", "Allowed", json!("Allowed")),
        ("Deny", "Failure", "Denied", "Blocked", json!("Denied")),
        ("rate_limit", "Failure", "Denied", "Rejected", Value::Null),
        ("Challenge", "Challenge", "Observed", "Challenge", json!("Challenged")),
    ] {
        let mut event = sign_on(&json!({}));
        event["outcome"] = json!({"result": result});
        event["severity"] = "info".into();
        event["target"] = json!([{"id": "0pr", "type": "PolicyRule"}]);
        let event = render(&event);
        assert_eq!(
            [&event["status"], &event["action"], &event["disposition"], &event["severity"]],
            [&json!(status), &json!(action), &json!(disposition), &json!("Informational")],
            "{result}"
        );
        assert_eq!(event["authorizations"][0]["decision"], decision, "{result}");
    }
}

#[test]
fn a_search_for_a_behaviour_finds_the_events_in_which_it_fired() {
    let event = render(&sign_on(&json!({"behaviors": "{New Geo-Location=NEGATIVE, New Device=POSITIVE}"})));
    assert_eq!((&event["risk_details"], &event["is_new_logon"]), (&json!("New Device"), &json!(true)));
    let event = render(&sign_on(&json!({"behaviors": "{New Device=NEGATIVE}"})));
    assert_eq!((event.get("risk_details"), event.get("is_new_logon")), (None, None));
}

#[test]
fn what_threat_insight_detects_makes_an_event_severe() {
    let data = json!({"threatSuspected": "true", "threatDetections": "{\"Password Spray\":\"HIGH\"}"});
    let event = render(&sign_on(&data));
    assert_eq!((&event["severity"], &event["risk_details"]), (&json!("High"), &json!("Password Spray")));
    assert_eq!(render(&sign_on(&json!({"threatSuspected": "true"})))["severity"], "Medium");
    assert_eq!(render(&sign_on(&json!({"threatSuspected": "false"})))["severity"], "Informational");
}

#[test]
fn a_finding_is_as_severe_as_what_makes_it_one() {
    let finding = |event_type: &str, risk: &str| {
        render(&json!({"uuid": "u", "eventType": event_type, "severity": "INFO", "debugContext": {"debugData": {"risk": risk}}}))["severity"].clone()
    };
    assert_eq!(finding("security.breached_credential.detected", ""), "Medium");
    assert_eq!(finding("user.risk.detect", "{level=HIGH}"), "High");
    assert_eq!(finding("user.risk.detect", "{level=LOW}"), "Low");
}

#[test]
fn a_lock_is_a_success_though_the_sign_in_failed() {
    let lock = json!({"uuid": "u", "eventType": "user.account.lock", "outcome": {"result": "FAILURE", "reason": "LOCKED_OUT"}});
    let event = render(&lock);
    assert_eq!((&event["activity_name"], &event["status"]), (&json!("Lock"), &json!("Success")));
    assert_eq!((&event["status_code"], &event["status_detail"]), (&json!("FAILURE"), &json!("LOCKED_OUT")));
}

#[test]
fn what_a_type_refuses_was_not_allowed() {
    let mut event = sign_on(&json!({}));
    event["outcome"] = json!({"result": "ALLOW"});
    assert_eq!(render(&event)["action"], "Allowed");
    event["eventType"] = "application.policy.sign_on.deny_access".into();
    let event = render(&event);
    assert_eq!((&event["status"], event.get("action")), (&json!("Failure"), None));
}

#[test]
fn factors_and_protocol_are_those_that_were_used() {
    let mfa = |data: Value| {
        let mut event = sign_on(&data);
        event["eventType"] = "user.authentication.auth_via_mfa".into();
        let event = render(&event);
        (event["is_mfa"].clone(), event["auth_factors"][0]["factor_type"].clone())
    };
    assert_eq!(mfa(json!({"factor": "PASSWORD_AS_FACTOR"})), (json!(false), json!("Password")));
    assert_eq!(mfa(json!({"factor": "OKTA_VERIFY_PUSH"})), (json!(true), json!("Push Notification")));
    assert_eq!(mfa(json!({"factor": "SIGNED_NONCE"})), (Value::Null, json!("Okta FastPass")));
    for word in ["signed_nonce", "Use Okta FastPass", "OKTA_FASTPASS"] {
        assert_eq!(mfa(json!({"factor": word})).1, "Okta FastPass", "{word}");
    }
    let event = render(&sign_on(
        &json!({"authMethodFirstType": "okta_password:password:a", "authMethodSecondType": "phone_number:sms:b"}),
    ));
    assert_eq!(event["is_mfa"], true);
    let factors = [0, 1].map(|index| event["auth_factors"][index]["factor_type"].clone());
    assert_eq!(factors, ["Password", "SMS"]);
    let sso = json!({"uuid": "u", "eventType": "user.authentication.sso", "target": [
        {"id": "0oa", "type": "AppInstance", "displayName": "X", "detailEntry": {"signOnModeType": "SAML_2_0"}}]});
    assert_eq!(render(&sso)["auth_protocol"], "SAML");
}

#[test]
fn a_device_is_known_by_the_names_of_real_events() {
    let mut event = sign_on(&json!({}));
    event["device"] = json!({"id": "guo1", "platform": "OSX", "osVersion": "26.2.0"});
    let device = &render(&event)["device"];
    assert_eq!((&device["os"]["type"], &device["os"]["version"]), (&json!("macOS"), &json!("26.2.0")));
    event["device"] = json!({"id": "guo1", "osPlatform": "IOS"});
    assert_eq!(render(&event)["device"]["type"], "Mobile");
    assert_eq!(render(&event)["unmapped"].get("device"), None);
    event["device"] = json!({"name": "laptop", "os_version": "26.2.0"});
    assert_eq!(render(&event)["unmapped"]["device"]["os_version"], "26.2.0", "a version of nothing known");
}

#[test]
fn a_low_risk_beside_an_unread_one_is_not_low() {
    let mut event = sign_on(&json!({"risk": "{level=VERY_HIGH}"}));
    event["securityContext"] = json!({"risk": {"level": "LOW"}});
    let event = render(&event);
    assert_eq!((&event["risk_level_id"], &event["risk_level"]), (&json!(99), &json!("VERY_HIGH")));
}

#[test]
fn a_client_is_found_by_address_system_and_country() {
    let mut event = sign_on(&json!({}));
    event["client"] = json!({"ipAddress": "[2001:db8::7]:8443", "userAgent": {"os": "Mac OS X (iPad)",
        "rawUserAgent": "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X)"}, "geographicalContext": {"country": "South Korea"}});
    let source = &render(&event)["src_endpoint"];
    assert_eq!((&source["ip"], &source["port"]), (&json!("2001:db8::7"), &json!(8443)));
    assert_eq!((&source["os"]["type"], &source["os"]["version"]), (&json!("iPadOS"), &json!("16.6")));
    assert_eq!(source["location"]["country"], "KR");
    event["client"] = json!({"ipAddress": "::ffff:198.51.100.7", "geographicalContext": {"country": "Atlantis", "city": "X"}});
    let rendered = render(&event);
    assert_eq!(rendered["src_endpoint"]["ip"], "198.51.100.7");
    assert_eq!(rendered["src_endpoint"]["location"].get("country"), None);
    assert_eq!(rendered["unmapped"]["client"]["geographicalContext"]["country"], "Atlantis");
    assert_eq!(rendered["unmapped"]["client"]["ipAddress"], "::ffff:198.51.100.7");
    event["client"] = json!({"ipAddress": "198.51.100.300"});
    assert_eq!(render(&event)["metadata"]["debug"][0], "client.ipAddress is no address that can be read");
}

#[test]
fn no_event_seems_to_have_happened_in_1970() {
    let mut event = sign_on(&json!({}));
    event["published"] = "2026-01-02 03:04:05.678".into();
    assert_eq!(render(&event)["time"], 1_767_323_045_678_u64);
    assert_eq!(render(&event)["metadata"]["original_time"], "2026-01-02 03:04:05.678");
    event["published"] = "yesterday".into();
    event["uuid"] = "faf7398a-4f77-11ea-97fb-5925e98228bd".into();
    let rendered = render(&event);
    assert_eq!(rendered["time_dt"], "2020-02-14T22:18:51.843Z");
    assert!(rendered["metadata"]["debug"][0].as_str().unwrap().contains("`uuid`"));
    event["uuid"] = "u".into();
    let rendered = render(&event);
    assert_eq!((&rendered["time"], rendered.get("time_dt")), (&json!(0), None));
    assert!(rendered["metadata"]["debug"][0].as_str().unwrap().contains("unknown time"));
}

#[test]
fn updates_and_closes_refer_to_what_was_found() {
    let finding = |event_type: &str, trace: Option<&str>| {
        let event = json!({"uuid": event_type, "eventType": event_type, "published": "2026-01-02T03:04:05.678Z",
            "target": [{"id": "00u1", "type": "User"}], "debugContext": {"debugData": {"traceId": trace}}});
        let event = render(&event);
        (event["activity_name"].clone(), event["finding_info"].clone())
    };
    for trace in [Some("65d65fa6-b5a9-50e9-b6f1-637b9fb71c50"), None] {
        let (created, found) = finding("user.risk.detect", trace);
        let (updated, changed) = finding("user.risk.change", trace);
        assert_eq!((created, updated), (json!("Create"), json!("Update")));
        assert_eq!(found["uid"], changed["uid"]);
        assert_eq!(
            (&found["created_time"], found.get("modified_time")),
            (&json!(1_767_323_045_678_u64), None)
        );
        assert_eq!(
            (&changed["modified_time"], changed.get("created_time")),
            (&json!(1_767_323_045_678_u64), None)
        );
    }
    assert_eq!(
        finding("security.attack.start", None).1["uid"],
        finding("security.attack.end", None).1["uid"]
    );
    assert_eq!(finding("security.attack.end", None).0, "Close");
    assert_eq!(
        finding("security.threat.detected", Some("t")).1["uid"],
        "security.threat.detected",
        "each request is one"
    );
    let reported = json!({"uuid": "u", "eventType": "user.account.report_suspicious_activity_by_enduser",
        "debugContext": {"debugData": {"suspiciousActivityEventId": "u-1"}}});
    assert_eq!(render(&reported)["finding_info"]["related_events"][0]["uid"], "u-1:ocsf");
}

#[test]
fn the_addresses_of_a_request_are_not_lost_where_there_is_no_endpoint() {
    let mut event = sign_on(&json!({}));
    event["client"] = json!({"ipAddress": "junk"});
    event["request"] = json!({"ipChain": [{"ip": "203.0.113.9", "version": "V4"}]});
    let without = render(&event);
    assert!(without.get("src_endpoint").is_none(), "{without}");
    assert_eq!(without["unmapped"]["request"]["ipChain"][0]["ip"], "203.0.113.9");
    event["securityContext"] = json!({"domain": "acme.example"});
    let with = render(&event);
    assert_eq!(with["src_endpoint"]["intermediate_ips"], json!(["203.0.113.9"]));
    assert!(with["unmapped"].get("request").is_none(), "{with}");
}

#[test]
fn the_first_address_of_the_chain_is_the_clients_where_okta_names_no_other() {
    for client in [json!(null), json!({"ipAddress": "unknown"})] {
        let mut event = sign_on(&json!({}));
        event["client"] = client;
        event["request"] =
            json!({"ipChain": [{"ip": "203.0.113.9", "version": "V4"}, {"ip": "203.0.113.10"}]});
        let event = render(&event);
        assert_eq!(event["src_endpoint"]["ip"], "203.0.113.9");
        assert_eq!(event["src_endpoint"]["intermediate_ips"], json!(["203.0.113.10"]));
        assert!(event["unmapped"].get("request").is_none(), "{event}");
    }
}

#[test]
fn a_factor_that_is_checked_to_get_back_in_is_no_sign_on() {
    for (intent, activity, is_mfa) in [
        ("CREDENTIAL_RECOVERY", 99, Value::Null),
        ("ENROLLMENT", 99, Value::Null),
        ("AUTHENTICATION", 1, json!(true)),
    ] {
        let mut event = sign_on(&json!({"factor": "EMAIL", "factorIntent": intent}));
        event["eventType"] = "user.authentication.auth_via_mfa".into();
        let event = render(&event);
        assert_eq!((&event["activity_id"], &event["is_mfa"]), (&json!(activity), &is_mfa), "{intent}");
        assert_eq!(event["type_uid"], 300_200 + activity);
        assert_eq!(event["auth_factors"][0]["factor_type"], "Email");
    }
}

#[test]
fn a_risk_that_became_low_is_over() {
    for (risk, activity, status, is_alert) in [
        ("{previousLevel=HIGH, level=LOW, reasons=Admin override}", "Close", "Resolved", false),
        ("{previousLevel=HIGH, level=MEDIUM}", "Update", "In Progress", true),
        ("{previousLevel=LOW, level=HIGH}", "Update", "In Progress", true),
        ("{level=VERY_LOW}", "Update", "In Progress", true),
    ] {
        let mut event = sign_on(&json!({"risk": risk}));
        event["eventType"] = "user.risk.change".into();
        let event = render(&event);
        assert_eq!((&event["activity_name"], &event["status"]), (&json!(activity), &json!(status)), "{risk}");
        assert_eq!(event["is_alert"], is_alert, "{risk}");
    }
}

#[test]
fn the_report_of_a_partner_is_as_severe_as_it_says() {
    let report = json!({"issuer": "https://p.example", "https://schemas.okta.com/secevent/okta/event-type/user-risk-change":
        {"current_level": "high", "previous_level": "low", "reason_admin": {"en": "Malware detected"}}});
    let mut event = sign_on(&json!({"partnerRiskReportData": report.to_string()}));
    event["eventType"] = "security.events.provider.receive_event".into();
    let event = render(&event);
    assert_eq!((&event["severity"], &event["risk_level"]), (&json!("High"), &json!("High")));
    assert_eq!(event["risk_details"], "Malware detected");
}

#[test]
fn a_country_of_a_finding_is_a_code_that_can_be_searched_for() {
    let reported = |country: &str| {
        let mut event = sign_on(&json!({"suspiciousActivityEventIp": "203.0.113.66",
            "suspiciousActivityEventCountry": country}));
        event["eventType"] = json!("user.account.report_suspicious_activity_by_enduser");
        render(&event)
    };
    let code = |event: &Value| event["evidences"][0]["src_endpoint"]["location"]["country"].clone();
    let observed = |event: &Value| {
        let all = event["observables"].as_array().unwrap();
        all.iter().find(|one| one["type"] == "Country").map(|one| (one["name"].clone(), one["value"].clone()))
    };
    let expected = Some((json!("evidences[0].src_endpoint.location.country"), json!("NG")));
    let event = reported("Nigeria");
    assert_eq!((code(&event), observed(&event)), (json!("NG"), expected.clone()));
    let event = reported("Atlantis");
    assert_eq!(code(&event), Value::Null);
    assert_eq!(event["unmapped"]["debugContext"]["debugData"]["suspiciousActivityEventCountry"], "Atlantis");
    let mut event = sign_on(&json!({}));
    event["eventType"] = json!("security.threat.detected");
    event["client"] = json!({"ipAddress": "203.0.113.66", "geographicalContext": {"country": "Nigeria"}});
    let event = render(&event);
    assert_eq!((code(&event), observed(&event)), (json!("NG"), expected));
}

#[test]
fn the_addresses_that_a_session_moved_between_can_be_searched_for() {
    let observed = |event: &Value| {
        let all = event["observables"].as_array().unwrap();
        let addresses = all.iter().filter(|one| one["type"] == "IP Address");
        addresses.map(|one| (one["name"].clone(), one["value"].clone())).collect::<Vec<_>>()
    };
    let mut event = sign_on(&json!({"newIpAddress": "203.0.113.77", "previousIpAddress": "198.51.100.200"}));
    event["eventType"] = json!("user.session.context.change");
    let moved = render(&event);
    assert_eq!(
        observed(&moved),
        [
            (json!("unmapped.debugContext.debugData.newIpAddress"), json!("203.0.113.77")),
            (json!("unmapped.debugContext.debugData.previousIpAddress"), json!("198.51.100.200")),
        ]
    );
    let report = json!({"claims": {"current_ip_address": ["203.0.113.31", "x"], "previous_ip_address": "203.0.113.32"}});
    for report in [json!(report.to_string()), report] {
        let mut event = sign_on(&json!({"securityEventsProviderReportedRisk": report}));
        event["eventType"] = json!("security.events.provider.receive_event");
        let reported = render(&event);
        let evidence = |name: &str, ip: &str| json!({"name": name, "src_endpoint": {"ip": ip}});
        let both =
            [evidence("current_ip_address", "203.0.113.31"), evidence("previous_ip_address", "203.0.113.32")];
        assert_eq!(reported["evidences"], json!(both), "{reported}");
        assert_eq!(observed(&reported).len(), 2);
        assert_eq!(
            reported["unmapped"]["debugContext"]["debugData"]["securityEventsProviderReportedRisk"],
            report
        );
    }
}
