//! The daemon with a NATS server that is frozen, killed or too small for an event.

use std::{
    fs,
    time::{Duration, Instant},
};

use async_nats::jetstream::stream::Config;

use crate::support::{daemon::Workplace, nats::NatsServer, okta::Okta, tools::eventually};

fn workplace(okta: &Okta, nats: &NatsServer) -> Workplace {
    Workplace::new(okta, &nats.configuration(r#"{ sink = "nats" }"#))
}

#[tokio::test]
async fn what_can_never_be_delivered_goes_to_the_dead_letters_alone() {
    let okta = Okta::with_backlog(100).await;
    let nats = NatsServer::start().await;
    let workplace = workplace(&okta, &nats);
    let _daemon = workplace.start(&[]);
    workplace.route("log/nats", |route| route.delivered == 100).await;
    let huge = format!(r#"{{"uuid":"huge","padding":"{}"}}"#, "x".repeat(2 << 20));
    okta.add(&format!(r#"[{{"uuid":"before"}},{huge},{{"uuid":"after"}}]"#)).await;
    workplace.route("log/nats", |route| route.delivered == 102 && route.dead_letters == 1).await;

    let letter = fs::read_to_string(workplace.path("state/dead-letters/log.nats.jsonl")).unwrap();
    let letter: serde_json::Value = serde_json::from_str(&letter).unwrap();
    assert_eq!(letter["event"].to_string().len(), huge.len());
    assert_eq!(letter["id"], "acme:huge");
    assert!(letter["reason"].as_str().unwrap().contains("max_payload"), "{}", letter["reason"]);
    let stored = nats.stored("OKTA").await;
    let last: Vec<_> = stored[100..].iter().map(|message| message.payload.clone()).collect();
    assert_eq!(last, [br#"{"uuid":"before"}"#.to_vec(), br#"{"uuid":"after"}"#.to_vec()]);
}

#[tokio::test]
async fn what_is_held_for_its_size_is_delivered_once_the_stream_takes_it() {
    let okta = Okta::with_backlog(100).await;
    let nats = NatsServer::start().await;
    let small = Config {
        name: "OKTA".to_owned(),
        subjects: vec!["okta.>".to_owned()],
        max_message_size: 20_000,
        ..Config::default()
    };
    nats.create_stream(small.clone()).await;
    let workplace = workplace(&okta, &nats);
    let _daemon = workplace.start(&[]);
    workplace.route("log/nats", |route| route.delivered == 100).await;
    let padding = "x".repeat(40_000);
    let large = (0..20).map(|number| format!(r#"{{"uuid":"large-{number}","padding":"{padding}"}}"#));
    okta.add(&format!("[{}]", large.collect::<Vec<_>>().join(","))).await;
    let held = workplace.route("log/nats", |route| route.held == 20 && route.sink_trouble.is_some()).await;
    assert!(held.sink_trouble.unwrap().contains("max_msg_size"));

    let enough = Config { max_message_size: 1_000_000, ..small };
    nats.jetstream().await.update_stream(enough).await.unwrap();
    let mended = workplace.route("log/nats", |route| route.delivered == 120 && route.held == 0).await;
    assert_eq!((mended.dead_letters, mended.sink_trouble), (0, None));
    assert_eq!(nats.stored("OKTA").await.len(), 120);
}

#[tokio::test]
async fn what_only_an_operator_can_mend_is_an_error_while_it_runs_as_at_the_start() {
    let okta = Okta::with_backlog(100).await;
    let nats = NatsServer::start().await;
    let right = Config { name: "OKTA".to_owned(), subjects: vec!["okta.>".to_owned()], ..Config::default() };
    nats.create_stream(right.clone()).await;
    let workplace = workplace(&okta, &nats);
    let _daemon = workplace.start(&[]);
    workplace.route("log/nats", |route| route.delivered == 100).await;
    let elsewhere = Config { subjects: vec!["other.>".to_owned()], ..right };
    nats.jetstream().await.update_stream(elsewhere).await.unwrap();
    okta.add(r#"[{"uuid":"later"}]"#).await;
    workplace.route("log/nats", |route| route.sink_trouble.is_some()).await;
    let log = workplace.log();
    let told = log.lines().find(|line| line.contains("delivery failed")).unwrap();
    assert!(told.contains(r#""level":"ERROR""#) && told.contains("no stream takes subject"), "{told}");
}

#[tokio::test]
async fn a_server_that_goes_away_is_waited_for() {
    let okta = Okta::with_backlog(1_500).await;
    let mut nats = NatsServer::start().await;
    let workplace = workplace(&okta, &nats);
    let _daemon = workplace.start(&[]);
    workplace.route("log/nats", |route| route.delivered == 1_500).await;
    nats.kill();
    okta.add(r#"[{"uuid":"meanwhile"}]"#).await;
    workplace.route("log/nats", |route| route.sink_trouble.is_some()).await;
    assert_eq!(workplace.get("/readyz").await.unwrap().0, 503);
    assert_eq!(workplace.get("/livez").await.unwrap().0, 200);
    nats.restart().await;
    workplace.route("log/nats", |route| route.delivered == 1_501 && route.sink_trouble.is_none()).await;
    assert_eq!(nats.stored("OKTA").await.len(), 1_501);
}

#[tokio::test]
async fn a_sink_that_hangs_holds_up_no_stop_and_what_it_lacks_comes_after_the_next_start() {
    let okta = Okta::with_backlog(100).await;
    let mut nats = NatsServer::start().await;
    let workplace = workplace(&okta, &nats);
    let daemon = workplace.start(&[]);
    workplace.route("log/nats", |route| route.phase == "at_tail" && route.delivered == 100).await;
    nats.freeze();
    okta.add(r#"[{"uuid":"hangs"}]"#).await;
    workplace.route("log/nats", |route| route.sink_trouble.is_some()).await;
    let asked = Instant::now();
    daemon.terminate().await;
    assert!(daemon.ended().await.success(), "{}", workplace.log());
    assert!(asked.elapsed() < Duration::from_secs(4), "nothing can be drained: {:?}", asked.elapsed());
    nats.thaw();
    workplace.catch_up().await;
    assert_eq!(nats.stored("OKTA").await.len(), 101);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let okta = Okta::with_backlog(100).await;
    let mut nats = NatsServer::start().await;
    let workplace = workplace(&okta, &nats);
    let daemon = workplace.start(&[]);
    workplace.route("log/nats", |route| route.phase == "at_tail" && route.delivered == 100).await;
    nats.freeze();
    okta.add(r#"[{"uuid":"hangs"}]"#).await;
    // It has just been sent: for a moment it may still be acknowledged.
    workplace.route("log/nats", |route| route.phase == "reading").await;
    daemon.terminate().await;
    let is_stopping = || workplace.log().contains("stopping: ");
    eventually("the daemon to begin to stop", async || is_stopping().then_some(())).await;
    daemon.terminate().await;
    assert_eq!(daemon.ended().await.code(), Some(130), "{}", workplace.log());
    nats.thaw();
    workplace.catch_up().await;
    assert_eq!(nats.stored("OKTA").await.len(), 101);
}
