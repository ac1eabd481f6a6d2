//! By which protocol somebody signed on, by what the event says and not by what its type is called.

use std::borrow::Cow;

use crate::format::{
    log_event::LogEvent,
    party::{Kind, lowest},
};

/// A protocol of a sign-on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::format) enum Protocol<'a> {
    OpenId,
    Saml,
    OAuth,
    Radius,
    Basic,
    /// Another way into an application, in Okta's word: `WS_FEDERATION`, `BROWSER_PLUGIN` and more.
    Other(Cow<'a, str>),
}

/// A link to a page is no sign-on.
const BOOKMARK: &str = "BOOKMARK";

/// Members of the debug data that only a request by OAuth has.
const OAUTH: [&str; 4] = ["grantType", "responseType", "requestedScopes", "grantedScopes"];

impl<'a> Protocol<'a> {
    /// The protocol that `event` names: how one signs on to the application, else the grant, else the credential.
    pub(in crate::format) fn of(event: &LogEvent<'a>) -> Option<Self> {
        let mode = event.debug_data.peek("signOnMode").or_else(|| {
            // One without id and name may still tell it.
            let any = || lowest(event.targets.iter().filter(|target| target.kind == Kind::App));
            let app = event.target(Kind::App).or_else(any)?;
            app.object.peek_object("detailEntry")?.peek("signOnModeType")
        });
        if let Some(mode) = mode {
            return Self::of_mode(mode);
        }
        if OAUTH.iter().any(|name| {
            event.debug_data.raw(name).is_some_and(|json| !json.trim_matches(['"', ' ']).is_empty())
        }) {
            let asks_who = |name: &str| event.debug_data.raw(name).is_some_and(is_open_id);
            return Some(if OAUTH.into_iter().any(asks_who) { Self::OpenId } else { Self::OAuth });
        }
        if event.debug_data.peek("radiusRequestId").is_some() {
            return Some(Self::Radius);
        }
        let credential = event.authentication.peek("credentialType")?;
        credential.eq_ignore_ascii_case("OAuth 2.0").then_some(Self::OAuth)
    }

    fn of_mode(mode: Cow<'a, str>) -> Option<Self> {
        let starts = |beginning: &str| {
            mode.get(..beginning.len()).is_some_and(|head| head.eq_ignore_ascii_case(beginning))
        };
        if starts(BOOKMARK) {
            return None;
        }
        Some(match () {
            () if starts("SAML") => Self::Saml,
            () if starts("OPENID") || starts("OIDC") => Self::OpenId,
            () if starts("BASIC_AUTH") => Self::Basic,
            () => Self::Other(mode),
        })
    }
}

/// Whether scopes, or the token that is asked for, are OpenID Connect's.
fn is_open_id(json: &str) -> bool {
    json.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(|word| word == "openid" || word == "id_token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_event_says_decides() {
        for (event, expected) in [
            (
                r#"{"target":[{"type":"AppInstance","detailEntry":{"signOnModeType":"SAML_2_0"}}]}"#,
                Some(Protocol::Saml),
            ),
            (
                r#"{"target":[{"type":"AppInstance","detailEntry":{"signOnModeType":"OPENID_CONNECT"}}]}"#,
                Some(Protocol::OpenId),
            ),
            (
                r#"{"target":[{"type":"AppInstance","detailEntry":{"signOnModeType":"BROWSER_PLUGIN"}}]}"#,
                Some(Protocol::Other("BROWSER_PLUGIN".into())),
            ),
            (r#"{"target":[{"type":"AppInstance","detailEntry":{"signOnModeType":"BOOKMARK"}}]}"#, None),
            (r#"{"debugContext":{"debugData":{"signOnMode":"SAML 2.0"}}}"#, Some(Protocol::Saml)),
            (r#"{"debugContext":{"debugData":{"signOnMode":"OpenID Connect"}}}"#, Some(Protocol::OpenId)),
            (
                r#"{"debugContext":{"debugData":{"signOnMode":"Secure Web Authentication"}}}"#,
                Some(Protocol::Other("Secure Web Authentication".into())),
            ),
            (
                r#"{"debugContext":{"debugData":{"grantType":"client_credentials","requestedScopes":"okta.users.read"}}}"#,
                Some(Protocol::OAuth),
            ),
            (
                r#"{"debugContext":{"debugData":{"grantType":"authorization_code","requestedScopes":"openid, profile"}}}"#,
                Some(Protocol::OpenId),
            ),
            (
                r#"{"debugContext":{"debugData":{"responseType":"id_token token","grantType":" "}}}"#,
                Some(Protocol::OpenId),
            ),
            (r#"{"debugContext":{"debugData":{"grantedScopes":["openid"]}}}"#, Some(Protocol::OpenId)),
            (r#"{"debugContext":{"debugData":{"radiusRequestId":"AAAABFBdops"}}}"#, Some(Protocol::Radius)),
            (r#"{"authenticationContext":{"credentialType":"OAuth 2.0"}}"#, Some(Protocol::OAuth)),
            (r#"{"debugContext":{"debugData":{"grantType":" "}}}"#, None),
            ("{}", None),
        ] {
            assert_eq!(Protocol::of(&LogEvent::read(event).unwrap()), expected, "{event}");
        }
    }
}
