//! Messages that can never be stored, and streams that take nothing: what is rejected alone, what is refused, and what an
//! operator is told.

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use oktabus::{
    bus::BusError,
    config::NatsAuth,
    sink::{CommitError, SinkClass, SinkError},
};

use super::{
    STREAM, assert_read, begin_anew, commit, deliver, misconfigured, misconfigured_commit, open, open_for,
    read, server_with, sink, stage, stream, take_over,
};
use crate::support::{
    events::{batch, batch_of, event, event_with_padding, origin},
    nats::NatsServer,
    tools::eventually,
};

#[tokio::test]
async fn a_message_too_large_is_rejected_when_it_is_staged_and_the_rest_is_committed() {
    for (stream, size, limit) in [
        (stream(), 2 << 20, "max_payload"),
        (Config { max_message_size: 128 << 10, ..stream() }, 128 << 10, "max_msg_size"),
    ] {
        let server = server_with(stream).await;
        let mut sink = open(&server).await;
        let mut events: Vec<_> = (0..20).map(event).collect();
        events[7] = event_with_padding(7, size);
        let events = batch_of(events);
        let rejected = sink.stage(&events, 2..20).await.unwrap();
        assert_eq!(rejected.len(), 1, "{rejected:?}");
        assert_eq!(rejected[0].index, 7);
        assert!(rejected[0].reason.contains(limit), "{}", rejected[0].reason);
        commit(&mut sink, "20").await.unwrap();
        assert_read(&server, &[batch(2..7), batch(8..20)], "20").await;
    }
}

#[tokio::test]
async fn a_message_that_the_stream_refuses_after_all_is_told_and_nothing_is_stored() {
    let server = server_with(stream()).await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    let mut events: Vec<_> = (10..30).map(event).collect();
    events[7] = event_with_padding(17, 200 << 10);
    let events = batch_of(events);
    // Behind our back, and too short ago to be noticed.
    let less = Config { max_message_size: 128 << 10, ..stream() };
    server.jetstream().await.update_stream(less).await.unwrap();
    stage(&mut sink, &events).await;

    let refused = commit(&mut sink, "30").await.unwrap_err();
    let CommitError::Refused { reason, .. } = refused else { panic!("{refused:?}") };
    assert!(reason.contains("bytes") && reason.contains("okta.acme.okta.user.session.start"), "{reason}");
    assert_read(&server, &[batch(0..10)], "10").await;

    assert_eq!(begin_anew(&mut sink).await.unwrap(), "10");
    let rejected = sink.stage(&events, 0..20).await.unwrap();
    assert_eq!(rejected.iter().map(|rejected| rejected.index).collect::<Vec<_>>(), [7]);
    commit(&mut sink, "30").await.unwrap();
    assert_read(&server, &[batch(0..17), batch(18..30)], "30").await;
}

#[tokio::test]
async fn a_checkpoint_that_is_too_large_is_told_as_such() {
    let server = server_with(Config { max_message_size: 64 << 10, ..stream() }).await;
    let mut sink = open(&server).await;
    stage(&mut sink, &batch(0..10)).await;
    let told = misconfigured_commit(commit(&mut sink, &"x".repeat(65 << 10)).await);
    assert!(told.contains("the checkpoint") && told.contains("max_msg_size"), "{told}");
    begin_anew(&mut sink).await;
    // The limit is lowered behind our back.
    let less = Config { max_message_size: 32 << 10, ..stream() };
    server.jetstream().await.update_stream(less).await.unwrap();
    stage(&mut sink, &batch(0..10)).await;
    let told = misconfigured_commit(commit(&mut sink, &"x".repeat(40 << 10)).await);
    assert!(told.contains("checkpoint") && told.contains("raise that limit"), "{told}");
    assert!(server.stored(STREAM).await.is_empty());
}

#[tokio::test]
async fn a_full_stream_takes_nothing_of_a_transaction_and_all_when_it_has_room() {
    let full = |max_bytes| Config { max_bytes, discard: DiscardPolicy::New, ..stream() };
    let server = server_with(full(64 << 10)).await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    stage(&mut sink, &batch(10..300)).await;
    let told = misconfigured_commit(commit(&mut sink, "300").await);
    assert!(told.contains("maximum bytes exceeded") && told.contains("raise the limits"), "{told}");
    let stall = sink.stall_reason()().unwrap();
    assert_eq!(stall.class, SinkClass::Configuration);
    assert_read(&server, &[batch(0..10)], "10").await;

    server.jetstream().await.update_stream(full(4 << 20)).await.unwrap();
    assert_eq!(begin_anew(&mut sink).await.unwrap(), "10");
    deliver(&mut sink, &batch(10..300), "300").await;
    assert_read(&server, &[batch(0..300)], "300").await;
}

#[tokio::test]
async fn a_stream_that_was_sealed_or_deleted_is_told() {
    let server = server_with(stream()).await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    let jetstream = server.jetstream().await;
    jetstream.update_stream(Config { sealed: true, ..stream() }).await.unwrap();
    stage(&mut sink, &batch(10..20)).await;
    let told = misconfigured_commit(commit(&mut sink, "20").await);
    assert!(told.contains("sealed"), "{told}");
    assert!(misconfigured(sink.recover().await.unwrap_err()).contains("sealed"));

    jetstream.delete_stream(STREAM).await.unwrap();
    assert!(misconfigured(sink.recover().await.unwrap_err()).contains("does not exist"));
    server.create_stream(stream()).await;
    assert_eq!(begin_anew(&mut sink).await, None);
    deliver(&mut sink, &batch(0..10), "10").await;
    jetstream.delete_stream(STREAM).await.unwrap();
    stage(&mut sink, &batch(10..20)).await;
    let told = misconfigured_commit(commit(&mut sink, "20").await);
    assert!(told.contains("does not exist"), "{told}");
    assert!(misconfigured(sink.last_checkpoint().await.unwrap_err()).contains("stream"));
}

#[tokio::test]
async fn a_stream_that_takes_no_batches_or_checkpoints_any_more_is_told() {
    let server = server_with(stream()).await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    let jetstream = server.jetstream().await;
    for (changed, told_of) in [
        (Config { allow_atomic_publish: false, ..stream() }, "--allow-batch"),
        (Config { allow_rollup: false, ..stream() }, "--allow-rollup"),
        (Config { subjects: vec!["okta.>".to_owned()], ..stream() }, "no stream takes subject"),
        (Config { subjects: vec!["oktabus.>".to_owned()], ..stream() }, "no stream takes subject"),
    ] {
        jetstream.update_stream(changed).await.unwrap();
        stage(&mut sink, &batch(10..20)).await;
        let told = misconfigured_commit(commit(&mut sink, "20").await);
        assert!(told.contains(told_of), "{told}");
        misconfigured(sink.recover().await.unwrap_err());
        jetstream.update_stream(stream()).await.unwrap();
        assert_eq!(begin_anew(&mut sink).await.unwrap(), "10");
    }
    deliver(&mut sink, &batch(10..20), "20").await;
    assert_read(&server, &[batch(0..20)], "20").await;
}

#[tokio::test]
async fn a_missing_permission_is_told_by_name() {
    let account = |allowed: &str| {
        format!(
            r#"authorization {{ users: [
                {{ user: admin, password: admin }}
                {{ user: oktabus, password: right, permissions: {{ publish: [{allowed}], subscribe: ["_INBOX.>"] }} }}
            ] }}"#
        )
    };
    for (allowed, denied) in [
        (r#""$JS.API.>", "okta.>""#, "oktabus.checkpoints.OKTA"),
        (r#""$JS.API.>", "oktabus.>""#, "okta.acme.okta"),
        (r#""$JS.API.STREAM.INFO.*", "okta.>", "oktabus.>""#, "$JS.API.STREAM.MSG.GET.OKTA"),
    ] {
        let server = NatsServer::start_with(&account(allowed)).await;
        let admin = async_nats::ConnectOptions::with_user_and_password("admin".into(), "admin".into());
        server.jetstream_as(admin).await.create_stream(stream()).await.unwrap();
        let password = oktabus::config::Secret::Inline(secrecy::SecretString::from("right"));
        let auth = NatsAuth::Password { user: "oktabus".to_owned(), password };
        let mut sink = open_for(&sink(server.bus(auth)), &origin()).await.unwrap();
        let failure = match sink.last_checkpoint().await {
            Err(error) => error,
            Ok(_) => match sink.stage(&batch(0..10), 0..10).await {
                Err(error) => error,
                Ok(_) => match commit(&mut sink, "10").await {
                    Err(CommitError::Sink(error)) => error,
                    other => panic!("{other:?}"),
                },
            },
        };
        let SinkError::Bus(BusError::Refused { reason, .. }) = failure else { panic!("{failure:?}") };
        assert!(reason.contains(&format!("Publish to \"{denied}")), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_answer_is_told_in_time() {
    let mut server = server_with(stream()).await;
    let mut sink = open(&server).await;
    deliver(&mut sink, &batch(0..10), "10").await;
    server.freeze();
    stage(&mut sink, &batch(10..20)).await;
    let error = commit(&mut sink, "20").await.unwrap_err();
    assert!(matches!(error, CommitError::Sink(_)), "{error:?}");
    assert!(sink.stall_reason()().is_some());
    server.thaw();
    let stands = begin_anew(&mut sink).await.unwrap();
    if stands == "10" {
        let late = async || {
            stage(&mut sink, &batch(10..20)).await;
            if commit(&mut sink, "20").await.is_ok() {
                return Some(());
            }
            (begin_anew(&mut sink).await.unwrap() == "20").then_some(())
        };
        eventually("the transaction to be there", late).await;
    }
    assert_read(&server, &[batch(0..20)], "20").await;
    assert_eq!(take_over(&mut sink).await.unwrap(), "20");
    assert_eq!(read(&server).await.0.len(), 1);
}
