//! Who is protected stays protected, whatever becomes of names, and nobody else is held up by it.

use serde_json::{Value, json};

use super::scene::{Scene, essence, until};

async fn refused(scene: &Scene, id: &str, action: &str, user: &str) {
    let outcome = scene.ask(id, action, user).await;
    assert_eq!(essence(&outcome), ("refused", "protected"), "{outcome}");
}

fn with_login(login: &str, email: &str) -> Value {
    json!({ "firstName": "B", "lastName": "B", "email": email, "login": login })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_user_is_so_by_an_email_and_under_a_new_login_also_after_a_restart() {
    let mut scene =
        Scene::prepare("allow = [\"*\"]\nprotect = { users = [\"chief@acme.com\", \"glass@acme.com\"] }")
            .await;
    let boss =
        scene.okta.plant("users", &json!({ "profile": with_login("boss@acme.com", "chief@acme.com") })).await;
    let glass = scene.plant_user("glass@acme.com").await;
    scene.plant_user("ada@acme.com").await;
    scene.resume();
    refused(&scene, "p1", "user.deactivate", "boss@acme.com").await;
    refused(&scene, "p2", "user.suspend", &boss).await;
    assert_eq!(essence(&scene.ask("a1", "user.suspend", "ada@acme.com").await), ("done", ""));

    // Somebody changes both names at Okta.
    for (id, login) in [(&boss, "chef@acme.com"), (&glass, "broken@acme.com")] {
        scene.okta.plant("users", &json!({ "id": id, "profile": with_login(login, login) })).await;
    }
    for round in 0..2 {
        for (what, user) in [("b", "chef@acme.com"), ("g", "broken@acme.com")] {
            refused(&scene, &format!("{what}{round}"), "user.deactivate", user).await;
        }
        let change = ["user.unsuspend", "user.suspend"][round];
        assert_eq!(essence(&scene.ask(&format!("o{round}"), change, "ada@acme.com").await), ("done", ""));
        if round == 0 {
            // What was known is looked up anew.
            scene.stop().await;
            scene.resume();
        }
    }
    assert_eq!(scene.status().await["lost_names"], json!(["chief@acme.com", "glass@acme.com"]));
    let lost = "oktabus_command_protected_names_lost{commands=\"hr\"}";
    until(async || scene.workplace.metric(lost).await == Some(2.0)).await;
    assert!(scene.workplace.log().contains("protected users are not found by these names any more"));
    let (status, text) = scene.workplace.get("/readyz").await.unwrap();
    assert!(status == 200 && text.contains("chief@acme.com, glass@acme.com"), "{status} {text}");
    assert_eq!(scene.writes().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_takes_protection_away_or_stops_changes_by_a_name_like_that_of_the_protected() {
    let mut scene = Scene::prepare("allow = [\"*\"]\nprotect = { users = [\"short\"] }").await;
    let short = scene.plant_user("short@acme.com").await;
    scene.plant_user("ada@acme.com").await;
    scene.resume();
    refused(&scene, "p0", "user.suspend", "short@acme.com").await;
    let parameters = json!({ "profile": with_login("short@evil.com", "short@evil.com") });
    scene.send(json!({ "id": "evil", "action": "user.create", "parameters": parameters })).await;
    scene.outcome("evil").await;
    for round in 0..2 {
        refused(&scene, &format!("p1{round}"), "user.deactivate", "short@acme.com").await;
        refused(&scene, &format!("p2{round}"), "user.deactivate", &short).await;
        let other = ["user.suspend", "user.unsuspend"][round];
        assert_eq!(essence(&scene.ask(&format!("o{round}"), other, "ada@acme.com").await), ("done", ""));
        scene.stop().await;
        scene.resume();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_short_name_or_email_is_given_to_no_other_user() {
    let mut scene =
        Scene::prepare("allow = [\"*\"]\nprotect = { users = [\"short\", \"chief@acme.com\"] }").await;
    scene.plant_user("short@acme.com").await;
    scene.okta.plant("users", &json!({ "profile": with_login("boss@acme.com", "chief@acme.com") })).await;
    scene.plant_user("eve@acme.com").await;
    scene.resume();
    for (number, (name, value)) in
        [("login", "Short@evil.com"), ("email", "Chief@acme.com"), ("email", "chief@acme.com")]
            .iter()
            .enumerate()
    {
        let of_eve = json!({ "user": "eve@acme.com", "profile": { *name: value } });
        let mut profile = with_login("mallory@acme.com", "mallory@acme.com");
        profile[*name] = json!(value);
        for (action, parameters) in [
            ("user.update", of_eve),
            ("user.create", json!({ "profile": profile })),
            ("user.upsert", json!({ "profile": profile })),
        ] {
            let id = format!("{action} {number}");
            scene.send(json!({ "id": id, "action": action, "parameters": parameters })).await;
            let outcome = scene.outcome(&id).await;
            assert_eq!(essence(&outcome), ("refused", "protected"), "{outcome}");
        }
    }
    assert_eq!(scene.writes().await, Vec::<String>::new());
    refused(&scene, "s", "user.suspend", "short@acme.com").await;
    refused(&scene, "b", "user.suspend", "boss@acme.com").await;
    assert_eq!(essence(&scene.ask("e", "user.suspend", "eve@acme.com").await), ("done", ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_of_who_is_protected_that_gets_no_answer_is_told() {
    let mut scene = Scene::prepare("allow = [\"*\"]\nprotect = { users = [\"glass@acme.com\"] }").await;
    scene.plant_user("glass@acme.com").await;
    scene.plant_user("ada@acme.com").await;
    let path = "/api/v1/users/glass@acme.com";
    scene.okta.arm(json!({ "kind": "delay", "milliseconds": 13_000, "path": path })).await;
    scene.resume();
    let suspend = json!({ "id": "w", "action": "user.suspend", "parameters": { "user": "ada@acme.com" } });
    scene.send(suspend).await;
    until(async || scene.status().await["troubles"]["protected"].is_string()).await;
    let text = "who is protected is asked for, and there is no answer yet, so changes wait";
    assert_eq!(scene.status().await["troubles"]["protected"], text);
    assert!(scene.workplace.log().contains(text));
    assert_eq!(scene.workplace.get("/readyz").await.unwrap().0, 503);
    let failures = "oktabus_command_failures_total{commands=\"hr\",what=\"protected\"}";
    assert_eq!(scene.workplace.metric(failures).await, Some(1.0));
    assert_eq!(scene.writes().await, Vec::<String>::new());
    assert_eq!(essence(&scene.outcome("w").await), ("done", ""), "it has only waited");
    until(async || scene.status().await["troubles"]["protected"].is_null()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_wait_for_a_protected_name_that_was_never_found() {
    let scene = Scene::start("allow = [\"*\"]\nprotect = { users = [\"typo@acme.com\"] }").await;
    scene.plant_user("ada@acme.com").await;
    let suspend = json!({ "id": "w", "action": "user.suspend", "parameters": { "user": "ada@acme.com" } });
    scene.send(suspend).await;
    until(async || scene.status().await["troubles"]["protected"].is_string()).await;
    let trouble = scene.status().await["troubles"]["protected"].to_string();
    assert!(trouble.contains("typo@acme.com"), "{trouble}");
    assert_eq!(scene.workplace.get("/readyz").await.unwrap().0, 503);
    scene.plant_user("bea@acme.com").await;
    assert_eq!(essence(&scene.ask("r", "user.get", "bea@acme.com").await), ("done", ""), "reads go on");
    assert_eq!(scene.okta.page("/-/writes").await, json!([]));
    scene.plant_user("typo@acme.com").await;
    assert_eq!(essence(&scene.outcome("w").await), ("done", ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_put_into_a_protected_app_or_taken_out_of_it() {
    let scene = Scene::prepare("placeholder = 1").await;
    scene.plant_user("ada@acme.com").await;
    let apps = scene.okta.api("/apps").await;
    let app = |n: usize| apps[n]["id"].as_str().unwrap().to_owned();
    let label = apps[0]["label"].as_str().unwrap();
    let mut scene = scene.under(&format!("allow = [\"*\"]\nprotect = {{ apps = [{label:?}] }}"));
    scene.resume();
    for (n, expected) in [(0, ("refused", "protected")), (1, ("done", ""))] {
        for action in ["app.assign_user", "app.unassign_user"] {
            let parameters = json!({ "app": app(n), "user": "ada@acme.com" });
            let id = format!("{action} {n}");
            scene.send(json!({ "id": id, "action": action, "parameters": parameters })).await;
            let outcome = scene.outcome(&id).await;
            assert_eq!(essence(&outcome), expected, "{outcome}");
        }
    }
}
