//! Publishing for commands: one publication at a time, each with proof. The room `bus` owns how messages are sent and
//! acknowledged, and the room `sink` how files are written; routes share both.
//!
//! # The contract of a [`Publisher`]
//!
//! * [`Publisher::publish`] returns when the bus has proved that it has the publication. After an error it may be called
//!   again with the same publication, after a wait.
//! * Connections are opened when they are needed. A failure to open is an error of `publish`, and the next call tries
//!   again: a sink that an operator can repair never ends the process.
//! * A publication that is published again has the same id, so that readers, and JetStream itself, recognise the copy.
//! * Several publications may be published at the same time.

mod error;
mod file;
#[cfg(feature = "kafka")]
mod kafka;
mod lazy;
#[cfg(feature = "nats")]
mod nats;
mod publication;
mod queue;
mod stdout;

use std::{collections::BTreeSet, fmt::Debug, sync::Arc};

use futures_util::future::BoxFuture;

#[cfg(any(feature = "kafka", feature = "nats"))]
use crate::bus::BusError;
use crate::{
    bus::Finding,
    command::AddressPattern,
    config::{FileStem, IntakeConfig, SinkConfig},
    sink::SinkError,
};

pub use error::{PublishCure, PublishError};
pub use publication::Publication;

/// A way to publish.
pub trait Publisher: Debug + Send + Sync {
    /// Publishes `publication` and returns when the bus has proved that it has it.
    fn publish<'a>(&'a self, publication: &'a Publication) -> BoxFuture<'a, Result<(), PublishError>>;

    /// Refuses an `address` at which secrets would be stored, to be asked before an act that brings some: afterwards they
    /// could be told to nobody. Publishing refuses it too.
    fn require_private<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<(), PublishError>>;

    /// Lets go of the bus. Nothing is published afterwards.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Whose files of a file sink a publisher writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// Outcomes.
    Outcomes,
    /// The audit.
    Audit,
}

/// A publisher to `sink` for what the commands `commands` publish. Fails only for a sink that this binary does not have.
/// `secrets_in` are the streams that may store a publication with secrets.
pub fn open(
    sink: &SinkConfig,
    commands: &str,
    records: Records,
    secrets_in: &[String],
) -> Result<Arc<dyn Publisher>, SinkError> {
    let stem = match records {
        Records::Outcomes => FileStem::of_outcomes(commands),
        Records::Audit => FileStem::of_audit(commands),
    };
    open_with(sink, stem, || Streams::Any { secrets_in: secrets_in.to_vec() })
}

/// A publisher of commands to the queue that `intake` reads, for the commands `commands`. On JetStream no stream but the
/// intake's takes them.
pub fn open_queue(intake: &IntakeConfig, commands: &str) -> Result<Arc<dyn Publisher>, SinkError> {
    open_with(&queue::as_sink(intake, commands), FileStem::of_outcomes(commands), || Streams::Own)
}

/// Which streams of a JetStream server may take publications.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Streams {
    /// Any, and for replies none at all; with secrets these alone.
    Any { secrets_in: Vec<String> },
    /// The sink's alone.
    Own,
}

#[cfg_attr(not(feature = "nats"), expect(unused_variables, reason = "only NATS has streams"))]
fn open_with(
    sink: &SinkConfig,
    stem: FileStem,
    streams: impl FnOnce() -> Streams,
) -> Result<Arc<dyn Publisher>, SinkError> {
    Ok(match sink {
        #[cfg(feature = "kafka")]
        SinkConfig::Kafka(sink) => Arc::new(kafka::KafkaPublisher::new(sink.clone())),
        #[cfg(feature = "nats")]
        SinkConfig::Nats(sink) => Arc::new(nats::NatsPublisher::new(sink.clone(), streams())),
        SinkConfig::File(sink) => Arc::new(file::FilePublisher::new(sink.clone(), stem)),
        SinkConfig::Stdout(sink) => Arc::new(stdout::StdoutPublisher::new(sink)),
        #[cfg(not(feature = "kafka"))]
        SinkConfig::Kafka(sink) => return not_built(&sink.name, "kafka"),
        #[cfg(not(feature = "nats"))]
        SinkConfig::Nats(sink) => return not_built(&sink.name, "nats"),
    })
}

/// Looks whether `sink` could take publications for all of `addresses`. Publishes and creates nothing.
#[cfg_attr(
    not(any(feature = "kafka", feature = "nats")),
    expect(clippy::unused_async, unused_variables, reason = "only buses have addresses")
)]
pub async fn check(sink: &SinkConfig, addresses: &BTreeSet<String>) -> Result<Vec<Finding>, PublishError> {
    match sink {
        #[cfg(feature = "kafka")]
        SinkConfig::Kafka(sink) => kafka::check(sink, addresses).await,
        #[cfg(feature = "nats")]
        SinkConfig::Nats(sink) => nats::check(sink, addresses).await,
        SinkConfig::File(_) | SinkConfig::Stdout(_) => Ok(Vec::new()),
        #[cfg(not(feature = "kafka"))]
        SinkConfig::Kafka(sink) => Ok(not_built(&sink.name, "kafka")?),
        #[cfg(not(feature = "nats"))]
        SinkConfig::Nats(sink) => Ok(not_built(&sink.name, "nats")?),
    }
}

/// Looks whether a stream of the server of `sink`, except those of `stored_in`, stores what goes to addresses of `private`.
/// Topics keep what they are given, and who reads them is theirs to say.
#[cfg_attr(
    not(feature = "nats"),
    expect(clippy::unused_async, unused_variables, reason = "only NATS has streams")
)]
pub async fn check_private(
    sink: &SinkConfig,
    private: &[AddressPattern],
    stored_in: &[String],
) -> Result<Vec<Finding>, PublishError> {
    match sink {
        #[cfg(feature = "nats")]
        SinkConfig::Nats(sink) => nats::check_private(sink, private, stored_in).await,
        #[cfg(not(feature = "nats"))]
        SinkConfig::Nats(sink) => Ok(not_built(&sink.name, "nats")?),
        SinkConfig::Kafka(_) | SinkConfig::File(_) | SinkConfig::Stdout(_) => Ok(Vec::new()),
    }
}

#[cfg(not(all(feature = "kafka", feature = "nats")))]
fn not_built<T>(sink: &str, feature: &'static str) -> Result<T, SinkError> {
    Err(SinkError::NotBuilt { sink: sink.to_owned(), feature })
}

/// Addresses for people: a few of them, and how many more there are.
#[cfg(any(feature = "kafka", feature = "nats"))]
fn listed<T: std::fmt::Display>(addresses: &[T]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = addresses.iter().take(SHOWN).map(|address| format!("`{address}`")).collect();
    let more = match addresses.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

/// Where `publication` goes: it says so, or `own` does for all publications of the sink `sink`.
#[cfg(any(feature = "kafka", feature = "nats"))]
fn address<'a>(
    publication: &'a Publication,
    own: Option<&'a str>,
    sink: &str,
) -> Result<&'a str, PublishError> {
    publication.address.as_deref().or(own).ok_or_else(|| {
        let reason = "the topic or subject of this sink depends on an event, and outcomes are none: give them one of their \
                      own"
            .to_owned();
        BusError::Misconfigured { name: sink.to_owned(), reason }.into()
    })
}
