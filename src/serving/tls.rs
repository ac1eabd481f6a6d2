//! TLS of our servers: certificate and key are read from files that may be trusted, and exchanged while connections are served.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio_rustls::TlsAcceptor;

use super::Security;
use crate::{
    config::ServerTls,
    permissions::{self, PermissionError, Trust},
    telemetry::chain,
};

/// A certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be trusted.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: PermissionError,
    },
    /// They are no PEM, or do not belong together.
    #[error("{0}")]
    Unusable(String),
}

/// The current TLS settings of a server; none for plain text.
#[derive(Clone)]
pub(crate) struct CurrentAcceptor(Arc<RwLock<Option<TlsAcceptor>>>);

impl CurrentAcceptor {
    pub(crate) fn new(acceptor: Option<TlsAcceptor>) -> Self {
        Self(Arc::new(RwLock::new(acceptor)))
    }

    /// New connections have these settings from now on.
    pub(crate) fn exchange(&self, acceptor: Option<TlsAcceptor>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
    }
}

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

/// Reads certificate and key. Does blocking I/O on small files.
pub(crate) fn read_acceptor(tls: &ServerTls) -> Result<TlsAcceptor, CertificateError> {
    let read = |path: &Path, trust| {
        permissions::read(path, trust)
            .map_err(|source| CertificateError::File { path: path.to_owned(), source })
    };
    let unusable = |what: &str, err: &dyn std::error::Error| {
        CertificateError::Unusable(format!("{what}: {}", chain(err)))
    };
    let chain_pem = read(&tls.certificate_file, Trust::Public)?;
    let certificates = CertificateDer::pem_slice_iter(&chain_pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|err| unusable("the certificate is not PEM", &err))?;
    let key = PrivateKeyDer::from_pem_slice(&read(&tls.key_file, Trust::Secret)?);
    let key = key.map_err(|err| unusable("the key is not PEM", &err))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key);
    let config = config.map_err(|err| unusable("the certificate and its key cannot be used", &err))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
