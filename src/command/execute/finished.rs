//! The result of a request that has succeeded, before secrets are taken out of it. Decides nothing.

use serde_json::{Value, value::RawValue};

use crate::command::SuccessKind;

/// A success. The result may still contain secrets.
pub(in crate::command) struct Finished {
    pub(super) kind: SuccessKind,
    pub(super) result: Value,
    pub(super) events: Option<Vec<Box<RawValue>>>,
    pub(super) after: Option<Value>,
}

impl Finished {
    pub(in crate::command) fn new(kind: SuccessKind, result: Value) -> Self {
        Self { kind, result, events: None, after: None }
    }

    pub(in crate::command) fn done(result: Value) -> Self {
        Self::new(SuccessKind::Done, result)
    }

    /// A dry run: the result is what would have been sent.
    pub(in crate::command) fn planned() -> Self {
        Self::new(SuccessKind::DryRun, Value::Null)
    }

    /// Adds events of the System Log.
    pub(in crate::command) fn events(mut self, events: Vec<Box<RawValue>>) -> Self {
        self.events = Some(events);
        self
    }

    pub(in crate::command) fn after(mut self, after: Value) -> Self {
        self.after = Some(after);
        self
    }
}
