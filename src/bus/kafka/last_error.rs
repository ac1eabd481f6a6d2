//! The last error that a client reported, and its log lines.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::{config::RDKafkaLogLevel, types::RDKafkaErrorCode as Code};

use super::fault::Fault;

/// librdkafka's word for a property of producers that a consumer was given, or the other way round: a bus has one list.
const OTHER_KIND: &str = "CONFWARN";

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
        _ if facility == OTHER_KIND => {
            tracing::debug!(sink = name, facility, line, "librdkafka says something");
        }
        _ => tracing::warn!(sink = name, facility, line, "librdkafka complains"),
    }
}
