//! Which changes bring the event hooks of an org to what they should be. Pure.

use std::collections::BTreeMap;

use okta_client::event_hooks::{ACTIVE_MAX, EVENT_TYPES_MAX};

use super::ownership::{SortedHooks, name_of};

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
    /// What one of ours is to be called.
    #[error(
        "there is an event hook `{name}` ({id}) already that this doorbell has not made, and it is left alone: choose another \
         name with --name, or if the hook is yours, delete it in the admin console"
    )]
    NameTaken {
        /// The name.
        name: String,
        /// The id of the hook that has it.
        id: String,
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
    /// The way from the hooks that there are to those that tell of `event_types` and are called `base`, `base 2` and so on.
    /// Hooks of others are never part of it.
    pub(super) fn new<'a>(
        base: &str,
        event_types: impl IntoIterator<Item = &'a str>,
        existing: &SortedHooks<'_>,
    ) -> Result<Self, PlanError> {
        let event_types: Vec<String> = event_types.into_iter().map(str::to_owned).collect();
        if event_types.is_empty() {
            return Err(PlanError::NothingToRing);
        }
        let mut own = existing.own().clone();
        let mut hooks = Vec::new();
        for (index, types) in event_types.chunks(EVENT_TYPES_MAX).enumerate() {
            let number = index + 1;
            let found = own.get_mut(&number).filter(|found| !found.is_empty());
            let found = found.map(|found| found.remove(0).id.clone());
            if found.is_none()
                && let Some(other) = existing.namesake(number)
            {
                return Err(PlanError::NameTaken { name: other.name.clone(), id: other.id.clone() });
            }
            hooks.push(PlannedHook {
                name: name_of(base, number),
                event_types: types.to_vec(),
                existing: found,
            });
        }
        let surplus = own.into_values().flatten();
        let surplus = surplus.map(|hook| (hook.id.clone(), (hook.name.clone(), hook.is_active()))).collect();
        let active = existing.active_of_others();
        if active + hooks.len() > ACTIVE_MAX {
            return Err(PlanError::NoRoom { active, needed: hooks.len() });
        }
        Ok(Self { hooks, surplus })
    }
}

#[cfg(test)]
mod tests {
    use okta_client::event_hooks::EventHook;

    use super::{
        super::ownership::{
            description,
            tests::{hook, own},
        },
        *,
    };

    fn types(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("type.{number}")).collect()
    }

    fn plan(count: usize, existing: &[EventHook]) -> Result<HookPlan, PlanError> {
        let types = types(count);
        let existing = SortedHooks::new("oktabus acme", existing);
        HookPlan::new("oktabus acme", types.iter().map(String::as_str), &existing)
    }

    #[test]
    fn many_types_are_split_and_own_hooks_are_found_again() {
        let existing = [
            own("who2", "oktabus acme 2", "ACTIVE"),
            own("who1", "oktabus acme", "INACTIVE"),
            own("other", "oktabus acme-test", "ACTIVE"),
            own("whox", "oktabus acme two", "ACTIVE"),
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
            own("who1", "oktabus acme", "ACTIVE"),
            own("again", "oktabus acme", "ACTIVE"),
            own("who3", "oktabus acme 3", "INACTIVE"),
        ];
        let plan = plan(5, &existing).unwrap();
        assert_eq!((plan.hooks.len(), plan.hooks[0].existing.as_deref()), (1, Some("who1")));
        let surplus: Vec<_> = plan.surplus.keys().map(String::as_str).collect();
        assert_eq!(surplus, ["again", "who3"]);
    }

    #[test]
    fn hooks_of_others_are_counted_and_left_alone() {
        let of_others =
            |count| (0..count).map(|n| hook(&format!("o{n}"), "other", None, "ACTIVE")).collect::<Vec<_>>();
        assert!(plan(600, &of_others(23)).is_ok());
        assert_eq!(plan(600, &of_others(24)), Err(PlanError::NoRoom { active: 24, needed: 2 }));
        assert_eq!(plan(0, &[]), Err(PlanError::NothingToRing));
    }

    #[test]
    fn whatever_it_is_called_a_hook_of_others_is_never_changed_or_removed() {
        let second = description("oktabus acme 2");
        let of_others = [
            hook("second daemon", "oktabus acme 2", Some(&second), "ACTIVE"),
            hook("pager", "oktabus acme 2024", Some("PagerDuty"), "ACTIVE"),
            hook("pager too", "oktabus acme 3", None, "INACTIVE"),
            hook("signed", "oktabus acme +7", None, "ACTIVE"),
        ];
        let alone = plan(300, &of_others).unwrap();
        assert_eq!((alone.hooks.len(), alone.hooks[0].existing.as_deref()), (1, None));
        assert!(alone.surplus.is_empty(), "{alone:?}");
        let taken =
            PlanError::NameTaken { name: "oktabus acme 2".to_owned(), id: "second daemon".to_owned() };
        assert_eq!(plan(301, &of_others), Err(taken));

        // Two hooks may have one name: ours is found beside the other.
        let both = [hook("pager", "oktabus acme", None, "ACTIVE"), own("who1", "oktabus acme", "ACTIVE")];
        let beside = plan(5, &both).unwrap();
        assert_eq!(beside.hooks[0].existing.as_deref(), Some("who1"));
        assert!(beside.surplus.is_empty(), "{beside:?}");
    }
}
