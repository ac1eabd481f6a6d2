//! Answers: outcomes to where they belong, however long that takes, each copy of a command with one of its own.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    EngineError, RETRY_FIRST, RETRY_MAX,
    status::{EngineStatus, Trouble},
};
use crate::{
    command::{
        AddressPattern, Outcome,
        journal::small_part,
        outlet::{Outlet, OutletCure, OutletError, Parcel},
    },
    config::CommandsConfig,
    stream::Backoff,
    telemetry::chain,
};

/// Where the outcomes of the commands of one name go.
#[derive(Debug)]
pub(super) struct Answers {
    config: Arc<CommandsConfig>,
    outlet: Outlet,
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

/// Whom an answer is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addressee<'a> {
    /// The address that the command names, if it names one.
    pub(super) reply_to: Option<&'a str>,
    /// The id of the user whom it concerns, by which outcomes are ordered.
    pub(super) user: Option<&'a str>,
}

impl Answers {
    pub(super) async fn open(
        config: Arc<CommandsConfig>,
        status: Arc<EngineStatus>,
    ) -> Result<Self, EngineError> {
        let outlet = Outlet::open(&config.outcomes.sink, &config.name).await?;
        Ok(Self { config, outlet, status })
    }

    /// Publishes what is told, the answer to copy number `copy` of the command.
    pub(super) async fn publish(&self, told: &Told, to: Addressee<'_>, copy: u64) -> Result<(), EngineError> {
        let parcel = self.parcel(&told.openly, to.user, copy)?;
        self.deliver(told, parcel, to).await
    }

    /// Publishes the refusal of the message at `place`, which is not the command whose id it has. It has an id of its own,
    /// the same one for the same message: the id of the command's outcome would make it a copy of that.
    pub(super) async fn publish_refusal(
        &self,
        outcome: Outcome,
        place: &str,
        to: Addressee<'_>,
    ) -> Result<(), EngineError> {
        let mut parcel = self.parcel(&outcome, to.user, 0)?;
        parcel.attributes.id = format!("{}:refused:{place}", parcel.attributes.id);
        self.deliver(&Told::openly(outcome), parcel, to).await
    }

    fn parcel(&self, outcome: &Outcome, user: Option<&str>, copy: u64) -> Result<Parcel, EngineError> {
        Parcel::outcome(&self.config.name, outcome, user, copy).map_err(|source| unwritten(outcome, source))
    }

    async fn deliver(&self, told: &Told, mut parcel: Parcel, to: Addressee<'_>) -> Result<(), EngineError> {
        let mut outcome = &told.openly;
        let usual = self.config.outcomes.address.as_ref().map(|address| {
            let Outcome { action, status, command_id, .. } = outcome;
            address.render(action, *status, &self.config.org, command_id)
        });
        let is_allowed = |address: &&str| {
            self.config.reply_to.iter().any(|pattern: &AddressPattern| pattern.matches(address))
        };
        match to.reply_to.filter(is_allowed) {
            Some(wanted) => {
                outcome = told.privately.as_ref().unwrap_or(outcome);
                parcel = parcel.in_reply_to(wanted);
                parcel.payload = written(outcome)?;
            }
            None => parcel.address.clone_from(&usual),
        }
        let (mut is_small, mut waits) = (false, Backoff::new(RETRY_FIRST, RETRY_MAX, fastrand::u64(..)));
        loop {
            let Err(err) = self.outlet.publish(&parcel).await else {
                self.status.works(Trouble::Outcomes);
                return Ok(());
            };
            match err.cure() {
                OutletCure::Smaller if !is_small => {
                    is_small = true;
                    let small = Outcome { result: small_part(&outcome.result), ..outcome.clone() };
                    parcel.payload = written(&small)?;
                    continue;
                }
                OutletCure::Elsewhere if parcel.address != usual => {
                    self.tell_elsewhere(outcome, &err);
                    (outcome, is_small) = (&told.openly, false);
                    parcel = elsewhere(parcel, usual.clone(), outcome)?;
                    continue;
                }
                // What is wrong with the usual address or its limit is for an operator to mend.
                OutletCure::Retry | OutletCure::Smaller | OutletCure::Elsewhere => {}
            }
            // What forbids a reply may forbid nothing else: a command must not choose what all others wait for.
            if parcel.is_reply && err.needs_somebody() {
                let instead = elsewhere(parcel.clone(), usual.clone(), &told.openly)?;
                if self.outlet.publish(&instead).await.is_ok() {
                    self.tell_elsewhere(outcome, &err);
                    return Ok(());
                }
            }
            self.status.fails(Trouble::Outcomes, &chain(&err));
            tokio::time::sleep(waits.next_wait()).await;
        }
    }

    fn tell_elsewhere(&self, outcome: &Outcome, err: &OutletError) {
        tracing::warn!(
            commands = self.config.name,
            command_id = outcome.command_id,
            err = chain(err),
            "the outcome goes to where outcomes go, and not to where the command asks"
        );
    }

    pub(super) async fn close(self) {
        self.outlet.close().await;
    }
}

/// The reply `parcel` as it goes to the `usual` address. Others read there than the one who may see secrets, so it has what
/// is said `openly`.
fn elsewhere(parcel: Parcel, usual: Option<String>, openly: &Outcome) -> Result<Parcel, EngineError> {
    Ok(Parcel { address: usual, is_reply: false, payload: written(openly)?, ..parcel })
}

fn written(outcome: &Outcome) -> Result<Bytes, EngineError> {
    let written = serde_json::to_vec(outcome).map_err(|source| unwritten(outcome, source))?;
    Ok(written.into())
}

fn unwritten(outcome: &Outcome, source: serde_json::Error) -> EngineError {
    EngineError::Record { id: outcome.command_id.clone(), source }
}
