//! Asks the admin address of the configuration whether a daemon answers there that the control socket does not lead to: one that still
//! waits for its state, or one whose state is elsewhere. Shows no token, and reads no secret.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, client::conn::http1::handshake, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::config::AdminConfig;

/// How long an answer may take.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// An answer is a few lines.
const BYTES_MAX: usize = 64 << 10;

/// What a page says.
#[derive(Debug)]
pub(super) struct AdminAnswer {
    pub(super) is_ready: bool,
    /// Why it is not, a line each, as far as that is shown without the token.
    pub(super) text: String,
}

/// What `/readyz` says at the admin address. None: nobody answers there without a certificate.
pub(super) async fn readiness(config: &AdminConfig) -> Option<AdminAnswer> {
    if config.tls.is_some() {
        return None;
    }
    tokio::time::timeout(WAIT_MAX, ask(config)).await.ok().flatten()
}

async fn ask(config: &AdminConfig) -> Option<AdminAnswer> {
    let stream = TcpStream::connect(config.listen).await.ok()?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::get("/readyz").header(HOST, config.listen.to_string());
    let response = sender.send_request(request.body(Empty::<Bytes>::new()).ok()?).await.ok()?;
    let is_ready = match response.status() {
        StatusCode::OK => true,
        StatusCode::SERVICE_UNAVAILABLE => false,
        _ => return None,
    };
    let body = Limited::new(response.into_body(), BYTES_MAX).collect().await.ok()?.to_bytes();
    Some(AdminAnswer { is_ready, text: String::from_utf8_lossy(&body).trim().to_owned() })
}
