//! The last error that a client reported, and its log lines.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::{config::RDKafkaLogLevel, types::RDKafkaErrorCode as Code};

use super::fault::Fault;

/// librdkafka's word for a property of producers that a consumer was given, or the other way round: a bus has one list.
const OTHER_KIND: &str = "CONFWARN";

/// The client asks for a producer id, and does so again by itself as long as that is in vain: whoever waits for the id is told.
const PRODUCER_ID: &str = "GETPID";
/// A transaction or the client is of no more use; if another client is why, whoever made the transaction is told so.
const GIVEN_UP: [&str; 2] = ["TXNERR", "FATAL"];

/// The last error of one client.
#[derive(Debug, Default)]
pub(crate) struct LastError(Mutex<Option<(Code, Fault)>>);

impl LastError {
    /// The last one since something went well.
    pub(crate) fn last(&self) -> Option<Fault> {
        self.slot().as_ref().map(|(_, fault)| fault.clone())
    }

    /// Notes `fault`, which the client reported as `code`, unless the noted one is as specific.
    pub(crate) fn note(&self, code: Code, fault: Fault) {
        let mut slot = self.slot();
        let tells_less = match &*slot {
            None => false,
            Some(_) if code == Code::AllBrokersDown => true,
            // Why one is unreachable tells more than that all are.
            Some((Code::AllBrokersDown, _)) => false,
            // If several brokers are unreachable for different reasons, the first one is kept, so that the message does
            // not alternate.
            Some(_) => !fault.is_specific(),
        };
        if !tells_less {
            *slot = Some((code, fault));
        }
    }

    /// Something went well.
    pub(crate) fn forget(&self) {
        *self.slot() = None;
    }

    fn slot(&self) -> MutexGuard<'_, Option<(Code, Fault)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a line of the client of `name` into our log.
pub(crate) fn log(name: &str, level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::debug!(sink = name, facility, line, "librdkafka says something");
        }
        _ if is_told_otherwise(facility, line) => {
            tracing::debug!(sink = name, facility, line, "librdkafka says something");
        }
        _ => tracing::warn!(sink = name, facility, line, "librdkafka complains"),
    }
}

/// Whether the line says what is no trouble, or is told in clearer words.
fn is_told_otherwise(facility: &str, line: &str) -> bool {
    let is_tried_again = facility == PRODUCER_ID && line.ends_with("retrying");
    let is_fenced = GIVEN_UP.contains(&facility) && line.contains("fence");
    facility == OTHER_KIND || is_tried_again || is_fenced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_takeover_is_not_told_in_the_words_of_the_client() {
        let busy = "[thrd:main]: Failed to acquire transactional PID from broker TxnCoordinator/1: Broker: Not coordinator: retrying";
        assert!(is_told_otherwise("GETPID", busy));
        let fenced = "[thrd:main]: Fatal error: Local: This instance has been fenced by a newer instance: Failed to end transaction";
        assert!(is_told_otherwise("FATAL", fenced) && is_told_otherwise("TXNERR", fenced));
        for (facility, line) in [
            (
                "GETPID",
                "[thrd:main]: Failed to acquire transactional PID: Broker: Transactional Id authorization failed",
            ),
            ("TXNERR", "[thrd:main]: Current transaction failed: Broker: Topic authorization failed"),
            ("REQTMOUT", "Timed out 2 in-flight"),
        ] {
            assert!(!is_told_otherwise(facility, line), "{line}");
        }
    }
}
