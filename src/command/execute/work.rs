//! One request in execution: what every action needs to read, to check expectations, to send and to report.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use okta_client::{
    Change, Changed, OktaError, Target, groups,
    users::{self, User},
};
use serde_json::{Value, json};
use tokio::time::Instant;

pub(in crate::command) use super::finished::Finished;
use super::{
    Attempt, Baseline, Okta, PartsProgress, PendingChange, Precondition, PriorAttempt, RecentChanges,
    ResolvedSubjects,
    failure::{Code, of_okta},
    lookup::{self, back_off},
    naming, resolved, secrets,
};
use crate::command::{
    Action, ActionFailure, ActionSuccess, Expect, GroupSubject, OutcomeValue, Subjects, SuccessKind,
    UserSubject, ZoneSubject,
};

/// The most sends of a change, with a read in between: each but the last was in doubt.
pub(in crate::command) const ROUNDS_MAX: u32 = 4;
/// The most reads of a user while Okta finishes work in the background; about 20 s.
const SETTLING_LOOKS_MAX: u32 = 8;
/// By how much Okta's servers may be behind Okta's reported time.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(60);
/// The precision of Okta's reported time, rounded on both sides.
const CLOCK_STEP: SignedDuration = SignedDuration::from_secs(2);

/// One request in execution.
pub(in crate::command) struct Work<'a> {
    pub(in crate::command) okta: &'a dyn Okta,
    pub(in crate::command) action: Action,
    pub(in crate::command) subjects: &'a Subjects,
    pub(in crate::command) expect: &'a Expect,
    pub(in crate::command) attempt: Attempt<'a>,
    /// The state before anything was sent, for the outcome.
    pub(in crate::command) before: Option<Value>,
    /// The state before anything was sent, once it was read.
    baseline: Option<Baseline>,
    /// Whether the policy has admitted this attempt, with the baseline as it is.
    is_admitted: bool,
    /// Whether this attempt has sent something that Okta did not refuse.
    has_sent: bool,
    /// Since when nothing was sent of which it is not known whether Okta has done it.
    unsure_since: Instant,
    /// Whether no read can show that the change was made.
    is_unseen: bool,
    /// What the next change is decided by, where it was read, and when.
    last_seen: Mutex<Option<(Target, Value, Instant)>>,
    /// How far the parts of the command are, over all attempts.
    pub(super) progress: PartsProgress,
    /// The part that this is about, if the command has parts, and whether Okta may have done it.
    pub(super) part: Option<(Value, bool)>,
    /// The users whom the next change is about.
    pub(super) users: &'a [UserSubject],
    /// The groups of the next change that the command names by name.
    groups_named: &'a [GroupSubject],
    /// When the groups were last seen with the names in the command, by id.
    groups_seen: BTreeMap<&'a str, Instant>,
    /// The answered changes of all commands.
    recent_changes: &'a RecentChanges,
    /// The user whom the command is about, if they were just read.
    seen: Option<User>,
    /// Okta's id of the last request that changed something.
    request_id: Option<String>,
    /// The requests of a dry run.
    planned: Vec<Value>,
}

/// The result of sending a change. The answer may contain secrets, until [`Work::ended`] takes them out.
pub(in crate::command) enum Sent {
    /// Okta made it; with its answer.
    Done(Value),
    /// Not sent: this is a dry run.
    Planned,
    /// Okta may have made it.
    InDoubt(OktaError),
    /// Okta did not make it.
    Refused(OktaError),
}

impl<'a> Work<'a> {
    pub(in crate::command) fn new(
        (okta, recent_changes): (&'a dyn Okta, &'a RecentChanges),
        action: Action,
        resolved: &'a ResolvedSubjects,
        expect: &'a Expect,
        attempt: Attempt<'a>,
    ) -> Self {
        let subjects = &resolved.subjects;
        // An earlier attempt may have changed the user, so they are read again.
        let seen = resolved.seen_now().filter(|_| attempt.baseline.is_none());
        let baseline = attempt.baseline.cloned();
        let before = baseline.as_ref().and_then(Baseline::before).cloned();
        let (request_id, planned) = (None, Vec::new());
        let groups_seen = resolved.groups_seen().collect();
        let (is_admitted, has_sent, is_unseen) = (false, false, false);
        let unsure_since = attempt.sent_until.unwrap_or_else(Instant::now);
        Self {
            okta,
            action,
            subjects,
            expect,
            attempt,
            before,
            baseline,
            is_admitted,
            has_sent,
            unsure_since,
            is_unseen,
            last_seen: Mutex::default(),
            progress: attempt.progress.clone(),
            part: None,
            users: &subjects.users,
            groups_named: &[],
            groups_seen,
            recent_changes,
            seen,
            request_id,
            planned,
        }
    }

    /// Whether this command may have changed something at Okta, in this attempt or an earlier one.
    pub(in crate::command) fn may_have_sent(&self) -> bool {
        self.attempt.baseline.is_some() || self.has_sent
    }

    /// Since when nothing was sent of which it is not known whether Okta has done it.
    pub(in crate::command) fn unsure_since(&self) -> Instant {
        self.unsure_since
    }

    /// Declares that a read does not show what Okta has just answered as done.
    pub(in crate::command) fn is_unshown(&mut self) {
        self.unsure_since = Instant::now();
    }

    /// Whether the command has a single part: one user and at most one group, or one group and at most one user.
    pub(in crate::command) fn is_about_one(&self) -> bool {
        self.subjects.users.len() <= 1 && self.subjects.groups.len() <= 1
    }

    /// Records the state before the first change, unless an earlier attempt did.
    pub(in crate::command) fn baseline(&mut self, seen: impl FnOnce() -> Baseline) -> &Baseline {
        self.baseline.get_or_insert_with(seen)
    }

    /// The user whom the command is about.
    pub(in crate::command) fn subject(&self) -> Result<&'a UserSubject, ActionFailure> {
        let none = || Code::UserNotFound.because("the command names no user");
        self.subjects.users.first().ok_or_else(none)
    }

    /// The id of the user whom the command is about.
    pub(in crate::command) fn user_id(&self) -> Result<&'a str, ActionFailure> {
        id_of(self.subject()?)
    }

    /// The group that the command is about.
    pub(in crate::command) fn group(&self) -> Result<&'a GroupSubject, ActionFailure> {
        let none = || Code::GroupNotFound.because("the command names no group");
        self.subjects.groups.first().ok_or_else(none)
    }

    /// The id of the group that the command is about.
    pub(in crate::command) fn group_id(&self) -> Result<&'a str, ActionFailure> {
        id_of_group(self.group()?)
    }

    /// The network zone that the command is about.
    pub(in crate::command) fn zone(&self) -> Result<&'a ZoneSubject, ActionFailure> {
        let none = || Code::ZoneNotFound.because("the command names no network zone");
        self.subjects.zone.as_ref().ok_or_else(none)
    }

    /// When the first attempt began, by Okta's clock as far as it is known.
    pub(in crate::command) fn begun_at(&self) -> Timestamp {
        let begun_at = self.attempt.begun_at;
        begun_at.saturating_add(self.okta.clock_ahead()).unwrap_or(begun_at)
    }

    /// The earliest time at which the first attempt can have begun, by Okta's clock.
    pub(in crate::command) fn not_before(&self) -> Timestamp {
        self.begun_at().saturating_sub(CLOCKS_APART).unwrap_or(self.attempt.begun_at)
    }

    /// The latest time at which the first attempt can have begun, by Okta's clock.
    pub(in crate::command) fn begun_for_certain(&self) -> Timestamp {
        self.begun_at().saturating_add(CLOCK_STEP).unwrap_or(self.attempt.begun_at)
    }

    /// Whether a change that Okta dates to `time` may be from an earlier attempt at this command.
    pub(in crate::command) fn may_be_ours(&self, time: Option<Timestamp>) -> bool {
        self.attempt.baseline.is_some() && time.is_some_and(|time| time >= self.not_before())
    }

    /// Records what the next change is decided by.
    pub(in crate::command) fn saw(&self, target: Target, raw: &Value) {
        *self.last_seen() = Some((target, raw.clone(), Instant::now()));
    }

    /// Fails unless the groups of the next change still have the names in the command: they may have been looked up
    /// long ago. Admission checks again if the change has to wait.
    pub(in crate::command) async fn must_be_named(
        &mut self,
        groups: &'a [GroupSubject],
    ) -> Result<(), ActionFailure> {
        self.groups_named = groups;
        for (group, id) in groups.iter().filter_map(naming::by_name) {
            if self.groups_seen.get(id).is_some_and(|at| at.elapsed() <= resolved::FRESH_FOR) {
                continue;
            }
            let asked_at = Instant::now();
            naming::must_be_named(
                group,
                lookup::one(self.okta, self.action, &groups::get(id)).await?.as_ref(),
            )?;
            self.groups_seen.insert(id, asked_at);
        }
        Ok(())
    }

    /// Whether Okta had answered the change `request_id` before this command began: then another command made it.
    pub(in crate::command) fn is_of_a_command_before(&self, request_id: &str) -> bool {
        self.recent_changes.is_before(request_id, self.attempt.begun_at)
    }

    fn last_seen(&self) -> MutexGuard<'_, Option<(Target, Value, Instant)>> {
        // Nothing panics while the lock is held.
        self.last_seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user, read now.
    pub(in crate::command) async fn user(&self, id: &str) -> Result<Option<User>, ActionFailure> {
        let raw = lookup::one(self.okta, self.action, &users::get(id)).await?;
        let Some(raw) = raw else { return Ok(None) };
        self.saw(users::get(id), &raw);
        let no_user = || OktaError::NotAsAsked("it is no user".to_owned());
        Some(User::read(raw).ok_or_else(|| of_okta(&no_user(), self.action))).transpose()
    }

    /// The user once Okta has finished work on them, or as they are after a while.
    pub(in crate::command) async fn settled_user(&self, id: &str) -> Result<Option<User>, ActionFailure> {
        self.user_once(id, |user| user.transitioning_to.is_none()).await
    }

    /// The user once `is_awaited` is true, or as they are after a while; none if there is no such user.
    pub(in crate::command) async fn user_once(
        &self,
        id: &str,
        is_awaited: impl Fn(&User) -> bool,
    ) -> Result<Option<User>, ActionFailure> {
        let mut looks = 0;
        loop {
            let user = self.user(id).await?;
            looks += 1;
            if looks == SETTLING_LOOKS_MAX || user.as_ref().is_none_or(&is_awaited) {
                return Ok(user);
            }
            tokio::time::sleep(back_off(looks)).await;
        }
    }

    /// Whether the user's status has not changed since before something was sent.
    pub(in crate::command) fn is_as_before(&self, user: &User) -> bool {
        self.baseline.as_ref().is_some_and(|baseline| baseline.is_of_user(user))
    }

    /// The user whom the command is about, before the change.
    pub(in crate::command) async fn known_user(&mut self) -> Result<User, ActionFailure> {
        if let Some(seen) = self.seen.take() {
            self.saw(users::get(&seen.id), &seen.raw);
            return Ok(seen);
        }
        let subject = self.subject()?;
        let user = self.settled_user(id_of(subject)?).await?;
        user.ok_or_else(|| {
            Code::UserNotFound.because(format!("user {} does not exist any more", subject.name))
        })
    }

    /// Fails while Okta is still working on the user.
    pub(in crate::command) fn must_be_settled(&self, user: &User) -> Result<(), ActionFailure> {
        if user.transitioning_to.is_some() { Err(still_changing(user)) } else { Ok(()) }
    }

    /// Fails unless the expectations of the command hold for the user.
    pub(in crate::command) async fn must_be_as_expected(&self, user: &User) -> Result<(), ActionFailure> {
        super::expect::look(self, user).await
    }

    /// Fails unless the expected profile holds. For checks after the command itself has changed the rest.
    pub(in crate::command) fn must_have_expected_profile(&self, user: &User) -> Result<(), ActionFailure> {
        super::expect::look_at_profile(self.expect, user)
    }

    /// Sends a change, or records it in a dry run. Fails, and sends nothing, if it may not be sent any more.
    pub(in crate::command) async fn send(&mut self, change: &Change) -> Result<Sent, ActionFailure> {
        if self.notes(change) {
            return Ok(Sent::Planned);
        }
        let (okta, action) = (self.okta, self.action);
        let (seen, seen_at) = match self.last_seen().take() {
            Some((target, seen, at)) => (Some((target, seen)), at),
            None => (None, Instant::now()),
        };
        let groups = std::mem::take(&mut self.groups_named);
        let precondition = Precondition { okta, action, seen, groups, seen_at };
        let reserved = match okta.reserve(change).await {
            Ok(reserved) => reserved,
            Err(error) => return Ok(self.sent(Err(error))),
        };
        let before = (self.baseline.clone(), self.is_admitted);
        self.part_is_about_to_be_sent();
        if let Err(failed) = self.must_be_admitted(&precondition).await {
            self.part_is_not_sent();
            return Err(failed);
        }
        let sent = self.sent(reserved.send().await);
        match &sent {
            Sent::InDoubt(_) => self.part_is_unsure(),
            Sent::Refused(_) => self.part_is_not_sent(),
            Sent::Done(_) | Sent::Planned => {}
        }
        // What follows may take long, and must not look as if something might have been done.
        if matches!(sent, Sent::Refused(_)) && !self.has_sent {
            self.attempt.admission.withdraw().await?;
            (self.baseline, self.is_admitted) = before;
        }
        Ok(sent)
    }

    /// Asks admission for the change, and makes the baseline durable.
    async fn must_be_admitted(&mut self, precondition: &Precondition<'_>) -> Result<(), ActionFailure> {
        let prior_attempt =
            if self.is_unseen && self.may_have_sent() { PriorAttempt::MayBeDone } else { PriorAttempt::None };
        let baseline = self.baseline.take().unwrap_or_default();
        let mut baseline = match self.is_admitted {
            true => baseline,
            false => baseline.with_before(self.before.as_ref()).sending(),
        };
        // The number of sends matters only if no read can show the result.
        if self.is_unseen {
            baseline = baseline.sent_once_more();
        }
        let baseline = self.baseline.insert(baseline);
        self.attempt
            .admission
            .admit(PendingChange {
                baseline,
                prior_attempt,
                progress: &self.progress,
                users: self.users,
                precondition,
            })
            .await?;
        self.is_admitted = true;
        Ok(())
    }

    /// Declares that no read can show whether the change is made.
    pub(in crate::command) fn is_unseen(&mut self) {
        self.is_unseen = true;
    }

    fn notes(&mut self, change: &Change) -> bool {
        if self.attempt.dry_run {
            self.planned.push(self.okta.shown(change));
        }
        self.attempt.dry_run
    }

    fn sent(&mut self, changed: Result<Changed, OktaError>) -> Sent {
        match changed {
            Ok(changed) => {
                self.has_sent = true;
                self.request_id = changed.request_id;
                self.recent_changes.note(self.request_id.as_deref(), self.okta.now());
                Sent::Done(changed.body)
            }
            Err(error) => {
                self.request_id = error.request_id().map(str::to_owned).or_else(|| self.request_id.take());
                if !error.is_ambiguous() {
                    return Sent::Refused(error);
                }
                (self.has_sent, self.unsure_since) = (true, Instant::now());
                Sent::InDoubt(error)
            }
        }
    }

    /// The failure for an error of Okta.
    pub(in crate::command) fn refused(&self, error: &OktaError) -> ActionFailure {
        of_okta(error, self.action)
    }

    /// The failure after the last round.
    pub(in crate::command) fn gave_up(&self, doubt: Option<&OktaError>) -> ActionFailure {
        match doubt {
            // As if there was no answer at all.
            Some(error) if !error.is_oktas() => Code::OktaUnavailable.because(error.to_string()),
            Some(error) => self.refused(error),
            None => Code::StillChanging.because("somebody else changes the same all the time"),
        }
    }

    /// Adds to a failure what was read before, and whether something was sent.
    fn with_before(&self, mut failed: ActionFailure) -> ActionFailure {
        failed.before = failed.before.take().or_else(|| self.before.clone());
        failed.okta_request_id = failed.okta_request_id.take().or_else(|| self.request_id.clone());
        failed.has_sent = self.has_sent;
        failed.progress = Box::new(self.progress.clone());
        failed
    }

    /// The result of the request, with what was read before. Moves secrets out of the result.
    pub(in crate::command) fn ended(
        self,
        finished: Result<Finished, ActionFailure>,
    ) -> Result<ActionSuccess, ActionFailure> {
        let Finished { kind, mut result, events, after } =
            finished.map_err(|failed| self.with_before(failed))?;
        let revealed = secrets::take(&mut result);
        if kind == SuccessKind::DryRun {
            result = json!({ "requests": self.planned });
        }
        let result = OutcomeValue::new(result, events);
        let (before, okta_request_id) = (self.before, self.request_id);
        Ok(ActionSuccess { kind, result, revealed, before, after, okta_request_id })
    }
}

/// The id of a user who must exist.
pub(in crate::command) fn id_of(subject: &UserSubject) -> Result<&str, ActionFailure> {
    let absent = || Code::UserNotFound.because(format!("there is no user {}", subject.name));
    subject.id.as_deref().ok_or_else(absent)
}

/// The id of a group that must exist.
pub(in crate::command) fn id_of_group(subject: &GroupSubject) -> Result<&str, ActionFailure> {
    let absent = || Code::GroupNotFound.because(format!("there is no group {}", subject.name));
    subject.id.as_deref().ok_or_else(absent)
}

/// The failure while Okta is working on the user.
pub(in crate::command) fn still_changing(user: &User) -> ActionFailure {
    let status = user.transitioning_to.as_deref().unwrap_or("another");
    Code::StillChanging.because(format!("okta is still at work on user {}, who will be {status}", user.id))
}

/// The status of a user, for `before` and `after`.
pub(in crate::command) fn status_of(user: &User) -> Value {
    match &user.transitioning_to {
        Some(to) => json!({ "status": user.status, "transitioning_to": to }),
        None => json!({ "status": user.status }),
    }
}

/// The user, for the result.
pub(in crate::command) fn named(user: &User) -> Value {
    json!({ "id": user.id, "login": user.login() })
}
