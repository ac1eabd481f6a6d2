//! What is missing or in another form than Okta's changes nothing of what an event means, in any format.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    event::Events,
    format::{Format, Renderer},
};

fn render(format: Format, event: &Value) -> Value {
    let events = Events::parse(Bytes::from(format!("[{event}]"))).unwrap();
    let renderer = Renderer { format, ..Renderer::default() };
    serde_json::from_slice(&renderer.render(&events.get(0).unwrap(), None).bytes).unwrap()
}

/// An event of this type in OCSF, ECS and UDM.
fn all(event_type: &str, members: &Value) -> [Value; 3] {
    let mut event = json!({
        "eventType": event_type, "uuid": "u", "published": "2026-01-02T03:04:05.678Z",
        "actor": {"id": "00uAdmin", "type": "User", "alternateId": "root@acme.example", "displayName": "Root"},
        "client": {"ipAddress": "198.51.100.7"}, "outcome": {"result": "SUCCESS"}
    });
    for (name, member) in members.as_object().unwrap() {
        event[name] = member.clone();
    }
    [Format::Ocsf, Format::Ecs, Format::Udm].map(|format| render(format, &event))
}

fn target(id: &str, kind: &str) -> Value {
    json!({"id": id, "type": kind, "alternateId": format!("{id}@acme.example"), "displayName": format!("Name of {id}")})
}

#[test]
fn a_target_without_id_and_name_displaces_no_other() {
    for (event_type, kind, ocsf, ecs, udm) in [
        (
            "user.lifecycle.deactivate",
            "User",
            "/user/uid",
            "/user/target/id",
            "/target/user/product_object_id",
        ),
        (
            "user.account.privilege.grant",
            "User",
            "/user/uid",
            "/user/target/id",
            "/target/user/product_object_id",
        ),
        ("group.lifecycle.delete", "UserGroup", "/group/uid", "/group/id", "/target/group/product_object_id"),
        (
            "application.lifecycle.delete",
            "AppInstance",
            "/entity/uid",
            "/service/target/id",
            "/target/resource/product_object_id",
        ),
        (
            "application.lifecycle.update",
            "AppInstance",
            "/entity/uid",
            "/service/target/id",
            "/target/resource/product_object_id",
        ),
        (
            "user.authentication.sso",
            "AppInstance",
            "/service/uid",
            "/service/target/id",
            "/target/resource/product_object_id",
        ),
        ("policy.rule.update", "PolicyRule", "/entity/uid", "/rule/id", "/target/resource/product_object_id"),
        (
            "user.mfa.attempt_bypass",
            "User",
            "/evidences/0/user/uid",
            "/user/target/id",
            "/target/user/product_object_id",
        ),
    ] {
        let named = target("zNamed", kind);
        let blank = json!({"type": kind, "id": " ", "displayName": " ", "alternateId": "\t"});
        for nobody in
            [json!({"type": kind}), json!({"type": kind, "id": null, "displayName": "unknown"}), blank]
        {
            for targets in [json!([named, nobody]), json!([nobody, named])] {
                let [in_ocsf, in_ecs, in_udm] = all(event_type, &json!({"target": targets}));
                for (rendered, path) in [(in_ocsf, ocsf), (in_ecs, ecs), (in_udm, udm)] {
                    let found = rendered.pointer(path).and_then(Value::as_str);
                    assert_eq!(found, Some("zNamed"), "{event_type} {path}: {rendered}");
                }
            }
        }
    }
    for targets in [
        json!([target("00uBob", "User"), {"type": "User"}]),
        json!([{"type": "User"}, target("00uBob", "User")]),
    ] {
        let [change, ..] = all("user.risk.change", &json!({"target": targets}));
        assert_eq!(change["finding_info"]["uid"], "user.risk:00uBob");
    }
}

#[test]
fn a_context_that_became_a_text_tells_all_that_it_told() {
    let told = |event_type: &str, data: &str| {
        let object: Value = serde_json::from_str(data).unwrap();
        let text = object.to_string();
        let contexts = [
            json!({"debugData": object}),
            json!({"debugData": text}),
            json!([{"debugData": text}]),
            json!(json!({"debugData": text}).to_string()),
        ];
        let bob = json!([target("00uBob", "User")]);
        contexts.map(|context| all(event_type, &json!({"target": bob, "debugContext": context})))
    };
    for (event_type, data, ocsf, expected) in [
        (
            "user.session.start",
            r#"{"threatSuspected":"true","threatDetections":{"Password Spray":"HIGH"}}"#,
            "/severity",
            "High",
        ),
        (
            "user.account.privilege.grant",
            r#"{"privilegeGranted":"Super administrator"}"#,
            "/privileges/0",
            "Super administrator",
        ),
        (
            "user.authentication.auth_via_mfa",
            r#"{"factor":"SMS_FACTOR","factorIntent":"CREDENTIAL_RECOVERY"}"#,
            "/type_name",
            "Authentication: Other",
        ),
        (
            "user.authentication.auth_via_mfa",
            r#"{"factor":"SMS_FACTOR"}"#,
            "/auth_factors/0/factor_type",
            "SMS",
        ),
        ("user.risk.change", r#"{"traceId":"t-1","risk":"{level=HIGH}"}"#, "/finding_info/uid", "t-1"),
    ] {
        let [plain, others @ ..] = told(event_type, data);
        assert_eq!(plain[0].pointer(ocsf).and_then(Value::as_str), Some(expected), "{event_type}");
        others.iter().for_each(|other| assert_eq!(*other, plain, "{event_type}"));
    }
    let [ocsf, ecs, udm] = all("user.session.start", &json!({"securityContext": r#"{"isProxy":true}"#}));
    assert_eq!(ocsf["metadata"]["labels"], json!(["isProxy"]));
    assert_eq!(
        (&ecs["okta"]["security_context"]["is_proxy"], &udm["network"]["is_proxy"]),
        (&json!(true), &json!(true))
    );
}

#[test]
fn what_cannot_be_read_of_an_event_is_told() {
    for members in [
        json!({"actor": [{"id": "1"}, {"id": "2"}]}),
        json!({"client": {"ipAddress": ["203.0.113.66", "203.0.113.67"]}, "request": {"ipChain": [{"ip": "198.51.100.1"}]}}),
        json!({"transaction": "the web"}),
        json!({"debugContext": {"debugData": r#"{"requestId":"#}}),
    ] {
        let [ocsf, ecs, udm] = all("user.session.start", &members);
        let note = "form: a part of the event";
        assert!(ocsf["metadata"]["debug"].to_string().contains(note), "{members}");
        assert!(ecs["error"]["message"].to_string().contains(note), "{members}");
        assert!(udm["additional"]["oktabus.note.form"].to_string().contains(note), "{members}");
        assert_ne!(ocsf["src_endpoint"]["ip"], "198.51.100.1", "nobody else's address stands for it");
    }
    let cut = json!({"debugContext": {"debugData": r#"{"threatSuspected":"true","x":"y"#}});
    let [ocsf, ..] = all("user.session.start", &cut);
    assert_eq!(ocsf["severity"], "Unknown", "a threat may be in it");
    let [ocsf, ecs, udm] = all("user.session.start", &json!({"client": {"ipAddress": ["203.0.113.66"]}}));
    assert_eq!(
        (&ocsf["src_endpoint"]["ip"], &ecs["source"]["ip"]),
        (&json!("203.0.113.66"), &json!("203.0.113.66"))
    );
    assert_eq!(udm["principal"]["ip"], json!(["203.0.113.66"]));
}

#[test]
fn who_vouches_for_a_sign_on_is_not_what_one_signs_on_to() {
    for event_type in [
        "user.authentication.auth_via_IDP",
        "user.authentication.auth_via_inbound_SAML",
        "user.authentication.auth_via_social",
        "user.authentication.auth_via_AD_agent",
        "system.iwa_agentless.auth",
    ] {
        let provider = json!([target("00uAdmin", "User"), target("0oaIdp", "AppInstance")]);
        let [ocsf, ecs, udm] = all(event_type, &json!({"target": provider}));
        assert_eq!(ocsf["service"], json!({"name": "Okta"}), "{event_type}");
        assert_eq!(ocsf["actor"]["idp"], json!({"uid": "0oaIdp", "name": "Name of 0oaIdp"}), "{event_type}");
        assert!(ecs.get("service").is_none(), "{event_type}");
        assert_eq!(udm["target"]["application"], "Okta", "{event_type}");
        assert_eq!(udm["about"][0]["resource"]["product_object_id"], "0oaIdp", "{event_type}");
    }
    let [sso, ..] = all("user.authentication.sso", &json!({"target": [target("0oaApp", "AppInstance")]}));
    assert_eq!(sso["service"]["uid"], "0oaApp");
}

#[test]
fn what_has_an_alternate_id_alone_is_named_by_it() {
    let app = json!([{"id": "0oa1", "type": "AppInstance", "alternateId": "AWS Production", "displayName": "unknown"}]);
    let [ocsf, ecs, udm] = all("user.authentication.sso", &json!({"target": app}));
    let name = json!("AWS Production");
    assert_eq!((&ocsf["service"]["name"], &ecs["service"]["target"]["name"]), (&name, &name));
    assert_eq!((&ecs["entity"]["target"]["name"][0], &udm["target"]["application"]), (&name, &name));
}

#[test]
fn an_account_on_a_device_is_not_its_users_at_okta() {
    for kind in ["OSAccount", "MacOSAccount", "OS User Account", "DeviceAccount", "LocalAccount"] {
        let targets = json!([target("00uAdmin", "User"), target("501", kind), target("guo1", "UDDevice")]);
        let [ocsf, _, udm] = all("device.local_account.create", &json!({"target": targets}));
        assert_eq!(ocsf["user"]["uid"], "501", "{kind}");
        assert_eq!(udm["target"]["user"]["product_object_id"], "501", "{kind}");
    }
}

#[test]
fn an_actor_without_an_id_is_not_whom_it_acts_on() {
    let actor = json!({"id": null, "type": "User", "alternateId": "00uAda@acme.example"});
    let targets = json!([target("00uAda", "User"), target("00uBob", "User")]);
    let [ocsf, ..] = all("user.lifecycle.deactivate", &json!({"actor": actor, "target": targets}));
    assert_eq!(ocsf["user"]["uid"], "00uBob");
}

#[test]
fn a_passkey_alone_may_be_two_factors() {
    let of = |first: &str| {
        let [ocsf, ..] = all(
            "user.session.start",
            &json!({"debugContext": {"debugData": {"authMethodFirstType": first}}}),
        );
        ocsf.get("is_mfa").cloned()
    };
    assert_eq!(of("webauthn:webauthn:aut1"), None);
    assert_eq!(of("okta_password:password:aut1"), Some(json!(false)));
    assert_eq!(of("okta_email:email:aut1"), Some(json!(false)));
}
