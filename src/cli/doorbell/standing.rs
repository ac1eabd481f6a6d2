//! How an event hook stands: whether it rings here, and if not, what to do. Pure.

use okta_client::event_hooks::EventHook;
use serde::Serialize;
use url::Url;

/// How a hook stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HookStanding {
    /// Okta sends it here.
    Rings,
    /// Okta sends none to it.
    Inactive,
    /// Okta sends it to another address than the configured one.
    Elsewhere,
    /// Okta does not send it yet.
    Unverified,
}

impl HookStanding {
    /// How `hook` stands, which should be sent to `wanted`, if that is configured.
    pub(super) fn of(hook: &EventHook, wanted: Option<&Url>) -> Self {
        let is_elsewhere = wanted.is_some_and(|wanted| !is_at(hook, wanted));
        match (hook.is_active(), hook.is_verified()) {
            (false, _) => Self::Inactive,
            (true, _) if is_elsewhere => Self::Elsewhere,
            (true, false) => Self::Unverified,
            (true, true) => Self::Rings,
        }
    }

    /// In a table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rings => "rings",
            Self::Inactive => "inactive",
            Self::Elsewhere => "elsewhere",
            Self::Unverified => "not verified",
        }
    }

    /// What only `register` mends; none if nothing or less has to be done.
    pub(super) fn need_of_register(self, hook: &EventHook, wanted: Option<&Url>) -> Option<String> {
        let name = &hook.name;
        match self {
            Self::Inactive => Some(format!(
                "`{name}` is inactive, and Okta sends nothing: `oktabus doorbell register` activates it"
            )),
            Self::Elsewhere => Some(format!(
                "`{name}` is sent to {}, and not to {}: `oktabus doorbell register` moves it",
                shown_uri(hook.uri()),
                wanted.map(Url::as_str).unwrap_or_default()
            )),
            Self::Rings | Self::Unverified => None,
        }
    }

    /// What to do so that it rings.
    pub(super) fn remedy(self, hook: &EventHook, wanted: Option<&Url>) -> Option<String> {
        match self {
            Self::Unverified => Some(format!(
                "`{}` is not verified, and Okta sends nothing: `oktabus doorbell verify`, while the daemon runs",
                hook.name
            )),
            other => other.need_of_register(hook, wanted),
        }
    }
}

/// A hook as `status --json` shows it.
#[derive(Debug, Serialize)]
pub(super) struct ShownHook<'a> {
    id: &'a str,
    name: &'a str,
    uri: String,
    active: bool,
    verified: bool,
    /// At another address than the configured one.
    elsewhere: bool,
    event_types: &'a [String],
}

impl<'a> ShownHook<'a> {
    pub(super) fn new(hook: &'a EventHook, wanted: Option<&Url>) -> Self {
        Self {
            id: &hook.id,
            name: &hook.name,
            uri: shown_uri(hook.uri()),
            active: hook.is_active(),
            verified: hook.is_verified(),
            elsewhere: wanted.is_some_and(|wanted| !is_at(hook, wanted)),
            event_types: hook.event_types(),
        }
    }
}

/// Whether `hook` is sent to `address`.
pub(super) fn is_at(hook: &EventHook, address: &Url) -> bool {
    hook.uri().parse::<Url>().is_ok_and(|uri| uri == *address)
}

/// An address without what may be a secret: somebody may have edited the hook in the admin console.
pub(super) fn shown_uri(uri: &str) -> String {
    let Ok(mut uri) = uri.parse::<Url>() else { return "***".to_owned() };
    if !uri.username().is_empty() || uri.password().is_some() {
        // Both can be set on whatever has a host, and only that has a user.
        let _ = (uri.set_password(None), uri.set_username("***"));
    }
    if uri.query().is_some() {
        uri.set_query(Some("***"));
    }
    if uri.fragment().is_some() {
        uri.set_fragment(Some("***"));
    }
    uri.into()
}

#[cfg(test)]
mod tests {
    use super::{super::ownership::tests::own, *};

    #[test]
    fn a_hook_rings_only_if_it_is_active_verified_and_sent_here() {
        let here = Url::parse("https://a").unwrap();
        let elsewhere = Url::parse("https://b/acme").unwrap();
        let hook = own("who1", "oktabus acme", "ACTIVE");
        assert_eq!(HookStanding::of(&hook, Some(&here)), HookStanding::Unverified);
        assert_eq!(HookStanding::of(&hook, None), HookStanding::Unverified);
        let moved = HookStanding::of(&hook, Some(&elsewhere));
        assert_eq!(moved, HookStanding::Elsewhere);
        let remedy = moved.remedy(&hook, Some(&elsewhere)).unwrap();
        assert!(remedy.contains("https://a/, and not to https://b/acme"), "{remedy}");
        let asleep = own("who1", "oktabus acme", "INACTIVE");
        let standing = HookStanding::of(&asleep, Some(&here));
        let remedy = standing.remedy(&asleep, Some(&here)).unwrap();
        assert!(standing == HookStanding::Inactive && remedy.contains("register` activates it"), "{remedy}");
    }

    #[test]
    fn no_secret_of_an_address_is_shown() {
        for (uri, shown) in [
            ("https://a.example/x", "https://a.example/x"),
            ("https://ada:hunter2@a.example/x?code=hunter2#hunter2", "https://***@a.example/x?***#***"),
            ("https://hunter2@a.example/", "https://***@a.example/"),
            ("hunter2", "***"),
        ] {
            assert_eq!(shown_uri(uri), shown);
        }
    }
}
