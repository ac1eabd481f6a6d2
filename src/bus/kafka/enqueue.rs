//! Passes records to the client, in sequence or a single one. The ledger receives the result of each.

use std::time::Duration;

use rdkafka::{producer::BaseRecord, types::RDKafkaErrorCode as Code};
use tokio::time::timeout;

use super::{
    client::Client,
    deliveries::{Deliveries as _, Verdict},
    fault::Fault,
    ledger::{Ledger, Outcome},
    record::Record,
};

impl Client<Ledger> {
    /// Hands `record` over for `topic`, and waits for room if the client has none. Gives the reason for which a record can
    /// never be taken, which is settled then; the error is one of the client or the cluster.
    pub(crate) async fn hand_over(
        &self,
        topic: &str,
        ticket: usize,
        record: Result<Record<'_>, serde_json::Error>,
    ) -> Result<Option<String>, Fault> {
        let ledger = &self.context().deliveries;
        let rejected = |reason: String| {
            ledger.settle(ticket, Verdict::Rejected(reason.clone()));
            Ok(Some(reason))
        };
        let record = match record {
            Ok(record) => record,
            Err(err) => {
                return rejected(format!("the payload is not JSON, as the structured form demands: {err}"));
            }
        };
        let Record { key, headers, value, partition } = record;
        let mut record = BaseRecord::with_opaque_to(topic, ticket).payload(&value[..]).headers(headers);
        record.key = key;
        record.partition = partition;
        while let Err((err, unsent)) = self.producer.send(record) {
            match err.rdkafka_error_code() {
                Some(Code::QueueFull) => {
                    if let Some(fault) = ledger.fault() {
                        return Err(fault);
                    }
                    record = unsent;
                    ledger.settled_some().await;
                }
                Some(Code::MessageSizeTooLarge) => return rejected(too_large()),
                _ => return Err(self.fault(&err, topic)),
            }
        }
        Ok(None)
    }

    /// Publishes one record to `topic`, which must be there, and waits up to `patience` for what becomes of it. After
    /// [`Verdict::Undelivered`] the client is of no more use.
    pub(crate) async fn publish(
        &self,
        topic: &str,
        record: Result<Record<'_>, serde_json::Error>,
        patience: Duration,
    ) -> Verdict {
        let ledger = &self.context().deliveries;
        let (ticket, outcome) = ledger.enter(0..1);
        if let Err(fault) = self.hand_over(topic, ticket, record).await {
            ledger.settle(ticket, Verdict::Undelivered(fault));
        }
        match timeout(patience, outcome).await {
            Ok(Ok(Outcome { undelivered: Some((_, fault)), .. })) => Verdict::Undelivered(fault),
            Ok(Ok(Outcome { rejected, undelivered: None })) => {
                let rejected = rejected.into_iter().next();
                rejected.map_or(Verdict::Delivered, |rejected| Verdict::Rejected(rejected.reason))
            }
            Ok(Err(_)) => Verdict::Undelivered(Fault::Unreachable("the client was closed".to_owned())),
            Err(_) => Verdict::Undelivered(self.context().last_error().unwrap_or_else(|| {
                Fault::Unreachable(format!("the cluster has not acknowledged within {patience:?}"))
            })),
        }
    }
}

fn too_large() -> String {
    "it is larger than the client's `message.max.bytes`: raise it in the bus's options, and the topic's `max.message.bytes` \
     with it"
        .to_owned()
}
