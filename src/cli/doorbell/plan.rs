//! Which changes bring the event hooks of an org to what they should be. Pure.

use std::collections::BTreeMap;

use okta_client::event_hooks::{ACTIVE_MAX, EVENT_TYPES_MAX, EventHook};

/// Why the hooks cannot be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlanError {
    /// Nothing that the routes want can ring.
    #[error(
        "no event type that the routes of this org want can be in an event hook: a doorbell would never ring; leave it out, and \
         set a shorter `poll_interval`"
    )]
    NothingToRing,
    /// Others have taken the places.
    #[error(
        "the org has {active} active event hooks of others, and {needed} more are needed, where Okta allows {ACTIVE_MAX}: \
         deactivate some, or let the routes want fewer event types"
    )]
    NoRoom {
        /// Of others.
        active: usize,
        /// By us.
        needed: usize,
    },
}

/// One hook as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlannedHook {
    pub(super) name: String,
    pub(super) event_types: Vec<String>,
    /// The one to be replaced, if there is one.
    pub(super) existing: Option<String>,
}

/// What has to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HookPlan {
    pub(super) hooks: Vec<PlannedHook>,
    /// Own hooks that are of no use any more, by id: what they are called, and whether they are active.
    pub(super) surplus: BTreeMap<String, (String, bool)>,
}

impl HookPlan {
    /// The way from the hooks that there are to those that tell of `event_types` and are called `name`, `name 2` and so on.
    pub(super) fn new<'a>(
        name: &str,
        event_types: impl IntoIterator<Item = &'a str>,
        existing: &[EventHook],
    ) -> Result<Self, PlanError> {
        let event_types: Vec<String> = event_types.into_iter().map(str::to_owned).collect();
        if event_types.is_empty() {
            return Err(PlanError::NothingToRing);
        }
        let mut own: BTreeMap<usize, Vec<&EventHook>> = BTreeMap::new();
        for hook in existing {
            if let Some(number) = number_of(name, hook) {
                own.entry(number).or_default().push(hook);
            }
        }
        let mut hooks = Vec::new();
        for (index, types) in event_types.chunks(EVENT_TYPES_MAX).enumerate() {
            let found = own.get_mut(&(index + 1)).filter(|found| !found.is_empty());
            let existing = found.map(|found| found.remove(0).id.clone());
            hooks.push(PlannedHook { name: name_of(name, index + 1), event_types: types.to_vec(), existing });
        }
        let surplus = own.into_values().flatten();
        let surplus = surplus.map(|hook| (hook.id.clone(), (hook.name.clone(), hook.is_active()))).collect();
        let is_others = |hook: &&EventHook| hook.is_active() && number_of(name, hook).is_none();
        let active = existing.iter().filter(is_others).count();
        if active + hooks.len() > ACTIVE_MAX {
            return Err(PlanError::NoRoom { active, needed: hooks.len() });
        }
        Ok(Self { hooks, surplus })
    }
}

/// The hooks that are called `name`, `name 2` and so on.
pub(super) fn own<'a>(name: &str, existing: &'a [EventHook]) -> Vec<&'a EventHook> {
    let mut own: Vec<_> = existing.iter().filter(|hook| number_of(name, hook).is_some()).collect();
    own.sort_by_key(|hook| number_of(name, hook));
    own
}

fn name_of(name: &str, number: usize) -> String {
    if number == 1 { name.to_owned() } else { format!("{name} {number}") }
}

fn number_of(name: &str, hook: &EventHook) -> Option<usize> {
    let rest = hook.name.strip_prefix(name)?;
    if rest.is_empty() {
        return Some(1);
    }
    let number = rest.strip_prefix(' ')?.parse().ok()?;
    (number > 1).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(id: &str, name: &str, status: &str) -> EventHook {
        let hook = serde_json::json!({
            "id": id, "name": name, "status": status, "events": {}, "channel": { "config": { "uri": "https://a" } },
        });
        serde_json::from_value(hook).unwrap()
    }

    fn types(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("type.{number}")).collect()
    }

    fn plan(count: usize, existing: &[EventHook]) -> Result<HookPlan, PlanError> {
        let types = types(count);
        HookPlan::new("oktabus acme", types.iter().map(String::as_str), existing)
    }

    #[test]
    fn many_types_are_split_and_own_hooks_are_found_again() {
        let existing = [
            hook("who2", "oktabus acme 2", "ACTIVE"),
            hook("who1", "oktabus acme", "INACTIVE"),
            hook("other", "oktabus acme-test", "ACTIVE"),
            hook("whox", "oktabus acme two", "ACTIVE"),
        ];
        let plan = plan(700, &existing).unwrap();
        let shown: Vec<_> = plan
            .hooks
            .iter()
            .map(|hook| (hook.name.as_str(), hook.event_types.len(), hook.existing.as_deref()))
            .collect();
        let expected = [
            ("oktabus acme", 300, Some("who1")),
            ("oktabus acme 2", 300, Some("who2")),
            ("oktabus acme 3", 100, None),
        ];
        assert_eq!(shown, expected);
        assert!(plan.surplus.is_empty());
    }

    #[test]
    fn what_is_not_needed_any_more_or_twice_goes() {
        let existing = [
            hook("who1", "oktabus acme", "ACTIVE"),
            hook("again", "oktabus acme", "ACTIVE"),
            hook("who3", "oktabus acme 3", "INACTIVE"),
        ];
        let plan = plan(5, &existing).unwrap();
        assert_eq!((plan.hooks.len(), plan.hooks[0].existing.as_deref()), (1, Some("who1")));
        let surplus: Vec<_> = plan.surplus.keys().map(String::as_str).collect();
        assert_eq!(surplus, ["again", "who3"]);
    }

    #[test]
    fn hooks_of_others_are_counted_and_left_alone() {
        let of_others =
            |count| (0..count).map(|n| hook(&format!("o{n}"), "other", "ACTIVE")).collect::<Vec<_>>();
        assert!(plan(600, &of_others(23)).is_ok());
        assert_eq!(plan(600, &of_others(24)), Err(PlanError::NoRoom { active: 24, needed: 2 }));
        assert_eq!(plan(0, &[]), Err(PlanError::NothingToRing));
    }
}
