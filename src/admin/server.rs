//! Serves the admin pages: within limits, over TLS if configured, with secrets that are reloaded periodically.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Router};
use secrecy::SecretString;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{access::Access, actions::Caller};
use crate::{
    config::{AdminConfig, SecretError},
    serving::{
        self, BoundAddress, Bounds, ConnectionLimits,
        refresh::{RefreshHandle, RefreshRequests, refresh_channel},
        tls::{CertificateError, CurrentAcceptor, read_acceptor},
    },
    telemetry::chain,
};

/// All pages are small and come from memory, and a probe or a scraper asks once in some seconds. What streams has bounds of its own.
const BOUNDS: Bounds = Bounds {
    connections_max: 64,
    head_time: Duration::from_secs(5),
    connections: ConnectionLimits::OneAnswer(Duration::from_secs(30)),
};
/// How often token and certificate are read again.
const REFRESH_EVERY: Duration = Duration::from_secs(30);
/// How long clients may take to read their answers when the daemon ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// The admin pages cannot be served as configured.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The token cannot be read.
    #[error("admin.token")]
    Token(#[from] SecretError),
    /// The certificate and the key cannot be used.
    #[error("admin.tls")]
    Certificate(#[from] CertificateError),
    /// The address cannot be bound.
    #[error("cannot serve the admin pages on {address}: choose another `admin.listen`")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// The listener of the admin pages, with access rules and TLS.
#[derive(Debug)]
pub struct Server {
    bound: AdminAddress,
    listener: TcpListener,
    config: AdminConfig,
    access: Arc<Access>,
    acceptor: CurrentAcceptor,
    refresh: (RefreshHandle, RefreshRequests),
}

/// The bound address of the admin pages, which serves a server that follows another, too.
#[derive(Debug, Clone)]
pub struct AdminAddress(Arc<BoundAddress>);

impl Server {
    /// Binds the address, unless it is `bound` already, and reads token and certificate, if they are set.
    pub async fn bind(config: AdminConfig, bound: Option<&AdminAddress>) -> Result<Self, AdminError> {
        let address = config.listen;
        let unbound = |source| AdminError::Listen { address, source };
        let bound = BoundAddress::bind(address, bound.map(|AdminAddress(bound)| bound)).map_err(unbound)?;
        let listener = bound.listener().and_then(TcpListener::from_std).map_err(unbound)?;
        let (token, acceptor) = read(&config).await?;
        let access = Arc::new(Access::new(config.hosts.clone(), token));
        let acceptor = CurrentAcceptor::new(acceptor);
        let refresh = refresh_channel();
        Ok(Self { bound: AdminAddress(bound), listener, config, access, acceptor, refresh })
    }

    /// Where the pages are served.
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// The address, for a server that may follow.
    pub fn bound(&self) -> AdminAddress {
        self.bound.clone()
    }

    /// Has token and certificate read again.
    pub(crate) fn refresh_handle(&self) -> RefreshHandle {
        self.refresh.0.clone()
    }

    pub(super) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access)
    }

    /// Serves `pages` until `stop`.
    pub(super) async fn serve(self, pages: Router, stop: CancellationToken) {
        let Self { bound: _, listener, config, access, acceptor, refresh: (_, requests) } = self;
        let refreshing = refresh(&config, &access, &acceptor, requests);
        let pages = move |io: &TcpStream| {
            let caller = Caller(io.peer_addr().ok().map(|address| address.ip().to_canonical()));
            pages.clone().layer(Extension(caller))
        };
        let serving = serving::serve(listener, acceptor.clone(), pages, BOUNDS, stop.clone());
        let over = async {
            stop.cancelled().await;
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            () = serving => {}
            () = refreshing => {}
            () = over => {}
        }
    }
}

/// Reloads token and certificate when they have changed, at once when that is asked for. Unusable ones are ignored, and the old ones
/// stay.
async fn refresh(
    config: &AdminConfig,
    access: &Access,
    acceptor: &CurrentAcceptor,
    mut requests: RefreshRequests,
) {
    let mut trouble = String::new();
    loop {
        let _told = requests.next_within(REFRESH_EVERY).await;
        match read(config).await {
            Ok((token, read)) => {
                trouble.clear();
                if let Some(token) = token {
                    access.exchange_token(token);
                }
                acceptor.exchange(read);
            }
            Err(err) => {
                let told = chain(&err);
                if told != trouble {
                    tracing::warn!(error = told, "the admin pages go on with what was read before");
                    trouble = told;
                }
            }
        }
    }
}

type Material = (Option<SecretString>, Option<TlsAcceptor>);

async fn read(config: &AdminConfig) -> Result<Material, AdminError> {
    let (token, tls) = (config.token.clone(), config.tls.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let token = token.map(|token| token.read_line()).transpose()?;
        Ok((token, tls.map(|tls| read_acceptor(&tls)).transpose()?))
    });
    reading.await.unwrap_or(Err(AdminError::Token(SecretError::Interrupted)))
}
