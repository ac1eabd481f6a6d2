//! Classifies the errors of client and server: of a single message, for an operator to change something, or transient.

use std::{error::Error, io};

use async_nats::{
    ConnectError, ConnectErrorKind, ServerAddr,
    jetstream::{
        self, ErrorCode,
        context::{PublishError, PublishErrorKind},
    },
};

use crate::{
    bus::BusError,
    config::{NatsBus, NatsSink},
};

/// Why a message was not stored.
#[derive(Debug)]
pub(crate) enum StoreRejection {
    /// It can never be stored, for a reason of its own.
    Message(String),
    /// No message can be stored just now.
    Bus(BusError),
}

/// The remedy for a JetStream error.
enum Remedy {
    SmallerMessage,
    /// What an operator has to do.
    Change(&'static str),
    Time,
}

/// JetStream's error codes are stable numbers. Codes that are not listed count as transient.
fn remedy(code: ErrorCode) -> Remedy {
    match code {
        ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM => {
            Remedy::SmallerMessage
        }
        ErrorCode::STREAM_NOT_FOUND => Remedy::Change("create it"),
        ErrorCode::STREAM_NOT_MATCH => {
            Remedy::Change("the subject belongs to another stream, give it to this one")
        }
        ErrorCode::STREAM_SEALED => Remedy::Change("a sealed stream takes nothing more, use another one"),
        ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
            Remedy::Change("enable JetStream on the server and for the account")
        }
        ErrorCode::STREAM_STORE_FAILED
        | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED
        | ErrorCode::MEMORY_RESOURCES_EXCEEDED
        | ErrorCode::INSUFFICIENT_RESOURCES => {
            Remedy::Change("raise the limits of the stream or the account, or remove what they hold")
        }
        ErrorCode::ATOMIC_PUBLISH_DISABLED => {
            Remedy::Change("allow atomic batches, with `nats stream edit --allow-batch`")
        }
        ErrorCode::STREAM_ROLLUP_FAILED => {
            Remedy::Change("allow roll-ups, with `nats stream edit --allow-rollup`")
        }
        ErrorCode::MESSAGE_TTL_DISABLED => {
            Remedy::Change("allow a life of its own to a message, with `nats stream edit --allow-msg-ttl`")
        }
        ErrorCode::STREAM_SUBJECT_OVERLAP
        | ErrorCode::STREAM_INVALID_CONFIG
        | ErrorCode::STREAM_NAME_EXIST
        | ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => {
            Remedy::Change("change `create`, `stream` or `subject`")
        }
        _ => Remedy::Time,
    }
}

impl StoreRejection {
    /// Why the message on `subject` with a payload of `size_bytes` was not stored.
    pub(crate) fn of_publish(
        sink: &NatsSink,
        subject: &str,
        size_bytes: usize,
        error: &PublishError,
    ) -> Self {
        let NatsSink { name, stream, .. } = sink;
        match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => Self::Message(format!(
                "{size_bytes} bytes and their headers are more than the server's `max_payload` ({error})"
            )),
            PublishErrorKind::StreamNotFound => Self::Bus(BusError::Unreachable {
                name: name.clone(),
                reason: format!("no stream takes subject `{subject}`"),
            }),
            PublishErrorKind::TimedOut => Self::Bus(BusError::Unreachable {
                name: name.clone(),
                reason: format!("stream `{stream}` acknowledges nothing"),
            }),
            _ => match jetstream_error(error).map(|error| (error, remedy(error.error_code()))) {
                Some((error, Remedy::SmallerMessage)) => Self::Message(format!(
                    "{size_bytes} bytes and their headers are more than stream `{stream}` takes ({error})"
                )),
                Some((error, _)) => Self::Bus(of_jetstream(name, stream, error)),
                None => Self::Bus(BusError::Unreachable { name: name.clone(), reason: error.to_string() }),
            },
        }
    }
}

/// The error of `name` for an error that JetStream reported about `stream`.
pub(crate) fn of_jetstream(name: &str, stream: &str, error: &jetstream::Error) -> BusError {
    let name = name.to_owned();
    if error.error_code() == ErrorCode::STREAM_DUPLICATE_MESSAGE_CONFLICT {
        let reason = format!(
            "stream `{stream}`: its replicas have not yet agreed on a message, and do not while their quorum is lost ({error})"
        );
        return BusError::Unreachable { name, reason };
    }
    match remedy(error.error_code()) {
        Remedy::Change(change) => {
            BusError::Misconfigured { name, reason: format!("stream `{stream}`: {error}: {change}") }
        }
        Remedy::SmallerMessage | Remedy::Time => {
            BusError::Unreachable { name, reason: format!("stream `{stream}`: {error}") }
        }
    }
}

/// Why a connection to `bus` could not be made.
pub(super) fn of_connect(name: &str, bus: &NatsBus, error: &ConnectError) -> BusError {
    let (name, servers, bus) = (name.to_owned(), &bus.servers, &bus.name);
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation => {
            BusError::Refused { name, reason: format!("{error}: check `auth` of bus `{bus}`") }
        }
        ConnectErrorKind::Authentication => BusError::Refused {
            name,
            reason: format!("{error}: `auth` of bus `{bus}` has no valid nkey seed"),
        },
        ConnectErrorKind::Tls | ConnectErrorKind::ServerParse => BusError::Misconfigured {
            name,
            reason: format!("{error}: check `servers` and `tls` of bus `{bus}`"),
        },
        _ if is_tls(error) => {
            BusError::Refused { name, reason: format!("{error}: check `servers` and `tls` of bus `{bus}`") }
        }
        _ => BusError::Unreachable { name, reason: format!("{}: {error}", addresses(servers)) },
    }
}

/// Where a connection was tried, without what a URL may have of a user.
fn addresses(servers: &[String]) -> String {
    let servers = servers.iter().filter_map(|server| server.parse::<ServerAddr>().ok());
    servers.map(|server| format!("{}:{}", server.host(), server.port())).collect::<Vec<_>>().join(", ")
}

/// A handshake that fails comes as an I/O error with the TLS library's error inside.
fn is_tls(error: &ConnectError) -> bool {
    let io_error = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    io_error.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some()
}

fn jetstream_error(error: &PublishError) -> Option<&jetstream::Error> {
    error.source()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::BusClass;

    fn class(code: ErrorCode) -> BusClass {
        let json = format!(r#"{{"code":503,"err_code":{},"description":"because"}}"#, code.0);
        let error: jetstream::Error = serde_json::from_str(&json).unwrap();
        of_jetstream("events", "OKTA", &error).class()
    }

    #[test]
    fn what_somebody_must_change_is_told_apart_from_what_may_pass() {
        for code in [
            ErrorCode::STREAM_NOT_FOUND,
            ErrorCode::STREAM_STORE_FAILED,
            ErrorCode::JETSTREAM_NOT_ENABLED,
            ErrorCode::STREAM_SUBJECT_OVERLAP,
        ] {
            assert_eq!(class(code), BusClass::Configuration, "{}", code.0);
        }
        for code in [ErrorCode::CLUSTER_NOT_AVAILABLE, ErrorCode::STREAM_OFFLINE, ErrorCode(19_999)] {
            assert_eq!(class(code), BusClass::Transient, "{}", code.0);
        }
    }
}
