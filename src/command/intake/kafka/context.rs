//! What the client tells the reading thread: partitions that come and go, commits, and log lines.

use std::sync::Arc;

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
    types::RDKafkaErrorCode as Code,
};

use super::desk::Desk;
use crate::sink::kafka::{complaint, fault::Fault};

/// Receives what one consumer tells, on the thread that polls it.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) group: String,
    pub(super) desk: Arc<Desk>,
}

impl Context {
    /// Notes what `err` says of the cluster, and gives it.
    pub(super) fn note(&self, err: &KafkaError) -> Fault {
        let fault = self.fault_of(err);
        if let Some(code) = err.rdkafka_error_code() {
            self.desk.complaint.note(code, fault.clone());
        }
        fault
    }

    /// What `err` says of the cluster.
    pub(super) fn fault_of(&self, err: &KafkaError) -> Fault {
        let Self { topic, group, .. } = self;
        match err.rdkafka_error_code() {
            Some(Code::TopicAuthorizationFailed) => Fault::Refused(format!(
                "TOPIC_AUTHORIZATION_FAILED: this user may not read the topic `{topic}`: grant it READ and DESCRIBE on \
                 the topic"
            )),
            Some(Code::GroupAuthorizationFailed) => Fault::Refused(format!(
                "GROUP_AUTHORIZATION_FAILED: this user may not be in the group `{group}`: grant it READ on the group"
            )),
            Some(Code::FencedInstanceId) => Fault::Poisoned(
                "another member of the group has our `group.instance.id`: give each process its own"
                    .to_owned(),
            ),
            _ => Fault::from_client(err, topic),
        }
    }

    /// Commits what is done. What becomes of it is known in the mode `Sync` alone, which blocks. Whether there was
    /// anything to commit.
    pub(super) fn commit(&self, consumer: &BaseConsumer<Self>, mode: CommitMode) -> bool {
        let commits = self.desk.state().offsets.take_commits();
        if commits.is_empty() {
            return false;
        }
        let mut list = TopicPartitionList::with_capacity(commits.len());
        for (partition, below) in commits {
            let added = list.add_partition_offset(&self.topic, partition, Offset::Offset(below));
            debug_assert!(added.is_ok(), "an offset is never negative");
        }
        if let Err(err) = consumer.commit(&list, mode) {
            self.desk.state().offsets.commits_failed();
            tracing::debug!(intake = self.name, %err, "offsets were not committed; they will be again");
        }
        true
    }

    /// Commits all that is done, whether it was handed over before or not, and waits until the cluster has it. Blocking.
    pub(super) fn commit_surely(&self, consumer: &BaseConsumer<Self>) {
        self.desk.state().offsets.commits_failed();
        self.commit(consumer, CommitMode::Sync);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        complaint::log(&self.name, level, facility, line);
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                self.desk.complaint.forget();
                let mut state = self.desk.state();
                partitions.elements().iter().for_each(|element| state.offsets.assign(element.partition()));
            }
            Rebalance::Revoke(partitions) => {
                // What is lost may be another's already, who would be told of older offsets.
                if !consumer.assignment_lost() {
                    self.commit_surely(consumer);
                }
                let mut state = self.desk.state();
                partitions.elements().iter().for_each(|element| state.offsets.revoke(element.partition()));
            }
            Rebalance::Error(err) => drop(self.note(err)),
        }
    }
}
