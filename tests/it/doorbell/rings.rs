//! Rings that bring events at once: over plain http, over TLS, behind a proxy, and with all that Okta's delivery may do.

use serde_json::{Value, json};

use super::{SECRET, Scene};
use crate::support::{
    certificates::Certificates,
    tls::TlsFront,
    tools::{eventually, free_port},
};

#[tokio::test]
async fn what_happens_at_okta_rings_and_arrives_long_before_the_next_poll() {
    let scene = Scene::new(&[], "", "").await;
    let _daemon = scene.start().await;
    scene.register(&scene.url()).await;
    let before = scene.polls().await;
    scene.happen("first").await;
    scene.arrived("first").await;

    let (doorbell, stream) = scene.status().await;
    assert_eq!((&doorbell["org"], &doorbell["rings"]), (&json!("acme"), &json!(1)), "{doorbell}");
    assert!(doorbell["last_ring_at"].is_string(), "{doorbell}");
    assert_eq!((&stream["polls_by_rings"], &stream["rings_with_events"]), (&json!(1), &json!(1)), "{stream}");
    assert!(stream["seconds_saved"].as_f64().unwrap() > 3_000.0, "{stream}");
    assert_eq!(
        (&stream["poll_interval_seconds"], &stream["idle_requests_per_hour"]),
        (&json!(3600.0), &json!(1.0))
    );
    assert_eq!(scene.polls().await - before, 1, "one request for one ring");
    for (series, least) in [
        ("oktabus_doorbell_rings_total{org=\"acme\"}", 1.0),
        ("oktabus_doorbell_last_ring_timestamp_seconds{org=\"acme\"}", 1.7e9),
        ("oktabus_doorbell_saved_seconds{stream=\"log\"}", 3_000.0),
        ("oktabus_doorbell_finds_total{stream=\"log\"}", 1.0),
        ("oktabus_poll_interval_seconds{stream=\"log\"}", 3_600.0),
        ("oktabus_doorbell_refused_total{org=\"acme\",reason=\"wrong_secret\"}", 0.0),
    ] {
        let value = scene.workplace.metric(series).await;
        assert!(value.is_some_and(|value| value >= least), "{series}: {value:?}");
    }
    let sent = scene.okta.page("/-/hooks").await;
    let kinds: Vec<_> =
        sent.as_array().unwrap().iter().map(|sent| (&sent["kind"], &sent["status"])).collect();
    assert_eq!(kinds, [(&json!("verification"), &json!(200)), (&json!("events"), &json!(200))], "{sent}");
    assert!(!scene.workplace.log().contains(SECRET));
}

#[tokio::test]
async fn over_tls_and_behind_a_proxy_it_rings_too() {
    let certificates = Certificates::new();
    let authority = certificates.authority().display().to_string();
    let options = ["--hook-ca", &authority];
    let files = format!(
        "tls = {{ certificate_file = \"{}\", key_file = \"{}\" }}",
        certificates.certificate().display(),
        certificates.key().display()
    );
    let own = Scene::new(&options, "", &files).await;
    let _daemon = own.start().await;
    own.register(&format!("https://localhost:{}", own.port)).await;
    own.happen("by-tls").await;
    own.arrived("by-tls").await;
    // Whoever does not speak TLS is not heard, and harms nobody.
    assert_eq!(own.ring(Some(SECRET)).await, 0);
    own.happen("after-that").await;
    own.arrived("after-that").await;

    let port = free_port();
    let proxied = Scene::new(&options, ", path = \"/okta/acme\"", "behind_proxy = true").await;
    let _front = TlsFront::start(port, &format!("127.0.0.1:{}", proxied.port), &certificates).await;
    let _daemon = proxied.start().await;
    proxied.register(&format!("https://localhost:{port}")).await;
    proxied.happen("by-proxy").await;
    proxied.arrived("by-proxy").await;
}

#[tokio::test]
async fn delays_disorder_copies_and_losses_cost_time_and_no_event() {
    let scene = Scene::new(&[], "", "").await;
    let _daemon = scene.start().await;
    scene.register(&scene.url()).await;
    let manner =
        json!({ "delay_milliseconds": 100, "batch_milliseconds": 50, "batch_events": 5, "disorder": true });
    let http = reqwest::Client::new();
    let answer =
        http.post(format!("{}/-/hooks", scene.okta.url())).body(manner.to_string()).send().await.unwrap();
    assert!(answer.status().is_success());
    scene.okta.arm(json!({ "kind": "hook_lost", "count": 1 })).await;
    scene.okta.arm(json!({ "kind": "hook_twice", "count": 2 })).await;
    for number in 0..30 {
        scene.happen(&format!("event-{number}")).await;
    }
    scene.arrived("event-29").await;
    let all = scene.okta.uuids().await;
    eventually("all to arrive", async || (scene.workplace.uuids("archive").len() == all.len()).then_some(()))
        .await;
    assert_eq!(scene.workplace.uuids("archive"), all, "once each, and in Okta's order");
}

#[tokio::test]
async fn a_type_that_no_hook_has_waits_for_the_next_poll_and_a_deactivated_hook_is_silent() {
    let scene = Scene::new(&[], "", "").await;
    let _daemon = scene.start().await;
    scene.register(&scene.url()).await;
    let event = json!({ "uuid": "silent", "eventType": "policy.evaluate_sign_on" });
    scene.okta.add(&event.to_string()).await;
    scene.happen("loud").await;
    scene.arrived("loud").await;
    scene.arrived("silent").await;
    let sent = scene.okta.page("/-/hooks").await;
    let told = |uuid: &str| sent.to_string().contains(&format!("\"{uuid}\""));
    assert!(told("loud") && !told("silent"), "{sent}");
    let hooks = scene.okta.api("/eventHooks").await;
    let id = hooks[0]["id"].as_str().unwrap();
    scene.okta.act(reqwest::Method::POST, &format!("/eventHooks/{id}/lifecycle/deactivate")).await;
    let events =
        |sent: &Value| sent.as_array().unwrap().iter().filter(|sent| sent["kind"] == "events").count();
    let before = events(&scene.okta.page("/-/hooks").await);
    scene.happen("unheard").await;
    scene.okta.act(reqwest::Method::POST, &format!("/eventHooks/{id}/lifecycle/activate")).await;
    // The next one is told again, and with it comes what was not.
    eventually("the hook to be sent again", async || {
        scene.happen(&format!("heard-{}", jiff::Timestamp::now().as_nanosecond())).await;
        (events(&scene.okta.page("/-/hooks").await) > before).then_some(())
    })
    .await;
    scene.arrived("unheard").await;
}

#[tokio::test]
async fn a_secret_is_rotated_without_a_restart() {
    let scene = Scene::new(&[], ", previous_secret_file = \"{dir}/previous\"", "").await;
    scene.workplace.write_secret("previous", "the-one-before-that");
    let _daemon = scene.start().await;
    assert_eq!((scene.ring(Some(SECRET)).await, scene.ring(Some("the-one-before-that")).await), (200, 200));
    scene.workplace.write_secret("previous", SECRET);
    scene.workplace.write_secret("bell", "another-secret-of-ours");
    eventually("the new secret to be taken", async || {
        (scene.ring(Some("another-secret-of-ours")).await == 200).then_some(())
    })
    .await;
    assert_eq!((scene.ring(Some(SECRET)).await, scene.ring(Some("the-one-before-that")).await), (200, 401));
}
