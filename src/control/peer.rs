//! The user at the other end of the control socket, from the kernel (`SO_PEERCRED`), so that it cannot be forged.

use std::io;

use tokio::net::UnixStream;

use crate::command::LocalUser;

/// The user of the process that connected, as of then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    uid: u32,
}

impl Peer {
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        Ok(Self { uid: stream.peer_cred()?.uid() })
    }

    /// With their name, if this machine knows it.
    pub(super) async fn user(self) -> LocalUser {
        let nameless = LocalUser { uid: self.uid, name: None };
        tokio::task::spawn_blocking(move || LocalUser::of(self.uid)).await.unwrap_or(nameless)
    }
}
