//! Publishes one message and waits for the server's answer; for sinks and commands alike. Does not know batches.

use std::future::IntoFuture as _;

use async_nats::jetstream::{
    self,
    context::{PublishAckFuture, PublishError, PublishErrorKind},
    message::PublishMessage,
    publish::PublishAck,
};

use super::{link::Link, rejection::StoreRejection};
use crate::{bus::BusError, config::NatsSink};

/// What the server answers to a message: it is in a stream, or it is not.
pub(crate) type PublishResult = Result<PublishAck, PublishError>;

/// Publishes a message and waits for the answer. The error is that of a connection that is gone.
pub(crate) async fn exchange(
    jetstream: &jetstream::Context,
    link: &Link,
    subject: String,
    publish: PublishMessage,
) -> Result<PublishResult, BusError> {
    let answered = async {
        match jetstream.send_publish(subject.clone(), publish).await {
            Ok(acknowledgement) => acknowledgement.into_future().await,
            Err(err) => Err(err),
        }
    };
    tokio::select! {
        biased;
        answer = answered => Ok(answer),
        () = link.lost() => Err(link.error_on(&subject)),
    }
}

/// Waits for the answer to a message that was sent.
pub(crate) async fn answer(
    link: &Link,
    acknowledgement: PublishAckFuture,
) -> Result<PublishResult, BusError> {
    tokio::select! {
        biased;
        answer = acknowledgement.into_future() => Ok(answer),
        () = link.lost() => Err(link.error()),
    }
}

/// Why the message on `subject` with a payload of `size_bytes` was not stored, with the error that the server reported
/// on the connection.
pub(crate) fn rejection(
    link: &Link,
    sink: &NatsSink,
    subject: &str,
    size_bytes: usize,
    error: &PublishError,
) -> StoreRejection {
    // A message that we may not publish gets no answer; the server reports the error on the connection.
    match link.denial_on(subject).filter(|_| error.kind() == PublishErrorKind::TimedOut) {
        Some(denial) => StoreRejection::Bus(denial),
        None => StoreRejection::of_publish(sink, subject, size_bytes, error),
    }
}
