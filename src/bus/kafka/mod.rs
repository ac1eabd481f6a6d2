//! Clients of a Kafka cluster: how they are built and who they say they are, what the cluster's errors mean, records and what
//! becomes of them, and what there is to know of a topic.
//!
//! A client is built with [`Deliveries`](deliveries::Deliveries), to which it reports what became of each record: the
//! [`Ledger`](ledger::Ledger) of whoever publishes, or nothing for a client that only looks.

mod check;
pub(crate) mod checkpoint_topic;
pub(crate) mod client;
mod context;
pub(crate) mod credentials;
pub(crate) mod deliveries;
mod enqueue;
pub(crate) mod fault;
pub(crate) mod last_error;
pub(crate) mod latest;
pub(crate) mod ledger;
mod limit;
pub(crate) mod partition;
pub(crate) mod properties;
pub(crate) mod record;
mod settings;
pub(crate) mod token;
pub(crate) mod topic;
pub(crate) mod transactions;

pub(super) use check::check_options;
pub(crate) use check::check_topics;
pub(crate) use limit::record_bytes_max;
