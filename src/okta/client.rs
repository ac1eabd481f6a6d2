//! HTTP to one org: credential, budget, limits and errors in one place, so that no resource has to think of them.

use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use reqwest::{
    StatusCode,
    header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LINK},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::Url;

use super::{BudgetStatus, OktaError, budget::Budget, header, link};
use crate::{
    config::{Auth, HttpConfig, OrgConfig},
    telemetry::{chain, metrics},
};

/// Idle connections are dropped before the load balancers on the way forget them (60 s and more).
const IDLE_MAX: std::time::Duration = std::time::Duration::from_secs(25);
const HTTP2_PING: std::time::Duration = std::time::Duration::from_secs(20);

/// A client of one org.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    org: OrgConfig,
    token: Mutex<Option<SecretString>>,
    logs_budget: Mutex<Budget>,
}

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file with certificate authorities cannot be used.
    #[error("cannot use the certificate authorities in {path}: {reason}")]
    CaFile {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS or the proxy cannot be set up.
    #[error("cannot set up HTTP for org {org}: {reason}")]
    Http {
        /// The org.
        org: String,
        /// What is wrong.
        reason: String,
    },
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Bytes,
    pub(super) next: Option<Url>,
}

impl Client {
    /// A client of `org`. Reads the file with certificate authorities, if one is set, and nothing else.
    pub fn new(org: OrgConfig) -> Result<Self, ClientError> {
        let http = build_http(&org)?;
        let budget = Budget::new(org.budget_share, fastrand::u64(..));
        Ok(Self { http, org, token: Mutex::new(None), logs_budget: Mutex::new(budget) })
    }

    /// The org's configuration.
    pub fn org(&self) -> &OrgConfig {
        &self.org
    }

    /// How the budget of `/api/v1/logs` stands.
    pub fn logs_budget(&self) -> BudgetStatus {
        self.budget().status(Instant::now())
    }

    /// Whether `url` has the org's own origin, so that a credential may go there.
    pub fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.org.url.origin()
    }

    /// Gets `url` within the budget. One attempt, but for a connection that broke before an answer came: then a second.
    pub(super) async fn get(&self, url: &Url) -> Result<Answer, OktaError> {
        if !self.is_own(url) {
            let found = url.origin().ascii_serialization();
            return Err(OktaError::ForeignLink { found, expected: self.host() });
        }
        match self.attempt(url).await {
            // Okta's side closes idle connections whenever it likes, and a GET may be repeated.
            Err(Attempt::Broken(_)) => self.attempt(url).await.map_err(Attempt::into_error),
            done => done.map_err(Attempt::into_error),
        }
    }

    async fn attempt(&self, url: &Url) -> Result<Answer, Attempt> {
        let authorization = self.authorization().await?;
        self.await_budget().await;
        let request = self
            .http
            .get(url.clone())
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, authorization);
        let response = match request.send().await {
            Ok(response) => response,
            Err(err) => {
                metrics::okta_request(&self.org.name, "none");
                let is_broken = !err.is_timeout() && !err.is_connect();
                let error = self.transport(err);
                return Err(if is_broken { Attempt::Broken(error) } else { Attempt::Failed(error) });
            }
        };
        let status = response.status();
        metrics::okta_request(&self.org.name, status.as_str());
        self.learn(status, response.headers())?;
        let next = self.next_link(response.headers())?;
        let request_id = header::request_id(response.headers());
        let body = self.read_body(response).await?;
        if status != StatusCode::OK {
            if status == StatusCode::UNAUTHORIZED {
                self.forget_token();
            }
            return Err(Attempt::Failed(OktaError::from_body(status.as_u16(), &body, request_id)));
        }
        Ok(Answer { body, next })
    }

    async fn await_budget(&self) {
        loop {
            let admitted = self.budget().admit(Instant::now());
            match admitted {
                Ok(()) => return,
                Err(until) => tokio::time::sleep_until(until).await,
            }
        }
    }

    fn learn(&self, status: StatusCode, headers: &HeaderMap) -> Result<(), OktaError> {
        let rate_limit = header::rate_limit(headers);
        let mut budget = self.budget();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let wait = budget.refuse(rate_limit, Instant::now());
            return Err(OktaError::RateLimited { wait });
        }
        budget.observe(rate_limit, Instant::now());
        budget.status(Instant::now()).report(&self.org.name);
        Ok(())
    }

    fn budget(&self) -> std::sync::MutexGuard<'_, Budget> {
        // Nothing panics while the lock is held.
        self.logs_budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_link(&self, headers: &HeaderMap) -> Result<Option<Url>, OktaError> {
        let lines = headers.get_all(LINK).iter().filter_map(|line| line.to_str().ok());
        let Some(target) = link::find(lines, "next") else { return Ok(None) };
        // A relative target is legal in RFC 8288.
        let foreign = |found: String| OktaError::ForeignLink { found, expected: self.host() };
        let next = self.org.url.join(target).map_err(|_| foreign("nowhere".to_owned()))?;
        if !self.is_own(&next) {
            return Err(foreign(next.origin().ascii_serialization()));
        }
        Ok(Some(next))
    }

    async fn read_body(&self, mut response: reqwest::Response) -> Result<Bytes, OktaError> {
        let limit_bytes = self.org.http.body_max_bytes;
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
        let mut body = BytesMut::with_capacity(announced.unwrap_or_default().min(limit_bytes));
        while let Some(chunk) = response.chunk().await.map_err(|err| self.transport(err))? {
            if body.len() + chunk.len() > limit_bytes {
                return Err(OktaError::TooLarge { limit_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// The credential, read once and again after it was refused, so that it can be rotated without a restart.
    async fn authorization(&self) -> Result<HeaderValue, OktaError> {
        let Auth::ApiToken(secret) = &self.org.auth;
        let known = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let token = match known {
            Some(token) => token,
            None => {
                let secret = secret.clone();
                let token = tokio::task::spawn_blocking(move || secret.read_line()).await;
                let token = token.map_err(|err| self.interrupted(&err))??;
                *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
                token
            }
        };
        let mut value = HeaderValue::try_from(format!("SSWS {}", token.expose_secret()))
            .map_err(|_| crate::config::SecretError::Malformed(secret.clone()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn forget_token(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn host(&self) -> String {
        self.org.url.origin().ascii_serialization()
    }

    fn interrupted(&self, err: &tokio::task::JoinError) -> OktaError {
        OktaError::Transport { host: self.host(), reason: err.to_string() }
    }

    fn transport(&self, err: reqwest::Error) -> OktaError {
        OktaError::Transport { host: self.host(), reason: chain(&err.without_url()) }
    }
}

/// How an attempt ended without an answer.
enum Attempt {
    /// The connection broke before the answer began.
    Broken(OktaError),
    Failed(OktaError),
}

impl From<OktaError> for Attempt {
    fn from(error: OktaError) -> Self {
        Self::Failed(error)
    }
}

impl Attempt {
    fn into_error(self) -> OktaError {
        match self {
            Self::Broken(error) | Self::Failed(error) => error,
        }
    }
}

fn build_http(org: &OrgConfig) -> Result<reqwest::Client, ClientError> {
    let HttpConfig { connect_timeout, read_timeout, total_timeout, ca_file, proxy, .. } = &org.http;
    let broken = |err: reqwest::Error| ClientError::Http { org: org.name.clone(), reason: chain(&err) };
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("oktabus/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(*connect_timeout)
        .read_timeout(*read_timeout)
        .timeout(*total_timeout)
        .pool_idle_timeout(IDLE_MAX)
        .http2_keep_alive_interval(HTTP2_PING)
        .http2_keep_alive_while_idle(true)
        .tcp_keepalive(IDLE_MAX);
    if let Some(path) = ca_file {
        builder = builder.tls_certs_merge(read_authorities(path)?);
    }
    if let Some(proxy) = proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(broken)?);
    }
    builder.build().map_err(broken)
}

fn read_authorities(path: &std::path::Path) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let unusable = |reason: String| ClientError::CaFile { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|err| unusable(err.to_string()))?;
    let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|err| unusable(chain(&err)))?;
    if authorities.is_empty() {
        return Err(unusable("there is no PEM certificate in it".to_owned()));
    }
    Ok(authorities)
}
