//! Who vouches for somebody who signs on: of some types of events the application among the targets is the identity provider
//! or the directory that checked who it is, and not the one that they sign on to, which is Okta. Knows no format.

use super::{
    log_event::LogEvent,
    party::{Kind, Party},
};

/// Sign-ons to Okta by way of another. In an inbound delegated authentication it is the application that asks Okta, and so not
/// among them.
const BY_PROVIDERS: [&str; 9] = [
    "user.authentication.auth_via_IDP",
    "user.authentication.auth_via_inbound_SAML",
    "user.authentication.auth_via_social",
    "user.authentication.auth_via_AD_agent",
    "user.authentication.auth_via_LDAP_agent",
    "user.authentication.auth_via_iwa",
    "user.authentication.auth_unconfigured_identifier",
    "user.authentication.dsso_via_non_priority_source",
    "system.iwa_agentless.",
];

fn is_by_provider(event: &LogEvent<'_>) -> bool {
    let event_type = event.event_type();
    event_type.is_some_and(|event_type| BY_PROVIDERS.iter().any(|known| event_type.starts_with(known)))
}

/// The identity provider that vouches for who signs on.
pub(super) fn identity_provider<'e, 'a>(event: &'e LogEvent<'a>) -> Option<&'e Party<'a>> {
    event.target(Kind::App).filter(|_| is_by_provider(event))
}

/// The application that is used or signed on to.
pub(super) fn application<'e, 'a>(event: &'e LogEvent<'a>) -> Option<&'e Party<'a>> {
    event.target(Kind::App).filter(|_| !is_by_provider(event))
}
