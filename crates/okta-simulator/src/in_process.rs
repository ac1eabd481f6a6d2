//! The org without sockets and with a clock that a simulation sets: the same rules and endpoints, and nobody there at the
//! start. One thread has one clock.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{Request, header};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::directory::Directory;
use super::log_store::LogStore;
use super::okta_error::OktaError;
use super::org::Org;
use super::{Options, clock, server};

/// Events that the log keeps.
const CAPACITY: usize = 10_000;

/// An org to be asked directly.
#[derive(Debug)]
pub struct InProcess {
    org: Arc<Org>,
}

/// What it answers.
#[derive(Debug)]
pub struct Reply {
    /// Of HTTP.
    pub status: u16,
    /// Values of `Link` header lines.
    pub links: Vec<String>,
    /// As it would be sent.
    pub body: Bytes,
    /// Of `X-Okta-Request-Id`.
    pub request_id: String,
}

impl InProcess {
    /// An org at that time, in epoch milliseconds.
    pub fn new(options: &Options, now_ms: i64) -> Self {
        clock::simulate(now_ms);
        let directory = Directory::empty(options.listing_delay, options.transition_time);
        let log = LogStore::new(CAPACITY);
        let org = Org::new(options, Vec::new(), now_ms, log, directory, CancellationToken::new());
        Self { org: Arc::new(org) }
    }

    /// Answers one request at that time.
    ///
    /// # Errors
    /// A method or a URL that makes no request.
    pub async fn answer(
        &self,
        now_ms: i64,
        method: &str,
        url: &str,
        body: &Bytes,
    ) -> Result<Reply, InProcessError> {
        clock::simulate(now_ms);
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::AUTHORIZATION, "SSWS simulated")
            .header(header::CONTENT_LENGTH, body.len())
            .body(())?;
        let (parts, ()): (Parts, ()) = request.into_parts();
        let request_id = format!("{:032x}", fastrand::u128(..));
        let answer = server::answer(&self.org, &parts, body, &request_id, &[]).await;
        Ok(Reply { status: answer.status.as_u16(), links: answer.links, body: answer.body, request_id })
    }

    /// Plants a user, as `POST /-/users` does; gives the id.
    ///
    /// # Errors
    /// What cannot be a user, or a login or id that is taken.
    pub fn plant_user(&self, planted: Value, now_ms: i64) -> Result<String, InProcessError> {
        clock::simulate(now_ms);
        let planted = serde_json::from_value(planted)?;
        Ok(self.org.directory(now_ms).plant_user(planted, now_ms)?)
    }

    /// Plants a group, as `POST /-/groups` does; gives the id.
    ///
    /// # Errors
    /// What cannot be a group, or a name or id that is taken.
    pub fn plant_group(&self, planted: Value, now_ms: i64) -> Result<String, InProcessError> {
        clock::simulate(now_ms);
        let planted = serde_json::from_value(planted)?;
        Ok(self.org.directory(now_ms).plant_group(planted, now_ms)?)
    }
}

/// Why the org could not be asked or changed.
#[derive(Debug, thiserror::Error)]
pub enum InProcessError {
    /// The method or the URL is none.
    #[error("this is no request: {0}")]
    Request(#[from] axum::http::Error),
    /// What was to be planted has another form.
    #[error("this cannot be planted: {0}")]
    Planted(#[from] serde_json::Error),
    /// The org does not take it.
    #[error("the org refuses it: {0}")]
    Refused(String),
}

impl From<OktaError> for InProcessError {
    fn from(refused: OktaError) -> Self {
        Self::Refused(format!("{}: {}", refused.code, refused.summary))
    }
}
