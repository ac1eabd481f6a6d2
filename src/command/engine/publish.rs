//! Publishes outcomes, with retries: one answer for each copy of a command. Secrets go to the address that the command
//! asked for, or nowhere.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{EngineError, status::EngineStatus, trouble::Trouble};
use crate::{
    command::{
        AddressPattern, Outcome, TrimLevel,
        publisher::{Publication, PublishCure, PublishError, Publisher},
    },
    config::CommandsConfig,
    retry::RetryPolicy,
    telemetry::{chain, traces},
};

/// Where the outcomes of a section go.
#[derive(Debug)]
pub(super) struct Outcomes {
    config: Arc<CommandsConfig>,
    publisher: Arc<dyn Publisher>,
    status: Arc<EngineStatus>,
}

/// An outcome as different readers see it.
#[derive(Debug)]
pub(super) struct OutcomeViews {
    /// For everybody who reads outcomes.
    pub(super) public: Outcome,
    /// With secrets, for the requester, if they asked for them and may see them.
    pub(super) private: Option<Outcome>,
}

/// To whom an answer is addressed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addressee<'a> {
    /// The reply address in the command, if it has one.
    pub(super) reply_to: Option<&'a str>,
    /// The id of the user whom the command is about: outcomes are ordered by it.
    pub(super) user: Option<&'a str>,
}

/// An outcome in the form in which it is published next.
#[derive(Debug, Clone)]
struct Outgoing<'a> {
    views: &'a OutcomeViews,
    usual: Option<String>,
    level: TrimLevel,
    publication: Publication,
}

impl Outcomes {
    pub(super) fn new(
        config: Arc<CommandsConfig>,
        publisher: Arc<dyn Publisher>,
        status: Arc<EngineStatus>,
    ) -> Self {
        Self { config, publisher, status }
    }

    /// Publishes `views` as the answer to copy number `copy` of the command. Returns whether it was published: after
    /// `stop`, a publication that the next start can repeat is not retried.
    pub(super) async fn publish(
        &self,
        views: &OutcomeViews,
        to: Addressee<'_>,
        copy: u64,
        stop: &CancellationToken,
    ) -> Result<bool, EngineError> {
        let publication = Publication::outcome(&self.config.name, &views.public, to.user, copy);
        self.deliver(views, publication.map_err(not_json(&views.public))?, to, stop).await
    }

    /// Publishes the refusal of a message that is not a command. Its id is the place of the message.
    pub(super) async fn publish_refusal(
        &self,
        views: &OutcomeViews,
        stop: &CancellationToken,
    ) -> Result<bool, EngineError> {
        let publication =
            Publication::refusal(&self.config.name, &views.public).map_err(not_json(&views.public))?;
        self.deliver(views, publication, Addressee { reply_to: None, user: None }, stop).await
    }

    async fn deliver(
        &self,
        views: &OutcomeViews,
        publication: Publication,
        to: Addressee<'_>,
        stop: &CancellationToken,
    ) -> Result<bool, EngineError> {
        let outcome = &views.public;
        let usual = self.config.outcomes.address.as_ref().map(|address| {
            let Outcome { action, status, command_id, .. } = outcome;
            address.render(action, *status, &self.config.org, command_id)
        });
        let is_allowed = |address: &&str| {
            self.config.reply_to.iter().any(|pattern: &AddressPattern| pattern.matches(address))
        };
        let wanted = to.reply_to.filter(is_allowed).map(str::to_owned);
        let error = outcome.error.as_ref().map(|error| error.code.as_str());
        let (traceparent, publishing) = traces::publishing(outcome.status.name(), error).unzip();
        let publication =
            Publication { traceparent: traceparent.map(|context| context.to_string()), ..publication };
        let mut outgoing = Outgoing::new(views, publication, wanted, usual).map_err(not_json(outcome))?;
        let mut backoff = RetryPolicy::COMMANDS.backoff();
        let mut reporter = self.status.trouble_reporter(Trouble::Outcomes);
        loop {
            let Err(err) = self.publisher.publish(&outgoing.publication).await else { break };
            let was_reply = outgoing.publication.is_reply;
            if outgoing.change(err.cure()).map_err(not_json(outcome))? {
                if was_reply && !outgoing.publication.is_reply {
                    self.warn_of_redirection(outcome, &err);
                }
                continue;
            }
            // An error about the reply address must not block other outcomes: the sender of one command chose it.
            if was_reply && err.needs_somebody() {
                let mut instead = outgoing.clone();
                instead.change(PublishCure::Elsewhere).map_err(not_json(outcome))?;
                if self.publisher.publish(&instead.publication).await.is_ok() {
                    self.warn_of_redirection(outcome, &err);
                    break;
                }
            }
            reporter.report(&chain(&err));
            // A secret is published once, so it is retried even after a stop.
            let can_be_repeated = views.private.is_none();
            if can_be_repeated && stop.is_cancelled() {
                return Ok(false);
            }
            tokio::select! {
                biased;
                () = stop.cancelled(), if can_be_repeated => {}
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
        }
        if let Some(publishing) = publishing.flatten() {
            publishing.published();
        }
        Ok(true)
    }

    fn warn_of_redirection(&self, outcome: &Outcome, err: &PublishError) {
        tracing::warn!(
            commands = self.config.name,
            command_id = outcome.command_id,
            error = chain(err),
            "the outcome goes to the configured address, not to the reply address of the command"
        );
    }

    /// Fails if secrets would be stored at `address`. Checked before a change whose result has secrets.
    pub(super) async fn require_private(&self, address: &str) -> Result<(), PublishError> {
        self.publisher.require_private(address).await
    }

    pub(super) async fn close(self) {
        self.publisher.close().await;
    }
}

impl OutcomeViews {
    /// An outcome without secrets.
    pub(super) fn public(outcome: Outcome) -> Self {
        Self { public: outcome, private: None }
    }

    /// The view for the requester.
    pub(super) fn for_requester(self) -> Outcome {
        self.private.unwrap_or(self.public)
    }
}

impl<'a> Outgoing<'a> {
    /// Prepares `publication`: the private view for the address that is `wanted`, else the public view for the `usual`
    /// address.
    fn new(
        views: &'a OutcomeViews,
        publication: Publication,
        wanted: Option<String>,
        usual: Option<String>,
    ) -> Result<Self, serde_json::Error> {
        let publication = match wanted {
            Some(wanted) => publication.in_reply_to(wanted),
            None => Publication { address: usual.clone(), ..publication },
        };
        let mut outgoing = Self { views, usual, level: TrimLevel::Whole, publication };
        outgoing.write()?;
        Ok(outgoing)
    }

    /// Applies the cure of a failure, if there is one. Returns whether something changed.
    fn change(&mut self, cure: PublishCure) -> Result<bool, serde_json::Error> {
        match cure {
            PublishCure::Smaller => match self.level.further() {
                Some(further) => self.level = further,
                // The limit is too low for any outcome.
                None => return Ok(false),
            },
            PublishCure::Elsewhere if self.publication.is_reply => {
                self.publication.is_reply = false;
                self.publication.address.clone_from(&self.usual);
            }
            // An operator must correct the usual address or its limit.
            PublishCure::Retry | PublishCure::Elsewhere => return Ok(false),
        }
        self.write()?;
        Ok(true)
    }

    fn write(&mut self) -> Result<(), serde_json::Error> {
        let OutcomeViews { public, private } = self.views;
        let private = private.as_ref().filter(|_| self.publication.is_reply);
        self.publication.is_secret = private.is_some();
        self.publication.payload = serde_json::to_vec(&private.unwrap_or(public).trimmed(self.level))?.into();
        Ok(())
    }
}

fn not_json(outcome: &Outcome) -> impl FnOnce(serde_json::Error) -> EngineError {
    |source| EngineError::Record { id: outcome.command_id.clone(), source }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::command::record::tests::outcome;

    fn result(outgoing: &Outgoing<'_>) -> Value {
        serde_json::from_slice::<Value>(&outgoing.publication.payload).unwrap()["result"].take()
    }

    #[test]
    fn secrets_go_where_the_command_asks_and_nowhere_else() {
        let views = OutcomeViews {
            public: outcome(json!({ "id": "00u1", "withheld": ["link"] })),
            private: Some(outcome(json!({ "id": "00u1", "link": "s3cret" }))),
        };
        let publication = || Publication::outcome("hr", &views.public, None, 0).unwrap();
        let usual = || Some("outcomes".to_owned());
        let mut outgoing = Outgoing::new(&views, publication(), Some("private".to_owned()), usual()).unwrap();
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "link": "s3cret" }));
        assert!(outgoing.change(PublishCure::Smaller).unwrap());
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "link": "s3cret", "truncated": true }));

        assert!(outgoing.change(PublishCure::Elsewhere).unwrap());
        assert_eq!(outgoing.publication.address, usual());
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "withheld": ["link"], "truncated": true }));
        while outgoing.change(PublishCure::Smaller).unwrap() {}
        assert_eq!(result(&outgoing), json!({ "truncated": true }));
        for cure in [PublishCure::Elsewhere, PublishCure::Smaller, PublishCure::Retry] {
            assert!(!outgoing.change(cure).unwrap(), "there is nothing left to change");
        }

        let outgoing = Outgoing::new(&views, publication(), None, usual()).unwrap();
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "withheld": ["link"] }));
    }
}
