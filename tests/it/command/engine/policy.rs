//! What policy forbids is not done, and says so.

use serde_json::json;

use super::scene::{Scene, essence, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_changed_about_the_protected_or_beyond_what_is_allowed() {
    let scene = Scene::prepare("placeholder = 1").await;
    let boss = scene.okta.plant("users", &json!({ "profile": { "login": "boss@acme.com" } })).await;
    scene.okta.plant("users", &json!({ "profile": { "login": "glass@acme.com" } })).await;
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    scene.okta.plant("groups", &json!({ "profile": { "name": "Bosses" }, "members": [boss] })).await;
    let policy = "allow = [\"user.suspend\", \"user.get\", \"group.*\"]\nprotect = { users = [\"GLASS@acme.com\"], groups = [\"Bosses\"] }";
    let mut scene = scene.under(policy);
    scene.resume();
    for (id, action, user, expected) in [
        ("p1", "user.suspend", "boss@acme.com", ("refused", "protected")),
        ("p2", "user.suspend", boss.as_str(), ("refused", "protected")),
        ("p3", "user.suspend", "glass@acme.com", ("refused", "protected")),
        ("p4", "user.deactivate", "ada@acme.com", ("refused", "not_allowed")),
        ("p5", "user.get", "boss@acme.com", ("done", "")),
        ("p6", "user.suspend", "ada@acme.com", ("done", "")),
    ] {
        let outcome = scene.ask(id, action, user).await;
        assert_eq!(essence(&outcome), expected, "{outcome}");
    }
    let parameters = json!({ "user": "ada@acme.com", "group": "Bosses" });
    scene.send(json!({ "id": "p7", "action": "group.add_user", "parameters": parameters })).await;
    assert_eq!(essence(&scene.outcome("p7").await), ("refused", "protected"));
    let writes = scene.okta.page("/-/writes").await;
    assert_eq!(writes.as_array().unwrap().len(), 1, "{writes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_wait_while_nobody_knows_who_is_protected() {
    let scene = Scene::start("allow = [\"*\"]\nprotect = { groups = [\"Bosses\"] }").await;
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    scene
        .send(json!({ "id": "w1", "action": "user.suspend", "parameters": { "user": "ada@acme.com" } }))
        .await;
    until(async || scene.status().await["troubles"]["protected"].is_string()).await;
    assert_eq!(essence(&scene.ask("r1", "user.search", "x").await).0, "refused");
    scene.send(json!({ "id": "r2", "action": "user.search", "parameters": { "q": "ada" } })).await;
    assert_eq!(essence(&scene.outcome("r2").await), ("done", ""));
    assert_eq!(scene.okta.page("/-/writes").await, json!([]));
    scene.okta.plant("groups", &json!({ "profile": { "name": "Bosses" } })).await;
    assert_eq!(essence(&scene.outcome("w1").await), ("done", ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_trips_stays_tripped_over_a_restart_and_is_released_by_hand() {
    let mut scene =
        Scene::start("allow = [\"*\"]\nlimits = { \"user.get\" = \"1/1h\", \"user.suspend\" = \"2/1h\" }")
            .await;
    for n in 0..4 {
        scene.okta.plant("users", &json!({ "profile": { "login": format!("l{n}@acme.com") } })).await;
    }
    let expected = [("done", ""), ("done", ""), ("refused", "limit_tripped")];
    for (n, expected) in expected.into_iter().enumerate() {
        let outcome = scene.ask(&format!("l{n}"), "user.suspend", &format!("l{n}@acme.com")).await;
        assert_eq!(essence(&outcome), expected, "{outcome}");
    }
    assert_eq!(scene.status().await["tripped"], json!(["user.suspend"]));
    scene.stop().await;
    scene.resume();
    let still = scene.ask("l3", "user.suspend", "l3@acme.com").await;
    assert_eq!(essence(&still), ("refused", "limit_tripped"));
    assert_eq!(essence(&scene.ask("other", "user.unsuspend", "l0@acme.com").await), ("done", ""));
    // To look is to look, by whatever name.
    for (id, expected) in [("d1", ("done", "")), ("d2", ("refused", "limit_tripped"))] {
        let parameters = json!({ "user": "l0@acme.com" });
        let look = json!({ "id": id, "action": "user.get", "parameters": parameters, "dry_run": true });
        scene.send(look).await;
        assert_eq!(essence(&scene.outcome(id).await), expected);
    }
    let limits = scene.by_hand(&["limits", "--json"]).await;
    assert!(limits.stdout.contains("\"tripped_at\":\"20"), "{limits:?}");
    let wrong = scene.by_hand(&["release", "user.suspnd"]).await;
    assert_eq!(wrong.code, Some(64), "{wrong:?}");
    let released = scene
        .by_hand(&["release", "user.suspend", "--reason", "it was planned", "--requested-by", "eve"])
        .await;
    assert_eq!(released.code, Some(0), "{released:?}");
    assert_eq!(essence(&scene.ask("l4", "user.suspend", "l3@acme.com").await), ("done", ""));
    assert!(scene.audit().iter().any(|line| {
        line["decision"] == "released"
            && line["action"] == "user.suspend"
            && line["requested_by"] == "eve"
            && line["reason"] == "it was planned"
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_go_where_policy_says_and_are_never_kept() {
    let policy = "allow = [\"*\"]\nreply_to = [\"replies.>\"]\nreveal = { allowed = true, private = [\"replies.private\"], stored_in = [\"OUTCOMES\"] }";
    let scene = Scene::start(policy).await;
    scene.okta.plant("users", &json!({ "profile": { "login": "ada@acme.com" } })).await;
    let expire = |id: &str, reveal: bool, reply_to: &str| {
        let parameters = json!({ "user": "ada@acme.com", "temporary_password": true });
        json!({ "id": id, "action": "user.expire_password", "parameters": parameters, "reveal": reveal, "reply_to": reply_to })
    };
    scene.send(expire("s1", true, "replies.private")).await;
    let shown = scene.outcome("s1").await;
    let secret = shown["result"]["temporary_password"]
        .as_str()
        .expect("the secret was asked for and is allowed")
        .to_owned();
    scene.send(expire("s1", true, "replies.private")).await;
    let again = scene.outcomes_of("s1", 2).await.remove(1);
    assert_eq!(again["result"]["withheld_on_repeat"], json!(["temporary_password"]));
    scene.send(expire("s2", true, "replies.public")).await;
    assert_eq!(essence(&scene.outcome("s2").await), ("refused", "reveal_not_allowed"));
    scene.send(expire("s3", true, "elsewhere")).await;
    assert_eq!(essence(&scene.outcome("s3").await), ("refused", "reply_to_not_allowed"));
    scene.send(expire("s4", false, "replies.public")).await;
    assert_eq!(scene.outcome("s4").await["result"]["withheld"], json!(["temporary_password"]));
    let subjects: Vec<_> =
        scene.nats.stored("OUTCOMES").await.into_iter().map(|message| message.subject).collect();
    assert_eq!(subjects[..2], ["replies.private", "replies.private"]);
    assert_eq!(subjects[2..4], ["replies.public", "outcomes.user.expire_password"]);
    let listed = scene.by_hand(&["show", "s1", "--json"]).await.stdout;
    assert!(listed.contains("withheld_on_repeat"), "{listed}");
    for text in [listed, scene.workplace.log(), format!("{:?}", scene.audit())] {
        assert!(!text.contains(&secret), "{text}");
    }
}
