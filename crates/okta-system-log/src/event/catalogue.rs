//! What Okta is known to write in the members that people select by. Okta adds to it at any time, so that what is not here
//! may exist all the same.

use std::{collections::BTreeSet, sync::LazyLock};

/// Okta's catalogue of event types, one a row.
const CATALOGUE: &str = include_str!("../catalogue.csv");

/// Values of `outcome.result` (`LogOutcome` in Okta's management OpenAPI document 2026.06.3).
pub const OUTCOMES: [&str; 12] = [
    "SUCCESS",
    "FAILURE",
    "SKIPPED",
    "ALLOW",
    "DENY",
    "CHALLENGE",
    "UNKNOWN",
    "RATE_LIMIT",
    "DEFERRED",
    "SCHEDULED",
    "ABANDONED",
    "UNANSWERED",
];
/// Values of `severity` (`LogSeverity` there).
pub const SEVERITIES: [&str; 4] = ["DEBUG", "INFO", "WARN", "ERROR"];

/// All event types, in the order of the alphabet.
pub fn event_types() -> impl Iterator<Item = &'static str> {
    CATALOGUE.lines().skip(1).filter_map(|line| line.split(',').next())
}

/// The public event types that Okta lets event hooks have.
pub fn hookable_event_types() -> impl Iterator<Item = &'static str> {
    CATALOGUE.lines().skip(1).filter_map(|line| {
        let mut columns = line.split(',');
        let (name, status) = (columns.next()?, columns.next()?);
        let tags = columns.nth(3)?;
        let is_hookable = status == "public" && tags.split('|').any(|tag| tag == "event-hook-eligible");
        is_hookable.then_some(name)
    })
}

/// What event types begin with: `user`, `user.lifecycle` and so on, whole types too.
pub fn beginnings() -> &'static BTreeSet<&'static str> {
    static BEGINNINGS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
        let of = |name: &'static str| {
            let dots = name.match_indices('.').map(|(at, _)| &name[..at]);
            dots.chain([name]).collect::<Vec<_>>()
        };
        event_types().flat_map(of).collect()
    });
    &BEGINNINGS
}

/// What event types end with: `start`, `session.start` and so on.
pub fn ends() -> &'static BTreeSet<&'static str> {
    static ENDS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
        let of = |name: &'static str| {
            let dots = name.match_indices('.').map(|(at, _)| &name[at + 1..]);
            dots.chain([name]).collect::<Vec<_>>()
        };
        event_types().flat_map(of).collect()
    });
    &ENDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_may_have_some_of_the_public_types() {
        let hookable: Vec<_> = hookable_event_types().collect();
        assert_eq!(hookable.len(), 264, "as Okta's list of event types has them");
        assert!(
            hookable.contains(&"user.lifecycle.create") && hookable.contains(&"group.user_membership.add")
        );
        assert!(!hookable.contains(&"event_hook.delivery"));
    }
}
