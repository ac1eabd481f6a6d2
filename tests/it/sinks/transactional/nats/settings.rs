//! Streams that lack what is needed or are created with it, and what `check` says of them.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};
use oktabus::{
    bus::Finding,
    config::{CreateStream, NatsAuth, NatsSink, SinkConfig},
    sink::{self, SinkError},
};

use super::{
    CHECKPOINTS, STREAM, assert_read, deliver, misconfigured, open, open_for, sink, stream, take_over,
};
use crate::support::{
    events::{batch, origin},
    nats::{NatsServer, bus_of},
    proxy::Proxy,
};

async fn check(server: &NatsServer) -> Result<Vec<Finding>, SinkError> {
    sink::check(&SinkConfig::Nats(sink(server.bus(NatsAuth::None))), &[]).await
}

#[tokio::test]
async fn a_stream_that_is_created_has_all_that_is_needed() {
    let server = NatsServer::start().await;
    let create = CreateStream { max_age: Duration::from_secs(86_400), ..create() };
    let config = NatsSink { create: Some(create), ..sink(server.bus(NatsAuth::None)) };
    let findings = sink::check(&SinkConfig::Nats(config.clone()), &[]).await.unwrap();
    assert!(findings.iter().any(|finding| finding.text.contains(CHECKPOINTS)), "{findings:?}");
    assert!(server.jetstream().await.get_stream(STREAM).await.is_err(), "a check creates nothing");

    let mut sink = open_for(&config, &origin()).await.unwrap();
    take_over(&mut sink).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    assert_read(&server, &[batch(0..10)], "10").await;
    let created = server.jetstream().await.get_stream(STREAM).await.unwrap().cached_info().config.clone();
    assert_eq!(created.subjects, ["okta.*.*.>", CHECKPOINTS]);
    assert!(created.allow_atomic_publish && created.allow_rollup && created.allow_message_ttl);
    assert_eq!(created.max_age, Duration::from_secs(86_400));
}

#[tokio::test]
async fn a_missing_stream_is_told_with_the_command_that_creates_it() {
    let server = NatsServer::start().await;
    for reason in [
        misconfigured(open_for(&sink(server.bus(NatsAuth::None)), &origin()).await.unwrap_err()),
        misconfigured(check(&server).await.unwrap_err()),
    ] {
        for part in [
            "nats stream add OKTA --subjects 'okta.*.*.>'",
            "--subjects 'oktabus.checkpoints.OKTA.>'",
            "--allow-batch",
            "--allow-rollup",
            "--allow-msg-ttl",
        ] {
            assert!(reason.contains(part), "{part}: {reason}");
        }
    }
}

#[tokio::test]
async fn what_a_stream_lacks_is_told_with_the_command_and_that_is_enough() {
    let server = NatsServer::start().await;
    let lacking = Config {
        name: STREAM.to_owned(),
        subjects: vec!["okta.>".to_owned()],
        max_age: Duration::from_secs(3_600),
        max_message_size: 8_192,
        ..Config::default()
    };
    server.create_stream(lacking.clone()).await;
    let command = "nats stream edit OKTA --subjects 'okta.>,oktabus.checkpoints.OKTA.>' --allow-batch --allow-rollup \
                   --allow-msg-ttl --max-msg-size 262144";
    for reason in [
        misconfigured(open_for(&sink(server.bus(NatsAuth::None)), &origin()).await.unwrap_err()),
        misconfigured(check(&server).await.unwrap_err()),
    ] {
        assert!(reason.contains(command), "{reason}");
    }
    let unchanged = server.jetstream().await.get_stream(STREAM).await.unwrap().cached_info().config.clone();
    assert_eq!(unchanged.subjects, lacking.subjects);

    // What the command does.
    let edited = Config {
        subjects: vec!["okta.>".to_owned(), CHECKPOINTS.to_owned()],
        allow_atomic_publish: true,
        allow_rollup: true,
        allow_message_ttl: true,
        max_message_size: 262_144,
        ..lacking
    };
    server.jetstream().await.update_stream(edited).await.unwrap();
    let findings = check(&server).await.unwrap();
    assert!(
        findings.iter().any(|finding| !finding.is_warning && finding.text.contains("exactly once")),
        "{findings:?}"
    );
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    assert_read(&server, &[batch(0..10)], "10").await;
}

#[tokio::test]
async fn an_old_server_is_told_where_the_stream_takes_no_batches() {
    let server = NatsServer::start().await;
    let proxy = Proxy::start_with(server.port(), ["\"version\":\"2.15.1\"", "\"version\":\"2.11.9\""]).await;
    let config = sink(bus_of(vec![format!("nats://127.0.0.1:{}", proxy.port())], NatsAuth::None));
    let creating = NatsSink { create: Some(create()), ..config.clone() };
    let assert_told = async |config: &NatsSink| {
        let checked = sink::check(&SinkConfig::Nats(config.clone()), &[]).await;
        for error in [open_for(config, &origin()).await.unwrap_err(), checked.unwrap_err()] {
            let reason = misconfigured(error);
            assert!(
                reason.contains("2.12.1") && reason.contains("this one is 2.11.9: update it"),
                "{reason}"
            );
        }
    };
    assert_told(&creating).await;
    assert!(server.jetstream().await.get_stream(STREAM).await.is_err(), "nothing was created");
    server.create_stream(Config { allow_atomic_publish: false, ..stream() }).await;
    assert_told(&config).await;
}

fn create() -> CreateStream {
    CreateStream {
        replicas: 1,
        duplicate_window: Duration::from_secs(120),
        max_age: Duration::ZERO,
        max_bytes: None,
    }
}

#[tokio::test]
async fn a_stream_that_would_lose_checkpoints_is_refused_or_warned_of() {
    for retention in [RetentionPolicy::Interest, RetentionPolicy::WorkQueue] {
        let server = NatsServer::start().await;
        server.create_stream(Config { retention, ..stream() }).await;
        let reason = misconfigured(open_for(&sink(server.bus(NatsAuth::None)), &origin()).await.unwrap_err());
        assert!(reason.contains("retention `limits`"), "{reason}");
    }
    let server = NatsServer::start().await;
    server.create_stream(Config { discard: DiscardPolicy::Old, max_bytes: 1 << 30, ..stream() }).await;
    let findings = check(&server).await.unwrap();
    let warned = |finding: &Finding| finding.is_warning && finding.text.contains("checkpoint");
    assert!(findings.iter().any(warned), "{findings:?}");
}

#[tokio::test]
async fn two_streams_of_one_account_keep_checkpoints_with_the_same_prefix() {
    let server = NatsServer::start().await;
    let first = NatsSink { create: Some(create()), ..sink(server.bus(NatsAuth::None)) };
    let second = NatsSink {
        stream: "AUDIT".to_owned(),
        subject: oktabus::message::Template::parse("audit.{org}", oktabus::message::TemplateUse::Subject)
            .unwrap(),
        ..first.clone()
    };
    for (config, checkpoint) in [(&first, "one"), (&second, "two")] {
        let mut sink = open_for(config, &origin()).await.unwrap();
        assert_eq!(take_over(&mut sink).await, None);
        deliver(&mut sink, &batch(0..10), checkpoint).await;
    }
    assert_read(&server, &[batch(0..10)], "one").await;
}
