//! Streams that are missing, do not fit, are full or weak: what is done, and what the operator is told.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, StorageType};
use oktabus::{
    bus::BusError,
    config::{CreateStream, NatsAuth, NatsSink, SinkConfig},
    sink::{self, Sink, SinkClass, SinkError},
};

use super::{STREAM, SUBJECT, assert_stored, deliver, open, server_with, sink, stream, streams};
use crate::support::{
    events::{batch, batch_of, event, event_with_padding},
    nats::NatsServer,
    tools::eventually,
};

/// The configured subject as a wildcard.
const WILDCARD: &str = "okta.*.*.>";

fn create() -> CreateStream {
    CreateStream {
        replicas: 1,
        duplicate_window: Duration::from_secs(3_600),
        max_age: Duration::from_secs(86_400),
        max_bytes: Some(1 << 30),
    }
}

fn misconfigured<T: std::fmt::Debug>(result: Result<T, SinkError>) -> String {
    match result {
        Err(SinkError::Bus(BusError::Misconfigured { reason, .. })) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_missing_stream_is_told_with_the_command_that_creates_it() {
    let server = NatsServer::start().await;
    let reason = misconfigured(open(&sink(server.bus(NatsAuth::None)), None).await);
    assert!(reason.contains(&format!("nats stream add {STREAM} --subjects '{WILDCARD}'")), "{reason}");
}

#[tokio::test]
async fn a_stream_is_created_where_that_is_wanted() {
    let server = NatsServer::start().await;
    let sink = NatsSink { create: Some(create()), ..sink(server.bus(NatsAuth::None)) };
    let findings = sink::check(&SinkConfig::Nats(sink.clone()), &[]).await.unwrap();
    assert!(findings.iter().any(|finding| finding.text.contains("will be created")), "{findings:?}");

    deliver(&mut open(&sink, None).await.unwrap(), &batch(0..10)).await;
    let created = server.jetstream().await.get_stream(STREAM).await.unwrap().cached_info().config.clone();
    assert_eq!(created.subjects, [WILDCARD]);
    assert_eq!((created.storage, created.duplicate_window), (StorageType::File, Duration::from_secs(3_600)));
    assert_eq!((created.max_age, created.max_bytes), (Duration::from_secs(86_400), 1 << 30));
    assert!(created.allow_atomic_publish && created.allow_batch_publish);
    open(&sink, None).await.unwrap();
}

#[tokio::test]
async fn a_stream_without_our_subjects_is_told() {
    let subjects = vec!["okta.events".to_owned(), "other.>".to_owned()];
    let server = server_with(Config { subjects, ..stream() }).await;
    let reason = misconfigured(open(&sink(server.bus(NatsAuth::None)), None).await);
    assert!(reason.contains("okta.events, other.>") && reason.contains("okta.acme.okta.>"), "{reason}");
}

#[tokio::test]
async fn a_stream_for_one_org_is_enough_for_its_routes() {
    let server = server_with(Config { subjects: vec!["okta.acme.>".to_owned()], ..stream() }).await;
    let sink = sink(server.bus(NatsAuth::None));
    let findings = sink::check(&SinkConfig::Nats(sink.clone()), &[]).await.unwrap();
    assert!(findings.iter().any(|finding| finding.text.contains("only some of")), "{findings:?}");
    deliver(&mut open(&sink, None).await.unwrap(), &batch(0..10)).await;
    assert_stored(&server, &[batch(0..10)]).await;
}

#[tokio::test]
async fn a_server_without_jetstream_is_told() {
    let server = NatsServer::start_without_jetstream().await;
    let reason = misconfigured(open(&sink(server.bus(NatsAuth::None)), None).await);
    assert!(reason.contains("JetStream does not answer: enable it"), "{reason}");
}

#[tokio::test]
async fn a_subject_that_is_taken_away_is_told_and_cured() {
    for stream in streams() {
        let server = server_with(stream.clone()).await;
        let mut sink = open(&sink(server.bus(NatsAuth::None)), None).await.unwrap();
        deliver(&mut sink, &batch(0..10)).await;

        let jetstream = server.jetstream().await;
        let away = Config { subjects: vec!["other.>".to_owned()], ..stream.clone() };
        jetstream.update_stream(away).await.unwrap();
        let failure = sink.publish(&batch(10..20), 5).await.unwrap().await.unwrap_err();
        assert_eq!(failure.first_undelivered, 5);
        let told = failure.error.to_string();
        assert!(told.contains(&format!("no stream takes subject `{SUBJECT}`")), "{told}");
        let stall = sink.stall_reason()().unwrap();
        assert_eq!((stall.class, stall.reason), (SinkClass::Configuration, told));
        misconfigured(sink.recover().await);

        jetstream.update_stream(stream).await.unwrap();
        sink.recover().await.unwrap();
        assert_eq!(sink.stall_reason()(), None);
        let _ = sink.publish(&batch(10..20), 5).await.unwrap().await.unwrap();
        assert_stored(&server, &[batch(0..10), batch(15..20)]).await;
    }
}

#[tokio::test]
async fn a_full_stream_holds_up_and_loses_nothing() {
    let server = NatsServer::start().await;
    let full = CreateStream { max_bytes: Some(64 << 10), ..create() };
    let sink = NatsSink { create: Some(full), ..sink(server.bus(NatsAuth::None)) };
    let mut sink = open(&sink, None).await.unwrap();
    let failure = sink.publish(&batch(0..500), 0).await.unwrap().await.unwrap_err();
    assert!(misconfigured::<()>(Err(failure.error)).contains("raise the limits"));
    assert_stored(&server, &[batch(0..failure.first_undelivered)]).await;
}

#[tokio::test]
async fn a_message_too_large_for_the_stream_is_rejected_alone() {
    let server = server_with(Config { max_message_size: 4_096, ..stream() }).await;
    let mut sink = open(&sink(server.bus(NatsAuth::None)), None).await.unwrap();
    let mut events: Vec<_> = (0..20).map(event).collect();
    events[7] = event_with_padding(7, 4_096);
    let settled = sink.publish(&batch_of(events), 0).await.unwrap().await.unwrap();
    let [rejected] = settled.rejected() else { panic!("{settled:?}") };
    assert_eq!(rejected.index, 7);
    assert!(rejected.reason.contains("bytes"), "{}", rejected.reason);
    assert_stored(&server, &[batch(0..7), batch(8..20)]).await;
}

/// Publishes until nothing is rejected, recovering after failures as a route does.
async fn deliver_in_the_end(sink: &mut Box<dyn Sink>, event: &str) {
    let batch = batch_of([event.to_owned()]);
    eventually("the message to be taken", async || match sink.publish(&batch, 0).await.unwrap().await {
        Ok(settled) => settled.rejected().is_empty().then_some(()),
        Err(_) => {
            sink.recover().await.unwrap();
            None
        }
    })
    .await;
}

async fn assert_rejected(sink: &mut Box<dyn Sink>, event: &str, limit: &str) {
    let settled = sink.publish(&batch_of([event.to_owned()]), 0).await.unwrap().await.unwrap();
    let [rejected] = settled.rejected() else { panic!("{settled:?}") };
    assert!(rejected.reason.contains(limit), "{}", rejected.reason);
}

#[tokio::test]
async fn a_limit_of_the_stream_that_is_raised_counts_at_once() {
    for stream in streams() {
        let small = Config { max_message_size: 4_096, ..stream };
        let server = server_with(small.clone()).await;
        let mut sink = open(&sink(server.bus(NatsAuth::None)), None).await.unwrap();
        let large = event_with_padding(0, 8_192);
        assert_rejected(&mut sink, &large, "max_msg_size").await;
        assert_eq!(sink.message_bytes_max(), Some(4_096));

        let enough = Config { max_message_size: 65_536, ..small };
        server.jetstream().await.update_stream(enough).await.unwrap();
        deliver_in_the_end(&mut sink, &large).await;
        assert_eq!(sink.message_bytes_max(), Some(65_536), "nothing is shortened to the old limit");
        assert_eq!(server.stored(STREAM).await.len(), 1);
    }
}

#[tokio::test]
async fn a_limit_of_the_server_that_is_raised_counts_at_once() {
    let mut server = NatsServer::start_with("max_payload: 4096").await;
    server.create_stream(stream()).await;
    let mut sink = open(&sink(server.bus(NatsAuth::None)), None).await.unwrap();
    let large = event_with_padding(0, 8_192);
    assert_rejected(&mut sink, &large, "max_payload").await;

    server.reconfigure("max_payload: 65536").await;
    deliver_in_the_end(&mut sink, &large).await;
    assert_eq!(server.stored(STREAM).await.len(), 1);
}

#[tokio::test]
async fn the_weaknesses_of_a_stream_are_told() {
    let weak =
        Config { duplicate_window: Duration::from_millis(100), storage: StorageType::Memory, ..stream() };
    let server = server_with(weak).await;
    let findings = sink::check(&SinkConfig::Nats(sink(server.bus(NatsAuth::None))), &[]).await.unwrap();
    let warned = |of: &str| findings.iter().any(|finding| finding.is_warning && finding.text.contains(of));
    assert!(warned("duplicate window") && warned("memory"), "{findings:?}");
}
