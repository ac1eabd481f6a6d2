//! Something between the daemon and Okta answers in Okta's place, with nothing or a refusal, and does not pass the request
//! on.

use serde_json::{Value, json};

use super::scene::{Scene, essence};

/// A change that Okta answers with a body: who carries it out, by which request, and the event that it causes.
struct Change {
    action: &'static str,
    parameters: Value,
    request: (&'static str, String),
    event: &'static str,
}

fn change(
    action: &'static str,
    parameters: Value,
    method: &'static str,
    path: &str,
    event: &'static str,
) -> Change {
    Change { action, parameters, request: (method, format!("/api/v1/{path}")), event }
}

async fn user(scene: &Scene, name: &str, status: &str) -> String {
    let login = format!("{name}@acme.com");
    let profile = json!({ "login": login, "email": login, "firstName": "R", "lastName": "W" });
    scene.okta.plant("users", &json!({ "status": status, "profile": profile })).await
}

async fn group(scene: &Scene, name: &str) -> String {
    scene.okta.plant("groups", &json!({ "profile": { "name": name } })).await
}

async fn changes_of_users(scene: &Scene) -> Vec<Change> {
    let rows = [
        ("user.activate", "STAGED", json!({}), "user.lifecycle.activate"),
        ("user.reactivate", "PROVISIONED", json!({}), "user.lifecycle.reactivate"),
        ("user.update", "ACTIVE", json!({ "profile": { "title": "Dr" } }), "user.account.update_profile"),
        ("user.expire_password", "ACTIVE", json!({}), "user.account.expire_password"),
        ("user.reset_password", "ACTIVE", json!({}), "user.account.reset_password"),
        ("user.forgot_password", "ACTIVE", json!({}), "user.account.reset_password"),
        (
            "user.set_password",
            "ACTIVE",
            json!({ "password": "Abcd-1234-efgh" }),
            "user.account.update_password",
        ),
        ("role.assign_user", "ACTIVE", json!({ "role": "HELP_DESK_ADMIN" }), "user.account.privilege.grant"),
    ];
    let mut changes = Vec::new();
    for (action, status, mut parameters, event) in rows {
        let id = user(scene, action, status).await;
        parameters["user"] = json!(id);
        changes.push(change(action, parameters, "POST", &format!("users/{id}*"), event));
    }
    changes
}

async fn changes_of_others(scene: &Scene) -> Vec<Change> {
    let app = scene.okta.api("/apps").await[0]["id"].as_str().unwrap().to_owned();
    let renamed = group(scene, "old").await;
    let assigned = group(scene, "assigned").await;
    let of_app = user(scene, "of-app", "ACTIVE").await;
    let login = "new@acme.com";
    let profile = json!({ "login": login, "email": login, "firstName": "N", "lastName": "N" });
    vec![
        change("user.create", json!({ "profile": profile }), "POST", "users", "user.lifecycle.create"),
        change("group.create", json!({ "name": "new" }), "POST", "groups", "group.lifecycle.create"),
        change(
            "group.update",
            json!({ "group": renamed, "name": "renamed" }),
            "PUT",
            &format!("groups/{renamed}"),
            "group.profile.update",
        ),
        change(
            "app.assign_user",
            json!({ "app": app, "user": of_app }),
            "POST",
            &format!("apps/{app}/users"),
            "application.user_membership.add",
        ),
        change(
            "app.assign_group",
            json!({ "app": app, "group": assigned }),
            "PUT",
            &format!("apps/{app}/groups/{assigned}"),
            "group.application_assignment.add",
        ),
        change(
            "zone.block_ip",
            json!({ "zone": "BlockedIpZone", "ip": "198.51.100.1" }),
            "PUT",
            "zones/*",
            "zone.update",
        ),
    ]
}

async fn changes_without_a_body(scene: &Scene) -> Vec<Change> {
    let (joined, left, gone) =
        (group(scene, "joined").await, group(scene, "left").await, group(scene, "gone").await);
    let user = user(scene, "member", "ACTIVE").await;
    scene.okta.act(reqwest::Method::PUT, &format!("/groups/{left}/users/{user}")).await;
    let of = |group: &str| json!({ "user": user, "group": group });
    let (joins, leaves) = (format!("groups/{joined}/users/{user}"), format!("groups/{left}/users/{user}"));
    vec![
        change("group.add_user", of(&joined), "PUT", &joins, "group.user_membership.add"),
        change("group.remove_user", of(&left), "DELETE", &leaves, "group.user_membership.remove"),
        change(
            "group.delete",
            json!({ "group": gone }),
            "DELETE",
            &format!("groups/{gone}"),
            "group.lifecycle.delete",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_done_because_somebody_else_answered_in_oktas_place() {
    // A sign-in page, a firewall and the like refuse in statuses of Okta's, too.
    for status in [204, 302, 401, 403, 404, 409] {
        somebody_else_answers(status).await;
    }
}

async fn somebody_else_answers(status: u16) {
    let scene = Scene::start("allow = [\"*\", \"role.*\"]").await;
    let mut changes = changes_of_users(&scene).await;
    changes.extend(changes_of_others(&scene).await);
    // With 204, Okta answers these itself.
    if status != 204 {
        changes.extend(changes_without_a_body(&scene).await);
    }
    for Change { request: (method, path), .. } in &changes {
        scene
            .okta
            .arm(json!({ "kind": "not_json", "status": status, "method": method, "path": path, "count": 1 }))
            .await;
    }
    for Change { action, parameters, .. } in &changes {
        scene.send(json!({ "id": action, "action": action, "parameters": parameters })).await;
    }
    let (mut made_up, mut not_done) = (Vec::new(), Vec::new());
    for Change { action, event, .. } in &changes {
        let outcome = scene.outcome(action).await;
        let writes = scene.okta.page("/-/writes").await;
        let is_it =
            |write: &Value| write["what"] == *event && write["request_id"] == outcome["okta_request_id"];
        match essence(&outcome) {
            ("done", _) if writes.as_array().unwrap().iter().any(is_it) => {}
            ("done", _) => made_up.push(*action),
            other => not_done.push(format!("{action}: {other:?}")),
        }
    }
    assert_eq!(made_up, Vec::<&str>::new(), "{status}: `done`, and the org knows nothing of it");
    assert_eq!(not_done, Vec::<String>::new(), "{status}");
    assert_eq!(scene.okta.page("/-/faults").await, json!([]), "each met the answer that is not Okta's");
}
