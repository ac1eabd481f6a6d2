//! The callbacks that librdkafka calls on its own thread: delivery reports, errors and log lines.

use std::error::Error;

use rdkafka::{
    ClientContext, Message as _,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::{BorrowedMessage, DeliveryResult},
    producer::ProducerContext,
    types::RDKafkaErrorCode as Code,
};

use super::{
    deliveries::{Deliveries, Verdict},
    fault::Fault,
    last_error::{self, LastError},
    properties::Batching,
    token::Tokens,
};
use crate::config::KafkaBus;

/// The facility of the line that librdkafka logs when a transaction fails.
const TRANSACTION_FAILED: &str = "TXNERR";

/// Receives the callbacks of one client.
#[derive(Debug)]
pub(crate) struct Context<D> {
    /// The sink or the commands that use the client.
    name: String,
    /// The topic, or the template of topics, for errors that are not about a single message.
    topic: String,
    /// Where the client looks for the cluster.
    brokers: Vec<String>,
    /// How the client puts records together.
    pub(crate) batching: Batching,
    /// Where it is reported what became of each message.
    pub(crate) deliveries: D,
    last_error: LastError,
    /// Where the client gets tokens, if it needs any.
    tokens: Option<Tokens>,
}

impl<D: Deliveries> Context<D> {
    /// For the client of the sink or the commands `name`, which publishes to `topic` by way of `bus`.
    pub(super) fn new(name: &str, bus: &KafkaBus, topic: &str, batching: Batching) -> Self {
        Self {
            name: name.to_owned(),
            topic: topic.to_owned(),
            brokers: bus.brokers.clone(),
            batching,
            deliveries: D::default(),
            last_error: LastError::default(),
            tokens: Tokens::of(bus),
        }
    }

    /// The last thing that the client complained of since it last delivered a message.
    pub(crate) fn last_error(&self) -> Option<Fault> {
        self.last_error.last()
    }

    /// The client is about to be closed: nothing is waited for any more.
    pub(crate) fn close(&self) {
        if let Some(tokens) = &self.tokens {
            tokens.close();
        }
    }

    /// What `err`, which the client gave for a message to `topic`, says of the cluster.
    pub(crate) fn fault(&self, err: &KafkaError, topic: &str) -> Fault {
        let fault = Fault::from_client(err, topic);
        match err.rdkafka_error_code() {
            // A consequence of an error that the client has reported by another code.
            Some(Code::Fatal | Code::State | Code::PurgeQueue | Code::PurgeInflight) => {
                self.last_error().filter(Fault::is_specific).unwrap_or(fault)
            }
            _ => fault,
        }
    }

    fn verdict(&self, err: &KafkaError, message: &BorrowedMessage<'_>) -> Verdict {
        let topic = message.topic();
        if err.rdkafka_error_code() == Some(Code::InvalidRecord) && message.key().is_some() {
            // A topic refuses a record with a key only for its time, which is that of our clock. The client reports
            // that by this code too.
            return Verdict::Undelivered(Fault::from_code(Code::InvalidTimestamp, topic, ""));
        }
        let Some(code) = err.rdkafka_error_code().filter(|code| is_about_records(*code)) else {
            return Verdict::Undelivered(self.fault(err, topic));
        };
        match self.batching {
            Batching::One => Verdict::Rejected(format!(
                "the topic `{topic}` refuses this record: {code}: {}",
                remedy(code)
            )),
            Batching::Many => Verdict::Undelivered(Fault::RefusedBatch(format!(
                "the topic `{topic}` refuses this record, or another one of those sent together: {code}: {}",
                remedy(code)
            ))),
        }
    }
}

/// Whether the cluster gives `code` for what the records are, and will always do so.
fn is_about_records(code: Code) -> bool {
    matches!(
        code,
        Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidMessage
            | Code::InvalidRecord
            | Code::InvalidDifferentRecord
    )
}

/// The remedy for a rejection with `code`.
fn remedy(code: Code) -> &'static str {
    match code {
        Code::InvalidRecord => {
            "if the topic is compacted, give the sink a `key`, or set the topic's `cleanup.policy` to `delete`"
        }
        _ => "if it is too large, raise the topic's `max.message.bytes`",
    }
}

impl<D: Deliveries> ClientContext for Context<D> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if facility == TRANSACTION_FAILED && line.contains("TOPIC_AUTHORIZATION_FAILED") {
            // The client tells nowhere else why it gives a transaction's records up.
            self.last_error.note(Code::TopicAuthorizationFailed, Fault::may_not_commit(&self.topic));
        }
        last_error::log(&self.name, level, facility, line);
    }

    fn error(&self, err: KafkaError, reason: &str) {
        let Some(code) = err.rdkafka_error_code() else { return };
        let fault = match code {
            Code::AllBrokersDown => Fault::no_broker(&self.brokers),
            code => Fault::from_code(code, &self.topic, reason),
        };
        self.last_error.note(code, fault);
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let tokens = self.tokens.as_ref().ok_or("the bus names no source of tokens")?;
        Ok(tokens.fetch()?)
    }
}

impl<D: Deliveries> ProducerContext for Context<D> {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let verdict = match result {
            Ok(_) => {
                self.last_error.forget();
                Verdict::Delivered
            }
            Err((err, message)) => self.verdict(err, message),
        };
        self.deliveries.settle(ticket, verdict);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context<()> {
        let bus = KafkaBus { brokers: vec!["kafka.example:9092".to_owned()], ..KafkaBus::default() };
        Context::new("siem", &bus, "events", Batching::Many)
    }

    #[test]
    fn a_wrong_password_is_not_hidden_by_what_follows_from_it() {
        let context = context();
        context.error(KafkaError::Global(Code::BrokerTransportFailure), "connection refused");
        context.error(KafkaError::Global(Code::Authentication), "invalid credentials");
        context.error(KafkaError::Global(Code::BrokerTransportFailure), "disconnected");
        context.error(KafkaError::Global(Code::AllBrokersDown), "1/1 brokers are down");
        let last_error = context.last_error().unwrap();
        assert!(
            matches!(&last_error, Fault::Unauthenticated(reason) if reason.contains("invalid credentials")),
            "{last_error:?}"
        );
    }

    #[test]
    fn why_a_broker_is_down_tells_more_than_that_it_is() {
        let context = context();
        context.error(KafkaError::Global(Code::BrokerTransportFailure), "connection refused");
        context.error(KafkaError::Global(Code::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(context.last_error(), Some(Fault::Unreachable("connection refused".to_owned())));
    }

    #[test]
    fn that_all_brokers_are_down_is_told_with_their_addresses_until_more_is_known() {
        let context = context();
        for told in ["0/1 brokers are down", "1/1 brokers are down"] {
            context.error(KafkaError::Global(Code::AllBrokersDown), told);
            let fault = context.last_error().unwrap();
            assert!(fault.reason().contains("no broker answers, with kafka.example:9092"), "{fault:?}");
        }
        context.error(KafkaError::Global(Code::BrokerTransportFailure), "connection refused");
        context.error(KafkaError::Global(Code::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(context.last_error(), Some(Fault::Unreachable("connection refused".to_owned())));
    }

    #[test]
    fn why_a_transaction_is_given_up_is_told_of_its_records() {
        let context = context();
        let line = "[thrd:main]: Current transaction failed in state InTransaction: Failed to add partition(s) to transaction: \
                    Broker: Topic authorization failed (after 3 ms) (TOPIC_AUTHORIZATION_FAILED)";
        context.log(RDKafkaLogLevel::Error, "TXNERR", line);
        for consequence in [Code::State, Code::PurgeQueue] {
            let fault = context.fault(&KafkaError::MessageProduction(consequence), "events");
            assert!(matches!(&fault, Fault::Refused(reason) if reason.contains("WRITE")), "{fault:?}");
        }
    }

    #[test]
    fn what_is_fatal_is_told_as_it_was_complained_of() {
        let context = context();
        context.error(KafkaError::Global(Code::Fatal), "the producer was fenced");
        for consequence in [Code::Fatal, Code::PurgeQueue] {
            let fault = context.fault(&KafkaError::MessageProduction(consequence), "events");
            assert_eq!(fault, Fault::Poisoned("the producer was fenced".to_owned()));
        }
    }
}
