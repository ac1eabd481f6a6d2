//! Secrets are exchanged while the daemon runs; a bad new one does not stop what works, and the cursor is untouched.

use serde_json::json;

use super::{TO_FILES, org, workplace};
use crate::support::{
    daemon::Workplace,
    judges::okta::Key,
    okta::{Okta, TOKEN},
    tools::eventually,
};

/// Waits until the daemon has logged this so many times.
async fn logged(workplace: &Workplace, what: &str, times: usize) {
    eventually(what, async || (workplace.log().matches(what).count() >= times).then_some(())).await;
}

/// Makes events available and waits until they have arrived, so that the daemon is seen to work.
async fn works(okta: &Okta, workplace: &Workplace, number: u64) {
    okta.add(&format!("{{\"uuid\":\"rotation-{number}\",\"eventType\":\"a.b\"}}")).await;
    workplace
        .route("log/files", |route| route.delivered == 1_001 + number && route.okta_trouble.is_none())
        .await;
}

#[tokio::test]
async fn a_bad_new_token_does_not_stop_what_works() {
    let okta = Okta::with_backlog(1_000).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let daemon = workplace.start(&[]);
    works(&okta, &workplace, 0).await;

    // One that cannot be read.
    workplace.write_token("");
    daemon.reload().await;
    logged(&workplace, "cannot be used; going on with the one before", 1).await;
    works(&okta, &workplace, 1).await;

    // One that Okta refuses.
    workplace.write_token("00wrong");
    daemon.reload().await;
    logged(&workplace, "the new secret is refused: going on with the one before", 1).await;
    works(&okta, &workplace, 2).await;
    assert_eq!(okta.answered(401).await, 1);
    let status = workplace.oktabus(&["status"]).await;
    assert!(
        status.code == Some(0)
            && status.stdout.contains("Org acme goes on with the secret before the new one"),
        "{status:?}"
    );
    assert!(status.stdout.contains("Okta refuses the new secret"), "{status:?}");

    // The right one again.
    workplace.write_token(TOKEN);
    daemon.reload().await;
    logged(&workplace, "is the same", 1).await;
    works(&okta, &workplace, 3).await;
    assert!(workplace.oktabus(&["status"]).await.stdout.starts_with("ok  All is well"));
    assert!(!crate::support::okta::leaks_token(&workplace.path("log")));
    let uuids = workplace.uuids("archive");
    assert_eq!(uuids, okta.uuids().await);
}

#[tokio::test]
async fn a_key_is_exchanged_on_a_refusal_and_on_a_signal() {
    let (first, second, third) = (Key::generate("P-256"), Key::generate("RSA"), Key::generate("P-384"));
    let okta = org(1_000, &first, &json!({"dpop_bound_access_tokens": true}), &[]).await;
    let workplace = workplace(&okta, &first.pkcs8, "");
    let daemon = workplace.start(&[]);
    works(&okta, &workplace, 0).await;

    // The old key dies at Okta, and the new one is in place: the daemon finds it by itself.
    workplace.write_secret("key", &second.pkcs8);
    okta.register(&second.app(&json!({"dpop_bound_access_tokens": true}))).await;
    works(&okta, &workplace, 1).await;
    logged(&workplace, "has changed at its source: trying the new one", 1).await;

    // A bad file, and then a key that Okta does not know: the token in use is good for an hour yet.
    let tokens = okta.tokens_given().await;
    workplace.write_secret("key", "no key");
    daemon.reload().await;
    logged(&workplace, "neither PEM nor JWK", 1).await;
    workplace.write_secret("key", &third.pkcs8);
    daemon.reload().await;
    logged(&workplace, "the new secret is refused: going on with the one before", 1).await;
    works(&okta, &workplace, 2).await;
    eventually("a token by the key before", async || (okta.tokens_given().await > tokens).then_some(()))
        .await;

    let uuids = workplace.uuids("archive");
    assert_eq!(uuids, okta.uuids().await);
}

#[tokio::test]
async fn a_dead_key_stops_the_route_and_nothing_else_until_it_is_replaced() {
    let (first, second) = (Key::generate("P-256"), Key::generate("P-256"));
    let okta = org(1_000, &first, &json!({}), &[]).await;
    let workplace = workplace(&okta, &first.pkcs8, "");
    let _daemon = workplace.start(&[]);
    works(&okta, &workplace, 0).await;
    okta.register(&second.app(&json!({}))).await;
    let route = workplace.route("log/files", |route| route.okta_trouble.is_some()).await;
    let trouble = route.okta_trouble.unwrap();
    assert!(trouble.contains("signature") && trouble.contains("public half"), "{trouble}");
    assert_eq!(workplace.get("/livez").await.unwrap().0, 200);
    workplace.write_secret("key", &second.pkcs8);
    works(&okta, &workplace, 1).await;
    assert_eq!(workplace.uuids("archive"), okta.uuids().await);
}
