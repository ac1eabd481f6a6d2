//! Where commands come from: the contract of an intake, and one folder a bus.
//!
//! # The contract
//!
//! * [`Intake::next`] gives one delivery after another and may be dropped at any time without losing one. After an error
//!   it may be called again, after a wait: the intake connects anew by itself.
//! * Each delivery has a [`Ticket`], which is used up by what became of it. A ticket that is dropped acknowledges
//!   nothing: the bus gives the message again, to us or to another. Until then it is kept from doing so.
//! * What was not acknowledged may come again at any time, so whoever reads must recognise copies.
//! * How many deliveries may be held is bounded; `next` waits while that many are.
//!
//! Reads no payload: what a message says is for `message` to find out.

#![cfg_attr(
    not(feature = "nats"),
    expect(clippy::unused_async, reason = "some things are waited for with NATS only")
)]
#![cfg_attr(
    not(any(feature = "kafka", feature = "nats")),
    expect(dead_code, reason = "without a bus there are no tickets")
)]

mod error;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;

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
    /// When the bus says that it was written.
    pub published_at: Option<Timestamp>,
    /// Why it can be no command, whatever is in it: it has no payload, or one that is too large.
    pub unfit: Option<String>,
    /// To say what became of it.
    pub ticket: Ticket,
}

/// The right and the duty to say what became of one delivery.
#[derive(Debug)]
pub struct Ticket(Kind);

#[derive(Debug)]
enum Kind {
    #[cfg(feature = "kafka")]
    Kafka(kafka::KafkaTicket),
    #[cfg(feature = "nats")]
    Nats(nats::NatsTicket),
    /// Without a bus there are no tickets.
    #[cfg(not(any(feature = "kafka", feature = "nats")))]
    Never(Infallible),
}

impl Ticket {
    #[cfg(feature = "kafka")]
    fn kafka(ticket: kafka::KafkaTicket) -> Self {
        Self(Kind::Kafka(ticket))
    }

    #[cfg(feature = "nats")]
    fn nats(ticket: nats::NatsTicket) -> Self {
        Self(Kind::Nats(ticket))
    }

    /// Its outcome is durable: it need not come again. An acknowledgement that is lost means another copy, not an error.
    pub async fn done(self) {
        match self.0 {
            #[cfg(feature = "kafka")]
            Kind::Kafka(ticket) => ticket.done(),
            #[cfg(feature = "nats")]
            Kind::Nats(ticket) => ticket.done().await,
            #[cfg(not(any(feature = "kafka", feature = "nats")))]
            Kind::Never(never) => match never {},
        }
    }

    /// It is to come again after `wait`. Others are not held up by it.
    #[cfg_attr(
        not(any(feature = "kafka", feature = "nats")),
        expect(unused_variables, reason = "without a bus there are no tickets")
    )]
    pub async fn later(self, wait: Duration) {
        match self.0 {
            #[cfg(feature = "kafka")]
            Kind::Kafka(ticket) => ticket.later(wait),
            #[cfg(feature = "nats")]
            Kind::Nats(ticket) => ticket.later(wait).await,
            #[cfg(not(any(feature = "kafka", feature = "nats")))]
            Kind::Never(never) => match never {},
        }
    }

    /// It is to be carried out now: whether it is still for us to do. If so, the bus waits for what becomes of it before it
    /// gives it to another, as long as it can. May be asked again.
    pub fn begin(&self) -> bool {
        match &self.0 {
            #[cfg(feature = "kafka")]
            Kind::Kafka(ticket) => ticket.begin(),
            // As long as the ticket is there, the server is told to wait.
            #[cfg(feature = "nats")]
            Kind::Nats(_) => true,
            #[cfg(not(any(feature = "kafka", feature = "nats")))]
            Kind::Never(never) => match *never {},
        }
    }

    /// It can never be a command, and is in the dead letters: it must not come again.
    pub async fn poison(self) {
        match self.0 {
            #[cfg(feature = "kafka")]
            Kind::Kafka(ticket) => ticket.done(),
            #[cfg(feature = "nats")]
            Kind::Nats(ticket) => ticket.poison().await,
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

    /// Lets go of the bus. To be called when the tickets are used up; what became of the others is not told any more.
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
