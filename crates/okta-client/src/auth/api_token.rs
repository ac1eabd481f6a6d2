//! An API token, sent as `SSWS`. It has the rights of the administrator who made it, and dies with that account or after
//! 30 days without use (Okta, "Create an API token").

use secrecy::SecretString;

use super::{
    AuthError, Verdict,
    rotation::{Rotating, Version},
};
use crate::config::Secret;

#[derive(Debug)]
pub(in crate::okta) struct ApiToken {
    token: Rotating<SecretString>,
}

impl ApiToken {
    pub(super) fn new(secret: Secret) -> Self {
        let read = move |secret: &Secret| secret.read_line().map_err(AuthError::from);
        Self { token: Rotating::new(secret, read) }
    }

    pub(super) async fn current(&self) -> Result<Version<SecretString>, AuthError> {
        self.token.current().await
    }

    pub(super) async fn judge(&self, version: &Version<SecretString>, is_refused: bool) -> Verdict {
        if !is_refused {
            self.token.accepted(version);
            return Verdict::Final;
        }
        if self.token.refused(version).await { Verdict::TryAgain } else { Verdict::Final }
    }

    pub(super) async fn reload(&self) -> Result<bool, AuthError> {
        self.token.reload().await
    }
}
