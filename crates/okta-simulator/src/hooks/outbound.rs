//! One HTTP request from the org to a hook's address. Follows no redirect.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::hook::Channel;

/// Okta waits so long for an answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The largest answer that is read, in bytes.
const ANSWER_MAX: usize = 64 << 10;

/// The way out of the org.
#[derive(Clone, Default)]
pub(crate) struct Outbound {
    /// None: no certificate is trusted, so that https does not work.
    tls: Option<TlsConnector>,
}

/// What is sent.
pub(super) struct Outgoing<'a> {
    pub(super) method: Method,
    pub(super) channel: &'a Channel,
    /// Headers of this request, by name and value.
    pub(super) headers: &'a [(&'static str, String)],
    pub(super) body: Vec<u8>,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Outbound(tls: {})", self.tls.is_some())
    }
}

impl Outbound {
    /// A way that trusts the certificates in this PEM file.
    pub(crate) fn trusting(authorities: &Path) -> io::Result<Self> {
        let pem = std::fs::read(authorities)?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(io::Error::other)?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    /// Sends a request; gives status and body of the answer, or why there is none.
    pub(super) async fn send(&self, outgoing: Outgoing<'_>) -> Result<(u16, Bytes), String> {
        let exchanged = tokio::time::timeout(TIMEOUT, self.exchange(outgoing)).await;
        match exchanged {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer within 3 seconds".to_owned()),
        }
    }

    async fn exchange(&self, outgoing: Outgoing<'_>) -> Result<(u16, Bytes), Box<dyn Error + Send + Sync>> {
        let Outgoing { method, channel, headers, body } = outgoing;
        let uri = &channel.uri;
        let host = uri.host_str().ok_or("no host")?;
        let port = uri.port_or_known_default().ok_or("no port")?;
        let authority = uri.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let target = &uri[url::Position::BeforePath..url::Position::AfterQuery];
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, authority)
            .header(header::USER_AGENT, "Okta-Integrations")
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        for (name, value) in channel.auth.iter().chain(&channel.headers) {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        stream.set_nodelay(true)?;
        if uri.scheme() != "https" {
            return asked(stream, request).await;
        }
        let tls = self.tls.as_ref().ok_or("https needs certificates to trust: --hook-ca FILE")?;
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
        asked(tls.connect(name, stream).await?, request).await
    }
}

async fn asked(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(u16, Bytes), Box<dyn Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await?.to_bytes();
        Ok((status, body))
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        exchanged = &mut exchange => exchanged,
        // What it has to say, the exchange says too.
        _ = &mut connection => exchange.await,
    }
}
