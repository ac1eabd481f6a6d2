//! TLS in front of a plain server: what stands between oktabus and Okta in real life.

use std::{net::Ipv4Addr, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::certificates::Certificates;

/// Chooses the TLS provider of the whole test binary; only the first call counts.
pub(crate) fn choose_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A TLS front for the server on `behind`; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct TlsFront {
    _serving: AbortOnDropHandle<()>,
}

impl TlsFront {
    /// Listens on `port` with the certificate of `certificates` and passes everything on to the address `behind`.
    pub(crate) async fn start(port: u16, behind: &str, certificates: &Certificates) -> Self {
        let chain = CertificateDer::pem_file_iter(certificates.certificate()).unwrap();
        let key = PrivateKeyDer::from_pem_file(certificates.key()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(chain.map(Result::unwrap).collect(), key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let serving = tokio::spawn(serve(listener, acceptor, behind.to_owned()));
        Self { _serving: AbortOnDropHandle::new(serving) }
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, behind: String) {
    loop {
        let (outer, _) = listener.accept().await.unwrap();
        let (acceptor, behind) = (acceptor.clone(), behind.clone());
        tokio::spawn(async move {
            // Whoever breaks off has seen what there was to see.
            let Ok(mut outer) = acceptor.accept(outer).await else { return };
            let Ok(mut inner) = TcpStream::connect(behind).await else { return };
            let _ = copy_bidirectional(&mut outer, &mut inner).await;
        });
    }
}
