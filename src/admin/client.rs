//! Asking a running daemon's admin pages, for the commands that cannot have the state while the daemon has it.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, StatusCode, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

/// The pages answer from memory or a small file.
const PATIENCE: Duration = Duration::from_secs(30);

/// The daemon's admin pages gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminClientError {
    /// Nobody answers, or not in time.
    #[error("the daemon's admin pages on {address} do not answer: {reason}")]
    Unreachable {
        /// Where they should be.
        address: SocketAddr,
        /// What went wrong.
        reason: String,
    },
    /// Another answer than success.
    #[error("the daemon's admin pages on {address} answered {status}: {text}")]
    Refused {
        /// Where they are.
        address: SocketAddr,
        /// The HTTP status.
        status: StatusCode,
        /// What they said.
        text: String,
    },
}

/// The body of the admin page `path` of the daemon that listens on `address`.
pub async fn ask(address: SocketAddr, path: &str) -> Result<Bytes, AdminClientError> {
    let unreachable = |reason: String| AdminClientError::Unreachable { address, reason };
    match tokio::time::timeout(PATIENCE, exchange(address, path)).await {
        Ok(Ok((StatusCode::OK, body))) => Ok(body),
        Ok(Ok((status, body))) => {
            let text = String::from_utf8_lossy(&body).trim_end().to_owned();
            Err(AdminClientError::Refused { address, status, text })
        }
        Ok(Err(err)) => Err(unreachable(err.to_string())),
        Err(_) => Err(unreachable(format!("nothing came within {} s", PATIENCE.as_secs()))),
    }
}

async fn exchange(
    address: SocketAddr,
    path: &str,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the exchange.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::get(path).header(HOST, address.to_string()).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}
