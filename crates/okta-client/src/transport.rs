//! One HTTP exchange with the org: its budget, timeouts, size limit and clock. Knows no credential; redirects are not
//! followed, so that none can be sent elsewhere.

use std::{sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use secrecy::ExposeSecret as _;
use url::Url;

use super::{
    BudgetStatus, HttpSettings, Observer, OktaError, Org, PemSource, Priority,
    budget::Bucket,
    chain::chain,
    clock::OktaClock,
    header,
    rate_limiter::{Permit, RateLimiter},
    source::read_line,
};

/// Idle connections are closed before load balancers on the way drop them (60 s and more).
const IDLE_MAX: std::time::Duration = std::time::Duration::from_secs(25);
const HTTP2_PING: std::time::Duration = std::time::Duration::from_secs(20);
/// The message of rustls-platform-verifier, whose error has no type to match.
const NO_AUTHORITIES: &str = "No CA certificates were loaded";

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The certificate authorities cannot be used.
    #[error("cannot use the certificate authorities in {origin}: {reason}")]
    Authorities {
        /// Where they come from.
        origin: String,
        /// What is wrong with them.
        reason: String,
    },
    /// There are no certificate authorities.
    #[error(
        "this machine has no certificate authorities, so org {org} cannot be known by its certificate: install them \
         (`apt-get install ca-certificates`), or name a file with one"
    )]
    NoAuthorities {
        /// The org.
        org: String,
    },
    /// TLS or the proxy cannot be set up.
    #[error("cannot set up HTTP for org {org}: {reason}")]
    Http {
        /// The org.
        org: String,
        /// What is wrong.
        reason: String,
    },
    /// The private key cannot be used.
    #[error("{reason}")]
    PrivateKey {
        /// Where it comes from, what is wrong with it and what would be right.
        reason: String,
    },
}

/// HTTP to one org.
#[derive(Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    org: Org,
    rate_limiter: RateLimiter,
    clock: OktaClock,
    observer: Option<Arc<dyn Observer>>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why an exchange has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection broke before the answer began: Okta's side closes idle ones whenever it likes.
    Broken(OktaError),
    Other(OktaError),
}

impl From<OktaError> for Failure {
    fn from(error: OktaError) -> Self {
        Self::Other(error)
    }
}

impl Failure {
    pub(super) fn into_error(self) -> OktaError {
        match self {
            Self::Broken(error) | Self::Other(error) => error,
        }
    }
}

impl Transport {
    /// HTTP to `org`. Reads the certificate authorities, if they are set.
    pub(super) fn new(org: Org) -> Result<Self, ClientError> {
        let http = build_http(&org)?;
        let rate_limiter = RateLimiter::new(org.budget_share);
        Ok(Self { http, org, rate_limiter, clock: OktaClock::default(), observer: None })
    }

    /// Calls `observer` for each request from now on.
    pub(super) fn observe(&mut self, observer: Arc<dyn Observer>) {
        self.observer = Some(observer);
    }

    pub(super) fn org(&self) -> &Org {
        &self.org
    }

    /// Whether `url` has the org's own origin and no credential of its own, so that ours may go there.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.org.url.origin() && url.username().is_empty() && url.password().is_none()
    }

    /// The org's origin, in words.
    pub(super) fn host(&self) -> String {
        self.org.url.origin().ascii_serialization()
    }

    /// Okta's clock: what we sign is judged by it, and what it logs is stamped by it.
    pub(super) fn clock(&self) -> &OktaClock {
        &self.clock
    }

    /// How the budget of the System Log stands.
    pub(super) fn logs_budget(&self) -> BudgetStatus {
        self.rate_limiter.status(Bucket::Logs)
    }

    /// How all budgets stand.
    pub(super) fn budgets(&self) -> impl Iterator<Item = (&'static str, BudgetStatus)> {
        self.rate_limiter.statuses().map(|(bucket, status)| (bucket.name(), status))
    }

    /// Waits for a permit for the request.
    pub(super) async fn permit(&self, method: &Method, url: &Url, priority: Priority) -> Permit {
        self.rate_limiter.permit(Bucket::of(method.as_str(), url.path()), priority).await
    }

    /// A request builder.
    pub(super) fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        self.http.request(method, url.clone())
    }

    /// Sends a request that has its permit, and learns from the answer. One attempt. A 429 is an error.
    pub(super) async fn send(&self, permit: Permit, request: RequestBuilder) -> Result<Reply, Failure> {
        let sent_at = Instant::now();
        let response = match request.send().await {
            Ok(response) => response,
            Err(err) => {
                self.tell(permit.bucket, None, sent_at);
                let (is_timeout, is_connect) = (err.is_timeout(), err.is_connect());
                let error = self.lost(err);
                return Err(match is_connect || is_timeout {
                    true => Failure::Other(error),
                    false => Failure::Broken(error),
                });
            }
        };
        let status = response.status();
        self.tell(permit.bucket, Some(status), sent_at);
        self.learn(permit, status, response.headers())?;
        let headers = response.headers().clone();
        let body = self.read_body(response).await?;
        Ok(Reply { status, headers, body })
    }

    fn tell(&self, bucket: Bucket, status: Option<StatusCode>, sent_at: Instant) {
        if let Some(observer) = &self.observer {
            let status = status.map(|status| status.as_u16());
            observer.requested(&self.org.name, bucket.name(), status, sent_at.elapsed());
        }
    }

    fn learn(&self, permit: Permit, status: StatusCode, headers: &HeaderMap) -> Result<(), OktaError> {
        let rate_limit = header::rate_limit(headers);
        if let Some(server) = rate_limit.server_epoch_seconds.and_then(|server| i64::try_from(server).ok()) {
            self.clock.learn(server);
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            let is_oktas = rate_limit.is_told() || header::request_id(headers).is_some();
            return Err(OktaError::RateLimited { wait: permit.refused(rate_limit), is_oktas });
        }
        permit.answered(rate_limit);
        Ok(())
    }

    async fn read_body(&self, mut response: reqwest::Response) -> Result<Bytes, OktaError> {
        let limit_bytes = self.org.http.body_max_bytes;
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
        let mut body = BytesMut::with_capacity(announced.unwrap_or_default().min(limit_bytes));
        while let Some(chunk) = response.chunk().await.map_err(|err| self.lost(err))? {
            if body.len() + chunk.len() > limit_bytes {
                return Err(OktaError::TooLarge { limit_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    fn lost(&self, err: reqwest::Error) -> OktaError {
        if err.is_builder() {
            return OktaError::NotARequest { reason: chain(&err.without_url()) };
        }
        let was_sent = !err.is_connect();
        OktaError::Transport { host: self.host(), reason: chain(&err.without_url()), was_sent }
    }
}

fn build_http(org: &Org) -> Result<reqwest::Client, ClientError> {
    // Fails if one is installed already, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let HttpSettings { user_agent, connect_timeout, read_timeout, total_timeout, authorities, proxy, .. } =
        &org.http;
    let broken = |err: reqwest::Error| ClientError::Http { org: org.name.clone(), reason: chain(&err) };
    let is_plain = org.url.scheme() == "http" && proxy.is_none();
    let mut builder = reqwest::Client::builder()
        .user_agent(user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(*connect_timeout)
        .read_timeout(*read_timeout)
        .timeout(*total_timeout)
        .pool_idle_timeout(IDLE_MAX)
        .http2_keep_alive_interval(HTTP2_PING)
        .http2_keep_alive_while_idle(true)
        .tcp_keepalive(IDLE_MAX);
    if let Some(source) = authorities {
        builder = builder.tls_certs_merge(read_authorities(source)?);
    }
    match proxy {
        // No proxy to this machine: the request is plain http, and a proxy would see its credential.
        _ if org.is_loopback() => builder = builder.no_proxy(),
        Some(proxy) => {
            let proxy = reqwest::Proxy::all(proxy.clone()).map_err(broken)?;
            builder = builder.proxy(with_password(proxy, org)?);
        }
        None => {}
    }
    if is_plain {
        // A simulator on loopback has no certificate, so a machine without authorities can use it.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|err| match chain(&err) {
        reason if reason.contains(NO_AUTHORITIES) => ClientError::NoAuthorities { org: org.name.clone() },
        reason => ClientError::Http { org: org.name.clone(), reason },
    })
}

/// The password of the proxy is read once: its rotation can wait for a restart.
fn with_password(proxy: reqwest::Proxy, org: &Org) -> Result<reqwest::Proxy, ClientError> {
    let Some(auth) = &org.http.proxy_auth else { return Ok(proxy) };
    let password = read_line(&*auth.password).map_err(|err| {
        let reason = format!("the password of the proxy: {}", chain(&*err));
        ClientError::Http { org: org.name.clone(), reason }
    })?;
    Ok(proxy.basic_auth(&auth.user, password.expose_secret()))
}

fn read_authorities(source: &PemSource) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let unusable = |reason: String| ClientError::Authorities { origin: source.to_string(), reason };
    let pem = source.read().map_err(|err| unusable(chain(&*err)))?;
    let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|err| unusable(chain(&err)))?;
    if authorities.is_empty() {
        return Err(unusable("there is no PEM certificate in it".to_owned()));
    }
    Ok(authorities)
}
