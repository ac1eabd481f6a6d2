//! `oktabus doorbell`: the hooks at Okta from register to remove.

use serde_json::{Value, json};

use super::{RINGS, SECRET, Scene};

async fn hooks(scene: &Scene) -> Vec<Value> {
    scene.okta.api("/eventHooks").await.as_array().unwrap().clone()
}

#[tokio::test]
async fn hooks_are_made_found_again_brought_up_to_date_and_removed() {
    let scene = Scene::new(&[], "", "").await;
    let url = scene.url();
    let dry = scene.workplace.oktabus(&["doorbell", "register", "--url", &url, "--dry-run"]).await;
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(dry.stdout.contains("/api/v1/eventHooks") && dry.stdout.contains(RINGS), "{dry:?}");
    assert!(!dry.stdout.contains(SECRET), "{dry:?}");
    assert_eq!(hooks(&scene).await, Vec::<Value>::new());
    let status = scene.workplace.oktabus(&["doorbell", "status"]).await;
    assert_eq!(status.code, Some(1), "there is none: {status:?}");

    // Nobody answers the challenge yet.
    let unverified = scene.workplace.oktabus(&["doorbell", "register", "--url", &url]).await;
    assert_eq!(unverified.code, Some(1), "{unverified:?}");
    assert!(unverified.stderr.contains("the daemon must be running"), "{unverified:?}");
    let _daemon = scene.start().await;
    let verified = scene.workplace.oktabus(&["doorbell", "verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");

    scene.register(&url).await;
    let made = hooks(&scene).await;
    assert_eq!(made.len(), 1, "found again by its name");
    assert_eq!((&made[0]["name"], &made[0]["status"]), (&json!("oktabus acme"), &json!("ACTIVE")));
    assert_eq!(made[0]["verificationStatus"], "VERIFIED");
    assert_eq!(made[0]["channel"]["config"]["uri"], json!(format!("{url}/acme")));
    let status = scene.workplace.oktabus(&["doorbell", "status"]).await;
    assert!(status.code == Some(0) && status.stdout.contains("rings"), "{status:?}");
    let shown = scene.workplace.oktabus(&["doorbell", "status", "--json"]).await;
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((&shown[0]["active"], &shown[0]["verified"]), (&json!(true), &json!(true)), "{shown}");

    // A hook of somebody else stays.
    let other = json!({
        "name": "oktabus acme-test", "events": { "type": "EVENT_TYPE", "items": [RINGS] },
        "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://other.example/" } },
    });
    scene.okta.act_with(reqwest::Method::POST, "/eventHooks", &other).await;
    let dry = scene.workplace.oktabus(&["doorbell", "remove", "--dry-run"]).await;
    assert_eq!((dry.code, hooks(&scene).await.len()), (Some(0), 2), "{dry:?}");
    let removed = scene.workplace.oktabus(&["doorbell", "remove"]).await;
    assert_eq!(removed.code, Some(0), "{removed:?}");
    let left = hooks(&scene).await;
    assert_eq!((left.len(), &left[0]["name"]), (1, &json!("oktabus acme-test")));
}

#[tokio::test]
async fn mistakes_are_told_with_what_to_do() {
    let scene = Scene::new(&[], "", "").await;
    let without_url = scene.workplace.oktabus(&["doorbell", "register"]).await;
    assert_eq!(without_url.code, Some(64));
    assert!(without_url.stderr.contains("doorbell.public_url"), "{without_url:?}");
    let plain = scene.workplace.oktabus(&["doorbell", "register", "--url", "http://bell.example"]).await;
    assert!(plain.code == Some(64) && plain.stderr.contains("https"), "{plain:?}");
    let unknown = scene.workplace.oktabus(&["doorbell", "status", "--org", "other"]).await;
    assert!(unknown.code == Some(64) && unknown.stderr.contains("there are: acme"), "{unknown:?}");
    scene.okta.arm(json!({ "kind": "status", "status": 403, "count": 1 })).await;
    let forbidden = scene.workplace.oktabus(&["doorbell", "status"]).await;
    assert!(
        forbidden.code == Some(69) && forbidden.stderr.contains("okta.eventHooks.manage"),
        "{forbidden:?}"
    );
}

#[tokio::test]
async fn what_the_simulated_org_refuses_okta_refuses_too() {
    let scene = Scene::new(&[], "", "").await;
    let hook = |types: Value, uri: &str| {
        json!({
            "name": "x", "events": { "type": "EVENT_TYPE", "items": types },
            "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": uri } },
        })
    };
    let post = async |body: Value| {
        let request = reqwest::Client::new().post(format!("{}/api/v1/eventHooks", scene.okta.url()));
        let request = request.header("authorization", format!("SSWS {}", crate::support::okta::TOKEN));
        request.body(body.to_string()).send().await.unwrap().status().as_u16()
    };
    assert_eq!(post(hook(json!([RINGS]), "https://a.example/")).await, 200);
    assert_eq!(post(hook(json!(["event_hook.delivery"]), "https://a.example/")).await, 400, "not eligible");
    assert_eq!(post(hook(json!([RINGS]), "http://a.example/")).await, 400, "not https");
    assert_eq!(post(hook(json!([]), "https://a.example/")).await, 400, "nothing to tell");
    assert_eq!(post(hook(json!(vec![RINGS; 301]), "https://a.example/")).await, 400, "too many");
    for _ in 1..25 {
        assert_eq!(post(hook(json!([RINGS]), "https://a.example/")).await, 200);
    }
    assert_eq!(post(hook(json!([RINGS]), "https://a.example/")).await, 400, "the 26th");
    let no_room = scene.workplace.oktabus(&["doorbell", "register", "--url", &scene.url()]).await;
    assert!(
        no_room.code == Some(1) && no_room.stderr.contains("25 active event hooks of others"),
        "{no_room:?}"
    );
}
