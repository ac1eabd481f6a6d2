//! A client that makes transactions, one after another, as a transactional id that one client at a time has.
//!
//! librdkafka's calls block: they run on blocking threads in short steps, and end soon after the client is given up.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{error::KafkaError, producer::Producer as _, types::RDKafkaErrorCode as Code};
use tokio::{
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
};
use tokio_util::sync::CancellationToken;

use super::{
    client::{Client, Producer, off_runtime, off_runtime_while_awaited},
    deliveries::{Deliveries as _, Verdict},
    fault::Fault,
    ledger::{Ledger, Outcome},
    properties::{Batching, of_transactions, transaction_timeout},
    topic::Topic,
};
use crate::config::KafkaBus;

/// How long taking the transactional id over may take; what is open of whoever had it is aborted first.
const INIT_PATIENCE: Duration = Duration::from_secs(20);
/// Longer than that is worth a word.
const INIT_USUAL: Duration = Duration::from_secs(2);
/// How long the cluster may take to commit once it has all records.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to abort. What is not aborted then is so after the transaction's timeout, or by the next client.
const ABORT_PATIENCE: Duration = Duration::from_secs(5);
/// The same while the client is closed.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// How long a client may take to tell why it takes nothing more.
const REPORT_PATIENCE: Duration = Duration::from_secs(1);
/// How long a leader may take to tell where its partition ends.
const ENDS_PATIENCE: Duration = Duration::from_secs(10);
/// How long one call of the client blocks.
const STEP: Duration = Duration::from_millis(250);
/// How long a commit waits for records before it looks again.
const DELIVERY_LOOK_AGAIN_AFTER: Duration = Duration::from_millis(1);
/// The wait after a call that failed and may be repeated.
const REPEAT_AFTER: Duration = Duration::from_millis(20);

/// Why it is not known that a transaction was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransactionFault {
    /// A topic refuses one of the records for what it is, and the transaction was aborted.
    Refused {
        /// Why.
        reason: String,
        /// The tickets of all records that were refused together.
        tickets: Vec<usize>,
    },
    /// Another client has taken the transactional id over.
    Fenced(String),
    /// The client or the cluster cannot be used.
    Broken(Fault),
}

impl From<Fault> for TransactionFault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::RefusedBatch(reason) => Self::Refused { reason, tickets: Vec::new() },
            fault => Self::Broken(fault),
        }
    }
}

/// A client, and what it has begun.
#[derive(Debug)]
pub(crate) struct TransactionalClient {
    client: Client<Ledger>,
    id: String,
    timeout: Duration,
    /// When the open transaction was begun, if there is one.
    begun_at: Option<Instant>,
    /// The last commit, until it is known to have ended.
    committing: Option<JoinHandle<()>>,
    /// Tells a commit that nobody waits for it any more.
    given_up: CancellationToken,
}

impl TransactionalClient {
    /// Builds a client that will make transactions as `id`, and waits until the cluster answers it. Nobody is disturbed.
    pub(crate) async fn connect(
        name: &str,
        bus: &Arc<KafkaBus>,
        topic: &Topic,
        id: &str,
        record_bytes_max: Option<usize>,
    ) -> Result<Self, Fault> {
        let more = of_transactions(bus, id, record_bytes_max);
        let client = Client::connect_with(name, bus, topic, Batching::Many, more).await?;
        Ok(Self {
            client,
            id: id.to_owned(),
            timeout: transaction_timeout(bus),
            begun_at: None,
            committing: None,
            given_up: CancellationToken::new(),
        })
    }

    /// The client, to which records of an open transaction are handed over.
    pub(crate) fn client(&self) -> &Client<Ledger> {
        &self.client
    }

    /// How long a transaction may be open.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Takes the transactional id over. What is open of whoever had it is aborted, and whoever had it commits nothing any more.
    pub(crate) async fn init(&self) -> Result<(), Fault> {
        let transactions = self.transactions();
        off_runtime_while_awaited(move |token| transactions.init(token)).await
    }

    /// Begins a transaction unless one is open. Waits for the end of the last commit.
    pub(crate) async fn begin(&mut self) -> Result<(), TransactionFault> {
        if let Some(committing) = &mut self.committing {
            // What became of it has been told to whoever waits for it.
            let _ = committing.await;
            self.committing = None;
        }
        if let Some(fault) = self.client.context().deliveries.fault() {
            return Err(fault.into());
        }
        if self.begun_at.is_some() {
            return Ok(());
        }
        let (transactions, begun_at) = (self.transactions(), Instant::now());
        off_runtime(move || {
            let begun = transactions.producer.begin_transaction();
            Ok(begun.map_err(|err| transactions.fault(Some(&err), begun_at)))
        })
        .await??;
        self.begun_at = Some(begun_at);
        Ok(())
    }

    /// Commits the open transaction, of which `last` is the outcome of the last record. Gives what will be told of it.
    pub(crate) fn commit(
        &mut self,
        last: oneshot::Receiver<Outcome>,
    ) -> oneshot::Receiver<Result<(), TransactionFault>> {
        let transactions = self.transactions();
        let begun_at = self.begun_at.take().unwrap_or_else(Instant::now);
        let (sender, committed) = oneshot::channel();
        // It is in flight like a record, so that a cluster that does not commit is seen to stall.
        let (ticket, _) = transactions.ledger().enter(0..1);
        self.committing = Some(spawn_blocking(move || {
            let result = transactions.commit(begun_at, last);
            let verdict = match &result {
                Ok(()) => Verdict::Delivered,
                Err(TransactionFault::Broken(fault)) => Verdict::Undelivered(fault.clone()),
                Err(TransactionFault::Refused { reason, .. } | TransactionFault::Fenced(reason)) => {
                    Verdict::Undelivered(Fault::Poisoned(reason.clone()))
                }
            };
            transactions.ledger().settle(ticket, verdict);
            // Nobody may wait for it.
            let _ = sender.send(result);
        }));
        committed
    }

    /// What `fault`, which the client gave for a record, means for its transactions.
    pub(crate) async fn fault(&self, fault: Fault) -> TransactionFault {
        let begun_at = self.begun_at.unwrap_or_else(Instant::now);
        if let Some((code, told)) = self.client.producer.client().fatal_error() {
            return self.transactions().fatal(code, &told, begun_at);
        }
        // The client takes nothing more once a record is refused, which it may tell a moment later.
        let ledger = &self.client.context().deliveries;
        let asked_at = Instant::now();
        while ledger.fault().is_none() && !fault.is_specific() && asked_at.elapsed() < REPORT_PATIENCE {
            ledger.settled_some().await;
        }
        match ledger.fault() {
            Some(refused @ Fault::RefusedBatch(_)) => refused.into(),
            _ => fault.into(),
        }
    }

    /// The refusal of a record of the open transaction, with all that the cluster has to say of others. Ends the transaction.
    pub(crate) async fn refusal(&mut self, reason: String) -> TransactionFault {
        let transactions = self.transactions();
        self.begun_at = None;
        let aborting = off_runtime(move || {
            // What is not aborted is so by the next client.
            let _ = transactions.abort(ABORT_PATIENCE, &transactions.given_up);
            Ok(transactions.ledger().refused())
        });
        match aborting.await {
            Ok(tickets) => TransactionFault::Refused { reason, tickets },
            Err(fault) => fault.into(),
        }
    }

    /// Where each of these partitions of `topic` ends, with what is in open transactions.
    pub(crate) async fn ends(&self, topic: &str, partitions: Vec<i32>) -> Result<Vec<(i32, i64)>, Fault> {
        let (producer, topic) = (Arc::clone(&self.client.producer), topic.to_owned());
        off_runtime_while_awaited(move |token| ends(&producer, &topic, &partitions, token)).await
    }

    /// Aborts what is open, if the cluster does so soon, and lets go of it.
    pub(crate) async fn close(self) {
        self.given_up.cancel();
        if self.begun_at.is_some() {
            let transactions = self.transactions();
            let aborted = off_runtime(move || transactions.abort(CLOSE_PATIENCE, &CancellationToken::new()));
            if let Err(fault) = aborted.await {
                tracing::debug!(reason = fault.reason(), "a transaction is left to its timeout");
            }
        }
        self.client.close(Duration::ZERO).await;
    }

    fn transactions(&self) -> Transactions {
        Transactions {
            producer: Arc::clone(&self.client.producer),
            id: self.id.clone(),
            timeout: self.timeout,
            given_up: self.given_up.clone(),
        }
    }
}

/// A client's transactions, for a thread that may be blocked.
struct Transactions {
    producer: Arc<Producer<Ledger>>,
    id: String,
    timeout: Duration,
    given_up: CancellationToken,
}

/// A call ended without success; without an error if it was given up.
type Unfinished = Option<KafkaError>;

impl Transactions {
    fn ledger(&self) -> &Ledger {
        &self.producer.context().deliveries
    }

    fn init(&self, token: &CancellationToken) -> Result<(), Fault> {
        let begun_at = Instant::now();
        let is_over = || token.is_cancelled();
        let done = repeat(INIT_PATIENCE, is_over, || self.producer.init_transactions(STEP));
        if done.is_ok() && begun_at.elapsed() > INIT_USUAL {
            tracing::info!(
                id = self.id,
                seconds = begun_at.elapsed().as_secs(),
                "the transactional id is taken over: the cluster had to end the transaction of whoever had it first, or to find \
                 a broker for it"
            );
        }
        done.map_err(|err| match self.fault(err.as_ref(), begun_at) {
            TransactionFault::Broken(fault) => fault,
            TransactionFault::Fenced(reason) | TransactionFault::Refused { reason, .. } => {
                Fault::Poisoned(reason)
            }
        })
    }

    fn commit(&self, begun_at: Instant, last: oneshot::Receiver<Outcome>) -> Result<(), TransactionFault> {
        let is_over = || self.given_up.is_cancelled() || self.ledger().fault().is_some();
        // Wakes the client, which may wait for more records. Whether all are delivered is known later.
        let _ = self.producer.flush(Duration::ZERO);
        // Records that are not delivered within the transaction's timeout fail by themselves. (rdkafka's own waits for them
        // look for news ten times a second.)
        while self.producer.in_flight_count() > 0 && !is_over() {
            thread::sleep(DELIVERY_LOOK_AGAIN_AFTER);
        }
        let committed = repeat(COMMIT_PATIENCE, is_over, || self.producer.commit_transaction(STEP));
        committed.map_err(|err| self.abandon(err.as_ref(), begun_at, last))
    }

    /// Why there was no commit. What can be aborted is.
    fn abandon(
        &self,
        err: Option<&KafkaError>,
        begun_at: Instant,
        mut last: oneshot::Receiver<Outcome>,
    ) -> TransactionFault {
        let fault = self.fault(err, begun_at);
        let may_be_aborted = match err {
            Some(KafkaError::Transaction(err)) => err.txn_requires_abort(),
            Some(_) => false,
            None => !self.given_up.is_cancelled(),
        };
        let aborted = match &fault {
            TransactionFault::Fenced(_) | TransactionFault::Broken(Fault::Poisoned(_)) => return fault,
            _ if may_be_aborted => self.abort(ABORT_PATIENCE, &self.given_up),
            _ => return fault,
        };
        let last = last.try_recv().ok().and_then(|outcome| outcome.undelivered);
        match (fault, aborted, last) {
            (TransactionFault::Refused { .. }, _, Some((_, Fault::RefusedBatch(reason)))) => {
                // No message is to blame.
                Fault::Misconfigured(reason).into()
            }
            (TransactionFault::Refused { .. }, Err(fault), _) => fault.into(),
            (TransactionFault::Refused { reason, .. }, Ok(()), _) => {
                TransactionFault::Refused { reason, tickets: self.ledger().refused() }
            }
            (fault, _, _) => fault,
        }
    }

    fn abort(&self, patience: Duration, token: &CancellationToken) -> Result<(), Fault> {
        let aborted = repeat(patience, || token.is_cancelled(), || self.producer.abort_transaction(STEP));
        aborted.map_err(|err| match err {
            Some(err) => Fault::from_client(&err, ""),
            None => given_up(),
        })
    }

    /// What `err` means, or what the client has told of itself and of its records.
    fn fault(&self, err: Option<&KafkaError>, begun_at: Instant) -> TransactionFault {
        if let Some((code, told)) = self.producer.client().fatal_error() {
            return self.fatal(code, &told, begun_at);
        }
        let noted = self.ledger().fault();
        if let Some(Fault::RefusedBatch(reason)) = noted {
            return TransactionFault::Refused { reason, tickets: Vec::new() };
        }
        let candidates = [noted, self.producer.context().last_error(), err.map(told)];
        let specific = candidates.iter().flatten().find(|fault| fault.is_specific());
        let fault = specific.or_else(|| candidates.iter().flatten().next()).cloned();
        fault.unwrap_or_else(given_up).into()
    }

    fn fatal(&self, code: Code, told: &str, begun_at: Instant) -> TransactionFault {
        let Self { id, timeout, .. } = self;
        match code {
            Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch if begun_at.elapsed() < *timeout => {
                TransactionFault::Fenced(format!("another client makes transactions as `{id}` now: {told}"))
            }
            Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => Fault::Poisoned(format!(
                "the transaction was open for longer than `transaction.timeout.ms`, {timeout:?}, and the cluster has aborted \
                 it, or another client makes transactions as `{id}` now: {told}"
            ))
            .into(),
            Code::TransactionalIdAuthorizationFailed => Fault::Refused(format!(
                "TRANSACTIONAL_ID_AUTHORIZATION_FAILED: this user may not make transactions as `{id}`: grant it WRITE and \
                 DESCRIBE on the transactional id `{id}`"
            ))
            .into(),
            Code::InvalidTransactionTimeout => Fault::Misconfigured(format!(
                "INVALID_TRANSACTION_TIMEOUT: the brokers take no `transaction.timeout.ms` of {timeout:?}: set it lower in the \
                 bus's options, or raise the brokers' `transaction.max.timeout.ms`"
            ))
            .into(),
            code => Fault::from_fatal(code, "", told).into(),
        }
    }
}

/// Where partitions end, asked of their leaders. Blocking.
fn ends(
    producer: &Producer<Ledger>,
    topic: &str,
    partitions: &[i32],
    token: &CancellationToken,
) -> Result<Vec<(i32, i64)>, Fault> {
    let end = |partition: i32| {
        let mut end = 0;
        let asked = repeat(
            ENDS_PATIENCE,
            || token.is_cancelled(),
            || {
                end = producer.client().fetch_watermarks(topic, partition, STEP * 4)?.1;
                Ok(())
            },
        );
        match asked {
            Ok(()) => Ok((partition, end)),
            Err(Some(err)) => {
                Err(producer.context().last_error().unwrap_or_else(|| Fault::from_client(&err, topic)))
            }
            Err(None) => Err(given_up()),
        }
    };
    partitions.iter().copied().map(end).collect()
}

/// Calls until it succeeds or fails for good, until it `is_over` or for as long as `patience` says. Blocking.
pub(super) fn repeat(
    patience: Duration,
    is_over: impl Fn() -> bool,
    mut call: impl FnMut() -> Result<(), KafkaError>,
) -> Result<(), Unfinished> {
    let start = Instant::now();
    while !is_over() {
        match call() {
            Ok(()) => return Ok(()),
            Err(err) if is_passing(&err) && start.elapsed() < patience => thread::sleep(REPEAT_AFTER),
            Err(err) => return Err(Some(err)),
        }
    }
    Err(None)
}

fn is_passing(err: &KafkaError) -> bool {
    match err {
        KafkaError::Transaction(err) => err.is_retriable(),
        KafkaError::Flush(_) => true,
        KafkaError::MetadataFetch(code) => !matches!(
            code,
            Code::TopicAuthorizationFailed
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::UnknownTopicOrPartition
        ),
        _ => false,
    }
}

fn told(err: &KafkaError) -> Fault {
    match err {
        KafkaError::Transaction(err) => Fault::from_code(err.code(), "", &err.string()),
        err => Fault::from_client(err, ""),
    }
}

fn given_up() -> Fault {
    Fault::Unreachable("the sink was closed before the cluster had answered".to_owned())
}
