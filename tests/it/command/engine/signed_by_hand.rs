//! `oktabus command publish --sign-key`: judged by a library of others, and obeyed.

use std::fs;

use serde_json::{Value, json};

use super::{
    scene::{Scene, essence},
    signatures::{HEADER, Signer},
};
use crate::support::judges::messages::signature_judge;

const POLICY: &str = r#"allow = ["user.*"]
[commands.hr.signature]
keys.hr = { algorithm = "ed25519", public_key_file = "{dir}/hr.pub", allow = ["user.suspend"] }
keys.portal = { algorithm = "hmac-sha256", secret_file = "{dir}/portal.secret" }
"#;

const SUSPEND: [&str; 4] = ["publish", "user.suspend", "-p", "user=ada@acme.com"];

async fn prepare() -> Scene {
    let scene = Scene::prepare(POLICY).await;
    Signer::make_keys(&scene.workplace.path(""));
    scene
}

/// What the judge says of all that is on the queue.
async fn judged(scene: &Scene) -> Vec<Value> {
    let read = |file: &str| fs::read_to_string(scene.workplace.path(file)).unwrap();
    let (public, secret) = (read("hr.pub"), read("portal.secret"));
    let mut lines = String::new();
    for message in scene.nats.stored("COMMANDS").await {
        let signature = message.headers.iter().find(|(name, _)| name == HEADER).unwrap().1.clone();
        let payload = str::from_utf8(&message.payload).unwrap();
        for key in [json!({ "pem": public }), json!({ "secret": secret.trim_end() })] {
            let is_of = |name: &str| signature_names(&signature, name);
            if key.get("pem").is_some() == is_of("hr") {
                let mut line = json!({ "signature": signature, "payload": payload });
                line.as_object_mut().unwrap().extend(key.as_object().unwrap().clone());
                lines.push_str(&format!("{line}\n"));
            }
        }
    }
    signature_judge(&lines).await
}

/// Whether the header of `signature` names the key `name`.
fn signature_names(signature: &str, name: &str) -> bool {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let header = URL_SAFE_NO_PAD.decode(signature.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"] == name
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_signed_is_verified_by_others_and_obeyed() {
    let mut scene = prepare().await;
    for login in ["ada@acme.com", "bob@acme.com", "eve@acme.com"] {
        scene.plant_user(login).await;
    }
    let path = |file: &str| scene.workplace.path(file).display().to_string();
    let (private, secret, rows) = (path("hr.key"), path("portal.secret"), path("leavers.csv"));
    fs::write(&rows, "id,action,user\nbob,user.suspend,bob@acme.com\neve,user.suspend,eve@acme.com\n")
        .unwrap();
    let one = scene.by_hand(&[&SUSPEND[..], &["--id", "ada", "--sign-key", &private]].concat()).await;
    assert_eq!(one.code, Some(0), "{one:?}");
    let many = ["publish", "--file", &rows, "--sign-key", &secret, "--key-id", "portal"];
    let many = scene.by_hand(&many).await;
    assert_eq!(many.code, Some(0), "{many:?}");

    let headers = judged(&scene).await;
    let names: Vec<_> = headers.iter().map(|header| (header["alg"].clone(), header["kid"].clone())).collect();
    assert_eq!(names[0], (json!("EdDSA"), json!("hr")));
    assert_eq!(names[1..], [(json!("HS256"), json!("portal")), (json!("HS256"), json!("portal"))]);
    assert!(headers.iter().all(|header| header["aud"] == "acme/hr" && header["b64"] == false), "{headers:?}");

    scene.resume();
    for (id, key) in [("ada", "hr"), ("bob", "portal"), ("eve", "portal")] {
        assert_eq!(essence(&scene.outcome(id).await), ("done", ""), "{id}");
        let audit = scene.audit();
        let line = audit.iter().find(|line| line["command_id"] == id).unwrap();
        assert_eq!(line["signed_by"], key);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_would_obey_is_not_signed_and_not_sent() {
    let scene = prepare().await;
    let path = |file: &str| scene.workplace.path(file).display().to_string();
    let (private, secret, public, shared) =
        (path("hr.key"), path("portal.secret"), path("hr.pub"), path("shared.key"));
    scene.workplace.write_secret("other.secret", &"x".repeat(40));
    fs::copy(&private, &shared).unwrap();
    fs::set_permissions(&shared, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let other = path("other.secret");
    for (more, told) in [
        (&[][..], "demand signatures: name the private key"),
        (&["--sign-key", &other], "is not the signing half of `hr`, `portal`"),
        (&["--sign-key", &public], "is not the signing half of"),
        (&["--sign-key", &secret, "--key-id", "hr"], "is not the signing half of `hr`:"),
        (&["--sign-key", &secret, "--key-id", "hrr"], "no key `hrr`: `signature.keys` has `hr`, `portal`"),
        (&["--sign-key", &shared], "may be read by everybody"),
        (&["--key-id", "hr"], "--sign-key"),
    ] {
        let said = scene.by_hand(&[&SUSPEND[..], more].concat()).await;
        assert!(said.code == Some(64) && said.stderr.contains(told), "{more:?}: {said:?}");
    }
    let delete = ["publish", "user.delete", "-p", "user=ada@acme.com", "--sign-key", &private];
    let said = scene.by_hand(&delete).await;
    assert!(said.stderr.contains("`user.delete` is not allowed to the key `hr`"), "{said:?}");
    assert!(scene.nats.stored("COMMANDS").await.is_empty());
}
