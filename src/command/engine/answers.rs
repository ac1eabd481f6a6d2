//! Answers: outcomes to where they belong, however long that takes, each copy of a command with one of its own.

use std::sync::Arc;

use super::{
    EngineError, RETRY_FIRST, RETRY_MAX,
    outgoing::{Outgoing, Told},
    status::{EngineStatus, Trouble},
};
use crate::{
    command::{
        AddressPattern, Outcome,
        publisher::{self, Publication, PublishCure, PublishError, Publisher, Records},
    },
    config::CommandsConfig,
    stream::Backoff,
    telemetry::chain,
};

/// Where the outcomes of the commands of one name go.
#[derive(Debug)]
pub(super) struct Answers {
    config: Arc<CommandsConfig>,
    publisher: Arc<dyn Publisher>,
    status: Arc<EngineStatus>,
}

/// Whom an answer is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addressee<'a> {
    /// The address that the command names, if it names one.
    pub(super) reply_to: Option<&'a str>,
    /// The id of the user whom it concerns, by which outcomes are ordered.
    pub(super) user: Option<&'a str>,
}

impl Answers {
    pub(super) fn open(config: Arc<CommandsConfig>, status: Arc<EngineStatus>) -> Result<Self, EngineError> {
        let CommandsConfig { name, outcomes, reveal, .. } = &*config;
        let publisher = publisher::open(&outcomes.sink, name, Records::Outcomes, &reveal.stored_in)?;
        Ok(Self { config, publisher, status })
    }

    /// Publishes what is told, the answer to copy number `copy` of its command.
    pub(super) async fn publish(&self, told: &Told, to: Addressee<'_>, copy: u64) -> Result<(), EngineError> {
        let publication = self.publication(&told.openly, to.user, copy)?;
        self.deliver(told, publication, to).await
    }

    /// Publishes the refusal of the message at `place`, which is not the command whose id it has. It has an id of its own,
    /// the same one for the same message: the id of the command's outcome would make it a copy of that.
    pub(super) async fn publish_refusal(
        &self,
        outcome: Outcome,
        place: &str,
        to: Addressee<'_>,
    ) -> Result<(), EngineError> {
        let mut publication = self.publication(&outcome, to.user, 0)?;
        publication.attributes.id = format!("{}:refused:{place}", publication.attributes.id);
        self.deliver(&Told::openly(outcome), publication, to).await
    }

    fn publication(
        &self,
        outcome: &Outcome,
        user: Option<&str>,
        copy: u64,
    ) -> Result<Publication, EngineError> {
        Publication::outcome(&self.config.name, outcome, user, copy).map_err(not_json(outcome))
    }

    async fn deliver(
        &self,
        told: &Told,
        publication: Publication,
        to: Addressee<'_>,
    ) -> Result<(), EngineError> {
        let outcome = &told.openly;
        let usual = self.config.outcomes.address.as_ref().map(|address| {
            let Outcome { action, status, command_id, .. } = outcome;
            address.render(action, *status, &self.config.org, command_id)
        });
        let is_allowed = |address: &&str| {
            self.config.reply_to.iter().any(|pattern: &AddressPattern| pattern.matches(address))
        };
        let wanted = to.reply_to.filter(is_allowed).map(str::to_owned);
        let mut outgoing = Outgoing::new(told, publication, wanted, usual).map_err(not_json(outcome))?;
        let mut waits = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        loop {
            let Err(err) = self.publisher.publish(outgoing.publication()).await else { break };
            let was_reply = outgoing.is_reply();
            if outgoing.change(err.cure()).map_err(not_json(outcome))? {
                if was_reply && !outgoing.is_reply() {
                    self.tell_elsewhere(outcome, &err);
                }
                continue;
            }
            // What forbids a reply may forbid nothing else: a command must not choose what all others wait for.
            if was_reply && err.needs_somebody() {
                let mut instead = outgoing.clone();
                instead.change(PublishCure::Elsewhere).map_err(not_json(outcome))?;
                if self.publisher.publish(instead.publication()).await.is_ok() {
                    self.tell_elsewhere(outcome, &err);
                    break;
                }
            }
            self.status.fails(Trouble::Outcomes, &chain(&err));
            tokio::time::sleep(waits.next_wait()).await;
        }
        self.status.works(Trouble::Outcomes);
        Ok(())
    }

    fn tell_elsewhere(&self, outcome: &Outcome, err: &PublishError) {
        tracing::warn!(
            commands = self.config.name,
            command_id = outcome.command_id,
            error = chain(err),
            "the outcome goes to where outcomes go, and not to where the command asks"
        );
    }

    pub(super) async fn close(self) {
        self.publisher.close().await;
    }
}

fn not_json(outcome: &Outcome) -> impl FnOnce(serde_json::Error) -> EngineError {
    |source| EngineError::Record { id: outcome.command_id.clone(), source }
}
