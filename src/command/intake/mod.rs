//! Where commands come from: the contract of an intake, and one folder a bus.
//!
//! # The contract
//!
//! * [`Intake::next`] gives one delivery after another and may be dropped at any time without losing one. After an error
//!   it may be called again, after a wait: the intake connects anew by itself.
//! * Each delivery has an [`Acknowledgement`], which is used up by what became of it. One that is dropped acknowledges
//!   nothing: the bus gives the message again, to us or to another. Until then it is kept from doing so.
//! * What was not acknowledged may come again at any time, so whoever reads must recognise copies.
//! * How many deliveries may be in hand, and how many put back, is bounded. `next` waits at the first bound, which is only
//!   back-pressure; at the second [`Intake::trouble`] says so.
//!
//! Reads no payload: what a message says is for `message` to find out.

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

/// The longest wait that a bus is asked for at once. Whoever wants to wait longer puts the message back again.
#[cfg(any(feature = "kafka", feature = "nats"))]
const RETRY_LATER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// One message of an intake.
#[derive(Debug)]
pub struct Delivery {
    /// The bytes, as they are; empty if there are none.
    pub payload: Bytes,
    /// The headers.
    pub headers: Headers,
    /// What the bus itself knows the message by: `Nats-Msg-Id`. Kafka has no such thing.
    pub message_id: Option<String>,
    /// Where it stands, for people and dead letters: `orders/3@42` or `COMMANDS@42`.
    pub place: String,
    /// When the bus says that it was written: the time of the stream in JetStream. In Kafka the record's time stamp, which is
    /// the broker's where the topic has `message.timestamp.type = LogAppendTime` and the producer's word where not; none if
    /// it has none.
    pub published_at: Option<Timestamp>,
    /// Why it can be no command, whatever is in it: it has no payload, or one that is too large.
    pub unfit: Option<String>,
    /// To say what became of it.
    pub acknowledgement: Acknowledgement,
}

/// The right and the duty to say what became of one delivery.
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

    /// Its outcome is durable: it need not come again. An acknowledgement that is lost means another copy, not an error.
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

    /// It is to come again after `wait`, or after a day if that is shorter. Others pass it, up to the bounds that the
    /// documentation has of each bus.
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

    /// It is to be carried out now: whether it is still for us to do. If so, the bus waits for what becomes of it before it
    /// gives it to another, as long as it can. May be asked again.
    pub fn begin(&self) -> bool {
        match &self.0 {
            #[cfg(feature = "kafka")]
            Kind::Kafka(acknowledgement) => acknowledgement.begin(),
            // As long as this is there, the server is told to wait.
            #[cfg(feature = "nats")]
            Kind::Nats(_) => true,
            #[cfg(test)]
            Kind::Simulated(_) => true,
            #[cfg(not(any(feature = "kafka", feature = "nats")))]
            Kind::Never(never) => match *never {},
        }
    }

    /// It can never be a command, and is in the dead letters: it must not come again.
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
    /// Connects to the queue that `config` names, for the commands `name`.
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

    /// Looks whether commands could be read from the queue. Reads, creates and joins nothing.
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

    /// What keeps messages from coming, as far as the bus or its client said so.
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

    /// Lets go of the bus. To be called when the acknowledgements are used up; what became of the others is not told any more.
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

/// Why a payload of so many bytes can be no command, if it is too large for one.
#[cfg(any(feature = "kafka", feature = "nats"))]
fn too_large(bytes: usize) -> Option<String> {
    let reason = || format!("{bytes} bytes are more than a command may have: {PAYLOAD_BYTES_MAX}");
    (bytes > PAYLOAD_BYTES_MAX).then(reason)
}
