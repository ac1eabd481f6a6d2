//! A line to a server that is far away: what is sent arrives later, in order, and as fast as it came.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

/// Reads of at most 64 KiB that are on the way in one direction.
const ON_THE_WAY_MAX: usize = 1_024;

/// A line; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct SlowLine {
    port: u16,
    _serving: AbortOnDropHandle<()>,
}

impl SlowLine {
    /// A line to this port of this machine, on which everything takes `delay` in each direction.
    pub(crate) async fn to(behind: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", behind)).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                carry(from_client, to_server, delay);
                carry(from_server, to_client, delay);
            }
        });
        Self { port, _serving: AbortOnDropHandle::new(serving) }
    }

    /// Where the line begins.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// Carries everything `from` here `to` there until one side closes.
fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut on_the_way) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY_MAX);
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            if sender.send((Instant::now() + delay, buffer[..length].to_vec())).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((due, bytes)) = on_the_way.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
}
