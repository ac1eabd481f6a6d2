//! What an operator is told when the cluster does not let us in, or does not let us do what we should.

use oktabus::sink::{SinkClass, SinkError};

use super::{binary_sink, check, open, refusal, topic_name};
use crate::support::{
    events::batch,
    kafka::{Broker, PASSWORD},
    tools::free_port,
};

pub(super) fn assert_told(error: &SinkError, class: SinkClass, words: &[&str]) {
    let told = error.to_string();
    assert_eq!(error.class(), class, "{told}");
    assert!(words.iter().all(|word| told.contains(word)), "{told}");
}

#[tokio::test]
async fn a_user_who_may_write_delivers() {
    let broker = Broker::shared_secured().await;
    let topic = topic_name();
    broker.create_topic(&topic, 1, &[]).await;
    broker.allow("writer", "Write", &topic);

    let mut sink = open(&binary_sink(broker.secured_bus("writer", PASSWORD), &topic)).await.unwrap();
    let receipt = sink.publish(&batch(0..10), 0).await.unwrap();
    assert_eq!(receipt.await.unwrap().rejected(), []);
    sink.close().await;
    assert_eq!(broker.records(&topic).await.len(), 10);
}

#[tokio::test]
async fn a_wrong_password_is_told_as_such() {
    let broker = Broker::shared_secured().await;
    let topic = topic_name();
    broker.create_topic(&topic, 1, &[]).await;
    let config = binary_sink(broker.secured_bus("writer", "wrong horse"), &topic);
    let words = ["authentication failed", "sasl.password"];
    assert_told(&refusal(&config).await, SinkClass::Authentication, &words);
    let error = check(&config).await.unwrap_err();
    assert_told(&error, SinkClass::Authentication, &words);
}

#[tokio::test]
async fn a_topic_that_may_not_be_seen_is_told_as_such() {
    let broker = Broker::shared_secured().await;
    let topic = topic_name();
    broker.create_topic(&topic, 1, &[]).await;
    let config = binary_sink(broker.secured_bus("stranger", PASSWORD), &topic);
    let words = ["TOPIC_AUTHORIZATION_FAILED", &topic, "WRITE"];
    assert_told(&refusal(&config).await, SinkClass::Authentication, &words);
}

#[tokio::test]
async fn a_topic_that_may_be_seen_and_not_written_is_told_as_such() {
    let broker = Broker::shared_secured().await;
    let topic = topic_name();
    broker.create_topic(&topic, 1, &[]).await;
    broker.allow("looker", "Describe", &topic);

    let mut sink = open(&binary_sink(broker.secured_bus("looker", PASSWORD), &topic)).await.unwrap();
    let first = sink.publish(&batch(0..10), 0).await.unwrap();
    let failure = first.await.unwrap_err();
    assert_eq!(failure.first_undelivered, 0);
    assert_told(&failure.error, SinkClass::Authentication, &["AUTHORIZATION_FAILED", "WRITE", &topic]);

    broker.allow("looker", "Write", &topic);
    sink.recover().await.unwrap();
    let again = sink.publish(&batch(0..10), failure.first_undelivered).await.unwrap();
    assert_eq!(again.await.unwrap().rejected(), []);
    sink.close().await;
    assert_eq!(broker.records(&topic).await.len(), 10);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_as_such() {
    let broker = Broker::shared_secured().await;
    let mut bus = broker.secured_bus("writer", PASSWORD);
    bus.options.remove("ssl.ca.location");
    let error = refusal(&binary_sink(bus, &topic_name())).await;
    assert_told(&error, SinkClass::Configuration, &["TLS failed", "ssl.ca.location"]);
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_told_with_its_address() {
    let mut bus = Broker::shared().await.bus_with(&[]);
    let address = format!("127.0.0.1:{}", free_port());
    bus.brokers = vec![address.clone()];
    let error = refusal(&binary_sink(bus, &topic_name())).await;
    assert_told(&error, SinkClass::Transient, &["refused", &address]);
}
