//! A TCP proxy in front of a server: holds what a client sends back for as long as a test wants, swallows what the server
//! answers, and cuts connections. Knows no protocol.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::AbortHandle,
};

/// What happens to one connection.
#[derive(Debug, Clone, Copy, Default)]
struct Treatment {
    /// What the client sends waits here, even when the client is gone.
    requests_held: bool,
    /// What the server sends reaches nobody.
    answers_lost: bool,
    /// The client's side is closed.
    cut: bool,
}

/// One connection, as those see it who treat it.
#[derive(Debug)]
struct Connection {
    treatment: watch::Sender<Treatment>,
    held: Arc<Mutex<Vec<u8>>>,
}

/// A proxy, as long as it is kept.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    connections: Arc<Mutex<Vec<Connection>>>,
    accepting: AbortHandle,
}

impl Proxy {
    /// A proxy in front of the server that listens on this port of this machine.
    pub(crate) async fn start(server: u16) -> Self {
        Self::start_with(server, ["", ""]).await
    }

    /// The same, which puts another text of the same length in the place of one in the first answer.
    pub(crate) async fn start_with(server: u16, replaced: [&'static str; 2]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::default();
        let known: Arc<Mutex<Vec<Connection>>> = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(upstream) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { continue };
                let (sender, treatment) = watch::channel(Treatment::default());
                let held = Arc::default();
                known.lock().unwrap().push(Connection { treatment: sender, held: Arc::clone(&held) });
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = upstream.into_split();
                tokio::spawn(pass_requests(from_client, to_server, treatment.clone(), held));
                tokio::spawn(pass_answers(from_server, to_client, treatment, replaced));
            }
        });
        Self { port, connections, accepting: accepting.abort_handle() }
    }

    /// Where it listens on this machine.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Holds back what clients send over the connections that there are now.
    pub(crate) fn hold_requests(&self) {
        self.treat(|treatment| treatment.requests_held = true);
    }

    /// Whether `text` is among what is held back.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let connections = self.connections.lock().unwrap();
        let mut held = connections.iter().map(|connection| connection.held.lock().unwrap());
        held.any(|held| held.windows(text.len()).any(|window| window == text.as_bytes()))
    }

    /// Sends what was held back.
    pub(crate) fn release_requests(&self) {
        self.treat(|treatment| treatment.requests_held = false);
    }

    /// Swallows what the server sends over the connections that there are now.
    pub(crate) fn lose_answers(&self) {
        self.treat(|treatment| treatment.answers_lost = true);
    }

    /// Closes the connections that there are now towards their clients.
    pub(crate) fn cut(&self) {
        self.treat(|treatment| treatment.cut = true);
    }

    fn treat(&self, treat: impl Fn(&mut Treatment)) {
        for connection in self.connections.lock().unwrap().iter() {
            connection.treatment.send_modify(&treat);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass_requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut treatment: watch::Receiver<Treatment>,
    held: Arc<Mutex<Vec<u8>>>,
) {
    let mut chunk = vec![0; 64 << 10];
    let mut is_open = true;
    loop {
        if !treatment.borrow_and_update().requests_held {
            let released = std::mem::take(&mut *held.lock().unwrap());
            if to.write_all(&released).await.is_err() {
                return;
            }
        }
        if !is_open && held.lock().unwrap().is_empty() {
            return;
        }
        tokio::select! {
            read = from.read(&mut chunk), if is_open => match read {
                Ok(0) | Err(_) => is_open = false,
                Ok(bytes) => held.lock().unwrap().extend_from_slice(&chunk[..bytes]),
            },
            changed = treatment.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

async fn pass_answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut treatment: watch::Receiver<Treatment>,
    mut replaced: [&str; 2],
) {
    let mut chunk = vec![0; 64 << 10];
    loop {
        let Treatment { answers_lost, cut, .. } = *treatment.borrow_and_update();
        if cut {
            let _ = to.shutdown().await;
        }
        tokio::select! {
            read = from.read(&mut chunk) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) if answers_lost || cut => {}
                Ok(bytes) => {
                    let [from, by] = std::mem::take(&mut replaced);
                    if !from.is_empty()
                        && let Some(at) = chunk.windows(from.len()).position(|window| window == from.as_bytes())
                    {
                        chunk[at..at + by.len()].copy_from_slice(by.as_bytes());
                    }
                    if to.write_all(&chunk[..bytes]).await.is_err() {
                        return;
                    }
                },
            },
            changed = treatment.changed() => if changed.is_err() {
                return;
            },
        }
    }
}
