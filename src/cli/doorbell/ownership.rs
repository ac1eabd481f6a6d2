//! Whose the event hooks of an org are: a name alone proves nothing, since Okta lets two hooks have one name, and another
//! daemon or product may call its own like ours. Pure.

use std::collections::BTreeMap;

use okta_client::event_hooks::{ACTIVE_MAX, EventHook};

/// What a hook has as its description. It is ours only with this text, which names what all hooks of this doorbell are called.
pub(super) fn description(base: &str) -> String {
    format!("Wakes oktabus when there are new events. Made by `oktabus doorbell register` as `{base}`.")
}

/// What the hook with this number is called: `base`, `base 2` and so on.
pub(super) fn name_of(base: &str, number: usize) -> String {
    if number == 1 { base.to_owned() } else { format!("{base} {number}") }
}

/// The hooks of an org, sorted by whose they are.
#[derive(Debug)]
pub(super) struct SortedHooks<'a> {
    /// Made by this doorbell, by their numbers.
    own: BTreeMap<usize, Vec<&'a EventHook>>,
    /// Of others, with names that this doorbell has, by their numbers.
    namesakes: BTreeMap<usize, Vec<&'a EventHook>>,
    /// How many hooks of others are active.
    active_of_others: usize,
}

impl<'a> SortedHooks<'a> {
    /// Sorts `existing` for the doorbell whose hooks are called `base`.
    pub(super) fn new(base: &str, existing: &'a [EventHook]) -> Self {
        let description = description(base);
        let (mut own, mut namesakes) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
        let mut active_of_others = 0;
        for hook in existing {
            let number = number_of(base, &hook.name);
            let is_described = hook.description.as_deref().is_some_and(|text| text.trim() == description);
            match number {
                Some(number) if is_described => own.entry(number).or_default().push(hook),
                _ => {
                    active_of_others += usize::from(hook.is_active());
                    if let Some(number) = number {
                        namesakes.entry(number).or_default().push(hook);
                    }
                }
            }
        }
        Self { own, namesakes, active_of_others }
    }

    /// Those that this doorbell has made, by their numbers.
    pub(super) fn own(&self) -> &BTreeMap<usize, Vec<&'a EventHook>> {
        &self.own
    }

    /// The same, in the order of their numbers.
    pub(super) fn all_own(&self) -> Vec<&'a EventHook> {
        self.own.values().flatten().copied().collect()
    }

    /// One of another that has the name with this number.
    pub(super) fn namesake(&self, number: usize) -> Option<&'a EventHook> {
        self.namesakes.get(&number)?.first().copied()
    }

    /// Those of others that have names of this doorbell.
    pub(super) fn namesakes(&self) -> impl Iterator<Item = &'a EventHook> {
        self.namesakes.values().flatten().copied()
    }

    /// How many hooks of others are active.
    pub(super) fn active_of_others(&self) -> usize {
        self.active_of_others
    }
}

/// The number of a name that `register` may have given: written as it writes them, and no more than an org has active hooks.
fn number_of(base: &str, name: &str) -> Option<usize> {
    (1..=ACTIVE_MAX).find(|number| name_of(base, *number) == name)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A hook as Okta shows it.
    pub(in super::super) fn hook(id: &str, name: &str, description: Option<&str>, status: &str) -> EventHook {
        let hook = serde_json::json!({
            "id": id, "name": name, "description": description, "status": status, "events": {},
            "channel": { "config": { "uri": "https://a/" } },
        });
        serde_json::from_value(hook).unwrap()
    }

    /// One that the doorbell `oktabus acme` has made.
    pub(in super::super) fn own(id: &str, name: &str, status: &str) -> EventHook {
        hook(id, name, Some(&description("oktabus acme")), status)
    }

    #[test]
    fn a_hook_is_ours_by_its_description_and_a_name_that_register_gives() {
        let second = description("oktabus acme 2");
        let existing = [
            own("first", "oktabus acme", "ACTIVE"),
            own("third", "oktabus acme 3", "INACTIVE"),
            hook("second daemon", "oktabus acme 2", Some(&second), "ACTIVE"),
            hook("pager", "oktabus acme", Some("of PagerDuty"), "ACTIVE"),
            hook("bare", "oktabus acme 4", None, "INACTIVE"),
            own("renamed", "oktabus acme, once", "ACTIVE"),
        ];
        let sorted = SortedHooks::new("oktabus acme", &existing);
        let ids = |hooks: Vec<&EventHook>| hooks.iter().map(|hook| hook.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(sorted.all_own()), ["first", "third"]);
        assert_eq!(ids(sorted.namesakes().collect()), ["pager", "second daemon", "bare"]);
        assert_eq!(sorted.active_of_others(), 3);
        let of_second = SortedHooks::new("oktabus acme 2", &existing);
        assert_eq!(ids(of_second.all_own()), ["second daemon"]);
    }

    #[test]
    fn numbers_are_those_that_register_writes() {
        let number = |name: &str| number_of("oktabus acme", name);
        assert_eq!(
            ["oktabus acme", "oktabus acme 2", "oktabus acme 25"].map(number),
            [Some(1), Some(2), Some(25)]
        );
        for other in ["", " 0", " 1", " +7", " 07", " 26", " 2024", "  2", " 2 ", "2", " two", "-test"] {
            let name = format!("oktabus acme{other}");
            assert_eq!(number(&name), if other.is_empty() { Some(1) } else { None }, "{name}");
        }
    }
}
