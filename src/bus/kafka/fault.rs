//! Why a cluster accepts no messages, with what an operator can change.

use rdkafka::{error::KafkaError, types::RDKafkaErrorCode as Code};

use crate::bus::BusError;

/// What librdkafka says before the reason that we gave it for having no token.
const NO_TOKEN: &str = "Failed to acquire SASL OAUTHBEARER token: ";
/// librdkafka's text for the error, which it gives only in the text of a fatal error.
const CLUSTER_AUTHORIZATION_FAILED: &str = "Cluster authorization failed";

/// Why the cluster, rather than a single message, is at fault, with the remedy if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No broker answers.
    Unreachable(String),
    /// The cluster refuses our credentials.
    Unauthenticated(String),
    /// We lack a permission, or have no credentials.
    Refused(String),
    /// The topic does not exist.
    NoTopic(String),
    /// The topic or a property is wrong.
    Misconfigured(String),
    /// The client is of no more use.
    Poisoned(String),
    /// The cluster refused a record batch for one of its records, and did not say for which.
    RefusedBatch(String),
}

impl Fault {
    /// What `code` means for publishing to `topic`; `told` is what the client said, for people.
    pub(crate) fn from_code(code: Code, topic: &str, told: &str) -> Self {
        let told = steady(told);
        if let Some(reason) = told.strip_prefix(NO_TOKEN) {
            return Self::Refused(format!("no token to authenticate with: {reason}"));
        }
        match code {
            Code::TopicAuthorizationFailed => Self::Refused(format!(
                "TOPIC_AUTHORIZATION_FAILED: this user may not write to the topic `{topic}`: \
                 grant it WRITE and DESCRIBE on the topic"
            )),
            Code::ClusterAuthorizationFailed => may_not_be_idempotent(topic),
            Code::Fatal if told.contains(CLUSTER_AUTHORIZATION_FAILED) => may_not_be_idempotent(topic),
            Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState => Self::Unauthenticated(format!(
                "authentication failed: {told}: check `sasl.mechanism`, `sasl.username` and `sasl.password`, or what the \
                 brokers expect of a token: issuer, audience, scope"
            )),
            Code::SSL => Self::Misconfigured(format!(
                "TLS failed: {told}: check `security.protocol`, `ssl.ca.location` and the broker's certificate"
            )),
            Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
                Self::NoTopic(format!(
                    "UNKNOWN_TOPIC_OR_PARTITION: the topic `{topic}` does not exist: create it, \
                     or let the brokers do so with `auto.create.topics.enable`"
                ))
            }
            Code::InvalidTopic => {
                Self::Misconfigured(format!("INVALID_TOPIC: `{topic}` cannot be the name of a topic"))
            }
            Code::InvalidTimestamp => Self::Misconfigured(format!(
                "INVALID_TIMESTAMP: the topic `{topic}` refuses the time of our clock: set this machine's clock and the \
                 brokers' right, or raise the topic's `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms`"
            )),
            Code::AllBrokersDown => Self::Unreachable("no broker answers".to_owned()),
            Code::PurgeQueue | Code::PurgeInflight => {
                Self::Unreachable("the sink was closed before the cluster had answered".to_owned())
            }
            Code::Fatal => Self::Poisoned(told.to_owned()),
            _ => Self::Unreachable(told.to_owned()),
        }
    }

    /// A transaction has records that this user may not write: to `topic`, or the one of checkpoints.
    pub(crate) fn may_not_commit(topic: &str) -> Self {
        Self::Refused(format!(
            "TOPIC_AUTHORIZATION_FAILED: this user may not write to the topic `{topic}`, or to the topic of checkpoints: grant it \
             WRITE and DESCRIBE on both"
        ))
    }

    /// No broker of `brokers`, where the client began to look for them, answers.
    pub(crate) fn no_broker(brokers: &[String]) -> Self {
        let brokers = brokers.join(", ");
        Self::Unreachable(format!(
            "no broker answers, with {brokers} to begin with: check that they run, and the network"
        ))
    }

    /// What the fatal error `code` means for publishing to `topic`.
    pub(crate) fn from_fatal(code: Code, topic: &str, told: &str) -> Self {
        match Self::from_code(code, topic, told) {
            // Whatever else it is called, the client is of no more use.
            Self::Unreachable(reason) => Self::Poisoned(reason),
            fault => fault,
        }
    }

    /// What `err`, made while a client was built or used, means for publishing to `topic`.
    pub(crate) fn from_client(err: &KafkaError, topic: &str) -> Self {
        match err {
            KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) | KafkaError::Nul(_) => {
                Self::Misconfigured(err.to_string())
            }
            _ => match err.rdkafka_error_code() {
                Some(code) => Self::from_code(code, topic, &code.to_string()),
                None => Self::Unreachable(err.to_string()),
            },
        }
    }

    /// Whether this says more than that no broker answers.
    pub(crate) fn is_specific(&self) -> bool {
        !matches!(self, Self::Unreachable(_))
    }

    /// The reason, for people.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Unreachable(reason)
            | Self::Unauthenticated(reason)
            | Self::Refused(reason)
            | Self::NoTopic(reason)
            | Self::Misconfigured(reason)
            | Self::Poisoned(reason)
            | Self::RefusedBatch(reason) => reason,
        }
    }

    /// The error of `name`, the sink or the commands that use the client.
    pub(crate) fn into_error(self, name: &str) -> BusError {
        let name = name.to_owned();
        match self {
            Self::Unreachable(reason) => BusError::Unreachable { name, reason },
            Self::Unauthenticated(reason) | Self::Refused(reason) => BusError::Refused { name, reason },
            Self::NoTopic(reason) | Self::Misconfigured(reason) => BusError::Misconfigured { name, reason },
            Self::Poisoned(reason) | Self::RefusedBatch(reason) => BusError::Poisoned { name, reason },
        }
    }
}

/// The text of the client without durations and counters, so that one trouble has the same text each time.
fn steady(told: &str) -> &str {
    let end = told.find(" (after ").unwrap_or(told.len());
    &told[..end]
}

fn may_not_be_idempotent(topic: &str) -> Fault {
    Fault::Refused(format!(
        "CLUSTER_AUTHORIZATION_FAILED: this user may not publish without repetition: grant it WRITE on the topic \
         `{topic}`, or IDEMPOTENT_WRITE on a cluster older than 2.8"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trouble_is_told_in_the_same_words_each_time() {
        let told = |times: u32| {
            let told = format!(
                "127.0.0.1:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after {times}ms in state \
                 CONNECT, {times} identical error(s) suppressed)"
            );
            Fault::from_code(Code::BrokerTransportFailure, "events", &told)
        };
        assert_eq!(told(1), told(30));
        assert!(told(1).reason().ends_with("Connection refused"), "{:?}", told(1));
    }

    #[test]
    fn a_clock_that_is_refused_is_the_fault_of_no_record() {
        let fault = Fault::from_code(Code::InvalidTimestamp, "events", "invalid timestamp");
        assert!(matches!(&fault, Fault::Misconfigured(reason) if reason.contains("clock")), "{fault:?}");
    }

    #[test]
    fn want_of_a_token_is_told_with_its_own_reason() {
        let told = format!("{NO_TOKEN}cannot reach https://idp.example/token: connection refused");
        let fault = Fault::from_code(Code::Authentication, "events", &told);
        assert!(matches!(&fault, Fault::Refused(reason) if !reason.contains("sasl.password")), "{fault:?}");
    }

    #[test]
    fn a_fatal_error_is_told_by_its_cause_and_is_never_taken_for_one_that_passes() {
        let refused = Fault::from_fatal(Code::ClusterAuthorizationFailed, "events", "not authorized");
        assert!(matches!(&refused, Fault::Refused(reason) if reason.contains("WRITE")), "{refused:?}");
        let fenced = Fault::from_fatal(Code::Fenced, "events", "fenced by another");
        assert_eq!(fenced, Fault::Poisoned("fenced by another".to_owned()));
    }
}
