//! Serves the admin pages: within limits, over TLS if configured, with secrets that are reloaded periodically.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::{Extension, Router};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use secrecy::SecretString;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{access::Access, actions::Caller};
use crate::{
    config::{AdminConfig, AdminTls, SecretError},
    permissions::{self, PermissionError, Trust},
    serving::{self, Bounds, ConnectionLimits, Security},
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
    /// A file cannot be trusted.
    #[error("admin.tls: cannot use {path}")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        source: PermissionError,
    },
    /// The certificate and the key cannot be used.
    #[error("admin.tls: {0}")]
    Certificate(String),
}

/// The listener of the admin pages, with access rules and TLS.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    config: AdminConfig,
    access: Arc<Access>,
    acceptor: CurrentAcceptor,
}

/// The current TLS settings; none for plain text.
#[derive(Clone)]
struct CurrentAcceptor(Arc<RwLock<Option<TlsAcceptor>>>);

impl Security for CurrentAcceptor {
    fn acceptor(&self) -> Option<TlsAcceptor> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for CurrentAcceptor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "CurrentAcceptor(tls: {})", self.acceptor().is_some())
    }
}

impl Server {
    /// Reads token and certificate, if they are set.
    pub async fn new(listener: TcpListener, config: AdminConfig) -> Result<Self, AdminError> {
        let (token, acceptor) = read(&config).await?;
        let access = Arc::new(Access::new(config.hosts.clone(), token));
        Ok(Self { listener, config, access, acceptor: CurrentAcceptor(Arc::new(RwLock::new(acceptor))) })
    }

    /// Where the pages are served.
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        self.listener.local_addr().ok()
    }

    pub(super) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access)
    }

    /// Serves `pages` until `stop`.
    pub(super) async fn serve(self, pages: Router, stop: CancellationToken) {
        let Self { listener, config, access, acceptor } = self;
        let refreshing = refresh(&config, &access, &acceptor);
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

/// Reloads token and certificate when they have changed. Unusable ones are ignored, and the old ones stay.
async fn refresh(config: &AdminConfig, access: &Access, acceptor: &CurrentAcceptor) {
    if config.token.is_none() && config.tls.is_none() {
        return std::future::pending().await;
    }
    let mut trouble = String::new();
    loop {
        tokio::time::sleep(REFRESH_EVERY).await;
        match read(config).await {
            Ok((token, read)) => {
                trouble.clear();
                if let Some(token) = token {
                    access.exchange_token(token);
                }
                *acceptor.0.write().unwrap_or_else(PoisonError::into_inner) = read;
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
        Ok((token, tls.map(|tls| read_certificate(&tls)).transpose()?))
    });
    reading.await.unwrap_or(Err(AdminError::Token(SecretError::Interrupted)))
}

fn read_certificate(tls: &AdminTls) -> Result<TlsAcceptor, AdminError> {
    let read = |path: &std::path::Path, trust| {
        permissions::read(path, trust).map_err(|source| AdminError::File { path: path.to_owned(), source })
    };
    let unusable =
        |what: &str, err: &dyn std::error::Error| AdminError::Certificate(format!("{what}: {}", chain(err)));
    let chain_pem = read(&tls.certificate_file, Trust::Public)?;
    let certificates = CertificateDer::pem_slice_iter(&chain_pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|err| unusable("the certificate is not PEM", &err))?;
    let key = PrivateKeyDer::from_pem_slice(&read(&tls.key_file, Trust::Secret)?);
    let key = key.map_err(|err| unusable("the key is not PEM", &err))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key);
    let config = config.map_err(|err| unusable("the certificate and its key cannot be used", &err))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
