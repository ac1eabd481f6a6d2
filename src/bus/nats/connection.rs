//! One connection to NATS, used until it breaks and never after.
//!
//! The client reconnects by itself, and then sends what it still had queued behind what the old connection lost: newer
//! messages before older ones. This cannot be switched off, so each connection has a runtime of its own, which ends
//! with it and drops its queue. To continue, open another connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client,
    jetstream::{self, context::ContextBuilder},
};

use super::{
    link::Link,
    options::{options, servers},
    rejection,
    runtime::OwnRuntime,
};
use crate::{bus::BusError, config::NatsBus};

/// How long an acknowledgement may take once all earlier ones are there, and an answer of the JetStream API. What a
/// leader that steps down lets fall costs so much. Longer than the time after which a stall is reported.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// What the subjects of the JetStream API begin with where nothing else is said.
const API_PREFIX: &str = "$JS.API";

/// A connection together with the runtime that it lives on.
#[derive(Debug)]
pub(crate) struct Connection {
    /// JetStream by way of this connection.
    pub(crate) jetstream: jetstream::Context,
    /// The state of the connection.
    pub(crate) link: Arc<Link>,
    runtime: OwnRuntime,
}

impl Connection {
    /// Connects to one of the servers of `bus`, for the sink, intake or publisher `name`, with as many publishes on their
    /// way as `unacknowledged_max` allows.
    pub(crate) async fn open(name: &str, bus: &NatsBus, unacknowledged_max: usize) -> Result<Self, BusError> {
        let servers = servers(name, bus)?;
        let options = options(name, bus).await?;
        let runtime = OwnRuntime::start().map_err(|source| BusError::Io {
            name: name.to_owned(),
            action: "starting a thread".to_owned(),
            source,
        })?;

        let api_prefix = bus.api_prefix.clone().unwrap_or_else(|| API_PREFIX.to_owned());
        let link = Arc::new(Link::new(name, api_prefix.clone()));
        let observer = Arc::clone(&link);
        let established = Arc::new(AtomicBool::new(false));
        let was_established = Arc::clone(&established);
        let options = options
            .event_callback(move |event| {
                observer.observe(event);
                std::future::ready(())
            })
            .reconnect_delay_callback(move |_| {
                let is_broken = was_established.load(Ordering::Acquire);
                if is_broken { Duration::MAX } else { Duration::ZERO }
            });

        let connecting = Box::pin(async move {
            let client = options.connect(servers).await?;
            established.store(true, Ordering::Release);
            Ok(jetstream_over(client, api_prefix, unacknowledged_max))
        });
        let jetstream = match runtime.run(connecting).await {
            Some(connected) => connected.map_err(|error| rejection::of_connect(name, bus, &error))?,
            None => return Err(link.error()),
        };
        Ok(Self { jetstream, link, runtime })
    }

    /// What the server takes at most of a message with its headers.
    pub(crate) fn payload_bytes_max(&self) -> Option<usize> {
        let server = self.jetstream.client().try_server_info()?;
        Some(server.max_payload).filter(|bytes| *bytes > 0)
    }

    /// Whether the server takes atomic batches, where a stream allows them.
    pub(crate) fn has_atomic_batches(&self) -> bool {
        self.jetstream.client().is_server_compatible(2, 12, 1)
    }

    /// Whether the server takes fast ingest, where a stream allows it.
    pub(crate) fn has_fast_ingest(&self) -> bool {
        self.jetstream.client().is_server_compatible(2, 14, 0)
    }

    /// Ends the connection. What the client still has to send is not sent.
    pub(crate) fn end(&mut self) {
        self.link.lose();
        self.runtime.end();
    }
}

/// JetStream with a limit of publishes in flight; more of them wait.
fn jetstream_over(client: Client, api_prefix: String, unacknowledged_max: usize) -> jetstream::Context {
    ContextBuilder::new()
        .api_prefix(api_prefix)
        .timeout(ANSWER_TIMEOUT)
        .ack_timeout(ANSWER_TIMEOUT)
        .max_ack_inflight(unacknowledged_max)
        .backpressure_on_inflight(true)
        .build(client)
}
