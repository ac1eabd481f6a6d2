//! The decision, at the moment of the act, whether a command may still change something: expiry, policy and limits of now,
//! and the baseline in the journal.

use std::sync::{Mutex, PoisonError};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{EngineError, Office, ledger::Kept, verdicts};
use crate::command::{
    Failed, OutcomeError, Status, Subjects,
    execute::{Admission, Baseline, Code},
    message::{Command, Timing},
};

/// Stands between one attempt at a command and Okta.
pub(super) struct Consent<'a> {
    pub(super) office: &'a Office,
    pub(super) command: &'a Command,
    pub(super) subjects: &'a Subjects,
    pub(super) stop: &'a CancellationToken,
    /// The journal's record, and why nothing may be sent, if that is so.
    state: Mutex<(Kept, Option<Denial>)>,
}

/// Why nothing may be sent.
pub(super) enum Denial {
    /// The command ends so.
    Ended(Status, OutcomeError),
    /// We stop.
    Stopped,
    /// The journal or the limits cannot be written, for good.
    Engine(EngineError),
}

impl<'a> Consent<'a> {
    pub(super) fn new(
        office: &'a Office,
        (command, subjects): (&'a Command, &'a Subjects),
        kept: Kept,
        stop: &'a CancellationToken,
    ) -> Self {
        Self { office, command, subjects, stop, state: Mutex::new((kept, None)) }
    }

    /// The journal's record as it is now, and why something was not sent.
    pub(super) fn into_parts(self) -> (Kept, Option<Denial>) {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    async fn decide(&self, baseline: &Baseline) -> Result<(), Denial> {
        if self.command.timing(Timestamp::now()) == Timing::Expired {
            return Err(Denial::Ended(Status::Expired, verdicts::expired(self.command)));
        }
        let judged = self.office.gate.judge(self.command, self.subjects, self.stop).await;
        judged.ok_or(Denial::Stopped)?.map_err(refused)?;
        let kept = self.kept();
        let (id, ledger) = (&self.command.id, &self.office.ledger);
        let sending = kept.record.clone().sending(baseline);
        // What was counted once is not counted again.
        let kept = if kept.record.baseline.is_some() {
            ledger.keep(id, &kept, sending).await.map_err(Denial::Engine)?
        } else {
            let counted = self.office.gate.count(&self.command.request, ledger, (id, &kept, sending)).await;
            counted.map_err(Denial::Engine)?.map_err(refused)?
        };
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = kept;
        Ok(())
    }

    fn kept(&self) -> Kept {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

impl Admission for Consent<'_> {
    fn admit<'a>(&'a self, baseline: &'a Baseline) -> BoxFuture<'a, Result<(), Failed>> {
        async {
            let Err(denial) = self.decide(baseline).await else { return Ok(()) };
            self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(denial);
            // What counts is the denial.
            Err(Code::NotPermitted.because("it may not be sent any more"))
        }
        .boxed()
    }
}

fn refused(refusal: OutcomeError) -> Denial {
    Denial::Ended(Status::Refused, refusal)
}
