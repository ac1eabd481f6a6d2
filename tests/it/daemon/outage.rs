//! A bus or an org that is away: how far a route is behind, what the pages say meanwhile, and that a consumer finds
//! everything afterwards.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    daemon::Workplace,
    image::{Image, can_mount, set_unwritable},
    nats::{NatsServer, Stored},
    okta::Okta,
    tools::eventually,
};

const ROUTE: &str = "log/nats";

async fn flowing() -> Okta {
    Okta::start(&["--backlog", "200", "--rate", "20", "--rate-limit", "1000000"]).await
}

async fn lag(workplace: &Workplace) -> f64 {
    workplace.metric(r#"oktabus_route_lag_seconds{route="log/nats"}"#).await.unwrap()
}

fn uuids(stored: &[Stored]) -> BTreeSet<String> {
    stored.iter().map(|message| message.header("ce-id").unwrap().to_owned()).collect()
}

/// Waits until a consumer has found every event that there is, each once.
async fn everything_arrives(okta: &Okta, nats: &NatsServer) {
    let all: BTreeSet<_> = okta.uuids().await.into_iter().collect();
    eventually("a consumer to find every event", async || {
        let stored = nats.stored("OKTA").await;
        let found = uuids(&stored);
        assert_eq!(found.len(), stored.len(), "an event is there twice");
        all.is_subset(&found).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_lag_grows_while_the_bus_hangs_and_no_page_says_that_all_is_well() {
    let (okta, mut nats) = (flowing().await, NatsServer::start().await);
    let workplace = Workplace::new(&okta, &nats.configuration(r#"{ sink = "nats" }"#));
    let _daemon = workplace.start(&[]);
    workplace.route(ROUTE, |route| route.delivered >= 200 && route.phase == "at_tail").await;
    assert!(lag(&workplace).await < 5.0);
    assert_eq!(workplace.get("/readyz").await.unwrap().0, 200);

    nats.freeze();
    let frozen_at = Instant::now();
    workplace.route(ROUTE, |route| route.phase == "reading").await;
    let (mut before, mut told_unready) = (0.0, false);
    while frozen_at.elapsed() < Duration::from_secs(8) {
        let route = workplace.route(ROUTE, |_| true).await;
        assert_ne!(route.phase, "at_tail", "pages wait to be delivered");
        assert!(route.lag_seconds >= before, "{} after {before}", route.lag_seconds);
        before = route.lag_seconds;
        told_unready |= workplace.get("/readyz").await.unwrap().0 == 503;
        assert_eq!(workplace.get("/livez").await.unwrap().0, 200, "a restart would not help");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(before > 6.0 && told_unready, "lag {before}");
    let told = workplace.metric(r#"oktabus_sink_failures_total{route="log/nats",class="transient"}"#).await;
    assert!(told.is_some());

    nats.thaw();
    workplace.route(ROUTE, |route| route.sink_trouble.is_none() && route.phase == "at_tail").await;
    eventually("the lag to be over", async || (lag(&workplace).await < 5.0).then_some(())).await;
    everything_arrives(&okta, &nats).await;
}

#[tokio::test]
async fn the_lag_grows_while_okta_is_away() {
    let (okta, nats) = (flowing().await, NatsServer::start().await);
    let workplace = Workplace::new(&okta, &nats.configuration(r#"{ sink = "nats" }"#));
    let _daemon = workplace.start(&[]);
    workplace.route(ROUTE, |route| route.delivered >= 200 && route.phase == "at_tail").await;
    okta.arm(json!({"kind": "status", "status": 503})).await;
    let away_since = Instant::now();
    workplace.route(ROUTE, |route| route.okta_trouble.is_some()).await;
    eventually("the lag to grow", async || (lag(&workplace).await > 4.0).then_some(())).await;
    assert!(away_since.elapsed() >= Duration::from_secs(3), "it was there before Okta was away");
    assert_eq!(workplace.get("/readyz").await.unwrap().0, 503);
    okta.disarm().await;
    eventually("the lag to be over", async || (lag(&workplace).await < 2.0).then_some(())).await;
    everything_arrives(&okta, &nats).await;
}

#[tokio::test]
async fn a_stream_that_is_made_to_refuse_events_gets_them_all_when_it_is_mended() {
    let (okta, nats) = (flowing().await, NatsServer::start().await);
    let workplace = Workplace::new(&okta, &nats.configuration(r#"{ sink = "nats" }"#));
    let _daemon = workplace.start(&[]);
    workplace.route(ROUTE, |route| route.delivered >= 200 && route.phase == "at_tail").await;
    let jetstream = nats.jetstream().await;
    let mut stream = jetstream.get_stream("OKTA").await.unwrap();
    let mut config = stream.info().await.unwrap().config.clone();
    let lowered = config.max_message_size;
    config.max_message_size = 400;
    jetstream.update_stream(&config).await.unwrap();

    let stopped = workplace.route(ROUTE, |route| route.sink_trouble.is_some()).await;
    let trouble = stopped.sink_trouble.unwrap();
    assert!(trouble.contains("refuses more messages than it takes") && trouble.contains("400"), "{trouble}");
    let (status, reasons) = workplace.get("/readyz").await.unwrap();
    assert!(status == 503 && reasons.contains("refuses more messages"), "{status} {reasons}");
    assert_eq!(workplace.get("/livez").await.unwrap().0, 200);
    assert!(workplace.metric(r#"oktabus_messages_held{route="log/nats"}"#).await.unwrap() > 0.0);
    // About a hundred events later.
    let stopped = workplace.route(ROUTE, |route| route.lag_seconds > 5.0).await;
    assert!(stopped.dead_letters < 5, "{stopped:?}");
    assert_eq!(workplace.log().matches("refuses more messages").count(), 1, "it is told once");

    config.max_message_size = lowered;
    jetstream.update_stream(&config).await.unwrap();
    let mended = workplace.route(ROUTE, |route| route.sink_trouble.is_none() && route.held == 0).await;
    // A few that came one by one, before there was a reason to doubt the stream.
    let letters = std::fs::read_to_string(workplace.path("state/dead-letters/log.nats.jsonl"));
    let lost: BTreeSet<_> = letters
        .unwrap_or_default()
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["event"]["uuid"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(lost.len() as u64, mended.dead_letters);
    let all = okta.uuids().await;
    eventually("a consumer to find every event", async || {
        let mut found = uuids(&nats.stored("OKTA").await);
        found.extend(lost.iter().cloned());
        all.iter().all(|uuid| found.contains(uuid)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_store_that_somebody_moves_away_while_okta_is_away_is_told_and_nothing_is_lost() {
    if !can_mount("a store that somebody moves away") {
        return;
    }
    let (okta, mut nats) = (Okta::with_backlog(100).await, NatsServer::start().await);
    let workplace = Workplace::new(&okta, &nats.configuration(r#"{ sink = "nats" }"#));
    let _disk = Image::create(&workplace.path("disk"), 24, &workplace.path("state"));
    let daemon = workplace.start(&[]);
    workplace.route(ROUTE, |route| route.delivered == 100 && route.phase == "at_tail").await;
    nats.freeze();
    okta.add(r#"[{"uuid":"in-flight"}]"#).await;
    workplace.route(ROUTE, |route| route.phase == "reading").await;
    okta.arm(json!({"kind": "status", "status": 503})).await;
    workplace.route(ROUTE, |route| route.okta_trouble.is_some()).await;
    // The next commit fails, and there is nothing to open anew.
    let file = workplace.path("state/store/db");
    set_unwritable(&file, true);
    nats.thaw();
    workplace.route(ROUTE, |route| route.state_trouble.is_some()).await;
    let (store, aside) = (workplace.path("state/store"), workplace.path("state/other"));
    std::fs::rename(&store, &aside).unwrap();
    let moved = |trouble: &String| trouble.contains("it was removed, moved away or unmounted");
    workplace.route(ROUTE, |route| route.state_trouble.as_ref().is_some_and(moved)).await;
    assert!(!store.exists(), "no other store is made in its place");

    set_unwritable(&aside.join("db"), false);
    std::fs::rename(&aside, &store).unwrap();
    okta.disarm().await;
    workplace.route(ROUTE, |route| route.delivered == 101 && route.state_trouble.is_none()).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success(), "{}", workplace.log());
}
