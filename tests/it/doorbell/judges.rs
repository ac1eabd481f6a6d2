//! Okta's own SDKs as judges: of the hooks that `oktabus doorbell register` makes, and of what the simulated org answers about
//! hooks.

use serde_json::{Value, json};

use super::Scene;
use crate::support::{
    judges::okta::{CLIENT_ID, KEY_ID, Key, node_hooks, python_hooks},
    okta::TOKEN,
};

/// What both SDKs see of the life of a hook of their own, with nobody at its address.
const LIFE: [&str; 8] = [
    "create: ACTIVE UNVERIFIED",
    "list: 2",
    "replace: renamed 2",
    "verify: refused 400 E0000001",
    "delete: refused 400 E0000001",
    "deactivate: INACTIVE",
    "activate: ACTIVE",
    "deleted: 404 E0000007",
];

fn judge(seen: &Value, sdk: &str) {
    let ours = &seen["ours"];
    assert_eq!(ours["name"], "oktabus acme", "{sdk}: {seen}");
    assert_eq!(
        (&ours["status"], &ours["verificationStatus"]),
        (&json!("ACTIVE"), &json!("VERIFIED")),
        "{sdk}: {seen}"
    );
    assert_eq!(
        (&ours["type"], &ours["auth"]),
        (&json!("EVENT_TYPE"), &json!("authorization")),
        "{sdk}: {seen}"
    );
    assert!(ours["types"].as_u64().is_some_and(|types| types > 200), "{sdk}: {seen}");
    assert_eq!(seen["steps"], json!(LIFE), "{sdk}: {seen}");
    println!("{sdk}: the hook of register, and the life of another: {}", seen["steps"]);
}

#[tokio::test]
async fn oktas_sdks_read_the_hooks_that_register_makes_and_manage_their_own() {
    for sdk in ["node", "python"] {
        let scene = Scene::new(&[], "", "").await;
        let _daemon = scene.start().await;
        scene.register(&scene.url()).await;
        let configuration = json!({ "orgUrl": scene.okta.url(), "token": TOKEN });
        let seen = match sdk {
            "node" => node_hooks(configuration).await,
            _ => python_hooks(configuration).await,
        };
        judge(&seen, sdk);
    }
}

#[tokio::test]
async fn a_service_app_needs_the_scopes_of_hooks_and_no_other() {
    let key = Key::generate("RSA");
    let scene = Scene::new(&[], "", "").await;
    let auth = format!(
        "method = \"private_key_jwt\", client_id = \"{CLIENT_ID}\", private_key_file = \"{{dir}}/key\", key_id = \"{KEY_ID}\""
    );
    let rest = format!(
        "[orgs.acme]\nurl = \"{}\"\nauth = {{ {auth} }}\ndoorbell = {{ secret_file = \"{{dir}}/bell\" }}\n{}\n[doorbell]\nlisten = \"127.0.0.1:{}\"\n",
        scene.okta.url(),
        super::TO_FILES,
        scene.port
    );
    scene.workplace.write_secret("key", &key.jwk(None));
    scene.workplace.configure(&rest);
    let app = |scopes: &[&str]| key.app(&json!({ "scopes": scopes, "roles": ["SUPER_ADMIN"] }));
    scene.okta.register(&app(&["okta.logs.read", "okta.users.manage"])).await;
    let refused = scene.workplace.oktabus(&["doorbell", "status"]).await;
    assert!(refused.code == Some(69) && refused.stderr.contains("okta.eventHooks"), "{refused:?}");
    scene.okta.register(&app(&["okta.eventHooks.read"])).await;
    let status = scene.workplace.oktabus(&["doorbell", "status"]).await;
    assert_eq!(status.code, Some(1), "it may look, and there is none: {status:?}");
    scene.okta.register(&app(&["okta.eventHooks.manage"])).await;
    let registered = scene.workplace.oktabus(&["doorbell", "register", "--url", &scene.url()]).await;
    assert!(registered.stdout.contains("created as who"), "{registered:?}");
    let status = scene.workplace.oktabus(&["doorbell", "status"]).await;
    assert!(status.code == Some(1) && status.stdout.contains("not verified"), "{status:?}");
}
