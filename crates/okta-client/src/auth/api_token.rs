//! An API token, sent as `SSWS`. It has the rights of the administrator who created it, and ends with that account or after
//! 30 days without use (Okta, "Create an API token").

use secrecy::SecretString;

use super::{
    AuthError, Verdict,
    rotation::{Rotating, Version},
};
use crate::{SecretSource, source::read_line};

#[derive(Debug)]
pub(crate) struct ApiToken {
    token: Rotating<SecretString>,
}

impl ApiToken {
    pub(super) fn new(source: SecretSource) -> Self {
        let read = |source: &SecretSource| read_line(&**source).map_err(AuthError::Secret);
        Self { token: Rotating::new(source, read) }
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

    pub(super) fn trouble(&self) -> Option<String> {
        self.token.trouble()
    }

    pub(super) async fn reload(&self) -> Result<bool, AuthError> {
        self.token.reload().await
    }
}
