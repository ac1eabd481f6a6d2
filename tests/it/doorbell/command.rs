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
    for cause in ["the daemon must be running", "another secret than the daemon"] {
        assert!(unverified.stderr.contains(cause), "{unverified:?}");
    }
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

    let dry = scene.workplace.oktabus(&["doorbell", "remove", "--dry-run"]).await;
    assert_eq!((dry.code, hooks(&scene).await.len()), (Some(0), 1), "{dry:?}");
    let removed = scene.workplace.oktabus(&["doorbell", "remove"]).await;
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert_eq!(hooks(&scene).await, Vec::<Value>::new());
}

/// Somebody makes a hook in the admin console, or by another product.
async fn made_by_others(scene: &Scene, name: &str) {
    let hook = json!({
        "name": name, "description": "Pages the one on call.", "events": { "type": "EVENT_TYPE", "items": [RINGS] },
        "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://other.example/" } },
    });
    scene.okta.act_with(reqwest::Method::POST, "/eventHooks", &hook).await;
}

#[tokio::test]
async fn hooks_of_others_stay_as_they_are_whatever_they_are_called() {
    let scene = Scene::new(&[], "", "").await;
    let _daemon = scene.start().await;
    let url = scene.url();
    for name in ["oktabus acme 3", "oktabus acme 2024", "oktabus acme +7", "oktabus acme-test"] {
        made_by_others(&scene, name).await;
    }
    let others = hooks(&scene).await;
    // The hook of a second daemon has the form of a further one of the first.
    let second = ["doorbell", "register", "--url", &url, "--name", "oktabus acme 2"];
    assert_eq!(scene.workplace.oktabus(&second).await.code, Some(0));
    let with_second = hooks(&scene).await;
    for arguments in
        [["register", "--url", &url].as_slice(), &["register", "--url", &url], &["status"], &["remove"]]
    {
        let done = scene.workplace.oktabus(&[&["doorbell"], arguments].concat()).await;
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(done.stderr.contains("`oktabus acme 3`") && done.stderr.contains("left alone"), "{done:?}");
        let left = hooks(&scene).await;
        assert!(with_second.iter().all(|hook| left.contains(hook)), "{arguments:?}: {left:#?}");
    }
    assert_eq!(hooks(&scene).await.len(), with_second.len(), "the own one is gone");
    let removed = scene.workplace.oktabus(&["doorbell", "remove", "--name", "oktabus acme 2"]).await;
    assert_eq!((removed.code, hooks(&scene).await), (Some(0), others.clone()), "{removed:?}");

    let taken = ["doorbell", "register", "--url", &url, "--name", "oktabus acme-test"];
    let taken = scene.workplace.oktabus(&taken).await;
    assert!(taken.code == Some(1) && taken.stderr.contains("another name with --name"), "{taken:?}");
    let verify = scene.workplace.oktabus(&["doorbell", "verify", "--name", "oktabus acme-test"]).await;
    assert_eq!(verify.code, Some(1), "it is not ours: {verify:?}");
    assert_eq!(hooks(&scene).await, others);
}

#[tokio::test]
async fn a_hook_that_does_not_ring_here_is_never_said_to_ring() {
    let scene = Scene::new(&[], "", "public_url = \"https://bell.example\"").await;
    let _daemon = scene.start().await;
    scene.register(&scene.url()).await;
    for command in ["status", "verify"] {
        let told = scene.workplace.oktabus(&["doorbell", command]).await;
        assert_eq!(told.code, Some(1), "{told:?}");
        assert!(!told.stdout.contains("rings"), "{told:?}");
        assert!(told.stderr.contains("not to https://bell.example/acme"), "{told:?}");
    }
    let status = scene.workplace.oktabus(&["doorbell", "status", "--json"]).await;
    let shown: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((status.code, &shown[0]["elsewhere"]), (Some(1), &json!(true)), "{shown}");

    let scene = Scene::new(&[], "", "").await;
    let _daemon = scene.start().await;
    scene.register(&scene.url()).await;
    let id = hooks(&scene).await[0]["id"].as_str().unwrap().to_owned();
    scene.okta.act(reqwest::Method::POST, &format!("/eventHooks/{id}/lifecycle/deactivate")).await;
    for command in ["status", "verify"] {
        let told = scene.workplace.oktabus(&["doorbell", command]).await;
        assert_eq!(told.code, Some(1), "{told:?}");
        assert!(!told.stdout.contains("rings"), "{told:?}");
        assert!(told.stderr.contains("`oktabus doorbell register` activates it"), "{told:?}");
    }
    scene.register(&scene.url()).await;
    let status = scene.workplace.oktabus(&["doorbell", "status"]).await;
    assert!(status.code == Some(0) && status.stdout.contains("rings"), "{status:?}");
}

#[tokio::test]
async fn register_waits_until_the_daemon_has_read_a_new_secret() {
    let scene = Scene::new(&[], "", "").await;
    let _daemon = scene.start().await;
    scene.register(&scene.url()).await;
    scene.workplace.write_secret("bell", "another-secret-of-ours");
    scene.register(&scene.url()).await;
    assert_eq!(hooks(&scene).await[0]["verificationStatus"], "VERIFIED");
    assert_eq!(scene.ring(Some("another-secret-of-ours")).await, 200);
}

#[tokio::test]
async fn mistakes_are_told_with_what_to_do() {
    let scene = Scene::new(&[], "", "").await;
    let without_url = scene.workplace.oktabus(&["doorbell", "register"]).await;
    assert_eq!(without_url.code, Some(64));
    assert!(without_url.stderr.contains("doorbell.public_url"), "{without_url:?}");
    let plain = scene.workplace.oktabus(&["doorbell", "register", "--url", "http://bell.example"]).await;
    assert!(plain.code == Some(64) && plain.stderr.contains("https"), "{plain:?}");
    for url in ["https://ada:hunter2@bell.example", "https://bell.example/?code=hunter2", "ada:hunter2@bell"]
    {
        for dry_run in [[].as_slice(), &["--dry-run"]] {
            let arguments = [["doorbell", "register", "--url", url].as_slice(), dry_run].concat();
            let secret = scene.workplace.oktabus(&arguments).await;
            assert!(secret.code == Some(64) && secret.stderr.contains("--url: it "), "{secret:?}");
            assert!(!format!("{secret:?}").contains("hunter2"), "{secret:?}");
        }
    }
    assert_eq!(hooks(&scene).await, Vec::<Value>::new());
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

#[test]
fn the_page_has_the_figures_of_the_catalogue() {
    use okta_system_log::event::catalogue;
    let page = include_str!("../../../docs/doorbell.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let (hookable, all) = (catalogue::hookable_event_types().count(), catalogue::event_types().count());
    let all = format!("{},{:03}", all / 1_000, all % 1_000);
    let figures = format!("for {hookable} of the {all} event types of its catalogue");
    assert!(page.contains(&figures), "{figures}");
    assert!(page.contains(&format!("with {hookable} event types, at https")), "what `register` says");
}
