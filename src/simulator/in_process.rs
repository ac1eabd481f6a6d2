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
use super::org::Org;
use super::{Options, clock, server};

/// Events that the log keeps.
const CAPACITY: usize = 10_000;

/// An org to be asked directly.
#[derive(Debug)]
pub(crate) struct InProcess {
    org: Arc<Org>,
}

/// What it answers.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Values of `Link` header lines.
    pub(crate) links: Vec<String>,
    pub(crate) body: Bytes,
    pub(crate) request_id: String,
}

impl InProcess {
    /// An org at that time, in epoch milliseconds.
    pub(crate) fn new(options: &Options, now_ms: i64) -> Self {
        clock::simulate(now_ms);
        let directory = Directory::empty(options.listing_delay, options.transition_time);
        let log = LogStore::new(CAPACITY);
        let org = Org::new(options, Vec::new(), now_ms, log, directory, CancellationToken::new());
        Self { org: Arc::new(org) }
    }

    /// Answers one request at that time.
    pub(crate) async fn answer(&self, now_ms: i64, method: &str, url: &str, body: &Bytes) -> Reply {
        clock::simulate(now_ms);
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::AUTHORIZATION, "SSWS simulated")
            .header(header::CONTENT_LENGTH, body.len())
            .body(())
            .expect("a method and a URL of our own make a request");
        let (parts, ()): (Parts, ()) = request.into_parts();
        let request_id = format!("{:032x}", fastrand::u128(..));
        let answer = server::answer(&self.org, &parts, body, &request_id, &[]).await;
        Reply { status: answer.status.as_u16(), links: answer.links, body: answer.body, request_id }
    }

    /// Plants a user, as `POST /-/users` does; gives the id.
    pub(crate) fn plant_user(&self, planted: Value, now_ms: i64) -> String {
        clock::simulate(now_ms);
        let planted = serde_json::from_value(planted).expect("a user that can be planted");
        self.org.directory(now_ms).plant_user(planted, now_ms).expect("a user that can be planted")
    }

    /// Plants a group, as `POST /-/groups` does; gives the id.
    pub(crate) fn plant_group(&self, planted: Value, now_ms: i64) -> String {
        clock::simulate(now_ms);
        let planted = serde_json::from_value(planted).expect("a group that can be planted");
        self.org.directory(now_ms).plant_group(planted, now_ms).expect("a group that can be planted")
    }
}
