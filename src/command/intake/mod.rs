//! Where commands come from: the contract of an intake, and one folder a bus.
//!
//! # The contract
//!
//! * [`Intake::next`] gives one delivery after another and may be dropped at any time without losing one. After an error
//!   it may be called again, after a wait: the intake connects anew by itself.
//! * Each delivery has a [`Ticket`], which is used up by what became of it. A ticket that is dropped acknowledges
//!   nothing: the bus gives the message again, to us or to another.
//! * What was not acknowledged may come again at any time, so whoever reads must recognise copies.
//! * How many deliveries may be held is bounded; `next` waits while that many are.
//!
//! Reads no payload: what a message says is for `message` to find out.

mod error;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

pub use error::IntakeError;

use crate::config::{KafkaBus, NatsBus};

/// Headers of a message as they were received: several may have one name, and case is as it was written.
pub type Headers = Vec<(String, Bytes)>;

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
    /// Why it can be no command, whatever is in it: it has no payload, or one that is too large.
    pub unfit: Option<String>,
    /// To say what became of it.
    pub ticket: Ticket,
}

/// The right and the duty to say what became of one delivery.
#[derive(Debug)]
pub struct Ticket {}

impl Ticket {
    /// Its outcome is durable: it need not come again. An acknowledgement that is lost means another copy, not an error.
    pub async fn done(self) {}

    /// It is to come again after `wait`. Others are not held up by it.
    pub async fn later(self, _wait: Duration) {}

    /// It is still being worked on and must not be given to another.
    pub async fn working(&self) {}

    /// It can never be a command, and is in the dead letters: it must not come again.
    pub async fn poison(self) {}
}

/// A queue of commands.
#[derive(Debug)]
pub struct Intake {}

impl Intake {
    /// Connects to the queue that `config` names, for the commands `name`.
    pub async fn open(_config: &IntakeConfig, _name: &str) -> Result<Self, IntakeError> {
        Ok(Self {})
    }

    /// The next message. Cancel-safe.
    pub async fn next(&mut self) -> Result<Delivery, IntakeError> {
        std::future::pending().await
    }

    /// What keeps messages from coming, as far as the bus or its client said so.
    pub fn trouble(&self) -> Option<String> {
        None
    }

    /// Acknowledges what is done, and lets go of the bus.
    pub async fn close(self) {}
}

/// Where commands come from.
#[derive(Debug, Clone)]
pub enum IntakeConfig {
    /// A Kafka topic, read by a consumer group.
    Kafka {
        /// The cluster.
        bus: Arc<KafkaBus>,
        /// The topic.
        topic: String,
        /// The consumer group.
        group: String,
    },
    /// A JetStream stream, read by a durable consumer.
    Nats {
        /// The server or cluster.
        bus: Arc<NatsBus>,
        /// The stream.
        stream: String,
        /// The subjects of it that have commands.
        subject: String,
        /// The consumer.
        durable: String,
    },
}
