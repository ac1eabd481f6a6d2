//! The results of the parts of a command that has several: users times groups, for example.

use serde_json::{Value, json};

use super::{failure::Code, work::Finished};
use crate::command::{ActionFailure, SuccessKind};

/// How far the parts of a command are, over all its attempts: what the journal keeps of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// The name of the list of parts in the result; none before the first part.
    pub name: Option<String>,
    /// The results of the parts that are known to be done.
    pub done: Vec<Value>,
    /// The parts that were sent, or were about to be, and of which it is not known whether Okta has done them.
    pub unsure: Vec<Value>,
}

impl Progress {
    /// Whether it is not known of `part` whether Okta has done it.
    pub(in crate::command) fn is_unsure_of(&self, part: &Value) -> bool {
        self.unsure.iter().any(|unsure| is_same(part, unsure))
    }

    /// Notes that `part` is about to be sent.
    pub(in crate::command) fn sends(&mut self, part: &Value) {
        if !self.is_unsure_of(part) {
            self.unsure.push(part.clone());
        }
    }

    /// Notes that Okta has certainly not done `part`.
    pub(in crate::command) fn is_refused(&mut self, part: &Value) {
        self.unsure.retain(|unsure| !is_same(part, unsure));
    }

    /// Notes that `part` is done.
    pub(in crate::command) fn is_done(&mut self, part: &Value) {
        self.is_refused(part);
        self.done.push(with_status(part.clone(), "done"));
    }

    /// The result of a command of which only the parts that are done are known; `null` if there are none.
    pub(in crate::command) fn result(&self) -> Value {
        match &self.name {
            Some(name) if !self.done.is_empty() => json!({ name: self.done }),
            _ => Value::Null,
        }
    }
}

/// Whether `other` is `part`, with or without what came of it.
fn is_same(part: &Value, other: &Value) -> bool {
    let mut members = part.as_object().into_iter().flatten();
    members.all(|(name, of)| OF_THE_RESULT.contains(&name.as_str()) || other[name] == *of)
}

/// The members of a part that tell what came of it; the others tell which one it is.
const OF_THE_RESULT: [&str; 3] = ["was_member", "status", "error"];

fn with_status(mut part: Value, status: &str) -> Value {
    part["status"] = json!(status);
    part
}

/// The parts so far.
#[derive(Debug)]
pub(in crate::command) struct Parts<'a> {
    /// The name of the list of parts in the result.
    name: &'static str,
    /// The parts that earlier attempts have done.
    earlier: &'a [Value],
    all: Vec<Value>,
    is_any_done: bool,
    is_any_planned: bool,
    failures: usize,
    first_failure: Option<ActionFailure>,
}

impl<'a> Parts<'a> {
    /// The parts of a command, of which earlier attempts have done these.
    pub(in crate::command) fn new(name: &'static str, earlier: &'a [Value]) -> Self {
        Self {
            name,
            earlier,
            all: Vec::new(),
            is_any_done: false,
            is_any_planned: false,
            failures: 0,
            first_failure: None,
        }
    }

    /// Whether an earlier attempt has done `part`, which is then added with its result of that time. It is not done again:
    /// somebody may have reverted it since.
    pub(in crate::command) fn was_done(&mut self, part: &Value) -> bool {
        let Some(done) = self.earlier.iter().find(|done| is_same(part, done)) else { return false };
        self.is_any_done = true;
        self.all.push(done.clone());
        true
    }

    /// Adds a part with its result. Ends the command on a failure that all other parts would have too: Okta is
    /// unreachable.
    pub(in crate::command) fn add(
        &mut self,
        part: Value,
        came_of: Result<SuccessKind, ActionFailure>,
    ) -> Result<(), ActionFailure> {
        let failed = match came_of {
            Ok(kind) => {
                self.is_any_done |= kind == SuccessKind::Done;
                self.is_any_planned |= kind == SuccessKind::DryRun;
                let status = match kind {
                    SuccessKind::Done => "done",
                    SuccessKind::Already => "already",
                    SuccessKind::DryRun => "dry_run",
                };
                self.all.push(with_status(part, status));
                return Ok(());
            }
            Err(failed) => failed,
        };
        let mut part = with_status(part, "failed");
        part["error"] = json!(failed.error);
        self.all.push(part);
        if failed.retry_after.is_some() && !is_about_one(&failed) {
            return Err(ActionFailure { result: self.result(), ..failed });
        }
        self.failures += 1;
        // A failure that a retry may fix decides: then all parts are tried again.
        match &self.first_failure {
            Some(first) if first.retry_after.is_some() || failed.retry_after.is_none() => {}
            _ => self.first_failure = Some(failed),
        }
        Ok(())
    }

    /// The result of all parts.
    pub(in crate::command) fn finish(mut self) -> Result<Finished, ActionFailure> {
        let (count, result) = (self.all.len(), self.result());
        if let Some(mut failed) = self.first_failure.take() {
            if count > 1 {
                failed.error.message =
                    format!("{} of {count} failed: {}", self.failures, failed.error.message);
            }
            failed.result = result;
            return Err(failed);
        }
        if self.is_any_planned {
            return Ok(Finished::planned());
        }
        Ok(Finished::new(if self.is_any_done { SuccessKind::Done } else { SuccessKind::Already }, result))
    }

    /// All parts with their results. What earlier attempts have done is told though this one did not come to it.
    fn result(&mut self) -> Value {
        let mut all = std::mem::take(&mut self.all);
        let left: Vec<_> = self.earlier.iter().filter(|done| !all.contains(done)).cloned().collect();
        all.extend(left);
        json!({ self.name: all })
    }
}

/// The parts in the result of a command; none if it has no parts.
fn of(result: &Value) -> impl Iterator<Item = &Value> {
    let lists = result.as_object().into_iter().flatten().filter_map(|(_, parts)| parts.as_array());
    lists.flatten()
}

/// Whether a part in `result` is as the command wants it, by whomever.
pub(in crate::command) fn is_any_so(result: &Value) -> bool {
    of(result).any(|part| part["status"] == "done" || part["status"] == "already")
}

/// Whether the failure concerns one user, on whom Okta is working; other parts need not wait.
fn is_about_one(failed: &ActionFailure) -> bool {
    failed.error.code == Code::StillChanging.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(parts: impl IntoIterator<Item = Result<SuccessKind, Code>>) -> Result<Finished, ActionFailure> {
        let mut all = Parts::new("parts", &[]);
        for (number, came_of) in parts.into_iter().enumerate() {
            all.add(json!({ "number": number }), came_of.map_err(|code| code.because("no")))?;
        }
        all.finish()
    }

    #[test]
    fn what_came_of_each_part_is_told_however_it_ends() {
        let statuses = |failed: &ActionFailure| -> Vec<String> {
            let parts = failed.result["parts"].as_array().unwrap();
            parts.iter().map(|part| part["status"].as_str().unwrap().to_owned()).collect()
        };
        // Okta is unreachable: no further part is tried.
        let failed =
            finish([Ok(SuccessKind::Done), Err(Code::OktaUnavailable), Ok(SuccessKind::Done)]).err().unwrap();
        assert_eq!(
            (statuses(&failed).join(" "), failed.retry_after.is_some()),
            ("done failed".to_owned(), true)
        );
        // A user on whom Okta is working does not block other parts, and is tried again.
        let failed =
            finish([Err(Code::OktaRefused), Err(Code::StillChanging), Ok(SuccessKind::Done)]).err().unwrap();
        assert_eq!(statuses(&failed).join(" "), "failed failed done");
        assert_eq!((failed.error.code.as_str(), failed.retry_after.is_some()), ("still_changing", true));
        let failed = finish([Err(Code::OktaRefused), Err(Code::ReadOnlyGroup)]).err().unwrap();
        assert_eq!((failed.error.code.as_str(), failed.retry_after), ("okta_refused", None));
        assert!(finish([Ok(SuccessKind::Done), Ok(SuccessKind::Already)]).is_ok());
    }
}
