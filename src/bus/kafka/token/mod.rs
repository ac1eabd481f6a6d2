//! Tokens with which a client identifies itself (SASL OAUTHBEARER): fetched or made anew whenever librdkafka asks for one,
//! which it does when a client begins and when four fifths of a token's life are over. Secrets are read each time.
//!
//! Only this folder and `okta-client` make HTTP requests. An error has the same text however often it happens.

mod aws;
mod error;
mod http;
mod msk;
mod oidc;

use std::time::Duration;

use rdkafka::client::OAuthToken;
use tokio::{runtime::Handle, time::timeout};
use tokio_util::sync::CancellationToken;

pub(crate) use error::TokenError;

use crate::config::{KafkaBus, TokenConfig};

/// How long a token may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The source of one client's tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    source: TokenConfig,
    runtime: Handle,
    closing: CancellationToken,
}

/// A token, and until when it is valid.
struct Token {
    value: String,
    /// The principal, which the client uses in its own log only.
    principal: String,
    expires_at_ms: i64,
}

impl Tokens {
    /// The source for a client of `bus`, if it needs tokens. To be called within a runtime.
    pub(crate) fn of(bus: &KafkaBus) -> Option<Self> {
        let source = bus.token.clone()?;
        Some(Self { source, runtime: Handle::current(), closing: CancellationToken::new() })
    }

    /// A new token. Blocking, and not to be called by a task.
    pub(crate) fn fetch(&self) -> Result<OAuthToken, TokenError> {
        let fetched = async {
            match &self.source {
                TokenConfig::Oidc(oidc) => oidc::fetch(oidc).await,
                TokenConfig::AwsMskIam(msk) => msk::make(msk).await,
            }
        };
        let in_time = async { timeout(PATIENCE, fetched).await.unwrap_or(Err(TokenError::Late)) };
        let token = self.runtime.block_on(self.closing.run_until_cancelled(in_time));
        let Token { value, principal, expires_at_ms } = token.unwrap_or(Err(TokenError::Closing))?;
        Ok(OAuthToken { token: value, principal_name: principal, lifetime_ms: expires_at_ms })
    }

    /// Cancels a fetch in progress: the client is closing.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }
}
