//! Fast ingest: what the server is asked, and that nothing is taken for delivered because a batch ended well.

use std::time::Duration;

use async_nats::{
    ConnectOptions, Subscriber,
    jetstream::{message::PublishMessage, stream::Config},
};
use futures_util::{FutureExt as _, StreamExt as _};
use oktabus::{
    config::{NatsAuth, NatsSink, Secret, SinkConfig},
    message::{Template, TemplateUse},
    sink,
};
use secrecy::SecretString;

use super::{STREAM, SUBJECT, assert_stored, deliver, open, server_with, sink as sink_of, stream, streams};
use crate::support::{
    events::{batch, batch_of, event, event_with_padding},
    nats::{NatsServer, listen},
};

/// A stream that takes fast ingest.
fn fast() -> Config {
    streams()[2].clone()
}

/// How each message came that was heard, as long as there are more.
async fn ways(heard: &mut Subscriber, messages: usize) -> Vec<&'static str> {
    let mut ways = Vec::with_capacity(messages);
    for _ in 0..messages {
        let message = heard.next().await.unwrap();
        let is_fast = message.reply.is_some_and(|reply| reply.ends_with(".$FI"));
        let in_batch = message.headers.is_some_and(|headers| headers.get("Nats-Batch-Id").is_some());
        ways.push(match (is_fast, in_batch) {
            (true, false) => "fast",
            (false, true) => "atomic",
            _ => "alone",
        });
    }
    assert!(heard.next().now_or_never().is_none(), "more was sent than there is");
    ways
}

#[tokio::test]
async fn several_messages_go_by_fast_ingest_and_a_reader_sees_no_more_than_them() {
    let server = server_with(fast()).await;
    let client = server.jetstream().await.client();
    let mut heard = listen(&client, "okta.>").await;
    let mut sink = open(&sink_of(server.bus(NatsAuth::None)), None).await.unwrap();
    let batches = [batch(0..1_300), batch(1_300..1_301), batch(1_301..1_400)];
    for batch in &batches {
        deliver(&mut sink, batch).await;
    }
    let ways = ways(&mut heard, 1_400).await;
    // The first of each batch of at most half of what may be on its way, and what comes alone.
    let alone: Vec<_> = (0..1_400).filter(|index| ways[*index] != "fast").collect();
    assert_eq!(alone, [0, 512, 1_024, 1_300, 1_301]);
    assert!(alone.iter().all(|index| ways[*index] == "alone"));
    assert_stored(&server, &batches).await;
    let stored = server.stored(STREAM).await;
    assert!(stored.iter().all(|stored| !stored.headers.iter().any(|(name, _)| name.contains("Batch"))));
}

#[tokio::test]
async fn where_others_write_atomic_batches_are_used() {
    let server = server_with(fast()).await;
    let client = server.jetstream().await.client();
    let mut heard = listen(&client, "okta.acme.>").await;
    let mut sink = open(&sink_of(server.bus(NatsAuth::None)), None).await.unwrap();
    deliver(&mut sink, &batch(0..10)).await;
    let foreign = PublishMessage::build().payload("another".into());
    server.jetstream().await.send_publish("okta.other.x", foreign).await.unwrap().await.unwrap();
    deliver(&mut sink, &batch(10..20)).await;
    deliver(&mut sink, &batch(20..30)).await;
    let ways = ways(&mut heard, 30).await;
    assert_eq!((ways[9], ways[10], ways[11], ways[20]), ("fast", "alone", "atomic", "atomic"));
    assert_stored(&server, &[batch(0..30)]).await;
}

#[tokio::test]
async fn two_routes_fill_one_stream_and_none_of_their_messages_is_missing_or_twice() {
    let server = server_with(fast()).await;
    let first = sink_of(server.bus(NatsAuth::None));
    let subject = Template::parse("okta.audit.{event_type}", TemplateUse::Subject).unwrap();
    let second = NatsSink { subject, ..first.clone() };
    let (mut first, mut second) = (open(&first, None).await.unwrap(), open(&second, None).await.unwrap());
    for index in 0..20 {
        let batch = batch(index * 100..(index + 1) * 100);
        tokio::join!(deliver(&mut first, &batch), deliver(&mut second, &batch));
    }
    let stored = server.stored(STREAM).await;
    let expected: Vec<_> =
        batch(0..2_000).messages().map(|message| message.event.uuid().unwrap().to_owned()).collect();
    for subject in [SUBJECT, "okta.audit.user.session.start"] {
        let on = stored.iter().filter(|stored| stored.subject == subject);
        let ids: Vec<_> = on.map(|stored| stored.header("ce-id").unwrap().to_owned()).collect();
        assert!(ids == expected, "{subject}: {} messages", ids.len());
    }
}

/// The limit of the stream is lowered behind the sink's back, so that the server refuses what the sink sends.
#[tokio::test]
async fn a_message_that_the_server_refuses_is_rejected_alone_wherever_it_stands() {
    for index in [0, 7, 19] {
        let server = server_with(fast()).await;
        let mut sink = open(&sink_of(server.bus(NatsAuth::None)), None).await.unwrap();
        let small = Config { max_message_size: 4_096, ..fast() };
        server.jetstream().await.update_stream(small).await.unwrap();
        let mut events: Vec<_> = (0..20).map(event).collect();
        events[index] = event_with_padding(index, 4_096);
        let settled = sink.publish(&batch_of(events), 0).await.unwrap().await.unwrap();
        let [rejected] = settled.rejected() else { panic!("{settled:?}") };
        assert_eq!(rejected.index, index);
        assert!(rejected.reason.contains("bytes"), "{}", rejected.reason);
        assert_stored(&server, &[batch(0..index), batch(index + 1..20)]).await;
    }
}

#[tokio::test]
async fn a_stream_that_no_longer_takes_it_or_is_emptied_or_made_anew_gets_all() {
    let server = server_with(fast()).await;
    let mut sink = open(&sink_of(server.bus(NatsAuth::None)), None).await.unwrap();
    deliver(&mut sink, &batch(0..10)).await;
    let jetstream = server.jetstream().await;
    jetstream.get_stream(STREAM).await.unwrap().purge().await.unwrap();
    deliver(&mut sink, &batch(10..20)).await;
    assert_stored(&server, &[batch(10..20)]).await;

    jetstream.delete_stream(STREAM).await.unwrap();
    server.create_stream(fast()).await;
    deliver(&mut sink, &batch(20..30)).await;
    assert_stored(&server, &[batch(20..30)]).await;

    jetstream.delete_stream(STREAM).await.unwrap();
    server.create_stream(stream()).await;
    let mut sink = open(&sink_of(server.bus(NatsAuth::None)), None).await.unwrap();
    jetstream.update_stream(fast()).await.unwrap();
    sink.recover().await.unwrap();
    jetstream.update_stream(stream()).await.unwrap();
    deliver(&mut sink, &batch(30..40)).await;
    assert_stored(&server, &[batch(30..40)]).await;
}

/// A server on which `oktabus` may hear no more than what other answers need.
#[tokio::test]
async fn who_may_not_hear_its_answers_delivers_without_it() {
    let admin = "{ user: admin, password: admin }";
    let allowed = r#"{ publish: ["$JS.API.>", "okta.>"], subscribe: ["_INBOX.*.*"] }"#;
    let user = format!("{{ user: oktabus, password: right, permissions: {allowed} }}");
    let server = NatsServer::start_with(&format!("authorization {{ users: [{admin}, {user}] }}")).await;
    let admin = ConnectOptions::with_user_and_password("admin".to_owned(), "admin".to_owned());
    let jetstream = server.jetstream_as(admin).await;
    jetstream.create_stream(fast()).await.unwrap();
    let password = Secret::Inline(SecretString::from("right"));
    let bus = server.bus(NatsAuth::Password { user: "oktabus".to_owned(), password });
    let mut sink = open(&sink_of(bus), None).await.unwrap();
    let batch = batch(0..100);
    let delivering = deliver(&mut sink, &batch);
    tokio::time::timeout(Duration::from_secs(5), delivering).await.unwrap();
    let stored = jetstream.get_stream(STREAM).await.unwrap().cached_info().state.messages;
    assert_eq!(stored, 100);
}

#[tokio::test]
async fn how_a_stream_comes_to_take_it_is_told() {
    let [one_by_one, in_batches, fast] = streams();
    for (config, told) in [(one_by_one, true), (in_batches, true), (fast, false)] {
        let server = server_with(config).await;
        let sink = SinkConfig::Nats(sink_of(server.bus(NatsAuth::None)));
        let findings = sink::check(&sink, &[]).await.unwrap();
        let command = "nats stream edit OKTA --allow-batch --allow-fast";
        assert_eq!(findings.iter().any(|finding| finding.text.contains(command)), told, "{findings:?}");
    }
}
