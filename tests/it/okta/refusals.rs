//! Everything that can be wrong with a credential is refused with what to do, costs no event, and passes by itself once it
//! is put right.

use serde_json::{Value, json};

use super::{org, service_app, workplace};
use crate::support::{
    daemon::Workplace,
    judges::okta::{CLIENT_ID, KEY_ID, Key},
    okta::Okta,
};

/// What the operator sees of a daemon whose app is as in `app`, and then that nothing is lost once it is right.
async fn trouble(key: &Key, app: &Value, more: &str) -> String {
    let okta = org(500, key, &json!({}), &[]).await;
    okta.register(app).await;
    let workplace = workplace(&okta, &key.pkcs8, more);
    let _daemon = workplace.start(&[]);
    let route = workplace.route("log/files", |route| route.okta_trouble.is_some()).await;
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(69), "{}", said.stdout);
    assert!(said.stdout.contains("FAIL"), "{}", said.stdout);
    route.okta_trouble.unwrap()
}

#[tokio::test]
async fn what_okta_refuses_is_told_with_what_to_do() {
    let (key, other) = (Key::generate("P-256"), Key::generate("P-256"));
    let right = key.app(&json!({}));
    let another_id = json!({"client_id": "0oaother", "jwks": key.jwks()});
    let known = "key_id = \"key-1\"";
    for (app, more, expected, remedy) in [
        (other.app(&json!({})), known, "401 invalid_client: The client_assertion signature", "public half"),
        (right.clone(), "key_id = \"key-2\"", "401 invalid_client: The client_assertion JWT kid", "`key_id`"),
        (key.app(&json!({"scopes": ["okta.users.read"]})), known, "400 invalid_scope", "oktabus check"),
        (key.app(&json!({"roles": []})), known, "403 E0000006", "administrator role"),
        (
            key.app(&json!({"dpop_bound_access_tokens": true})),
            "key_id = \"key-1\"\ndpop = false",
            "400 invalid_dpop_proof: The DPoP proof JWT header is missing",
            "\"auto\"",
        ),
    ] {
        let told = trouble(&key, &app, more).await;
        assert!(told.contains(expected) && told.contains(remedy), "wanted {expected}, {remedy}\ntold {told}");
    }
    let okta = Okta::with_backlog(10).await;
    okta.register(&another_id).await;
    let stranger = workplace(&okta, &key.pkcs8, "");
    let said = stranger.oktabus(&["check"]).await;
    assert!(
        said.stdout.contains("issuer claim") && said.stdout.contains("check `client_id`"),
        "{}",
        said.stdout
    );
}

#[tokio::test]
async fn a_refusal_passes_by_itself_once_it_is_put_right() {
    let key = Key::generate("P-256");
    let okta = org(1_500, &key, &json!({"scopes": []}), &[]).await;
    let workplace = workplace(&okta, &key.pkcs8, "");
    let _daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.okta_trouble.is_some()).await;
    okta.register(&key.app(&json!({}))).await;
    workplace.route("log/files", |route| route.delivered == 1_500 && route.okta_trouble.is_none()).await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
    assert!(okta.counted("/oauth2/v1/token", 400).await <= 4, "it does not spin");
}

#[tokio::test]
async fn what_can_be_seen_before_anything_runs_ends_with_64() {
    let (p256, rsa) = (Key::generate("P-256"), Key::generate("RSA"));
    let wrong_algorithm = "algorithm = \"ES384\"";
    for (key, more, expected) in [
        (p256.pkcs8.as_str(), wrong_algorithm, "a P-256 key, with which ES384 cannot be signed; use ES256"),
        (&rsa.jwk(Some("ES256")), "", "an RSA key, with which ES256 cannot be signed"),
        (&p256.jwks().to_string(), "", "set of keys"),
        ("00token", "", "neither PEM nor JWK"),
        ("", "", "is empty"),
        (&p256.pkcs8, "algorithm = \"HS256\"", "orgs.acme.auth.algorithm"),
        (&p256.pkcs8, "dpop = \"maybe\"", "\"auto\", true or false"),
        (&p256.pkcs8, "token_file = \"{dir}/token\"", "a service app has a `private_key`"),
        (&p256.pkcs8, "client_di = \"x\"", "did you mean `client_id`?"),
    ] {
        let workplace = Workplace::with_orgs(&service_app("http://127.0.0.1:1", more));
        workplace.write_secret("key", key);
        for arguments in [&["check", "--offline"][..], &["run"]] {
            let said = workplace.oktabus(arguments).await;
            assert_eq!(said.code, Some(64), "{expected}\n{}{}", said.stdout, said.stderr);
            assert!(said.stderr.contains(expected), "wanted {expected}\ntold {}", said.stderr);
            assert!(!said.stderr.contains("00token"), "{}", said.stderr);
        }
    }
    let workplace = Workplace::with_orgs(&service_app("http://127.0.0.1:1", ""));
    workplace.write_secret("key", &p256.pkcs8);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(workplace.path("key"), open).unwrap();
    let said = workplace.oktabus(&["run"]).await;
    assert!(said.code == Some(64) && said.stderr.contains("chmod o-rwx"), "{}", said.stderr);
}

#[tokio::test]
async fn addresses_that_are_no_org_are_refused_with_the_right_one() {
    let key = Key::generate("P-256");
    for (address, expected) in [
        ("domain = \"https://acme.okta.com\"", "has a scheme or a path"),
        ("domain = \"acme.okta.com/app\"", "has a scheme or a path"),
        ("domain = \"acme-admin.okta.com\"", "use acme.okta.com"),
        ("url = \"https://acme-admin.oktapreview.com\"", "use acme.oktapreview.com"),
        ("url = \"http://acme.okta.com\"", "in the clear"),
    ] {
        let configuration = service_app("X", "").replace("url = \"X\"", address);
        let workplace = Workplace::with_orgs(&configuration);
        workplace.write_secret("key", &key.pkcs8);
        let said = workplace.oktabus(&["check", "--offline"]).await;
        assert_eq!(said.code, Some(64), "{address}");
        assert!(said.stderr.contains(expected), "{address}: {}", said.stderr);
    }
    assert_eq!((CLIENT_ID, KEY_ID), ("0oatests", "key-1"), "the cases above spell them out");
}
