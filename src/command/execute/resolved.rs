//! The users and groups that a request names, as found at Okta. A command that is executed right after the look-up need
//! not read the user again.

use std::time::Duration;

use okta_client::users::User;
use tokio::time::Instant;

use crate::command::Subjects;

/// How long a read counts as current.
pub(super) const FRESH_FOR: Duration = Duration::from_secs(1);

/// The result of looking up the names in a request.
#[derive(Debug, Clone, Default)]
pub struct ResolvedSubjects {
    /// The objects that were found.
    pub subjects: Subjects,
    snapshot: Option<UserSnapshot>,
    /// When the look-up began; none if it was some time ago.
    asked_at: Option<Instant>,
}

/// A user as read at one moment.
#[derive(Debug, Clone)]
struct UserSnapshot {
    user: User,
    at: Instant,
}

impl ResolvedSubjects {
    /// `subjects`, whose look-up began at `asked_at`, with the `user` as just read, if they are the only one.
    pub(super) fn with_snapshot(subjects: Subjects, user: Option<User>, asked_at: Instant) -> Self {
        let user = user.filter(|_| subjects.users.len() == 1);
        let snapshot = user.map(|user| UserSnapshot { user, at: Instant::now() });
        Self { subjects, snapshot, asked_at: Some(asked_at) }
    }

    /// The only user of the request, if they were just read and Okta is not working on them.
    pub(super) fn seen_now(&self) -> Option<User> {
        let snapshot = self.snapshot.as_ref().filter(|snapshot| snapshot.at.elapsed() <= FRESH_FOR)?;
        Some(snapshot.user.clone()).filter(|user| user.transitioning_to.is_none())
    }
}

impl ResolvedSubjects {
    /// When the look-up of the names began; none if it was some time ago.
    pub fn since(&self) -> Option<Instant> {
        self.asked_at
    }

    /// When each group was seen with its name, by id.
    pub(super) fn groups_seen(&self) -> impl Iterator<Item = (&str, Instant)> {
        let at = self.asked_at;
        self.subjects.groups.iter().filter_map(move |group| Some((group.id.as_deref()?, at?)))
    }
}

/// Subjects that were looked up some time ago.
impl From<Subjects> for ResolvedSubjects {
    fn from(subjects: Subjects) -> Self {
        Self { subjects, snapshot: None, asked_at: None }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::UserSubject;

    fn resolved(names: &[&str], status: &str, transition: &str) -> ResolvedSubjects {
        let subject = |name: &&str| UserSubject { name: (*name).to_owned(), id: None, login: None };
        let subjects = Subjects { users: names.iter().map(subject).collect(), ..Subjects::default() };
        let user = json!({ "id": "00u1", "status": status, "transitioningToStatus": transition });
        ResolvedSubjects::with_snapshot(subjects, User::read(user), Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_sighting_is_of_use_for_a_moment() {
        let ada = resolved(&["ada"], "ACTIVE", "");
        assert_eq!(ada.seen_now().unwrap().status, "ACTIVE");
        tokio::time::advance(FRESH_FOR).await;
        assert!(ada.seen_now().is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(ada.seen_now().is_none());
    }

    #[tokio::test]
    async fn there_is_none_of_several_or_of_whom_okta_is_at_work_on() {
        assert!(resolved(&["ada", "bob"], "ACTIVE", "").seen_now().is_none());
        assert!(resolved(&["ada"], "STAGED", "ACTIVE").seen_now().is_none());
        assert!(ResolvedSubjects::from(Subjects::default()).seen_now().is_none());
    }
}
