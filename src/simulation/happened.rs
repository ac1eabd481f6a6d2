//! What happened in the world that this thread plays, and how often: a simulation whose faults never come proves nothing.

use std::{cell::RefCell, collections::BTreeMap};

/// How often each thing happened.
pub(super) type Happened = BTreeMap<&'static str, u64>;

thread_local! {
    static HAPPENED: RefCell<Happened> = RefCell::default();
}

/// Something worth counting happens in the world of this thread.
pub(crate) fn happens(what: &'static str) {
    HAPPENED.with_borrow_mut(|happened| *happened.entry(what).or_default() += 1);
}

/// All that happened on this thread since it was last asked.
pub(super) fn take_happened() -> Happened {
    HAPPENED.take()
}
