//! The event types of which the event hooks of an org should tell: those that its routes want, as far as Okta lets hooks have
//! them. Pure.

use std::collections::BTreeSet;

use okta_system_log::event::catalogue;

use crate::{config::Config, route::Selection};

/// The event types that the routes of an org want.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct WantedTypes {
    /// Those of which a hook can tell.
    pub(super) hookable: BTreeSet<&'static str>,
    /// How many there are of which none can: they come with the next poll.
    pub(super) silent: usize,
}

impl WantedTypes {
    /// What the routes of the streams of `org` want. A filter that Okta runs is not looked at: a ring too many costs a request.
    pub(super) fn of(config: &Config, org: &str) -> Self {
        let streams = config.streams.values().filter(|stream| stream.org == org);
        let selections: Vec<_> =
            streams.flat_map(|stream| &stream.routes).map(|route| Selection::new(&route.selection)).collect();
        let is_wanted =
            |event_type: &&str| selections.iter().any(|selection| selection.wants_type(event_type));
        let hookable: BTreeSet<_> = catalogue::hookable_event_types().filter(is_wanted).collect();
        let wanted = catalogue::event_types().filter(is_wanted).count();
        let silent = wanted.saturating_sub(hookable.len());
        Self { hookable, silent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(routes: &str) -> WantedTypes {
        let text = format!(
            "[orgs.acme]\ndomain = \"acme.okta.com\"\nauth = {{ token_file = \"/none\" }}\n\
             [streams.log]\norg = \"acme\"\nroutes = [{routes}]\n\
             [sinks.out]\nkind = \"stdout\"\n[state]\npath = \"/tmp/oktabus-no-such-state\"\n"
        );
        WantedTypes::of(&Config::of_text(&text).unwrap(), "acme")
    }

    #[test]
    fn the_types_are_those_of_all_routes_together() {
        let both = wanted(
            r#"{ sink = "out", event_types = ["user.lifecycle.*"] }, { sink = "out", name = "log/two", categories = ["group.user_membership"] }"#,
        );
        assert!(both.hookable.contains("user.lifecycle.create"), "{both:?}");
        assert!(both.hookable.contains("group.user_membership.add"));
        assert!(!both.hookable.contains("user.session.start"));
        assert!(both.hookable.iter().all(|name| name.starts_with("user.lifecycle.") || name.starts_with("group.user_membership.")));
        let all = wanted(r#"{ sink = "out" }"#);
        assert!(all.hookable.len() > 200 && all.silent > 500, "{} {}", all.hookable.len(), all.silent);
        let none = wanted(r#"{ sink = "out", event_types = ["no.such.type"] }"#);
        assert_eq!(none, WantedTypes::default());
    }
}
