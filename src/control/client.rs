//! The client of the control socket, for commands on this machine.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, task::JoinSet};

use super::socket::{self, NAME};
use crate::permissions::{self, PermissionError};

/// An answer's line is never longer: an event, and what was rendered of it.
const LINE_MAX_BYTES: usize = 16 << 20;

/// An answer may take long. After this time without a byte the daemon is asked whether it is still there.
const QUIET: Duration = Duration::from_secs(3);
/// How long it may take to answer that, and to accept a connection.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// How long a daemon that has locked the state may take to open its socket, or to release the state.
const START: Duration = Duration::from_secs(10);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// `path` with `query`, whose members are texts, numbers or absent.
pub fn with_query<T: Serialize>(path: &str, query: &T) -> String {
    let mut text = url::form_urlencoded::Serializer::new(format!("{path}?"));
    // Texts and numbers can always be written.
    if let Ok(serde_json::Value::Object(members)) = serde_json::to_value(query) {
        for (name, value) in members {
            match value {
                serde_json::Value::Null => {}
                serde_json::Value::String(value) => drop(text.append_pair(&name, &value)),
                value => drop(text.append_pair(&name, &value.to_string())),
            }
        }
    }
    text.finish()
}

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    directory: PathBuf,
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
        "cannot reach the daemon through {socket}: run this command as the user of the daemon, for example with `sudo -u`"
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
        /// Who could change it.
        source: PermissionError,
    },
    /// Another user serves it.
    #[error(
        "cannot trust the socket {socket}: user {served_by} serves it, and the state directory belongs to user {owner}"
    )]
    Impostor {
        /// Where it is.
        socket: PathBuf,
        /// The user that serves it.
        served_by: u32,
        /// Whose the directory is.
        owner: u32,
    },
    /// There is a daemon, and it does not answer.
    #[error(
        "the daemon behind {socket} does not answer, not even whether it is there, within {} s: is it stopped or held up? \
         Its log, `/readyz` and `ps` may tell; what was asked may still be done once it goes on",
        SIGN_OF_LIFE.as_secs()
    )]
    Silent {
        /// Where it listens.
        socket: PathBuf,
    },
    /// The connection ended before the answer did.
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
    /// An invalid answer.
    #[error("the daemon's answer cannot be understood: do both run the same version of oktabus?")]
    Garbled {
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Client {
    /// Connects to the daemon that has the state in `directory`; none if there is no such daemon.
    pub async fn connect(directory: &Path) -> Result<Option<Self>, ControlError> {
        let connecting = tokio::time::timeout(SIGN_OF_LIFE, Self::open(directory));
        connecting.await.unwrap_or_else(|_| Err(ControlError::Silent { socket: directory.join(NAME) }))
    }

    /// Waits for the socket of a state that is locked: a daemon that has just started has no socket yet.
    pub async fn connect_to_holder(directory: &Path) -> Result<Option<Self>, ControlError> {
        let connecting = async {
            loop {
                if let Some(client) = Self::connect(directory).await? {
                    return Ok(Some(client));
                }
                tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            }
        };
        tokio::time::timeout(START, connecting).await.unwrap_or(Ok(None))
    }

    async fn open(directory: &Path) -> Result<Option<Self>, ControlError> {
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
        Ok(Some(Self { directory: directory.to_owned(), socket, sender, driver }))
    }

    /// Where the daemon listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Sends a GET request to `path`.
    pub async fn get(&mut self, path: &str) -> Result<Answers<'_>, ControlError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Sends a POST request to `path`.
    pub async fn post<T: Serialize + Sync>(
        &mut self,
        path: &str,
        request: &T,
    ) -> Result<Answers<'_>, ControlError> {
        let body = serde_json::to_vec(request).map_err(|source| ControlError::Garbled { source })?;
        self.ask(Method::POST, path, body.into()).await
    }

    async fn ask(&mut self, method: Method, path: &str, body: Bytes) -> Result<Answers<'_>, ControlError> {
        let sending = send(&mut self.sender, method, path, body);
        let response = while_alive(&self.directory, sending).await??;
        let (status, body) = (response.status(), response.into_body());
        if status != StatusCode::OK {
            let text = while_alive(&self.directory, body.collect()).await?.map_err(broken)?.to_bytes();
            let text = String::from_utf8_lossy(&text).trim_end().to_owned();
            return Err(ControlError::Refused { status, text });
        }
        Ok(Answers { directory: &self.directory, body, rest: BytesMut::new(), _driver: &self.driver })
    }
}

async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Response<Incoming>, ControlError> {
    let request = Request::builder().method(method).uri(path).header(HOST, "oktabus");
    let request = request.header(CONTENT_TYPE, "application/json").body(Full::new(body));
    let request = request.map_err(|err| ControlError::Broken { reason: err.to_string() })?;
    sender.ready().await.map_err(broken)?;
    sender.send_request(request).await.map_err(broken)
}

/// The result of `work`, however long it takes, while the daemon answers that it is there.
async fn while_alive<T>(directory: &Path, work: impl Future<Output = T>) -> Result<T, ControlError> {
    let mut work = std::pin::pin!(work);
    loop {
        if let Ok(done) = tokio::time::timeout(QUIET, &mut work).await {
            return Ok(done);
        }
        tokio::select! {
            // It may have ended just now, with a more precise error.
            biased;
            done = &mut work => return Ok(done),
            is_alive = is_alive(directory) => {
                if !is_alive {
                    return Err(ControlError::Silent { socket: directory.join(NAME) });
                }
            }
        }
    }
}

/// Whether the daemon answers on a separate connection.
async fn is_alive(directory: &Path) -> bool {
    let asking = async {
        let Ok(Some(mut client)) = Client::open(directory).await else { return false };
        send(&mut client.sender, Method::GET, "/daemon", Bytes::new()).await.is_ok()
    };
    tokio::time::timeout(SIGN_OF_LIFE, asking).await.unwrap_or(false)
}

/// An answer, line by line. The daemon notices when this and its client are dropped.
#[derive(Debug)]
pub struct Answers<'a> {
    directory: &'a Path,
    body: Incoming,
    /// What came and is not yet a line.
    rest: BytesMut,
    _driver: &'a JoinSet<hyper::Result<()>>,
}

impl Answers<'_> {
    /// The one answer that there has to be.
    pub async fn only<T: DeserializeOwned>(mut self) -> Result<T, ControlError> {
        let nothing = || ControlError::Broken { reason: "it gave no answer".to_owned() };
        self.next().await?.ok_or_else(nothing)
    }

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
            match while_alive(self.directory, self.body.frame()).await? {
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
    let has_ended = err.is_closed() || err.is_canceled() || err.is_incomplete_message();
    let reason = if has_ended { "it has ended".to_owned() } else { crate::telemetry::chain(&err) };
    ControlError::Broken { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_says_nothing_is_told_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        // As a process that is stopped: connections are taken by the kernel.
        let _listener = std::os::unix::net::UnixListener::bind(directory.path().join(NAME)).unwrap();
        let mut client = Client::connect(directory.path()).await.unwrap().unwrap();
        let asked = tokio::time::timeout(Duration::from_secs(60), client.get("/commands")).await.unwrap();
        assert!(matches!(&asked, Err(ControlError::Silent { .. })), "{asked:?}");
    }

    #[tokio::test]
    async fn a_daemon_that_opens_its_socket_late_is_found_and_nobody_is_not_waited_for_long() {
        let directory = tempfile::tempdir().unwrap();
        let late = directory.path().join(NAME);
        let opening = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            std::os::unix::net::UnixListener::bind(late).unwrap()
        };
        let (found, _listener) = tokio::join!(Client::connect_to_holder(directory.path()), opening);
        assert!(found.unwrap().is_some());
        tokio::time::pause();
        let other = tempfile::tempdir().unwrap();
        assert!(Client::connect_to_holder(other.path()).await.unwrap().is_none());
    }
}
