//! Why a request to a doorbell is refused. Pure.

use axum::http::StatusCode;
use strum::{EnumIter, IntoEnumIterator as _, IntoStaticStr};

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Refusal {
    /// No org has this path.
    UnknownPath,
    /// The header of the secret is missing.
    NoSecret,
    /// It has another secret.
    WrongSecret,
    /// Neither GET nor POST.
    Method,
    /// A GET without a challenge, or with one that Okta would not send.
    Challenge,
    /// The body is too large.
    TooLarge,
    /// The body did not come in time, or broke off.
    TooSlow,
    /// The body is no JSON object.
    NotJson,
}

impl Refusal {
    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// Its name in metrics and in the log.
    pub(super) fn name(self) -> &'static str {
        self.into()
    }

    /// How it is answered. Okta repeats nothing that was answered with these.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::NoSecret | Self::WrongSecret => StatusCode::UNAUTHORIZED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Challenge | Self::NotJson => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// What an operator can do about it.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::UnknownPath => "the paths are those of `orgs.NAME.doorbell.path`",
            Self::NoSecret | Self::WrongSecret => {
                "a stranger, or Okta has another secret than `orgs.NAME.doorbell`: `oktabus doorbell register` gives it this one"
            }
            Self::Method | Self::Challenge | Self::NotJson => {
                "this is not what Okta's event hooks send: something else asks"
            }
            Self::TooLarge => "no event hook of Okta's is as large",
            Self::TooSlow => {
                "the body did not arrive in time: a slow client, or a proxy that passes bodies on too late"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn okta_repeats_nothing_that_is_refused() {
        for refusal in Refusal::all() {
            assert!(refusal.status().is_client_error(), "{}", refusal.name());
        }
        assert_eq!(Refusal::WrongSecret.name(), "wrong_secret");
    }
}
