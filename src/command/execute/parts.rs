//! What came of each part of a command that has several: users times groups, for example.

use serde_json::{Value, json};

use super::work::Finished;
use crate::command::{Failed, Way};

/// The parts so far.
#[derive(Debug, Default)]
pub(super) struct Parts {
    all: Vec<Value>,
    is_any_done: bool,
    is_any_planned: bool,
    failures: usize,
    first_failure: Option<Failed>,
}

impl Parts {
    /// Adds a part and what came of it. Ends the command where the same would come of all others: Okta is away.
    pub(super) fn add(&mut self, mut part: Value, came_of: Result<Way, Failed>) -> Result<(), Failed> {
        match came_of {
            Ok(way) => {
                self.is_any_done |= way == Way::Done;
                self.is_any_planned |= way == Way::DryRun;
                part["status"] = json!(match way {
                    Way::Done => "done",
                    Way::Already => "already",
                    Way::DryRun => "dry_run",
                });
            }
            Err(failed) if failed.retry_after.is_some() => return Err(failed),
            Err(failed) => {
                part["status"] = json!("failed");
                part["error"] = json!(failed.error);
                self.failures += 1;
                self.first_failure.get_or_insert(failed);
            }
        }
        self.all.push(part);
        Ok(())
    }

    /// What it all came to; `name` is what the parts are called in the result.
    pub(super) fn finish(self, name: &str) -> Result<Finished, Failed> {
        let count = self.all.len();
        let result = json!({ name: self.all });
        if let Some(mut failed) = self.first_failure {
            if count > 1 {
                failed.error.message =
                    format!("{} of {count} failed, the first: {}", self.failures, failed.error.message);
            }
            failed.result = result;
            return Err(failed);
        }
        if self.is_any_planned {
            return Ok(Finished::planned());
        }
        Ok(Finished::new(if self.is_any_done { Way::Done } else { Way::Already }, result))
    }
}
