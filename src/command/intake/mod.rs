//! Where commands come from: the contract of an intake, and one folder a bus.
//!
//! # The contract
//!
//! * [`Intake::next`] returns one delivery after another and may be dropped at any time without losing one. After an
//!   error it may be called again, after a wait: the intake reconnects by itself.
//! * Each delivery has an [`Acknowledgement`], which settles it once. A dropped one acknowledges nothing: the bus
//!   delivers the message again, here or to another consumer. Until then the bus is kept from doing so.
//! * An unacknowledged message may be delivered again at any time, so the reader must recognise copies.
//! * The number of deliveries in hand, and of those put back, is bounded. At the first bound `next` waits, which is only
//!   back-pressure; at the second [`Intake::trouble`] reports it.
//!
//! Reads no payload: `message` decodes it.

#![cfg_attr(
    not(feature = "nats"),
    expect(clippy::unused_async, reason = "some things are waited for with NATS only")
)]
#![cfg_attr(
    not(any(feature = "kafka", feature = "nats")),
    expect(dead_code, reason = "without a bus there are no acknowledgements")
)]

mod error;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
#[cfg(test)]
pub(in crate::command) mod simulated;

#[cfg(not(any(feature = "kafka", feature = "nats")))]
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

pub use error::IntakeError;

use super::message::Headers;
#[cfg(any(feature = "kafka", feature = "nats"))]
use super::message::PAYLOAD_BYTES_MAX;
use crate::config::IntakeConfig;

/// The longest redelivery delay that a bus is asked for. A longer wait puts the message back again.
#[cfg(any(feature = "kafka", feature = "nats"))]
const RETRY_LATER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// One message of an intake.
#[derive(Debug)]
pub struct Delivery {
    /// The bytes; empty if there are none.
    pub payload: Bytes,
    /// The headers.
    pub headers: Headers,
    /// The id that the bus has for the message: `Nats-Msg-Id`. Kafka has none.
    pub message_id: Option<String>,
    /// The place, for people and dead letters: `orders/3@42` or `COMMANDS@42`.
    pub place: String,
    /// When the message was written, according to the bus: the time of the stream in JetStream. In Kafka the record's
    /// time stamp, which is the broker's if the topic has `message.timestamp.type = LogAppendTime` and the producer's
    /// otherwise; none if it has none.
    pub published_at: Option<Timestamp>,
    /// Why it can never be a command, whatever its content: it has no payload, or too large a one.
    pub unfit: Option<String>,
    /// Settles the message.
    pub acknowledgement: Acknowledgement,
}

/// The obligation to settle one delivery.
#[derive(Debug)]
pub struct Acknowledgement(Kind);

#[derive(Debug)]
enum Kind {
    #[cfg(feature = "kafka")]
    Kafka(kafka::KafkaAcknowledgement),
    #[cfg(feature = "nats")]
    Nats(nats::NatsAcknowledgement),
    /// Of a simulated queue.
    #[cfg(test)]
    Simulated(simulated::SimulatedAcknowledgement),
    /// Without a bus there are none.
    #[cfg(not(any(feature = "kafka", feature = "nats")))]
    Never(Infallible),
}

impl Acknowledgement {
    #[cfg(test)]
    pub(in crate::command) fn simulated(acknowledgement: simulated::SimulatedAcknowledgement) -> Self {
        Self(Kind::Simulated(acknowledgement))
    }

    #[cfg(feature = "kafka")]
    fn kafka(acknowledgement: kafka::KafkaAcknowledgement) -> Self {
        Self(Kind::Kafka(acknowledgement))
    }

    #[cfg(feature = "nats")]
    fn nats(acknowledgement: nats::NatsAcknowledgement) -> Self {
        Self(Kind::Nats(acknowledgement))
    }

    /// The outcome is durable: the message need not be delivered again. A lost acknowledgement causes another copy, not
    /// an error.
    pub async fn ack(self) {
        match self.0 {
            #[cfg(feature = "kafka")]
            Kind::Kafka(acknowledgement) => acknowledgement.ack(),
            #[cfg(feature = "nats")]
            Kind::Nats(acknowledgement) => acknowledgement.ack().await,
            #[cfg(test)]
            Kind::Simulated(acknowledgement) => acknowledgement.say(simulated::Said::Acked),
            #[cfg(not(any(feature = "kafka", feature = "nats")))]
            Kind::Never(never) => match never {},
        }
    }

    /// The message is delivered again after `wait`, or after a day if that is shorter. Others overtake it, within the
    /// documented bounds of each bus.
    #[cfg_attr(
        not(any(test, feature = "kafka", feature = "nats")),
        expect(unused_variables, reason = "without a bus there are no acknowledgements")
    )]
    pub async fn retry_later(self, wait: Duration) {
        match self.0 {
            #[cfg(feature = "kafka")]
            Kind::Kafka(acknowledgement) => acknowledgement.retry_later(wait.min(RETRY_LATER_MAX)),
            #[cfg(feature = "nats")]
            Kind::Nats(acknowledgement) => acknowledgement.retry_later(wait.min(RETRY_LATER_MAX)).await,
            #[cfg(test)]
            Kind::Simulated(acknowledgement) => acknowledgement.say(simulated::Said::Later(wait)),
            #[cfg(not(any(feature = "kafka", feature = "nats")))]
            Kind::Never(never) => match never {},
        }
    }

    /// Whether the message still belongs to this consumer, to be executed now. If so, the bus keeps it from other
    /// consumers as long as it can. May be called again.
    pub fn begin(&self) -> bool {
        match &self.0 {
            #[cfg(feature = "kafka")]
            Kind::Kafka(acknowledgement) => acknowledgement.begin(),
            // The server is told to wait as long as this value exists.
            #[cfg(feature = "nats")]
            Kind::Nats(_) => true,
            #[cfg(test)]
            Kind::Simulated(_) => true,
            #[cfg(not(any(feature = "kafka", feature = "nats")))]
            Kind::Never(never) => match *never {},
        }
    }

    /// The message can never be a command, and is in the dead letters: it must not be delivered again.
    pub async fn reject(self) {
        match self.0 {
            #[cfg(feature = "kafka")]
            Kind::Kafka(acknowledgement) => acknowledgement.ack(),
            #[cfg(feature = "nats")]
            Kind::Nats(acknowledgement) => acknowledgement.reject().await,
            #[cfg(test)]
            Kind::Simulated(acknowledgement) => acknowledgement.say(simulated::Said::Rejected),
            #[cfg(not(any(feature = "kafka", feature = "nats")))]
            Kind::Never(never) => match never {},
        }
    }
}

/// A queue of commands.
#[derive(Debug)]
pub enum Intake {
    /// A Kafka topic.
    #[cfg(feature = "kafka")]
    Kafka(kafka::KafkaIntake),
    /// A JetStream stream.
    #[cfg(feature = "nats")]
    Nats(nats::NatsIntake),
    /// This binary has no bus, so there is no intake.
    #[cfg(not(any(feature = "kafka", feature = "nats")))]
    Never(Infallible),
}

impl Intake {
    /// Connects to the queue in `config`, for the section `name`.
    pub async fn open(config: &IntakeConfig, name: &str) -> Result<Self, IntakeError> {
        let name = name.to_owned();
        match config.clone() {
            #[cfg(feature = "kafka")]
            IntakeConfig::Kafka { bus, topic, group } => {
                let queue = kafka::KafkaQueue { name, bus, topic, group };
                kafka::KafkaIntake::open(queue).await.map(Self::Kafka)
            }
            #[cfg(feature = "nats")]
            IntakeConfig::Nats { bus, stream, subject, durable } => {
                let queue = nats::NatsQueue { name, bus, stream, subject, durable };
                nats::NatsIntake::open(queue).await.map(Self::Nats)
            }
            #[cfg(not(feature = "kafka"))]
            IntakeConfig::Kafka { .. } => Err(IntakeError::NotBuilt { intake: name, feature: "kafka" }),
            #[cfg(not(feature = "nats"))]
            IntakeConfig::Nats { .. } => Err(IntakeError::NotBuilt { intake: name, feature: "nats" }),
        }
    }

    /// Whether commands could be read from the queue. Reads, creates and joins nothing.
    pub async fn check(config: &IntakeConfig, name: &str) -> Result<String, IntakeError> {
        let name = name.to_owned();
        match config.clone() {
            #[cfg(feature = "kafka")]
            IntakeConfig::Kafka { bus, topic, group } => {
                kafka::check(kafka::KafkaQueue { name, bus, topic, group }).await
            }
            #[cfg(feature = "nats")]
            IntakeConfig::Nats { bus, stream, subject, durable } => {
                nats::check(&nats::NatsQueue { name, bus, stream, subject, durable }).await
            }
            #[cfg(not(feature = "kafka"))]
            IntakeConfig::Kafka { .. } => Err(IntakeError::NotBuilt { intake: name, feature: "kafka" }),
            #[cfg(not(feature = "nats"))]
            IntakeConfig::Nats { .. } => Err(IntakeError::NotBuilt { intake: name, feature: "nats" }),
        }
    }

    /// The next message. Cancel-safe. May be called again after an error.
    pub async fn next(&mut self) -> Result<Delivery, IntakeError> {
        match self {
            #[cfg(feature = "kafka")]
            Self::Kafka(intake) => intake.next().await,
            #[cfg(feature = "nats")]
            Self::Nats(intake) => intake.next().await,
            #[cfg(not(any(feature = "kafka", feature = "nats")))]
            Self::Never(never) => match *never {},
        }
    }

    /// What keeps messages from coming, as far as the bus or its client reported it.
    pub fn trouble(&self) -> Option<String> {
        match self {
            #[cfg(feature = "kafka")]
            Self::Kafka(intake) => intake.trouble(),
            #[cfg(feature = "nats")]
            Self::Nats(intake) => intake.trouble(),
            #[cfg(not(any(feature = "kafka", feature = "nats")))]
            Self::Never(never) => match *never {},
        }
    }

    /// Closes the connection. Call it when all acknowledgements are used: later ones are not sent.
    pub async fn close(self) {
        match self {
            #[cfg(feature = "kafka")]
            Self::Kafka(intake) => intake.close().await,
            #[cfg(feature = "nats")]
            Self::Nats(intake) => intake.close().await,
            #[cfg(not(any(feature = "kafka", feature = "nats")))]
            Self::Never(never) => match never {},
        }
    }
}

/// Why a payload of this size can never be a command, if it is too large.
#[cfg(any(feature = "kafka", feature = "nats"))]
fn too_large(bytes: usize) -> Option<String> {
    let reason = || format!("{bytes} bytes are more than a command may have: {PAYLOAD_BYTES_MAX}");
    (bytes > PAYLOAD_BYTES_MAX).then(reason)
}
