//! Carrying out requests at Okta: look, act, and look again where it is in doubt what came of it.
//!
//! Every action has a state that it brings about. What is so already is not done again, and what may have been done is
//! looked for before it is done once more; so it does no harm to carry a request out a second time. Knows neither
//! queues nor the journal nor policy.

mod app;
mod baseline;
mod create;
mod credentials;
mod delete;
mod expect;
mod factors;
mod failure;
mod group;
mod life;
mod lifecycle;
mod log;
mod lookup;
mod membership;
mod okta;
mod parts;
mod reading;
mod resolve;
mod resolved;
mod secrets;
#[cfg(test)]
mod tests;
mod trace;
mod update;
mod work;

use std::{collections::BTreeSet, sync::Arc};

use futures_util::future::BoxFuture;
use jiff::Timestamp;

pub(in crate::command) use self::resolve::Named;
pub use self::{
    baseline::Baseline,
    failure::Code,
    okta::{Holds, Okta},
    resolved::Resolved,
};
use self::{lifecycle::Operation, work::Work};
use super::{Action, Expect, Failed, GroupSubject, Performed, Request, UserSubject};
use crate::okta::users;

/// Carries out requests at one org.
#[derive(Debug, Clone)]
pub struct Executor {
    okta: Arc<dyn Okta>,
}

/// Which time it is that a request is carried out.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// From 1. Above 1 a former attempt was cut short or in doubt.
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
    /// Judges the command as things are now, and makes `baseline` durable. Nothing is sent unless it is there, so an
    /// attempt that finds none knows that nothing was sent before it.
    fn admit<'a>(&'a self, baseline: &'a Baseline) -> BoxFuture<'a, Result<(), Failed>>;
}

impl Executor {
    /// Carries out requests at `okta`.
    pub fn new(okta: Arc<dyn Okta>) -> Self {
        Self { okta }
    }

    /// Finds the users, groups and the app that `request` names. Fails if one that must exist does not; a user to be
    /// created, a user to be deleted or looked for in the log, and a group to be created or deleted, need not.
    pub async fn resolve(&self, request: &Request) -> Result<Resolved, Failed> {
        resolve::request(self.okta.as_ref(), request, 1).await
    }

    /// The same with patience for groups that were created a moment ago: Okta lists them after some seconds.
    pub async fn resolve_patiently(&self, request: &Request) -> Result<Resolved, Failed> {
        resolve::request(self.okta.as_ref(), request, lookup::LISTING_LOOKS_MAX).await
    }

    /// The group of this id or exact name; none if there is none.
    pub async fn find_group(&self, name: &str) -> Result<Option<GroupSubject>, Failed> {
        let subject = resolve::group(self.okta.as_ref(), Action::GroupGet, name).await?;
        Ok(subject.id.is_some().then_some(subject))
    }

    /// The users whom `name` may mean: the one with this id or login, or all with this e-mail, or all whose logins begin so.
    pub async fn find_protected(&self, name: &str) -> Result<Vec<UserSubject>, Failed> {
        resolve::all_users(self.okta.as_ref(), name).await
    }

    /// The ids of all users in a group, by id or exact name.
    pub async fn members_of(&self, group: &str) -> Result<BTreeSet<String>, Failed> {
        resolve::members(self.okta.as_ref(), group).await
    }

    /// Carries `request` out. `resolved` are those that were found for the first attempt: that a user is gone means that the
    /// deletion is done only if they were there once.
    pub async fn perform(
        &self,
        request: &Request,
        resolved: &Resolved,
        expect: &Expect,
        attempt: Attempt<'_>,
    ) -> Result<Performed, Failed> {
        let subjects = &resolved.subjects;
        if !expect.is_empty() && (subjects.users.is_empty() || matches!(request, Request::UserCreate(_))) {
            return Err(Code::InvalidParameters
                .because("`expect` is about a user, and the command is about none that there is"));
        }
        let mut work = Work::new(self.okta.as_ref(), request.action(), resolved, expect, attempt);
        let finished = Box::pin(carry_out(&mut work, request)).await;
        work.ended(finished)
    }
}

async fn carry_out(work: &mut Work<'_>, request: &Request) -> Result<work::Finished, Failed> {
    match request {
        Request::UserCreate(new) => create::user(work, new).await,
        Request::UserActivate(p) => {
            life::change(work, Operation::Activate, |id| users::activate(id, p.send_email)).await
        }
        Request::UserReactivate(p) => {
            life::change(work, Operation::Reactivate, |id| users::reactivate(id, p.send_email)).await
        }
        Request::UserUpdate(p) => update::user(work, &p.profile).await,
        Request::UserSuspend(_) => life::change(work, Operation::Suspend, users::suspend).await,
        Request::UserUnsuspend(_) => life::change(work, Operation::Unsuspend, users::unsuspend).await,
        Request::UserUnlock(_) => life::change(work, Operation::Unlock, users::unlock).await,
        Request::UserDeactivate(p) => {
            life::change(work, Operation::Deactivate, |id| users::deactivate(id, p.send_email)).await
        }
        Request::UserDelete(p) => delete::user(work, p).await,
        Request::UserExpirePassword(p) => credentials::expire(work, p).await,
        Request::UserResetPassword(p) => credentials::reset(work, p).await,
        Request::UserForgotPassword(p) => {
            life::change(work, Operation::ForgotPassword, |id| users::forgot_password(id, p.send_email)).await
        }
        Request::UserSetPassword(p) => credentials::set(work, p).await,
        Request::UserClearSessions(p) => credentials::clear_sessions(work, p).await,
        Request::UserFactors(_) => factors::list(work).await,
        Request::UserResetFactor(p) => factors::reset(work, &p.factor).await,
        Request::UserResetFactors(_) => factors::reset_all(work).await,
        Request::UserGet(_) => reading::user(work).await,
        Request::UserSearch(p) => reading::search(work, p).await,
        Request::UserGroups(p) => reading::groups_of_user(work, p.limit).await,
        Request::UserApps(p) => reading::apps_of_user(work, p.limit).await,
        Request::GroupGet(_) => reading::group(work).await,
        Request::GroupFind(p) => reading::find_groups(work, p).await,
        Request::GroupMembers(p) => reading::members(work, p.limit).await,
        Request::LogByUser(p) => log::by_user(work, p).await,
        Request::LogByIp(p) => log::by_ip(work, p).await,
        Request::LogSearch(p) => log::search(work, p).await,
        Request::GroupAddUser(_) => membership::change(work, membership::Wish::In).await,
        Request::GroupRemoveUser(_) => membership::change(work, membership::Wish::Out).await,
        Request::GroupCreate(new) => group::create(work, new).await,
        Request::GroupUpdate(p) => group::update(work, p).await,
        Request::GroupDelete(_) => group::delete(work).await,
        Request::AppAssignUser(p) => app::users(work, &p.app, app::Wish::Assigned(&p.profile)).await,
        Request::AppUnassignUser(p) => app::users(work, &p.app, app::Wish::Unassigned).await,
        Request::AppAssignGroup(p) => app::groups(work, &p.app, true).await,
        Request::AppUnassignGroup(p) => app::groups(work, &p.app, false).await,
    }
}
