//! Ids that may be used once.

use std::collections::HashMap;

/// Forgetting begins when there are so many.
const MANY: usize = 10_000;

/// Used ids, until they have expired.
#[derive(Debug, Default)]
pub(super) struct UsedIds {
    until_s: HashMap<String, i64>,
}

impl UsedIds {
    /// Uses an id that is good until `until_s`; false if it has been used before.
    pub(super) fn take(&mut self, id: String, until_s: i64, now_s: i64) -> bool {
        if self.until_s.len() >= MANY {
            self.until_s.retain(|_, until_s| *until_s >= now_s);
        }
        self.until_s.insert(id, until_s).is_none()
    }
}
