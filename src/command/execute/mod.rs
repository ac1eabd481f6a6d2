//! Carrying out requests at Okta: look, act, and look again where it is in doubt what came of it.
//!
//! What is true of each action, with its executor, is in `actions`; here is what they all need. Every action has a state that it brings about. What is so already is not done again, and what may have been done is
//! looked for before it is done once more; so it does no harm to carry a request out a second time. Knows neither
//! queues nor the journal nor policy.

pub(in crate::command) mod baseline;
mod expect;
pub(in crate::command) mod failure;
pub(in crate::command) mod life;
pub(in crate::command) mod lifecycle;
mod list_position;
pub(in crate::command) mod listing;
pub(in crate::command) mod lookup;
pub(in crate::command) mod naming;
mod okta;
pub(in crate::command) mod parts;
mod precondition;
mod recent_changes;
pub(in crate::command) mod resolve;
mod resolved;
pub(in crate::command) mod secrets;
#[cfg(test)]
mod tests;
pub(in crate::command) mod trace;
pub(in crate::command) mod unshown;
pub(in crate::command) mod work;

use std::{collections::BTreeSet, sync::Arc};

use futures_util::future::BoxFuture;
use jiff::Timestamp;

pub use self::{
    baseline::Baseline,
    failure::Code,
    list_position::ListPosition,
    okta::{Okta, Reserved},
    precondition::Precondition,
    resolved::ResolvedSubjects,
};
use self::{recent_changes::RecentChanges, work::Work};
use super::{Action, ActionFailure, ActionSuccess, Expect, GroupSubject, Request, UserSubject};

/// Carries out requests at one org.
#[derive(Debug, Clone)]
pub struct Executor {
    okta: Arc<dyn Okta>,
    recent_changes: Arc<RecentChanges>,
}

/// Which time it is that a request is carried out.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// From 1. Above 1 a former attempt was cut short, in doubt or too early.
    pub number: u32,
    /// When the first one began.
    pub begun_at: Timestamp,
    /// Whether only to look, and to tell what would be sent.
    pub dry_run: bool,
    /// How it was before anything was sent; none if no former attempt has sent anything.
    pub baseline: Option<&'a Baseline>,
    /// Whom to ask before something is sent.
    pub admission: &'a dyn Admission,
}

/// Decides, at the moment of the act, whether a command may still change something.
pub trait Admission: Send + Sync {
    /// Judges the command as things are now, asks whether what the change was decided by still holds, if that was seen too
    /// long ago, and makes the baseline durable. That comes last: nothing is waited for between it and the change. Nothing
    /// is sent unless it is there, so an attempt that finds none knows that nothing was sent before it.
    fn admit<'a>(&'a self, change: PendingChange<'a>) -> BoxFuture<'a, Result<(), ActionFailure>>;
}

/// A change that is about to be sent.
#[derive(Clone, Copy)]
pub struct PendingChange<'a> {
    /// How that which the command changes was before anything was sent.
    pub baseline: &'a Baseline,
    /// What is known of what was sent before.
    pub prior_attempt: PriorAttempt,
    /// What the change was decided by.
    pub precondition: &'a Precondition<'a>,
}

/// What is known of what was sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriorAttempt {
    /// Nothing was sent, or a look has shown what came of it.
    None,
    /// It may have been done, and nothing can show it.
    MayBeDone,
}

impl Executor {
    /// Carries out requests at `okta`.
    pub fn new(okta: Arc<dyn Okta>) -> Self {
        Self { okta, recent_changes: Arc::default() }
    }

    /// Finds the users, groups and the app that `request` names. Fails if one that must exist does not; a user to be
    /// created, a user to be deleted or looked for in the log, and a group to be created or deleted, need not.
    pub async fn resolve(&self, request: &Request) -> Result<ResolvedSubjects, ActionFailure> {
        resolve::request(self.okta.as_ref(), request, 1).await
    }

    /// The same with patience for groups that were created a moment ago: Okta lists them after some seconds.
    pub async fn resolve_patiently(&self, request: &Request) -> Result<ResolvedSubjects, ActionFailure> {
        resolve::request(self.okta.as_ref(), request, lookup::LISTING_LOOKS_MAX).await
    }

    /// The group of this id or exact name; none if there is none.
    pub async fn find_group(&self, name: &str) -> Result<Option<GroupSubject>, ActionFailure> {
        let subject = resolve::group(self.okta.as_ref(), Action::OWN_LOOK_FOR_A_GROUP, name).await?;
        Ok(subject.id.is_some().then_some(subject))
    }

    /// The users whom `name` may mean: the one with this id or login, or all with this e-mail, or all whose logins begin so.
    pub async fn find_protected(&self, name: &str) -> Result<Vec<UserSubject>, ActionFailure> {
        resolve::all_users(self.okta.as_ref(), name).await
    }

    /// The ids of all users in a group, by id or exact name.
    pub async fn members_of(&self, group: &str) -> Result<BTreeSet<String>, ActionFailure> {
        resolve::members(self.okta.as_ref(), group).await
    }

    /// How many members these groups have together, counted until there are more than `count_max`: enough to know that a
    /// limit is exceeded. They are paged through, since Okta documents its own count for lists of groups alone, which are
    /// some seconds behind.
    pub async fn count_members(
        &self,
        groups: &[GroupSubject],
        count_max: usize,
    ) -> Result<usize, ActionFailure> {
        resolve::count_members(self.okta.as_ref(), groups, count_max).await
    }

    /// The ids of the app of this id, or of all apps of exactly this label; empty if there is none.
    pub async fn find_apps(&self, name: &str) -> Result<BTreeSet<String>, ActionFailure> {
        resolve::app_ids(self.okta.as_ref(), name).await
    }

    /// Carries `request` out. `resolved` are those that were found for the first attempt: that a user is gone means that the
    /// deletion is done only if they were there once.
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
