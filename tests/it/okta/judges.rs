//! Independent judges: npm `oidc-provider` of our token client, and Okta's own SDKs of our simulated org.

use std::collections::BTreeSet;

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::{org, service_app};
use crate::support::{
    daemon::Workplace,
    judges::okta::{
        ALGORITHMS, CLIENT_ID, KEY_ID, Key, TokenServer, node_directory, node_sdk, python_directory,
        python_sdk,
    },
    okta::{Okta, TOKEN},
};

/// `check` asks once for each stream, so what it does is what the daemon does on its first request.
async fn judge(key: &Key, form: &str, algorithm: &str, dpop: bool, more: &str) {
    let server = TokenServer::start(key, algorithm, dpop).await;
    let workplace = Workplace::with_orgs(&service_app(server.url(), more));
    workplace.write_secret("key", form);
    let status = workplace.start(&["--until-caught-up"]).ended().await;
    let saw = server.saw();
    assert!(status.success(), "{algorithm} {dpop}: {saw:?}\n{}", workplace.log());
    let (last, first) = (&saw[saw.len() - 2..], &saw[..saw.len() - 2]);
    let kind = if dpop { "DPoP" } else { "Bearer" };
    assert_eq!(last, [format!("token {kind}"), "logs ok".to_owned()], "{saw:?}");
    let only_expected = first.iter().all(|line| line.starts_with("refused ") && dpop);
    assert!(only_expected && first.len() <= 1, "{algorithm} {dpop}: {saw:?}");
    println!("oidc-provider, {algorithm}, {kind}: {}", saw.join(" | "));
}

#[tokio::test]
async fn oidc_provider_takes_our_assertions_of_every_algorithm() {
    for (kind, algorithms) in ALGORITHMS {
        let key = Key::generate(kind);
        for algorithm in algorithms {
            let more = format!("algorithm = \"{algorithm}\"\nkey_id = \"{KEY_ID}\"");
            judge(&key, &key.pkcs8, algorithm, false, &more).await;
        }
    }
}

#[tokio::test]
async fn oidc_provider_takes_our_dpop_with_required_nonce() {
    // It does not say as Okta does that a proof is missing, so that cannot be found out from its answers.
    for (kind, algorithm) in [("RSA", "RS256"), ("P-256", "ES256")] {
        let key = Key::generate(kind);
        judge(&key, &key.jwk(None), algorithm, true, "dpop = true").await;
    }
}

/// What all SDKs are asked for: everything, as a bounded query, which ends.
fn question(okta: &Okta, more: &Value) -> Value {
    let now = Timestamp::now();
    let since = now.checked_sub(170.hours()).unwrap();
    let mut question = json!({ "orgUrl": okta.url(), "since": since.to_string(), "until": now.to_string() });
    question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    question
}

fn uuids(seen: &Value) -> BTreeSet<String> {
    let uuids = seen["uuids"].as_array().unwrap_or_else(|| panic!("{seen}"));
    let set: BTreeSet<_> = uuids.iter().map(|uuid| uuid.as_str().unwrap().to_owned()).collect();
    assert_eq!(set.len(), uuids.len(), "an event came twice");
    set
}

/// What the daemon delivered of the same org.
async fn delivered(okta: &Okta) -> BTreeSet<String> {
    let workplace = Workplace::new(okta, super::TO_FILES);
    workplace.catch_up().await;
    workplace.uuids("archive").into_iter().collect()
}

#[tokio::test]
async fn oktas_sdk_for_node_sees_what_we_see() {
    let key = Key::generate("RSA");
    let okta = org(2_500, &key, &json!({}), &[]).await;
    let ours = delivered(&okta).await;
    let app = json!({
        "authorizationMode": "PrivateKey", "clientId": CLIENT_ID, "scopes": ["okta.logs.read"],
        "privateKey": key.jwk(None), "keyId": KEY_ID,
    });
    for (name, dpop, access) in [
        ("API token", false, &json!({"token": TOKEN})),
        ("private_key_jwt", false, &app),
        ("DPoP", true, &app),
    ] {
        okta.register(&key.app(&json!({"dpop_bound_access_tokens": dpop}))).await;
        let seen = uuids(&node_sdk(question(&okta, access)).await);
        assert!(seen == ours, "{name}: {} events, and {} of ours", seen.len(), ours.len());
        println!("@okta/okta-sdk-nodejs, {name}: {} events, the same as ours", seen.len());
    }
    let refused = node_sdk(question(&okta, &json!({"token": "wrong"}))).await;
    assert_eq!((&refused["status"], &refused["code"]), (&json!(401), &json!("E0000011")));
    let filter = json!({"token": TOKEN, "filter": "eventType eqq \"x\""});
    let refused = node_sdk(question(&okta, &filter)).await;
    assert_eq!((&refused["status"], &refused["code"]), (&json!(400), &json!("E0000053")), "{refused}");
}

#[tokio::test]
async fn oktas_sdk_for_python_sees_what_we_see() {
    let key = Key::generate("RSA");
    let okta = org(2_500, &key, &json!({}), &[]).await;
    let ours = delivered(&okta).await;
    let app = |dpop: bool| {
        json!({
            "authorizationMode": "PrivateKey", "clientId": CLIENT_ID, "scopes": ["okta.logs.read"],
            "privateKey": key.jwk(None), "kid": KEY_ID, "dpopEnabled": dpop,
        })
    };
    for (name, dpop, access) in [
        ("API token", false, json!({"token": TOKEN})),
        ("private_key_jwt", false, app(false)),
        ("DPoP", true, app(true)),
    ] {
        okta.register(&key.app(&json!({"dpop_bound_access_tokens": dpop}))).await;
        let seen = uuids(&python_sdk(question(&okta, &access)).await);
        assert!(seen == ours, "{name}: {} events, and {} of ours", seen.len(), ours.len());
        println!("PyPI okta, {name}: {} events, the same as ours", seen.len());
    }
    let refused = python_sdk(question(&okta, &json!({"token": "wrong"}))).await;
    assert!(refused.to_string().contains("E0000011"), "{refused}");
}

/// What every client of Okta should see of a life from create to delete, with an org of 300 people.
const LIFE: [&str; 19] = [
    "create: ACTIVE",
    "create again: refused 400 E0000001",
    "get: Hopper",
    "update: Admiral Grace",
    "search: 1",
    "group: Navy OKTA_GROUP",
    "members: 1",
    "members: 0",
    "suspend: SUSPENDED",
    "suspend again: refused 400 E0000001",
    "unsuspend: ACTIVE",
    "activate: refused 403 E0000016",
    "deactivate: DEPROVISIONED",
    "get deleted: refused 404 E0000007",
    "delete again: refused 404 E0000007",
    "get deleted group: refused 404 E0000007",
    "users: 299",
    "groups: 16",
    "apps: 20",
];

#[tokio::test]
async fn oktas_sdks_live_through_the_life_of_a_user() {
    let key = Key::generate("RSA");
    let app = |scopes: &[&str], more: Value| {
        let mut app = json!({
            "authorizationMode": "PrivateKey", "clientId": CLIENT_ID, "scopes": scopes, "privateKey": key.jwk(None),
        });
        app.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app
    };
    let scopes = ["okta.users.manage", "okta.groups.manage", "okta.apps.read"];
    for name in ["API token", "private_key_jwt"] {
        // Each client finds the org as it was at the start.
        for sdk in ["node", "python"] {
            let options = ["--listing-delay", "0"];
            let okta = org(10, &key, &json!({"scopes": scopes, "roles": ["ORG_ADMIN"]}), &options).await;
            let mut configuration = match (name, sdk) {
                ("API token", _) => json!({ "token": TOKEN }),
                (_, "node") => app(&scopes, json!({ "keyId": KEY_ID })),
                _ => app(&scopes, json!({ "kid": KEY_ID })),
            };
            configuration["orgUrl"] = okta.url().into();
            let seen = match sdk {
                "node" => node_directory(configuration).await,
                _ => python_directory(configuration).await,
            };
            assert_eq!(seen["steps"], json!(LIFE), "{sdk}, {name}: {seen}");
        }
    }
}
