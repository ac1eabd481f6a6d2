//! Executes requests at Okta: reads, changes, and reads again when the result of a change is in doubt.
//!
//! The facts and the executor of each action are in `actions`; this room has what all of them need. Every action has a
//! desired state. What is in that state already is not changed, and a change that may have been made is looked for
//! before it is sent again; so executing a request twice does no harm. Knows neither queues nor the journal nor policy.

pub(in crate::command) mod baseline;
mod expect;
pub(in crate::command) mod failure;
pub(in crate::command) mod lifecycle;
mod list_position;
pub(in crate::command) mod listing;
pub(in crate::command) mod log_evidence;
pub(in crate::command) mod lookup;
pub(in crate::command) mod naming;
mod okta;
pub(in crate::command) mod parts;
mod precondition;
mod recent_changes;
pub(in crate::command) mod resolve;
mod resolved;
pub(in crate::command) mod secrets;
pub(in crate::command) mod status_change;
#[cfg(test)]
mod tests;
pub(in crate::command) mod unshown;
pub(in crate::command) mod work;

use std::{collections::BTreeSet, sync::Arc};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::Instant;

pub use self::{
    baseline::Baseline,
    failure::Code,
    list_position::ListPosition,
    okta::{Okta, Reserved},
    parts::Progress,
    precondition::Precondition,
    resolved::ResolvedSubjects,
};
use self::{recent_changes::RecentChanges, work::Work};
use super::{Action, ActionFailure, ActionSuccess, Expect, GroupSubject, Request, Subjects, UserSubject};

/// Executes requests at one org.
#[derive(Debug, Clone)]
pub struct Executor {
    okta: Arc<dyn Okta>,
    recent_changes: Arc<RecentChanges>,
}

/// The parameters of one attempt at a request.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// From 1. Above 1, an earlier attempt was interrupted, in doubt or too early.
    pub number: u32,
    /// When the first attempt began.
    pub begun_at: Timestamp,
    /// Whether to read only, and report what would be sent.
    pub dry_run: bool,
    /// The state before anything was sent; none if no earlier attempt has sent anything.
    pub baseline: Option<&'a Baseline>,
    /// Until when earlier attempts may have sent something; none if that is not known, as after a restart.
    pub sent_until: Option<Instant>,
    /// How far the parts are after the earlier attempts.
    pub progress: &'a Progress,
    /// Asked before each change.
    pub admission: &'a dyn Admission,
}

/// Decides, right before a change is sent, whether a command may send it.
pub trait Admission: Send + Sync {
    /// Judges the command as things are now, checks the precondition of the change if it was read too long ago, and
    /// makes the baseline durable. That comes last: nothing is awaited between it and the change. Nothing is sent
    /// without it, so an attempt that finds no baseline knows that nothing was sent before.
    fn admit<'a>(&'a self, change: PendingChange<'a>) -> BoxFuture<'a, Result<(), ActionFailure>>;

    /// Takes back what was kept by [`Self::admit`], because Okta has certainly taken nothing of the change. Whoever keeps
    /// nothing has nothing to do.
    fn withdraw(&self) -> BoxFuture<'_, Result<(), ActionFailure>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A change that is about to be sent.
#[derive(Clone, Copy)]
pub struct PendingChange<'a> {
    /// The state before anything was sent.
    pub baseline: &'a Baseline,
    /// What is known of earlier sends of this change.
    pub prior_attempt: PriorAttempt,
    /// How far the parts of the command are, with the one that is about to be sent.
    pub progress: &'a Progress,
    /// The users whom it is about.
    pub users: &'a [UserSubject],
    /// What the change was decided by.
    pub precondition: &'a Precondition<'a>,
}

/// What is known of earlier sends of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriorAttempt {
    /// Nothing was sent, or a read has shown the result.
    None,
    /// It may have been executed, and no read can show whether it was.
    MayBeDone,
}

impl Executor {
    /// An executor of requests at `okta`.
    pub fn new(okta: Arc<dyn Okta>) -> Self {
        Self { okta, recent_changes: Arc::default() }
    }

    /// Looks up the users, groups and the app that `request` names. Fails if one that must exist does not. A user to be
    /// created, deleted or searched for in the log, and a group to be created or deleted, need not exist.
    pub async fn resolve(&self, request: &Request) -> Result<ResolvedSubjects, ActionFailure> {
        resolve::request(self.okta.as_ref(), request, 1).await
    }

    /// Like [`Self::resolve`], but waits for groups that were just created: Okta lists them after some seconds.
    pub async fn resolve_patiently(&self, request: &Request) -> Result<ResolvedSubjects, ActionFailure> {
        resolve::request(self.okta.as_ref(), request, lookup::LISTING_LOOKS_MAX).await
    }

    /// Whether a name in `request` means another object by now than the one that was `found`. Fails if Okta does not say.
    pub async fn means_another(&self, request: &Request, found: &Subjects) -> Result<bool, ActionFailure> {
        resolve::means_another(self.okta.as_ref(), request, found).await
    }

    /// The group with this id or exact name, if there is one.
    pub async fn find_group(&self, name: &str) -> Result<Option<GroupSubject>, ActionFailure> {
        let subject = resolve::group(self.okta.as_ref(), Action::OWN_LOOK_FOR_A_GROUP, name).await?;
        Ok(subject.id.is_some().then_some(subject))
    }

    /// The users whom `name` may mean: the one with this id or login, or all with this e-mail, or all with this part of
    /// a login before the `@`.
    pub async fn find_protected(&self, name: &str) -> Result<Vec<UserSubject>, ActionFailure> {
        resolve::all_users(self.okta.as_ref(), name).await
    }

    /// The ids of all users in a group, by id or exact name.
    pub async fn members_of(&self, group: &str) -> Result<BTreeSet<String>, ActionFailure> {
        resolve::members(self.okta.as_ref(), group).await
    }

    /// The number of members of these groups together, counted up to `count_max` and one more: enough to know that a
    /// limit is exceeded. Reads the pages of members: Okta documents its own count only for lists of groups, which are
    /// some seconds old.
    pub async fn count_members(
        &self,
        groups: &[GroupSubject],
        count_max: usize,
    ) -> Result<usize, ActionFailure> {
        resolve::count_members(self.okta.as_ref(), groups, count_max).await
    }

    /// The id of the app with this id, or the ids of all apps with exactly this label; empty if there are none.
    pub async fn find_apps(&self, name: &str) -> Result<BTreeSet<String>, ActionFailure> {
        resolve::app_ids(self.okta.as_ref(), name).await
    }

    /// Executes `request`. `resolved` has the objects that were found for the first attempt: a user who is gone counts
    /// as deleted only if they existed then.
    pub async fn perform(
        &self,
        request: &Request,
        resolved: &ResolvedSubjects,
        expect: &Expect,
        attempt: Attempt<'_>,
    ) -> Result<ActionSuccess, ActionFailure> {
        if !expect.is_empty() && !request.names()?.has_user() {
            return Err(Code::InvalidParameters
                .because("`expect` is about a user, and the command is about none that there is"));
        }
        let at = (self.okta.as_ref(), self.recent_changes.as_ref());
        let mut work = Work::new(at, request.action(), resolved, expect, attempt);
        let finished = request.carry_out(&mut work).await;
        work.ended(finished)
    }
}
