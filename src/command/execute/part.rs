//! The part of a list at which one request is, and what the journal shall keep of it: before it is sent, that it may be
//! done, and afterwards whether it is. Sends nothing.

use serde_json::Value;

use super::work::Work;
use crate::command::{ActionFailure, SuccessKind, UserSubject};

impl<'a> Work<'a> {
    /// Begins the part of the list `name` that is about `users`, and about groups or an app.
    pub(in crate::command) fn begins_part(&mut self, name: &str, part: &Value, users: &'a [UserSubject]) {
        self.users = users;
        self.progress.name = Some(name.to_owned());
        self.part = Some((part.clone(), self.progress.is_unsure_of(part)));
    }

    /// Notes what came of the part, which has all that is told of it.
    pub(in crate::command) fn ends_part(
        &mut self,
        part: &Value,
        came_of: &Result<SuccessKind, ActionFailure>,
    ) {
        self.part = None;
        if matches!(came_of, Ok(SuccessKind::Done)) {
            self.progress.is_done(part);
        }
    }

    /// Whether it may be this command that has made the part as it should be: it, or the only one, may have been sent.
    pub(in crate::command) fn may_have_sent_part(&self) -> bool {
        let is_unsure = self.part.as_ref().is_some_and(|(_, is_unsure)| *is_unsure);
        is_unsure || (self.may_have_sent() && self.is_about_one())
    }

    /// The part may be done from now on.
    pub(super) fn part_is_about_to_be_sent(&mut self) {
        if let Some((part, _)) = &self.part {
            self.progress.sends(part);
        }
    }

    /// It is not known whether Okta has done the part.
    pub(super) fn part_is_unsure(&mut self) {
        if let Some((_, is_unsure)) = &mut self.part {
            *is_unsure = true;
        }
    }

    /// Okta has certainly not done the part this time.
    pub(super) fn part_is_not_sent(&mut self) {
        if let Some((part, false)) = &self.part {
            self.progress.is_refused(part);
        }
    }
}
