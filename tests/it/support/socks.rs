//! A SOCKS5 proxy (RFC 1928, RFC 1929) that demands a password and leads every name to one address of this machine.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "password";

/// A proxy; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct SocksProxy {
    connections: Arc<AtomicUsize>,
    _serving: AbortOnDropHandle<()>,
}

impl SocksProxy {
    /// Listens on `port` and leads whoever asks for the name `host` to the port `behind`.
    pub(crate) async fn start(port: u16, host: &'static str, behind: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let serving = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(lead(connection, host, behind));
            }
        });
        Self { connections, _serving: AbortOnDropHandle::new(serving) }
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn lead(mut client: TcpStream, host: &str, behind: u16) -> std::io::Result<()> {
    let methods = client.read_u8().await.and(client.read_u8().await)?;
    text(&mut client, methods).await?;
    client.write_all(&[5, 2]).await?;
    client.read_u8().await?;
    let length = client.read_u8().await?;
    let user = text(&mut client, length).await?;
    let length = client.read_u8().await?;
    let password = text(&mut client, length).await?;
    let is_right = (user, password) == (USER.to_owned(), PASSWORD.to_owned());
    client.write_all(&[1, u8::from(!is_right)]).await?;
    // Version, CONNECT, reserved, a name.
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    assert_eq!(request, [5, 1, 0, 3], "the proxy looks the name up");
    let length = client.read_u8().await?;
    let asked = text(&mut client, length).await?;
    client.read_u16().await?;
    assert_eq!(asked, host);
    let mut server = TcpStream::connect(("127.0.0.1", behind)).await?;
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn text(client: &mut TcpStream, length: u8) -> std::io::Result<String> {
    let mut text = vec![0; usize::from(length)];
    client.read_exact(&mut text).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
