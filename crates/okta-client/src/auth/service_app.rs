//! An OAuth 2.0 service app: gets access tokens for its private key, one for the System Log and one for all else.
//!
//! Okta refuses a whole token request if one scope is not granted to the app. So the log has its own token: scopes that
//! commands lack do not stop the streams.
//!
//! Okta's answers show whether the app demands DPoP, unless the configuration says so. Each attempt has its own
//! assertion and its own proof: Okta accepts neither twice, not even after a refusal.

use std::sync::Arc;

use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::{
    AuthError, DPOP, Verdict, assertion,
    dpop::{DpopKey, Purpose},
    grant::{Grant, Renewal},
    private_key::PrivateKey,
    rotation::Rotating,
    secret_header,
    token::AccessToken,
};
use crate::{
    Dpop, OktaError, Org, Priority, PrivateKeyJwt, Scope, SecretSource,
    clock::Moment,
    header::{self, Challenge},
    logs,
    transport::{Reply, Transport},
};

/// Attempts at one token: DPoP demanded, nonce demanded, clock corrected, key exchanged, connection broken; once each.
const ATTEMPTS_MAX: u32 = 6;
/// If the clock was wrong by more than this, another attempt is made.
const CLOCK_OFF_S: u64 = 5;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[derive(Debug)]
pub(crate) struct ServiceApp {
    config: PrivateKeyJwt,
    endpoint: Url,
    key: Rotating<PrivateKey>,
    log: Grant,
    /// Everything except the System Log.
    directory: Grant,
}

/// What to do after an attempt without a token.
enum Next {
    Again,
    Fail(AuthError),
}

/// What one attempt was made with.
struct Attempt {
    signed: Moment,
    had_dpop: bool,
    nonce: Option<String>,
}

impl ServiceApp {
    /// The app of `org`. Reads its key to see that it can be used.
    pub(super) fn new(org: &Org, config: PrivateKeyJwt) -> Result<Self, AuthError> {
        let app = Self::unread(org, config);
        Ok(Self { key: app.key.read_now()?, ..app })
    }

    /// The same, without reading its key.
    pub(super) fn unread(org: &Org, config: PrivateKeyJwt) -> Self {
        let mut endpoint = org.url.clone();
        endpoint.set_path("/oauth2/v1/token");
        let directory = org.scopes.iter().copied().filter(|scope| *scope != Scope::LogsRead).collect();
        let with_dpop = config.dpop == Dpop::Always;
        let (algorithm, key_id) = (config.algorithm, config.key_id.clone());
        let read = move |source: &SecretSource| PrivateKey::read(source, algorithm, key_id.as_deref());
        Self {
            endpoint,
            key: Rotating::new(Arc::clone(&config.private_key), read),
            log: Grant::new(vec![Scope::LogsRead], with_dpop),
            directory: Grant::new(directory, with_dpop),
            config,
        }
    }

    /// A token that is valid now for a request to `url`.
    pub(super) async fn access_token(
        &self,
        url: &Url,
        transport: &Transport,
    ) -> Result<Arc<AccessToken>, OktaError> {
        let grant = if logs::is_log(url) { &self.log } else { &self.directory };
        grant.access_token(self, transport).await
    }

    /// The scopes besides the System Log's that are not granted to the app. Requests a token for each scope alone.
    pub(super) async fn ungranted(&self, transport: &Transport) -> Result<Vec<Scope>, OktaError> {
        self.directory.ungranted(self, transport).await
    }

    /// Takes how Okta answered a request with `token`, and by how many seconds the clock was wrong with which its proof
    /// was made.
    pub(super) fn judge(&self, token: &Arc<AccessToken>, reply: &Reply, clock_error_s: u64) -> Verdict {
        let has_new_nonce = token.is_bound()
            && header::dpop_nonce(&reply.headers).is_some_and(|nonce| token.take_nonce(nonce));
        if reply.status.is_success() {
            token.prove();
            return Verdict::Final;
        }
        match (reply.status, header::challenge(&reply.headers).and_then(|challenge| challenge.error)) {
            (StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST, Some(error))
                if error == "use_dpop_nonce" =>
            {
                if has_new_nonce {
                    Verdict::TryAgain
                } else {
                    Verdict::Final
                }
            }
            // The proof was made anew and cannot have been used; if it was too old or too new, the clock, learned from
            // this very answer, makes the next one right.
            (StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST, Some(error))
                if error == "invalid_dpop_proof" && clock_error_s > CLOCK_OFF_S =>
            {
                Verdict::TryAgain
            }
            (StatusCode::UNAUTHORIZED, _) => {
                self.log.drop_token(token);
                self.directory.drop_token(token);
                // A token that has never worked will not work the next time.
                if token.is_proven() { Verdict::TryAgain } else { Verdict::Final }
            }
            _ => Verdict::Final,
        }
    }

    /// Why the key at its source is not used, if the one before still is.
    pub(super) fn secret_trouble(&self) -> Option<String> {
        self.key.trouble()
    }

    /// Reads the key again; the next request replaces the token, to see that the key works while the old token still does.
    pub(super) async fn reload(&self) -> Result<bool, AuthError> {
        let has_changed = self.key.reload().await?;
        if has_changed {
            self.log.renew();
            self.directory.renew();
        }
        Ok(has_changed)
    }

    pub(super) fn description(&self) -> String {
        let dpop = match (self.log.is_bound().or_else(|| self.directory.is_bound()), self.config.dpop) {
            (Some(true), _) => ", token bound by DPoP",
            (Some(false), _) => ", bearer token",
            (None, Dpop::Always) => ", with DPoP",
            (None, Dpop::Auto | Dpop::Never) => "",
        };
        let key = self.key.known().map(|version| {
            let kid = version.value.key_id().map(|kid| format!(", key `{kid}`")).unwrap_or_default();
            format!(", {}{kid}", version.value.algorithm().name())
        });
        format!("service app {}{}{dpop}", self.config.client_id, key.unwrap_or_default())
    }

    /// A new token for `scopes`.
    pub(super) async fn obtain(
        &self,
        renewal: &mut Renewal,
        scopes: &str,
        transport: &Transport,
    ) -> Result<AccessToken, AuthError> {
        let mut attempts_left = ATTEMPTS_MAX;
        loop {
            attempts_left -= 1;
            match self.attempt(renewal, scopes, transport).await {
                Ok(token) => {
                    let org = &transport.org().name;
                    tracing::debug!(org, scopes, is_bound = token.is_bound(), "a new access token");
                    return Ok(token);
                }
                Err(Next::Again) if attempts_left > 0 => {}
                Err(Next::Again) => {
                    return Err(AuthError::NotAToken("okta keeps asking for another proof".to_owned()));
                }
                Err(Next::Fail(err)) => return Err(err),
            }
        }
    }

    async fn attempt(
        &self,
        renewal: &mut Renewal,
        scopes: &str,
        transport: &Transport,
    ) -> Result<AccessToken, Next> {
        let version = self.key.current().await.map_err(Next::Fail)?;
        let permit = transport.permit(&Method::POST, &self.endpoint, Priority::Stream).await;
        let (asked, signed) = (Instant::now(), transport.clock().now());
        let epoch_seconds = signed.epoch_s;
        let attempt = Attempt { signed, had_dpop: renewal.with_dpop, nonce: renewal.nonce.clone() };
        let key = &version.value;
        let assertion =
            assertion::assertion(key, &self.config.client_id, self.endpoint.as_str(), epoch_seconds)
                .map_err(Next::Fail)?;
        let mut request = transport
            .request(Method::POST, &self.endpoint)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(scopes, &assertion));
        let dpop = attempt.had_dpop.then(DpopKey::generate);
        if let Some(dpop) = &dpop {
            let proof = dpop.proof(Purpose {
                method: "POST",
                url: &self.endpoint,
                epoch_seconds,
                nonce: attempt.nonce.as_deref(),
                access_token: None,
            });
            let proof = secret_header("", &proof.into()).map_err(|err| Next::Fail(unanswered(err)))?;
            request = request.header(DPOP, proof);
        }
        let reply = transport.send(permit, request).await;
        let reply = reply.map_err(|failure| Next::Fail(unanswered(failure.into_error())))?;
        if let Some(nonce) = header::dpop_nonce(&reply.headers) {
            renewal.nonce = Some(nonce.to_owned());
        }
        if reply.status == StatusCode::OK {
            self.key.accepted(&version);
            let token = AccessToken::read(&reply.body, dpop, asked).map_err(Next::Fail)?;
            if self.config.dpop == Dpop::Always && !token.is_bound() {
                return Err(Next::Fail(AuthError::Unbound));
            }
            return Ok(token);
        }
        let refusal = header::oauth_error(&reply);
        if self.is_worth_another(renewal, &attempt, &refusal, transport) {
            return Err(Next::Again);
        }
        if refusal.error.as_deref() == Some("invalid_client") && self.key.refused(&version).await {
            return Err(Next::Again);
        }
        Err(Next::Fail(refused(&reply, refusal, scopes)))
    }

    /// Whether the refusal said something that lets the next attempt succeed.
    fn is_worth_another(
        &self,
        renewal: &mut Renewal,
        attempt: &Attempt,
        refusal: &Challenge,
        transport: &Transport,
    ) -> bool {
        let clock_error_s = transport.clock().error_s(attempt.signed);
        match refusal.error.as_deref() {
            Some("use_dpop_nonce") if self.config.dpop != Dpop::Never => {
                renewal.with_dpop = true;
                renewal.nonce.is_some() && renewal.nonce != attempt.nonce
            }
            Some("invalid_dpop_proof") if !attempt.had_dpop && self.config.dpop == Dpop::Auto => {
                renewal.with_dpop = true;
                true
            }
            Some("invalid_dpop_proof" | "invalid_client") if clock_error_s > CLOCK_OFF_S => {
                tracing::warn!(
                    org = transport.org().name,
                    ahead_s = transport.clock().ahead_s(),
                    "this machine's clock and Okta's disagree; signing by Okta's"
                );
                true
            }
            _ => false,
        }
    }
}

fn form(scopes: &str, assertion: &str) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials")
        .append_pair("scope", scopes)
        .append_pair("client_assertion_type", ASSERTION_TYPE)
        .append_pair("client_assertion", assertion);
    form.finish()
}

fn unanswered(err: OktaError) -> AuthError {
    AuthError::Unanswered(Box::new(err))
}

fn refused(reply: &Reply, refusal: Challenge, scopes: &str) -> AuthError {
    AuthError::Refused {
        scopes: scopes.to_owned(),
        status: reply.status.as_u16(),
        error: refusal.error.unwrap_or_else(|| "without a reason".to_owned()),
        description: refusal.description.unwrap_or_else(|| "no explanation".to_owned()),
        request_id: header::request_id(&reply.headers),
    }
}
