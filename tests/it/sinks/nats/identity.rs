//! Each route's message has an id of its own wherever a reader could tell it from another's, and nothing is taken for
//! delivered because the stream has something else under its id.

use async_nats::jetstream::message::PublishMessage;
use oktabus::{
    config::{NatsAuth, NatsSink},
    message::{Template, TemplateUse},
    state::SinkMark,
};

use super::{STREAM, SUBJECT, assert_stored, deliver, open, server_with, sink, stream, streams};
use crate::support::events::batch;

#[tokio::test]
async fn an_event_that_goes_to_two_subjects_of_a_stream_arrives_on_both() {
    for config in streams() {
        let server = server_with(config).await;
        let first = sink(server.bus(NatsAuth::None));
        let subject = Template::parse("okta.audit.{event_type}", TemplateUse::Subject).unwrap();
        let second = NatsSink { subject, ..first.clone() };
        for sink in [first, second] {
            deliver(&mut open(&sink, None).await.unwrap(), &batch(0..100)).await;
        }
        let stored = server.stored(STREAM).await;
        let on = |subject: &str| stored.iter().filter(|stored| stored.subject == subject).count();
        assert_eq!((on(SUBJECT), on("okta.audit.user.session.start")), (100, 100));
    }
}

#[tokio::test]
async fn what_the_stream_has_already_is_delivered_and_not_stored_again() {
    for config in streams() {
        let server = server_with(config).await;
        let sink = sink(server.bus(NatsAuth::None));
        // Without a mark the tail is not looked at, and the stream's own window is all there is.
        deliver(&mut open(&sink, None).await.unwrap(), &batch(0..60)).await;
        deliver(&mut open(&sink, None).await.unwrap(), &batch(0..100)).await;
        assert_stored(&server, &[batch(0..100)]).await;
    }
}

#[tokio::test]
async fn another_message_under_our_id_is_not_taken_for_ours() {
    let server = server_with(stream()).await;
    let sink = sink(server.bus(NatsAuth::None));
    deliver(&mut open(&sink, None).await.unwrap(), &batch(0..3)).await;
    let id = server.stored(STREAM).await[1].header("Nats-Msg-Id").unwrap().to_owned();

    // It may be there before we come, or come between two of our batches.
    for (config, comes_first) in
        streams().into_iter().flat_map(|config| [(config.clone(), true), (config, false)])
    {
        let other = server_with(config).await;
        let config = super::sink(other.bus(NatsAuth::None));
        let opened = open(&config, None);
        let foreign = PublishMessage::build().message_id(&id).payload("another".into());
        let publish = async {
            other.jetstream().await.send_publish(SUBJECT, foreign).await.unwrap().await.unwrap();
        };
        let mut sink = if comes_first {
            publish.await;
            opened.await.unwrap()
        } else {
            let opened = opened.await.unwrap();
            publish.await;
            opened
        };
        let settled = sink.publish(&batch(0..3), 0).await.unwrap().await.unwrap();
        let [rejected] = settled.rejected() else { panic!("{settled:?}") };
        assert_eq!(rejected.index, 1);
        assert!(rejected.reason.contains("Nats-Msg-Id"), "{}", rejected.reason);
        assert_eq!(other.stored(STREAM).await.len(), 3);
    }
}

#[tokio::test]
async fn what_an_earlier_version_stored_under_shorter_ids_is_not_published_again() {
    let server = server_with(stream()).await;
    let batch = batch(0..50);
    let jetstream = server.jetstream().await;
    for message in batch.messages().take(20) {
        let uuid = message.event.uuid().unwrap();
        let id = format!("acme:{uuid}");
        let earlier = PublishMessage::build().message_id(&id).header("ce-id", uuid);
        let earlier = earlier.payload(message.payload.clone());
        jetstream.send_publish(SUBJECT, earlier).await.unwrap().await.unwrap();
    }
    let mark = SinkMark::JetStream { stream: STREAM.to_owned(), sequence: 0 };
    deliver(&mut open(&sink(server.bus(NatsAuth::None)), Some(&mark)).await.unwrap(), &batch).await;
    assert_stored(&server, &[batch]).await;
}
