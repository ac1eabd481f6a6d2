//! Whom a command names: looked up at Okta for as long as it takes, and the turn again under all names and ids.

use std::time::Duration;

use tokio::sync::SemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::{Context, job::Job, ordering::OrderingKey, trouble::Trouble, turns::Turn};
use crate::{
    command::{
        ActionFailure, OutcomeError, Status, Subjects, execute::ResolvedSubjects, policy::too_many_names,
        record::Record,
    },
    retry::RetryPolicy,
};

/// A look-up that takes longer is told.
const LOOK_UP_USUAL: Duration = Duration::from_secs(5);

/// Whom a command is about, with the right to be at work.
pub(super) enum SubjectLookup<'a> {
    Subjects(ResolvedSubjects, SemaphorePermit<'a>),
    Failed(Box<ActionFailure>),
    /// It may not be begun any more.
    Denied(Status, OutcomeError),
    Stopped,
}

impl Context {
    /// Finds whom the command is about, and waits for those before it that touch the same under another name. Nothing was
    /// begun, so nothing is counted: while Okta is away, commands wait.
    pub(super) async fn look_up_subjects<'a>(
        &'a self,
        job: &Job,
        record: &Record,
        turn: &mut Turn,
        stop: &CancellationToken,
    ) -> SubjectLookup<'a> {
        let (id, request) = (&job.command.id, &job.command.request);
        // What is found of them takes more room still: nobody is looked for in vain.
        if record.baseline.is_none()
            && let Ok(names) = request.names()
            && !Record::has_room_for(&Subjects::named(&names))
        {
            return SubjectLookup::Denied(Status::Refused, too_many_names());
        }
        let mut backoff = RetryPolicy::OKTA.backoff();
        let mut reporter = self.status.trouble_reporter(Trouble::Okta);
        loop {
            let Some(permit) = self.permit(job, stop).await else { return SubjectLookup::Stopped };
            let looked = match &record.subjects {
                // What was judged is what is done, once something was sent.
                Some(subjects) if record.baseline.is_some() => Ok(subjects.clone().into()),
                _ => {
                    let Some(looked) = stop.run_until_cancelled(self.look_up(job)).await else {
                        return SubjectLookup::Stopped;
                    };
                    looked
                }
            };
            let failed = match looked {
                Ok(resolved) => {
                    reporter.clear();
                    if turn.settle(OrderingKey::all(id, request, Some(&resolved.subjects))) {
                        return SubjectLookup::Subjects(resolved, permit);
                    }
                    drop(permit);
                    if stop.run_until_cancelled(turn.wait()).await.is_none() {
                        return SubjectLookup::Stopped;
                    }
                    // Those before it may have brought others about, or put others in their place.
                    continue;
                }
                Err(failed) => failed,
            };
            drop(permit);
            let Some(asked) = failed.retry_after else { return SubjectLookup::Failed(Box::new(failed)) };
            if record.baseline.is_none()
                && let Err((status, error)) = self.admission.admit(&job.command)
            {
                return SubjectLookup::Denied(status, error);
            }
            reporter.report(&failed.error.message);
            let wait = backoff.next_wait().max(asked);
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return SubjectLookup::Stopped;
            }
        }
    }

    /// Looks up whom the command names. One that takes long is told, and goes on.
    async fn look_up(&self, job: &Job) -> Result<ResolvedSubjects, ActionFailure> {
        let mut looking = std::pin::pin!(self.executor.resolve_patiently(&job.command.request));
        if let Ok(looked) = tokio::time::timeout(LOOK_UP_USUAL, &mut looking).await {
            return looked;
        }
        let mut reporter = self.status.trouble_reporter(Trouble::LookUp);
        reporter.report("Okta has not answered for some seconds whom a command names");
        looking.await
    }

    /// The right to be at work; none if we stop.
    pub(super) async fn permit(&self, job: &Job, stop: &CancellationToken) -> Option<SemaphorePermit<'_>> {
        stop.run_until_cancelled(self.permits.acquire(job.command.request.action())).await?
    }
}
