//! The client's callbacks on the polling thread: assigned and revoked partitions, commits, and errors.

use std::{error::Error, sync::Arc, time::Duration};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
    topic_partition_list::TopicPartitionListElem,
    types::RDKafkaErrorCode as Code,
};

use super::acknowledgement::ConsumerState;
use crate::bus::kafka::{fault::Fault, last_error, token::Tokens};

/// How long a revoked partition waits for its commands that are being executed. Far below the five minutes that the
/// group allows a member (`max.poll.interval.ms`).
const LEAVE_PATIENCE: Duration = Duration::from_secs(30);

/// One consumer, as its client calls it back.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) group: String,
    pub(super) state: Arc<ConsumerState>,
    /// The source of tokens, if the client needs any.
    pub(super) tokens: Option<Tokens>,
}

impl Context {
    /// Records the fault of `err`, and returns it.
    pub(super) fn note(&self, err: &KafkaError) -> Fault {
        let fault = self.fault_of(err);
        if let Some(code) = err.rdkafka_error_code() {
            self.state.last_error.note(code, fault.clone());
        }
        fault
    }

    /// The fault of `err`.
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

    /// Commits completed records. The result is known only in the mode `Sync`, which blocks. Returns whether there was
    /// anything to commit.
    pub(super) fn commit(&self, consumer: &BaseConsumer<Self>, mode: CommitMode) -> bool {
        let commits = self.state.offsets().take_commits();
        if commits.is_empty() {
            return false;
        }
        let mut list = TopicPartitionList::with_capacity(commits.len());
        for (partition, below) in commits {
            let added = list.add_partition_offset(&self.topic, partition, Offset::Offset(below));
            debug_assert!(added.is_ok(), "an offset is never negative");
        }
        if let Err(err) = consumer.commit(&list, mode) {
            self.state.offsets().commits_failed();
            tracing::debug!(intake = self.name, error = %err, "offsets were not committed; they will be again");
        }
        true
    }

    /// Waits until the commands of these partitions that are being executed have ended, so that the next member does
    /// not execute them too. Others are the next member's. Blocking.
    fn let_end(&self, partitions: &[i32]) {
        {
            let mut offsets = self.state.offsets();
            partitions.iter().for_each(|partition| offsets.leave(*partition));
        }
        if !self.state.wait_for_begun(partitions, LEAVE_PATIENCE) {
            tracing::warn!(
                intake = self.name,
                "partitions are revoked while commands of them are being executed"
            );
        }
    }

    /// Commits all completed records, even if they were committed before, and waits for the cluster. Blocking.
    pub(super) fn commit_surely(&self, consumer: &BaseConsumer<Self>) {
        self.state.offsets().commits_failed();
        self.commit(consumer, CommitMode::Sync);
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        last_error::log(&self.name, level, facility, line);
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let tokens = self.tokens.as_ref().ok_or("the bus names no source of tokens")?;
        Ok(tokens.fetch()?)
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                self.state.last_error.forget();
                let mut offsets = self.state.offsets();
                numbers(partitions).into_iter().for_each(|partition| offsets.assign(partition));
            }
            Rebalance::Revoke(partitions) => {
                let partitions = numbers(partitions);
                // A lost partition may belong to another consumer already, and older offsets must not be committed.
                if !consumer.assignment_lost() {
                    self.let_end(&partitions);
                    self.commit_surely(consumer);
                }
                let mut offsets = self.state.offsets();
                partitions.into_iter().for_each(|partition| offsets.revoke(partition));
            }
            Rebalance::Error(err) => drop(self.note(err)),
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        // The client remembers that a partition was paused, even after it was revoked and assigned again.
        if let Rebalance::Assign(partitions) = rebalance
            && let Err(err) = consumer.resume(partitions)
        {
            tracing::warn!(intake = self.name, error = %err, "partitions that have come may not be read");
        }
    }
}

fn numbers(partitions: &TopicPartitionList) -> Vec<i32> {
    partitions.elements().iter().map(TopicPartitionListElem::partition).collect()
}
