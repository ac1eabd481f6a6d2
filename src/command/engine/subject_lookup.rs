//! Looks up the users and groups that a command names, with retries, and queues it again under all their names and ids.

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

/// A look-up that takes longer is reported.
const LOOK_UP_USUAL: Duration = Duration::from_secs(5);

/// The users and groups of a command, with a permit to send requests.
pub(super) enum SubjectLookup<'a> {
    Subjects(ResolvedSubjects, SemaphorePermit<'a>),
    Failed(Box<ActionFailure>),
    /// The command may no longer be started.
    Denied(Status, OutcomeError),
    Stopped,
}

impl Context {
    /// Looks up whom the command is about, and waits for earlier commands that touch the same objects under other
    /// names. Nothing was started, so no attempt is counted: while Okta is unreachable, commands wait.
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
                // After a change was sent, the recorded subjects count.
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
                    // Earlier commands may have created, renamed or removed the objects.
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
            if backoff.wait_at_least(asked, stop).await.is_err() {
                return SubjectLookup::Stopped;
            }
        }
    }

    /// Looks up whom the command names. A slow look-up is reported, and continues.
    async fn look_up(&self, job: &Job) -> Result<ResolvedSubjects, ActionFailure> {
        let mut looking = std::pin::pin!(self.executor.resolve_patiently(&job.command.request));
        if let Ok(looked) = tokio::time::timeout(LOOK_UP_USUAL, &mut looking).await {
            return looked;
        }
        let mut reporter = self.status.trouble_reporter(Trouble::LookUp);
        reporter.report("Okta has not answered for some seconds whom a command names");
        looking.await
    }

    /// A permit to send requests; none after a stop.
    pub(super) async fn permit(&self, job: &Job, stop: &CancellationToken) -> Option<SemaphorePermit<'_>> {
        stop.run_until_cancelled(self.permits.acquire(job.command.request.action())).await?
    }
}
