//! Outcomes to where they belong, however long that takes, each copy of a command with one of its own. Secrets go to the
//! address that the command asked for, or nowhere.

use std::{fmt, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio_util::sync::CancellationToken;

use super::{
    EngineError, RETRY_FIRST, RETRY_MAX,
    status::{EngineStatus, Trouble},
};
use crate::{
    command::{
        AddressPattern, Outcome,
        outlet::{Outlet, OutletCure, OutletError, Parcel},
        record::small_part,
    },
    config::CommandsConfig,
    stream::Backoff,
    telemetry::chain,
};

/// A way to publish, with proof that what is published is there.
pub(super) trait Publisher: fmt::Debug + Send + Sync {
    /// Publishes `parcel` and returns when the bus has proved that it has it.
    fn publish<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Result<(), OutletError>>;

    /// Lets go of the bus.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

impl Publisher for Outlet {
    fn publish<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Result<(), OutletError>> {
        Outlet::publish(self, parcel).boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move { Outlet::close(*self).await }.boxed()
    }
}

/// Where the outcomes of the commands of one name go.
#[derive(Debug)]
pub(super) struct Outcomes {
    config: Arc<CommandsConfig>,
    publisher: Box<dyn Publisher>,
    status: Arc<EngineStatus>,
}

/// An outcome as it is told.
#[derive(Debug)]
pub(super) struct Told {
    /// To whoever reads outcomes.
    pub(super) openly: Outcome,
    /// With the secrets that came up, to the one who asked for them and may see them.
    pub(super) privately: Option<Outcome>,
}

/// Whom an answer is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addressee<'a> {
    /// The address that the command names, if it names one.
    pub(super) reply_to: Option<&'a str>,
    /// The id of the user whom it concerns, by which outcomes are ordered.
    pub(super) user: Option<&'a str>,
}

/// One outcome, as it is to be published next.
#[derive(Debug, Clone)]
struct Outgoing<'a> {
    told: &'a Told,
    usual: Option<String>,
    is_small: bool,
    parcel: Parcel,
}

impl Outcomes {
    pub(super) fn new(
        config: Arc<CommandsConfig>,
        publisher: Box<dyn Publisher>,
        status: Arc<EngineStatus>,
    ) -> Self {
        Self { config, publisher, status }
    }

    /// Publishes what is told, the answer to copy number `copy` of its command. Says whether that is done: once we stop,
    /// what can be told again after the next start is not waited for.
    pub(super) async fn publish(
        &self,
        told: &Told,
        to: Addressee<'_>,
        copy: u64,
        stop: &CancellationToken,
    ) -> Result<bool, EngineError> {
        let parcel = Parcel::outcome(&self.config.name, &told.openly, to.user, copy);
        self.deliver(told, parcel.map_err(not_json(&told.openly))?, to, stop).await
    }

    /// Publishes the refusal of a message that is no command: it is named by the place where the message stood, as is the
    /// outcome.
    pub(super) async fn publish_refusal(
        &self,
        told: &Told,
        stop: &CancellationToken,
    ) -> Result<bool, EngineError> {
        let parcel = Parcel::refusal(&self.config.name, &told.openly).map_err(not_json(&told.openly))?;
        self.deliver(told, parcel, Addressee { reply_to: None, user: None }, stop).await
    }

    async fn deliver(
        &self,
        told: &Told,
        parcel: Parcel,
        to: Addressee<'_>,
        stop: &CancellationToken,
    ) -> Result<bool, EngineError> {
        let outcome = &told.openly;
        let usual = self.config.outcomes.address.as_ref().map(|address| {
            let Outcome { action, status, command_id, .. } = outcome;
            address.render(action, *status, &self.config.org, command_id)
        });
        let is_allowed = |address: &&str| {
            self.config.reply_to.iter().any(|pattern: &AddressPattern| pattern.matches(address))
        };
        let wanted = to.reply_to.filter(is_allowed).map(str::to_owned);
        let mut outgoing = Outgoing::new(told, parcel, wanted, usual).map_err(not_json(outcome))?;
        let mut waits = Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..));
        loop {
            let Err(err) = self.publisher.publish(&outgoing.parcel).await else { break };
            let was_reply = outgoing.parcel.is_reply;
            if outgoing.change(err.cure()).map_err(not_json(outcome))? {
                if was_reply && !outgoing.parcel.is_reply {
                    self.tell_elsewhere(outcome, &err);
                }
                continue;
            }
            // What forbids a reply may forbid nothing else: a command must not choose what all others wait for.
            if was_reply && err.needs_somebody() {
                let mut instead = outgoing.clone();
                instead.change(OutletCure::Elsewhere).map_err(not_json(outcome))?;
                if self.publisher.publish(&instead.parcel).await.is_ok() {
                    self.tell_elsewhere(outcome, &err);
                    break;
                }
            }
            self.status.fails(Trouble::Outcomes, &chain(&err));
            // A secret is told once: it is not given up before it must be.
            let can_be_told_again = told.privately.is_none();
            if can_be_told_again && stop.is_cancelled() {
                return Ok(false);
            }
            tokio::select! {
                () = stop.cancelled(), if can_be_told_again => {}
                () = tokio::time::sleep(waits.next_wait()) => {}
            }
        }
        self.status.works(Trouble::Outcomes);
        Ok(true)
    }

    fn tell_elsewhere(&self, outcome: &Outcome, err: &OutletError) {
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

impl Told {
    /// An outcome in which there is nothing to hide.
    pub(super) fn openly(outcome: Outcome) -> Self {
        Self { openly: outcome, privately: None }
    }

    /// What the one who asked is told.
    pub(super) fn for_asker(self) -> Outcome {
        self.privately.unwrap_or(self.openly)
    }
}

impl<'a> Outgoing<'a> {
    /// What is `told`, in `parcel`: privately to the address that is `wanted`, else openly to the `usual` one.
    fn new(
        told: &'a Told,
        parcel: Parcel,
        wanted: Option<String>,
        usual: Option<String>,
    ) -> Result<Self, serde_json::Error> {
        let parcel = match wanted {
            Some(wanted) => parcel.in_reply_to(wanted),
            None => Parcel { address: usual.clone(), ..parcel },
        };
        let mut outgoing = Self { told, usual, is_small: false, parcel };
        outgoing.write()?;
        Ok(outgoing)
    }

    /// Does what cures a failure, if it can be done here.
    fn change(&mut self, cure: OutletCure) -> Result<bool, serde_json::Error> {
        match cure {
            OutletCure::Smaller if !self.is_small => self.is_small = true,
            OutletCure::Elsewhere if self.parcel.is_reply => {
                self.parcel.is_reply = false;
                self.parcel.address.clone_from(&self.usual);
            }
            // What is wrong with the usual address or its limit is for an operator to mend.
            OutletCure::Retry | OutletCure::Smaller | OutletCure::Elsewhere => return Ok(false),
        }
        self.write()?;
        Ok(true)
    }

    fn write(&mut self) -> Result<(), serde_json::Error> {
        let Told { openly, privately } = self.told;
        let outcome = privately.as_ref().filter(|_| self.parcel.is_reply).unwrap_or(openly);
        let written = match self.is_small {
            true => serde_json::to_vec(&Outcome { result: small_part(&outcome.result), ..outcome.clone() }),
            false => serde_json::to_vec(outcome),
        };
        self.parcel.payload = written?.into();
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
        serde_json::from_slice::<Value>(&outgoing.parcel.payload).unwrap()["result"].take()
    }

    #[test]
    fn secrets_go_where_the_command_asks_and_nowhere_else() {
        let told = Told {
            openly: outcome(json!({ "id": "00u1", "withheld": ["link"] })),
            privately: Some(outcome(json!({ "id": "00u1", "link": "s3cret" }))),
        };
        let parcel = || Parcel::outcome("hr", &told.openly, None, 0).unwrap();
        let usual = || Some("outcomes".to_owned());
        let mut outgoing = Outgoing::new(&told, parcel(), Some("private".to_owned()), usual()).unwrap();
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "link": "s3cret" }));
        assert!(outgoing.change(OutletCure::Smaller).unwrap());
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "link": "s3cret", "truncated": true }));

        assert!(outgoing.change(OutletCure::Elsewhere).unwrap());
        assert_eq!(outgoing.parcel.address, usual());
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "withheld": ["link"], "truncated": true }));
        for cure in [OutletCure::Elsewhere, OutletCure::Smaller, OutletCure::Retry] {
            assert!(!outgoing.change(cure).unwrap(), "there is nothing left to change");
        }

        let outgoing = Outgoing::new(&told, parcel(), None, usual()).unwrap();
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "withheld": ["link"] }));
    }
}
