//! Asking the daemon through its socket, for the other commands of this machine.

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, task::JoinSet};

use super::socket::{self, NAME};
use crate::permissions::{self, PermissionError};

/// An answer's line is never longer.
const LINE_MAX_BYTES: usize = 1 << 20;

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    sender: SendRequest<Full<Bytes>>,
    /// Drives the connection; ends with it.
    driver: JoinSet<hyper::Result<()>>,
}

/// The daemon gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is a socket, and it cannot be used.
    #[error(
        "cannot reach the daemon through {socket}: be the user as whom it runs, or use `sudo -u` with that user"
    )]
    Unreachable {
        /// Where it is.
        socket: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The directory with the socket cannot be trusted.
    #[error("cannot trust the socket {socket}: others could have put it there")]
    Exposed {
        /// Where it is.
        socket: PathBuf,
        /// Who could.
        source: PermissionError,
    },
    /// Somebody else serves it.
    #[error(
        "cannot trust the socket {socket}: user {served_by} serves it, and the state directory belongs to user {owner}"
    )]
    Impostor {
        /// Where it is.
        socket: PathBuf,
        /// Who serves it.
        served_by: u32,
        /// Whose the directory is.
        owner: u32,
    },
    /// The daemon went away in the middle.
    #[error("the daemon has ended the connection: {reason}")]
    Broken {
        /// What went wrong.
        reason: String,
    },
    /// Another answer than success.
    #[error("{text}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// Why.
        text: String,
    },
    /// An answer that is none.
    #[error("the daemon's answer cannot be understood: do both run the same version of oktabus?")]
    Garbled {
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Client {
    /// Connects to the daemon that has the state in `directory`; none if there is no such daemon.
    pub async fn connect(directory: &Path) -> Result<Option<Self>, ControlError> {
        let socket = directory.join(NAME);
        let stream = match socket::connect(directory).await {
            Ok(stream) => stream,
            Err(err) if is_nobody(&err) => return Ok(None),
            Err(source) => return Err(ControlError::Unreachable { socket, source }),
        };
        require_daemon(directory, &socket, &stream)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Some(Self { socket, sender, driver }))
    }

    /// Where the daemon listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks for what there is at `path`.
    pub async fn get(&mut self, path: &str) -> Result<Answers<'_>, ControlError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Asks for something to be done.
    pub async fn post<T: Serialize + Sync>(
        &mut self,
        path: &str,
        request: &T,
    ) -> Result<Answers<'_>, ControlError> {
        let body = serde_json::to_vec(request).map_err(|source| ControlError::Garbled { source })?;
        self.ask(Method::POST, path, body.into()).await
    }

    async fn ask(&mut self, method: Method, path: &str, body: Bytes) -> Result<Answers<'_>, ControlError> {
        let request = Request::builder().method(method).uri(path).header(HOST, "oktabus");
        let request = request.header(CONTENT_TYPE, "application/json").body(Full::new(body));
        let request = request.map_err(|err| ControlError::Broken { reason: err.to_string() })?;
        self.sender.ready().await.map_err(broken)?;
        let response = self.sender.send_request(request).await.map_err(broken)?;
        let (status, body) = (response.status(), response.into_body());
        if status != StatusCode::OK {
            let text = body.collect().await.map_err(broken)?.to_bytes();
            let text = String::from_utf8_lossy(&text).trim_end().to_owned();
            return Err(ControlError::Refused { status, text });
        }
        Ok(Answers { body, rest: BytesMut::new(), _driver: &self.driver })
    }
}

/// An answer, line by line. The daemon notices when this and its client are dropped.
#[derive(Debug)]
pub struct Answers<'a> {
    body: Incoming,
    /// What came and is not yet a line.
    rest: BytesMut,
    _driver: &'a JoinSet<hyper::Result<()>>,
}

impl Answers<'_> {
    /// The next line; none after the last one. May be dropped and asked again.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ControlError> {
        let Some(line) = self.line().await? else { return Ok(None) };
        serde_json::from_slice(&line).map(Some).map_err(|source| ControlError::Garbled { source })
    }

    /// The next line as it came, with its end; none after the last one. May be dropped and asked again.
    pub async fn line(&mut self) -> Result<Option<Bytes>, ControlError> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.rest) {
                return Ok(Some(self.rest.split_to(end + 1).freeze()));
            }
            if self.rest.len() > LINE_MAX_BYTES {
                let reason = format!("it sent a line of more than {LINE_MAX_BYTES} bytes");
                return Err(ControlError::Broken { reason });
            }
            match self.body.frame().await {
                Some(frame) => {
                    if let Ok(more) = frame.map_err(broken)?.into_data() {
                        self.rest.extend_from_slice(&more);
                    }
                }
                None if self.rest.is_empty() => return Ok(None),
                None => {
                    return Err(ControlError::Broken {
                        reason: "its answer ends in the middle of a line".to_owned(),
                    });
                }
            }
        }
    }
}

/// Refuses a socket that anybody but the owner of the state directory serves, or could have put there: commands, with what
/// is secret in them, go to whoever serves it.
fn require_daemon(directory: &Path, socket: &Path, stream: &UnixStream) -> Result<(), ControlError> {
    let socket = socket.to_owned();
    let owner = match permissions::owner_of_directory(directory) {
        Ok(owner) => owner,
        Err(source) => return Err(ControlError::Exposed { socket, source }),
    };
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == owner => Ok(()),
        Ok(peer) => Err(ControlError::Impostor { socket, served_by: peer.uid(), owner }),
        Err(source) => Err(ControlError::Unreachable { socket, source }),
    }
}

/// Whether the error means that no daemon serves the socket.
fn is_nobody(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn broken(err: hyper::Error) -> ControlError {
    ControlError::Broken { reason: crate::telemetry::chain(&err) }
}
