//! Scopes that a service app is not granted, and what needs them, so that an operator can grant them or remove the
//! need.

use std::collections::BTreeSet;

use okta_client::Scope;

use crate::{command::Action, config::CommandsConfig};

/// Where scopes are granted in the Admin Console, and by which role.
pub(super) const GRANT: &str = "Applications, the app, Okta API Scopes; a super administrator can";

/// What of some commands needs scopes that are not granted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct MissingScopes {
    /// Those scopes: also the ones that would be needed once what needs the others is left out.
    scopes: BTreeSet<Scope>,
    /// The actions that need them.
    actions: Vec<Action>,
    /// The keys of `protect` that need them.
    protect: Vec<&'static str>,
}

/// All scopes that `commands` may come to need, with those that a wider one of them includes.
pub(super) fn possible(commands: &CommandsConfig) -> BTreeSet<Scope> {
    let of_actions = commands.actions().flat_map(|action| commands.scopes_with([action]));
    let to_find = commands.actions().flat_map(|action| action.scopes_to_find().to_vec());
    of_actions.chain(to_find).chain(commands.scopes_with([])).collect()
}

impl MissingScopes {
    /// What `commands` lack where `ungranted` are not granted.
    pub(super) fn of(commands: &CommandsConfig, ungranted: &BTreeSet<Scope>) -> Self {
        let mut lacking = Self::default();
        let mut left: Vec<_> = commands.actions().collect();
        loop {
            // A right to manage includes the one to read, as long as anything needs it.
            let missing: BTreeSet<_> =
                commands.scopes_with(left.iter().copied()).intersection(ungranted).copied().collect();
            lacking.scopes.extend(&missing);
            let needs = |action: &Action| {
                missing.contains(&action.scope())
                    || action.scopes_to_find().iter().any(|scope| missing.contains(scope))
            };
            let (without, stays) = left.into_iter().partition::<Vec<_>, _>(needs);
            if without.is_empty() {
                break;
            }
            lacking.actions.extend(without);
            left = stays;
        }
        let of_protect = commands.scopes_with([]);
        for (key, scope) in [("protect.users", Scope::UsersRead), ("protect.groups", Scope::GroupsRead)] {
            if lacking.scopes.contains(&scope) && of_protect.contains(&scope) {
                lacking.protect.push(key);
            }
        }
        lacking
    }

    /// The names of the scopes.
    pub(super) fn scopes(&self) -> String {
        self.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ")
    }

    /// What can be done.
    pub(super) fn remedy(&self) -> String {
        let mut remedy = format!("grant what is missing ({GRANT})");
        if !self.actions.is_empty() {
            let actions: Vec<_> = self.actions.iter().map(|action| action.name()).collect();
            remedy += &format!(", or take what needs it out of `allow`: {}", actions.join(", "));
        }
        for key in &self.protect {
            remedy += &format!("; `{key}` needs it too");
        }
        remedy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn commands(policy: &str) -> CommandsConfig {
        let directory = tempfile::tempdir().unwrap();
        let text = r#"
            [orgs.acme]
            domain = "acme.okta.com"
            auth = { token_file = "{dir}/token" }
            [sinks.out]
            kind = "stdout"
            [state]
            path = "{dir}/state"
            [commands.hr]
            org = "acme"
            outcomes = { sink = "out" }
        "#;
        let text = text.replace("{dir}", directory.path().to_str().unwrap()) + policy;
        let file = directory.path().join("oktabus.toml");
        std::fs::write(&file, text).unwrap();
        Config::load_without_secrets(&file).unwrap().commands.remove("hr").unwrap()
    }

    /// Whether nothing is missing once what is named is left out.
    fn passes_without(
        commands: &CommandsConfig,
        lacking: &MissingScopes,
        ungranted: &BTreeSet<Scope>,
    ) -> bool {
        let left = commands.actions().filter(|action| !lacking.actions.contains(action));
        commands.scopes_with(left).is_disjoint(ungranted)
    }

    #[test]
    fn leaving_out_exactly_the_named_actions_leaves_nothing_that_is_missing() {
        let hr = commands("allow = [\"user.*\", \"group.*\", \"log.*\"]");
        let all: Vec<_> = possible(&hr).into_iter().collect();
        assert!(all.contains(&Scope::UsersRead) && all.contains(&Scope::UsersManage), "{all:?}");
        for mask in 1_u32..(1 << all.len()) {
            let is_in = |(index, _): &(usize, &Scope)| mask & (1 << index) != 0;
            let ungranted: BTreeSet<_> =
                all.iter().enumerate().filter(is_in).map(|(_, scope)| *scope).collect();
            let lacking = MissingScopes::of(&hr, &ungranted);
            assert!(passes_without(&hr, &lacking, &ungranted), "{ungranted:?}: {lacking:?}");
        }
        let ungranted = BTreeSet::from([Scope::UsersManage, Scope::UsersRead]);
        let lacking = MissingScopes::of(&hr, &ungranted);
        assert_eq!(lacking.scopes(), "okta.users.read, okta.users.manage", "both at once");
        assert!(lacking.remedy().contains("user.get") && lacking.remedy().contains("user.suspend"));
    }

    #[test]
    fn what_is_protected_is_named_where_it_needs_the_scope() {
        let hr = commands("allow = [\"user.get\"]\nprotect = { groups = [\"Admins\"] }");
        let lacking = MissingScopes::of(&hr, &BTreeSet::from([Scope::GroupsRead]));
        assert_eq!((lacking.scopes().as_str(), lacking.actions.len()), ("okta.groups.read", 0));
        assert!(lacking.remedy().contains("`protect.groups` needs it too"), "{}", lacking.remedy());
    }
}
