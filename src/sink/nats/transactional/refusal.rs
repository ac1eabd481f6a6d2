//! What it means that the server does not take a message, a checkpoint or a whole batch.

use std::error::Error as _;

use async_nats::jetstream::{
    self, ErrorCode,
    context::{PublishError, PublishErrorKind},
};

use super::sender::Sender;
use crate::{
    bus::nats::{exchange, rejection::StoreRejection, stream},
    sink::{CommitError, SinkError},
};

/// What JetStream said, if it did.
pub(super) fn jetstream_error(err: &PublishError) -> Option<&jetstream::Error> {
    err.source()?.downcast_ref()
}

/// Whether this is the answer to a message that was taken into a batch: it is empty, and so no acknowledgement.
pub(super) fn is_taken(err: &PublishError) -> bool {
    err.source().is_some_and(<dyn std::error::Error>::is::<serde_json::Error>)
}

/// Whether the whole batch is not taken, for no fault of the message.
pub(super) fn is_of_batch(err: &PublishError) -> bool {
    const OF_BATCH: [ErrorCode; 4] = [
        ErrorCode::ATOMIC_PUBLISH_INCOMPLETE_BATCH,
        ErrorCode::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE,
        ErrorCode::ATOMIC_PUBLISH_TOO_MANY_INFLIGHT,
        ErrorCode::ATOMIC_PUBLISH_TOO_LARGE_BATCH,
    ];
    jetstream_error(err).is_some_and(|err| OF_BATCH.contains(&err.error_code()))
}

/// Why the message on `subject` with a payload of so many bytes was not taken into its batch.
pub(super) async fn of_message(
    sender: &Sender,
    subject: &str,
    bytes: usize,
    err: &PublishError,
) -> CommitError {
    let Sender { sink, link, jetstream, .. } = sender;
    if err.kind() == PublishErrorKind::StreamNotFound {
        return SinkError::from(stream::untaken(jetstream, link, sink, subject).await).into();
    }
    match exchange::rejection(link, sink, subject, bytes, err) {
        StoreRejection::Message(reason) => {
            CommitError::Refused { reason: format!("on `{subject}`: {reason}"), ids: Vec::new() }
        }
        StoreRejection::Bus(error) => SinkError::from(error).into(),
    }
}

/// Why the checkpoint of so many bytes was not stored, and so nothing of its batch.
pub(super) async fn of_checkpoint(sender: &Sender, bytes: usize, err: &PublishError) -> CommitError {
    let Sender { sink, checkpoint_subject, .. } = sender;
    let code = jetstream_error(err).map(jetstream::Error::error_code);
    if matches!(
        code,
        Some(ErrorCode::STREAM_WRONG_LAST_SEQUENCE | ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT)
    ) {
        return CommitError::Fenced(format!(
            "stream `{}` has another checkpoint on `{checkpoint_subject}` than the last one known here ({err})",
            sink.stream
        ));
    }
    match of_message(sender, checkpoint_subject, bytes, err).await {
        CommitError::Refused { reason, .. } => {
            let reason = format!("the checkpoint is not taken {reason}: raise that limit");
            SinkError::from(sender.misconfigured(reason)).into()
        }
        other => other,
    }
}
