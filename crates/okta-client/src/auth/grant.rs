//! The access token for one set of scopes: cached, and renewed before it expires, once for all requests that wait.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{AuthError, service_app::ServiceApp, token::AccessToken};
use crate::{OktaError, Scope, chain::chain, transport::Transport};

/// The time between attempts to renew a token that is still valid.
const RENEW_AGAIN_AFTER: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Grant {
    scopes: Vec<Scope>,
    /// The scopes as the token request names them.
    asked: String,
    held: Mutex<Held>,
    /// The holder of this lock requests the token.
    renewal: tokio::sync::Mutex<Renewal>,
    /// Renewals that have failed so far.
    failures: AtomicU64,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<Arc<AccessToken>>,
    /// When to try to renew it.
    renew_from: Option<Instant>,
}

/// What the last token requests have shown, for the next one.
#[derive(Debug)]
pub(super) struct Renewal {
    pub(super) with_dpop: bool,
    /// The nonce that the token endpoint demands in proofs.
    pub(super) nonce: Option<String>,
    /// Why the last request failed.
    failure: Option<Arc<AuthError>>,
}

impl Grant {
    /// A grant of `scopes`. The first token request has a proof if `with_dpop`, else only once Okta demands one.
    pub(super) fn new(scopes: Vec<Scope>, with_dpop: bool) -> Self {
        let names: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
        let renewal = Renewal { with_dpop, nonce: None, failure: None };
        Self {
            asked: names.join(" "),
            scopes,
            held: Mutex::default(),
            renewal: tokio::sync::Mutex::new(renewal),
            failures: AtomicU64::new(0),
        }
    }

    /// A token that is valid now.
    pub(super) async fn access_token(
        &self,
        app: &ServiceApp,
        transport: &Transport,
    ) -> Result<Arc<AccessToken>, OktaError> {
        let failures = self.failures.load(Ordering::Acquire);
        match self.good_token() {
            Some((token, false)) => return Ok(token),
            Some((token, true)) => {
                // Another task may have renewed it meanwhile.
                let Ok(mut renewal) = self.renewal.try_lock() else { return Ok(token) };
                return match self.good_token() {
                    // Or it has just been renewed.
                    Some((replaced, false)) => Ok(replaced),
                    _ => Ok(self.replace(&mut renewal, token, app, transport).await),
                };
            }
            None => {}
        }
        let mut renewal = self.renewal.lock().await;
        if let Some((token, _)) = self.good_token() {
            return Ok(token);
        }
        // The request failed while this task waited: all waiting tasks get this error, and do not ask one after the other.
        if self.failures.load(Ordering::Acquire) != failures
            && let Some(failure) = &renewal.failure
        {
            return Err(OktaError::Auth(Arc::clone(failure)));
        }
        let obtained = self.obtain(&mut renewal, app, transport).await;
        obtained.map_err(|err| OktaError::Auth(self.fail(&mut renewal, err)))
    }

    /// The scopes that are not granted to `app`. Requests a token for each scope alone.
    pub(super) async fn ungranted(
        &self,
        app: &ServiceApp,
        transport: &Transport,
    ) -> Result<Vec<Scope>, OktaError> {
        let mut renewal = self.renewal.lock().await;
        let mut ungranted = Vec::new();
        for &scope in &self.scopes {
            match app.obtain(&mut renewal, scope.name(), transport).await {
                Ok(_) => {}
                Err(err) if err.is_scope() => ungranted.push(scope),
                Err(err) => return Err(OktaError::Auth(Arc::new(err))),
            }
        }
        Ok(ungranted)
    }

    /// The next request replaces the token, if there is one.
    pub(super) fn renew(&self) {
        let mut held = self.held();
        if held.token.is_some() {
            held.renew_from = Some(Instant::now());
        }
    }

    /// Whether the current token is bound to a key.
    pub(super) fn is_bound(&self) -> Option<bool> {
        self.held().token.as_ref().map(|token| token.is_bound())
    }

    /// A token that has not expired, and whether to renew it.
    fn good_token(&self) -> Option<(Arc<AccessToken>, bool)> {
        let held = self.held();
        let (token, now) = (held.token.clone()?, Instant::now());
        let is_due = held.renew_from.is_some_and(|from| from <= now);
        (now < token.expires).then_some((token, is_due))
    }

    /// Renews a token that is still valid. If that fails, the old one stays in use.
    async fn replace(
        &self,
        renewal: &mut Renewal,
        token: Arc<AccessToken>,
        app: &ServiceApp,
        transport: &Transport,
    ) -> Arc<AccessToken> {
        match self.obtain(renewal, app, transport).await {
            Ok(new) => new,
            Err(err) => {
                let org = &transport.org().name;
                let left_s = token.expires.saturating_duration_since(Instant::now()).as_secs();
                let remedy = err.remedy().unwrap_or_default();
                tracing::warn!(
                    org,
                    error = chain(&err),
                    remedy,
                    left_s,
                    "cannot replace the access token; the one in use is good for a while yet"
                );
                self.held().renew_from = Some(Instant::now() + RENEW_AGAIN_AFTER);
                token
            }
        }
    }

    fn fail(&self, renewal: &mut Renewal, err: AuthError) -> Arc<AuthError> {
        let failure = Arc::new(err);
        renewal.failure = Some(Arc::clone(&failure));
        self.failures.fetch_add(1, Ordering::Release);
        failure
    }

    async fn obtain(
        &self,
        renewal: &mut Renewal,
        app: &ServiceApp,
        transport: &Transport,
    ) -> Result<Arc<AccessToken>, AuthError> {
        let token = Arc::new(app.obtain(renewal, &self.asked, transport).await?);
        let mut held = self.held();
        held.renew_from = Some(token.renewed_from);
        held.token = Some(Arc::clone(&token));
        Ok(token)
    }

    pub(super) fn drop_token(&self, token: &Arc<AccessToken>) {
        let mut held = self.held();
        if held.token.as_ref().is_some_and(|current| Arc::ptr_eq(current, token)) {
            held.token = None;
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // No code panics while it holds the lock.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
