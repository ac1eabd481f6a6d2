//! The socket: its path and mode, and the handling of paths that are too long for an address.

use std::{
    fs, io,
    os::{
        fd::AsRawFd as _,
        unix::{
            fs::{DirBuilderExt as _, PermissionsExt as _},
            net::UnixListener as StdListener,
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{Extension, Router};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::peer::Peer;
use crate::serving::{self, Bounds, ConnectionLimits, PlainText};

/// Its name in the state directory.
pub const NAME: &str = "control.sock";
/// A private directory in which the socket is made before it gets its mode and its final path.
const DRAFT: &str = "control.new";
/// What an address of a socket has room for (`sun_path`, less its end).
const PATH_MAX_BYTES: usize = 107;
/// More than the commands that run on a machine at a time, each with a second connection to ask whether the daemon is
/// there. Idle connections are closed.
const BOUNDS: Bounds = Bounds {
    connections_max: 128,
    head_time: Duration::from_secs(10),
    connections: ConnectionLimits::Endless,
};
/// Its owner alone.
const MODE: u32 = 0o600;
const DRAFT_MODE: u32 = 0o700;

/// The bound socket; removed when dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    file: SocketFile,
}

/// The file of the socket, removed when this is dropped.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Socket {
    /// Binds the socket in `directory`, in place of one that was left behind. The caller holds the directory's lock.
    pub async fn bind(directory: &Path) -> io::Result<Self> {
        let place = directory.to_owned();
        let bound = tokio::task::spawn_blocking(move || bind(&place)).await;
        let listener = UnixListener::from_std(bound.map_err(io::Error::other)??)?;
        Ok(Self { listener, file: SocketFile(directory.join(NAME)) })
    }

    /// Serves `subjects` until `stop` and until their answers are read.
    pub(super) async fn serve(self, subjects: Router, stop: CancellationToken) {
        let Self { listener, file: _file } = self;
        let pages = |stream: &UnixStream| match Peer::of(stream) {
            Ok(peer) => subjects.clone().layer(Extension(peer)),
            Err(err) => {
                tracing::warn!(error = %err, "the system does not say who uses the control socket: they are refused");
                Router::new()
            }
        };
        serving::serve(listener, PlainText, pages, BOUNDS, stop).await;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // What is left is replaced with the next start.
        let _ = fs::remove_file(&self.0);
    }
}

/// Connects to the socket in `directory`.
pub(super) async fn connect(directory: &Path) -> io::Result<UnixStream> {
    let near = SocketAddress::new(directory, Path::new(NAME))?;
    UnixStream::connect(&near.path).await
}

fn bind(directory: &Path) -> io::Result<StdListener> {
    let (draft, name) = (directory.join(DRAFT), Path::new(DRAFT).join(NAME));
    remove_draft(&draft)?;
    fs::DirBuilder::new().mode(DRAFT_MODE).create(&draft)?;
    let listener = StdListener::bind(SocketAddress::new(directory, &name)?.path)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(directory.join(&name), fs::Permissions::from_mode(MODE))?;
    fs::rename(directory.join(&name), directory.join(NAME))?;
    fs::remove_dir(&draft)?;
    Ok(listener)
}

fn remove_draft(draft: &Path) -> io::Result<()> {
    for removed in [fs::remove_file(draft.join(NAME)), fs::remove_dir(draft)] {
        match removed {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
    }
    Ok(())
}

/// A path that fits into a socket address. A longer path is replaced by one through the open directory
/// (`/proc/self/fd`).
struct SocketAddress {
    path: PathBuf,
    /// Keeps the directory open that the path leads through.
    _directory: Option<fs::File>,
}

impl SocketAddress {
    fn new(directory: &Path, name: &Path) -> io::Result<Self> {
        let path = directory.join(name);
        if path.as_os_str().len() <= PATH_MAX_BYTES {
            return Ok(Self { path, _directory: None });
        }
        let opened = fs::File::open(directory)?;
        let through = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
        Ok(Self { path: through.join(name), _directory: Some(opened) })
    }
}
