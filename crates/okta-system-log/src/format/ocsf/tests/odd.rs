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
        for nobody in [json!({"type": kind}), json!({"type": kind, "id": null, "displayName": "unknown"})] {
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
