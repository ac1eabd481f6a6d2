//! Where messages go: the contract of a sink, and one file (or folder) a sink.
//!
//! # The contract of a [`Sink`]
//!
//! * A sink belongs to one route. [`SinkFactory::open`] connects it; what is shared between sinks is only the configuration of a bus.
//! * `publish` takes the messages of a batch in order and returns when the next may be handed over: that is the back-pressure.
//!   Batches are published one after another and never at the same time; several may be pending at once.
//! * The [`Receipt`] that it returns resolves when the fate of every message in the batch is known, and not before the
//!   bus has proved that it has them. Receipts resolve in any order and are awaited in the order of their batches.
//! * Messages with one key stay in order. A message that can never be delivered (too large, refused for what it is) is
//!   rejected by itself with a reason and does not fail its batch; it goes to the dead letters.
//! * When a receipt fails, the caller awaits the receipts of all later batches, calls `recover`, and publishes again
//!   from the first message not delivered. `recover` makes the sink fit for that or says why it cannot yet be.
//! * Nothing here retries for ever by itself, except where a bus's client does and [`Sink::stall_reason`] can say so.
//! * `publish` and `recover` may be dropped half way; nothing but `close` follows then.
//! * `close` may be called with receipts outstanding; they then fail or are never resolved, and nothing is assumed of them.
//!
//! A new sink is a file here, an arm of `connect` and of [`check`], and what docs/architecture.md lists.

mod dead_letters;
mod error;
pub(crate) mod file;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod proof;
pub(crate) mod retention;
#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
pub(crate) mod simulated;
pub(crate) mod stdout;
pub(crate) mod transactional;

use std::{fmt, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};

#[cfg(test)]
pub(crate) use dead_letters::SimulatedLetters;
pub(crate) use dead_letters::{DeadLetterFiles, KeptLetters, UncommittedTransaction};
pub use dead_letters::{DeadLetters, DeadLettersError, LetterId};
pub use error::{SinkClass, SinkError, Stall};
pub use proof::{BatchError, Delivered, Rejected, Settled};
pub(crate) use stdout::human_line;
pub use transactional::{
    CommitError, CommitReceipt, KeptCheckpoint, TransactionalFactory, TransactionalSink,
};

use crate::{
    bus::Finding,
    config::SinkConfig,
    message::{Messages, Origin},
    state::SinkMark,
};

/// Bytes of a message's key, headers and envelope: usually not more than these.
const ENVELOPE_BYTES: usize = 1_024;

/// Resolves when the fate of every message of a batch is known.
pub type Receipt = BoxFuture<'static, Result<Settled, BatchError>>;

/// Asks why a bus's client makes no progress. It can be asked while the sink itself is borrowed.
pub type StallReason = Box<dyn Fn() -> Option<Stall> + Send + Sync>;

/// A sink of one route. What has a default here is what most sinks have nothing to say about.
pub trait Sink: fmt::Debug + Send {
    /// Where the sink stood when it was opened, to be kept with the cursor before anything is published: so that even a
    /// crash before the first proof leaves no duplicate behind.
    fn mark(&self) -> Option<SinkMark> {
        None
    }

    /// Hands over the messages of `batch` from the one at `from` on.
    fn publish<'a>(
        &'a mut self,
        batch: &'a Arc<Messages>,
        from: usize,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>>;

    /// Bytes that the bus takes at most of a message with its key, headers and envelope, as far as it has said so; a
    /// larger message would be rejected.
    fn message_bytes_max(&self) -> Option<usize> {
        None
    }

    /// Asks why the bus's client makes no progress, as far as it knows.
    fn stall_reason(&self) -> StallReason {
        Box::new(|| None)
    }

    /// Whether the bus's client knows that nothing of what is in flight can arrive, so that waiting for it is in vain.
    /// A sink that fails what is in flight as soon as its connection is lost need not say so.
    fn is_cut_off(&self) -> bool {
        false
    }

    /// A cursor with this mark is durable: the sink will never be asked to take up an earlier one.
    fn committed(&mut self, _mark: &SinkMark) {}

    /// Makes the sink fit for publishing again after a failure.
    fn recover(&mut self) -> BoxFuture<'_, Result<(), SinkError>>;

    /// Lets go of the bus.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Bytes that a payload may have where a message may have so many; key, headers and envelope are allowed for.
pub(crate) fn payload_bytes_max(message_bytes_max: Option<usize>) -> Option<usize> {
    message_bytes_max.map(|bytes| bytes.saturating_sub(ENVELOPE_BYTES))
}

/// Opens the sink of a route, as often as that takes: the configuration does, or a simulation.
pub trait SinkFactory: fmt::Debug + Send + Sync {
    /// Connects, checks what must hold, and takes up where `mark` says that the last proved batch ended.
    fn open<'a>(
        &'a self,
        origin: &'a Arc<Origin>,
        mark: Option<&'a SinkMark>,
    ) -> BoxFuture<'a, Result<Box<dyn Sink>, SinkError>>;
}

impl SinkFactory for SinkConfig {
    fn open<'a>(
        &'a self,
        origin: &'a Arc<Origin>,
        mark: Option<&'a SinkMark>,
    ) -> BoxFuture<'a, Result<Box<dyn Sink>, SinkError>> {
        connect(self, origin, mark).boxed()
    }
}

impl TransactionalFactory for SinkConfig {
    fn open<'a>(
        &'a self,
        origin: &'a Arc<Origin>,
    ) -> BoxFuture<'a, Result<Box<dyn TransactionalSink>, SinkError>> {
        connect_transactional(self, origin).boxed()
    }
}

#[cfg_attr(
    not(any(feature = "kafka", feature = "nats")),
    expect(unused_variables, reason = "only a bus commits messages and checkpoint together")
)]
async fn connect_transactional(
    config: &SinkConfig,
    origin: &Arc<Origin>,
) -> Result<Box<dyn TransactionalSink>, SinkError> {
    match config {
        #[cfg(feature = "kafka")]
        SinkConfig::Kafka(config @ crate::config::KafkaSink { transactions: Some(transactions), .. }) => {
            Ok(Box::new(kafka::TransactionalKafka::open(config, transactions, origin).await?))
        }
        #[cfg(feature = "nats")]
        SinkConfig::Nats(config @ crate::config::NatsSink { transactions: Some(transactions), .. }) => {
            Ok(Box::new(nats::TransactionalNats::open(config, transactions, origin).await?))
        }
        #[cfg(not(feature = "kafka"))]
        SinkConfig::Kafka(_) => Err(not_built(config, "kafka")),
        #[cfg(not(feature = "nats"))]
        SinkConfig::Nats(_) => Err(not_built(config, "nats")),
        _ => Err(SinkError::NotTransactional { sink: config.name().to_owned() }),
    }
}

async fn connect(
    config: &SinkConfig,
    origin: &Arc<Origin>,
    mark: Option<&SinkMark>,
) -> Result<Box<dyn Sink>, SinkError> {
    Ok(match config {
        #[cfg(feature = "kafka")]
        SinkConfig::Kafka(config) => Box::new(kafka::Kafka::open(config, origin).await?),
        #[cfg(feature = "nats")]
        SinkConfig::Nats(config) => Box::new(nats::Nats::open(config, origin, mark).await?),
        SinkConfig::File(config) => Box::new(file::File::open(config, origin, mark).await?),
        SinkConfig::Stdout(config) => Box::new(stdout::Stdout::open(config)),
        #[cfg(not(feature = "kafka"))]
        SinkConfig::Kafka(_) => return Err(not_built(config, "kafka")),
        #[cfg(not(feature = "nats"))]
        SinkConfig::Nats(_) => return Err(not_built(config, "nats")),
    })
}

/// The buses that a binary may have.
#[derive(Debug, Clone, Copy)]
struct Buses {
    kafka: bool,
    nats: bool,
}

const BUILT: Buses = Buses { kafka: cfg!(feature = "kafka"), nats: cfg!(feature = "nats") };

/// Refuses a sink that this binary does not have.
pub fn require(config: &SinkConfig) -> Result<(), SinkError> {
    require_of(BUILT, config)
}

fn require_of(built: Buses, config: &SinkConfig) -> Result<(), SinkError> {
    match config {
        SinkConfig::Kafka(_) if !built.kafka => Err(not_built(config, "kafka")),
        SinkConfig::Nats(_) if !built.nats => Err(not_built(config, "nats")),
        _ => Ok(()),
    }
}

/// Looks whether the sink could be used for messages of `origins`, without publishing anything.
#[cfg_attr(
    not(feature = "kafka"),
    expect(unused_variables, reason = "only Kafka's topics depend on who publishes")
)]
pub async fn check(config: &SinkConfig, origins: &[Origin]) -> Result<Vec<Finding>, SinkError> {
    match config {
        #[cfg(feature = "kafka")]
        SinkConfig::Kafka(config) => Ok(kafka::check(config, origins).await?),
        #[cfg(feature = "nats")]
        SinkConfig::Nats(config) => Ok(nats::check(config).await?),
        SinkConfig::File(config) => file::check(config).await,
        SinkConfig::Stdout(_) => Ok(Vec::new()),
        #[cfg(not(feature = "kafka"))]
        SinkConfig::Kafka(_) => Err(not_built(config, "kafka")),
        #[cfg(not(feature = "nats"))]
        SinkConfig::Nats(_) => Err(not_built(config, "nats")),
    }
}

/// Reads the checkpoint of the route of `origin` from the bus of a sink that delivers exactly once. Takes nothing over and creates
/// nothing. None: there is none.
#[cfg_attr(
    not(any(feature = "kafka", feature = "nats")),
    expect(unused_variables, reason = "only a bus keeps checkpoints")
)]
pub async fn read_checkpoint(
    config: &SinkConfig,
    origin: &Origin,
) -> Result<Option<KeptCheckpoint>, SinkError> {
    match config {
        #[cfg(feature = "kafka")]
        SinkConfig::Kafka(config @ crate::config::KafkaSink { transactions: Some(transactions), .. }) => {
            Ok(kafka::read_checkpoint(config, transactions, origin).await?)
        }
        #[cfg(feature = "nats")]
        SinkConfig::Nats(config @ crate::config::NatsSink { transactions: Some(transactions), .. }) => {
            Ok(nats::read_checkpoint(config, transactions, origin).await?)
        }
        _ => Ok(None),
    }
}

fn not_built(config: &SinkConfig, feature: &'static str) -> SinkError {
    SinkError::NotBuilt { sink: config.name().to_owned(), feature }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Encoding, KafkaBus, KafkaSink},
        message::{Template, TemplateUse},
    };

    #[test]
    fn a_sink_that_was_not_built_says_so_and_what_to_do() {
        let bus = KafkaBus { name: "kafka".to_owned(), ..KafkaBus::default() };
        let sink = KafkaSink {
            name: "siem".to_owned(),
            bus: Arc::new(bus),
            topic: Template::parse("okta", TemplateUse::Topic).unwrap(),
            key: Template::parse("", TemplateUse::Key).unwrap(),
            encoding: Encoding::Binary,
            transactions: None,
        };
        let config = SinkConfig::Kafka(sink);
        assert!(require_of(Buses { kafka: true, nats: false }, &config).is_ok());
        let refusal = require_of(Buses { kafka: false, nats: true }, &config).unwrap_err().to_string();
        assert!(refusal.contains("siem") && refusal.contains("--features kafka"), "{refusal}");
    }
}
