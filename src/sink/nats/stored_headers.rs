//! How it is read what a stream holds already: the headers of its messages, by a consumer that leaves nothing behind.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};

/// Messages asked for at a time.
pub(super) const FETCH_MESSAGES: usize = 5_000;
/// When the server forgets a consumer that we left behind.
const CONSUMER_LIFE: Duration = Duration::from_secs(30);

/// A consumer of the headers of all messages on `filter` from sequence `first` on.
pub(super) fn consumer_from(first: u64, filter: String) -> pull::Config {
    pull::Config {
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: first },
        ack_policy: AckPolicy::None,
        filter_subject: filter,
        headers_only: true,
        inactive_threshold: CONSUMER_LIFE,
        memory_storage: true,
        num_replicas: 1,
        ..pull::Config::default()
    }
}
