//! Where messages go: the contract of a sink, and one file (or folder) a sink.
//!
//! # The contract
//!
//! * A sink belongs to one route. `open` connects it; what is shared between sinks is only the configuration of a bus.
//! * `publish` takes the messages of a batch in order and returns when the next may be handed over: that is the back-pressure.
//!   Batches are published one after another and never at the same time; several may be pending at once.
//! * The [`Receipt`] that it returns resolves when the fate of every message in the batch is known, and not before the
//!   bus has proved that it has them. Receipts resolve in any order and are awaited in the order of their batches.
//! * Messages with one key stay in order. A message that can never be delivered (too large, refused for what it is) is
//!   rejected by itself with a reason and does not fail its batch; it goes to the dead letters.
//! * When a receipt fails, the caller awaits the receipts of all later batches, calls `recover`, and publishes again
//!   from the first message not delivered. `recover` makes the sink fit for that or says why it cannot yet be.
//! * Nothing here retries for ever by itself, except where a bus's client does and `trouble` can say so.
//! * `publish` and `recover` may be dropped half way; nothing but `close` follows then.
//! * `close` may be called with receipts outstanding; they then fail or are never resolved, and nothing is assumed of them.
//!
//! A new sink is one file, one arm in [`Sink`], one row in the conformance suite and one row in the docs.

mod dead_letters;
mod error;
pub(crate) mod file;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod proof;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod stdout;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub(crate) use dead_letters::DeadLetterFiles;
pub use dead_letters::{DeadLetters, DeadLettersError};
pub use error::{SinkClass, SinkError};
pub use proof::{Delivered, Failure, Rejected, Settled};

use crate::{
    bus::Finding,
    config::SinkConfig,
    message::{Messages, Origin},
    state::SinkMark,
};

/// What key, headers or envelope of a message usually stay below.
const ENVELOPE_BYTES: usize = 1_024;

/// Resolves when the fate of every message of a batch is known.
pub type Receipt = BoxFuture<'static, Result<Settled, Failure>>;

/// Tells what keeps a bus's client from making progress, as far as it says so.
pub(crate) type Complaints = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// A sink of one route.
#[derive(Debug)]
pub enum Sink {
    /// A Kafka topic.
    #[cfg(feature = "kafka")]
    Kafka(Box<kafka::Kafka>),
    /// Subjects of a JetStream stream.
    #[cfg(feature = "nats")]
    Nats(nats::Nats),
    /// Files of JSON lines.
    File(file::File),
    /// Standard output.
    Stdout(stdout::Stdout),
    /// What a test says.
    #[cfg(test)]
    Scripted(scripted::Scripted),
}

impl Sink {
    /// Refuses a sink that this binary does not have.
    pub fn require(config: &SinkConfig) -> Result<(), SinkError> {
        let missing = match config {
            SinkConfig::Kafka(_) if cfg!(not(feature = "kafka")) => "kafka",
            SinkConfig::Nats(_) if cfg!(not(feature = "nats")) => "nats",
            _ => return Ok(()),
        };
        Err(not_built(config, missing))
    }

    /// Connects, checks what must hold, and takes up where `mark` says that the last proved batch ended.
    pub async fn open(
        config: &SinkConfig,
        origin: &Arc<Origin>,
        mark: Option<&SinkMark>,
    ) -> Result<Self, SinkError> {
        match config {
            #[cfg(feature = "kafka")]
            SinkConfig::Kafka(config) => {
                kafka::Kafka::open(config, origin).await.map(Box::new).map(Self::Kafka)
            }
            #[cfg(feature = "nats")]
            SinkConfig::Nats(config) => nats::Nats::open(config, origin, mark).await.map(Self::Nats),
            SinkConfig::File(config) => file::File::open(config, origin, mark).await.map(Self::File),
            SinkConfig::Stdout(config) => Ok(Self::Stdout(stdout::Stdout::open(config))),
            #[cfg(not(feature = "kafka"))]
            SinkConfig::Kafka(_) => Err(not_built(config, "kafka")),
            #[cfg(not(feature = "nats"))]
            SinkConfig::Nats(_) => Err(not_built(config, "nats")),
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

    /// Where the sink stood when it was opened, to be kept with the cursor before anything is published: so that even a
    /// crash before the first proof leaves no duplicate behind.
    pub fn mark(&self) -> Option<SinkMark> {
        match self {
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => None,
            #[cfg(feature = "nats")]
            Self::Nats(nats) => Some(nats.mark()),
            Self::File(file) => file.mark(),
            Self::Stdout(_) => None,
            #[cfg(test)]
            Self::Scripted(_) => None,
        }
    }

    /// Hands over the messages of `batch` from the one at `from` on.
    pub async fn publish(&mut self, batch: &Arc<Messages>, from: usize) -> Result<Receipt, SinkError> {
        match self {
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => kafka.publish(batch, from).await,
            #[cfg(feature = "nats")]
            Self::Nats(nats) => Ok(nats.publish(batch, from).await),
            Self::File(file) => file.publish(batch, from).await,
            Self::Stdout(stdout) => stdout.publish(batch, from).await,
            #[cfg(test)]
            Self::Scripted(scripted) => scripted.publish(batch, from).await,
        }
    }

    /// What a payload may have at most, as far as the bus has said so; a larger one would be rejected. What travels with
    /// it (key, headers, envelope) is allowed for.
    pub fn payload_bytes_max(&self) -> Option<usize> {
        let message_bytes_max: Option<usize> = match self {
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => kafka.message_bytes_max(),
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.message_bytes_max(),
            Self::File(_) | Self::Stdout(_) => None,
            #[cfg(test)]
            Self::Scripted(_) => None,
        };
        message_bytes_max.map(|bytes| bytes.saturating_sub(ENVELOPE_BYTES))
    }

    /// What keeps the bus's client from making progress just now, as far as it says so.
    pub fn trouble(&self) -> Option<String> {
        self.complaints()()
    }

    /// Tells the same while the sink is at work.
    pub(crate) fn complaints(&self) -> Complaints {
        match self {
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => Box::new(kafka.complaints()),
            #[cfg(feature = "nats")]
            Self::Nats(nats) => Box::new(nats.complaints()),
            Self::File(_) | Self::Stdout(_) => Box::new(|| None),
            #[cfg(test)]
            Self::Scripted(scripted) => scripted.complaints(),
        }
    }

    /// Whether the bus's client knows that nothing of what is on its way can arrive, so that waiting for it is in vain.
    pub fn is_cut_off(&self) -> bool {
        match self {
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => kafka.is_cut_off(),
            // A connection that is lost fails what is on its way.
            #[cfg(feature = "nats")]
            Self::Nats(_) => false,
            Self::File(_) | Self::Stdout(_) => false,
            #[cfg(test)]
            Self::Scripted(_) => false,
        }
    }

    /// Makes the sink fit for publishing again after a failure.
    pub async fn recover(&mut self) -> Result<(), SinkError> {
        match self {
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => kafka.recover().await,
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.recover().await,
            Self::File(file) => file.recover().await,
            Self::Stdout(_) => Ok(()),
            #[cfg(test)]
            Self::Scripted(scripted) => scripted.recover(),
        }
    }

    /// Lets go of the bus.
    pub async fn close(self) {
        match self {
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => kafka.close().await,
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.close(),
            Self::File(file) => file.close().await,
            Self::Stdout(_) => {}
            #[cfg(test)]
            Self::Scripted(_) => {}
        }
    }
}

fn not_built(config: &SinkConfig, feature: &'static str) -> SinkError {
    SinkError::NotBuilt { sink: config.name().to_owned(), feature }
}

#[cfg(all(test, not(feature = "kafka")))]
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
        };
        let config = SinkConfig::Kafka(sink);
        let refusal = Sink::require(&config).unwrap_err().to_string();
        assert!(refusal.contains("siem") && refusal.contains("--features kafka"), "{refusal}");
    }
}
