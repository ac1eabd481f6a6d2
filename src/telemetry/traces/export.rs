//! Hands spans to a collector: OTLP over HTTP, as protobuf. Spans wait in a bounded queue; a collector that is away, slow or
//! hangs costs spans and nothing else.

use std::{future::Future, path::PathBuf, time::Duration};

use okta_client::SecretSource;
use reqwest::{
    Certificate, Client, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use secrecy::ExposeSecret as _;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{TRACER, Tracer, TracesConfig, otlp, span::Span};
use crate::{
    telemetry::{chain, metrics},
    version,
};

/// Spans that wait; more would only hide that the collector is too slow.
const QUEUE_SPANS: usize = 4_096;
/// Spans that are handed over together.
const BATCH_SPANS: usize = 512;
/// How long a batch is gathered.
const GATHERED_FOR: Duration = Duration::from_secs(2);
/// How long the collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same at the end of the process.
const LAST_PATIENCE: Duration = Duration::from_millis(700);
/// When a batch is tried again that the collector could not take.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
const PROTOBUF: &str = "application/x-protobuf";

/// Traces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The authorities of the collector.
    #[error("traces.ca_file: cannot use {path}: {reason}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// HTTP.
    #[error("traces.endpoint: cannot set up HTTP: {0}")]
    Http(String),
}

/// Hands spans over, as long as it runs.
#[derive(Debug)]
pub struct Exporter {
    spans: mpsc::Receiver<Span>,
    client: Client,
    endpoint: Url,
    headers: Vec<(String, SecretSource)>,
    resource: Vec<(String, String)>,
    is_in_trouble: bool,
}

/// Why a batch was not taken.
struct NotTaken {
    reason: String,
    /// Whether the collector may take it later.
    is_transient: bool,
}

impl Exporter {
    /// Begins to trace, for the whole process. None: it was begun before.
    pub fn start(config: &TracesConfig) -> Result<Option<Self>, TracesError> {
        let mut builder = Client::builder()
            .user_agent(concat!("oktabus/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .timeout(PATIENCE);
        if config.endpoint.scheme() == "http" {
            builder = builder.no_proxy();
        }
        if let Some(path) = &config.ca_file {
            let unusable = |reason: String| TracesError::Authorities { path: path.clone(), reason };
            let pem = std::fs::read(path).map_err(|err| unusable(err.to_string()))?;
            let authorities = Certificate::from_pem_bundle(&pem).map_err(|err| unusable(chain(&err)))?;
            builder = builder.tls_certs_merge(authorities);
        }
        let client = builder.build().map_err(|err| TracesError::Http(chain(&err)))?;
        let (sender, spans) = mpsc::channel(QUEUE_SPANS);
        if TRACER.set(Tracer { spans: sender, sample: config.sample }).is_err() {
            return Ok(None);
        }
        let resource = vec![
            ("service.name".to_owned(), config.service_name.clone()),
            ("service.version".to_owned(), version::VERSION.to_owned()),
            ("service.instance.id".to_owned(), format!("{:032x}", fastrand::u128(..))),
        ];
        let (endpoint, headers) = (config.endpoint.clone(), config.headers.clone());
        Ok(Some(Self { spans, client, endpoint, headers, resource, is_in_trouble: false }))
    }

    /// Hands spans over until `stop`, and then what is left, once.
    pub async fn run(mut self, stop: &CancellationToken) {
        let mut batch = Vec::new();
        loop {
            let is_more = stop.run_until_cancelled(self.spans.recv_many(&mut batch, BATCH_SPANS)).await;
            if is_more.is_none_or(|received| received == 0) {
                break;
            }
            let gathered = timeout(GATHERED_FOR, gather(&mut self.spans, &mut batch));
            // What was gathered is there, whichever ends it.
            let _ = stop.run_until_cancelled(gathered).await;
            self.hand_over(&batch, stop).await;
            batch.clear();
        }
        while batch.len() < QUEUE_SPANS
            && let Ok(span) = self.spans.try_recv()
        {
            batch.push(span);
        }
        if !batch.is_empty() {
            let handed_over = within(LAST_PATIENCE, self.post(&batch)).await;
            self.tell(&batch, handed_over);
        }
    }

    /// Hands a batch over, with retries.
    async fn hand_over(&mut self, batch: &[Span], stop: &CancellationToken) {
        let mut waits = AGAIN_AFTER.iter();
        let handed_over = loop {
            let Some(posted) = stop.run_until_cancelled(within(PATIENCE, self.post(batch))).await else {
                break within(LAST_PATIENCE, self.post(batch)).await;
            };
            match (posted, waits.next()) {
                (Err(NotTaken { is_transient: true, .. }), Some(wait)) => {
                    stop.run_until_cancelled(tokio::time::sleep(*wait)).await;
                }
                (posted, _) => break posted,
            }
        };
        self.tell(batch, handed_over);
    }

    async fn post(&self, batch: &[Span]) -> Result<(), NotTaken> {
        let headers = self.headers.clone();
        let read = tokio::task::spawn_blocking(move || read_headers(headers)).await;
        let read = read.unwrap_or_else(|err| Err(err.to_string()));
        let headers = read.map_err(|reason| NotTaken { reason, is_transient: false })?;
        let request = self.client.post(self.endpoint.clone()).headers(headers).header(CONTENT_TYPE, PROTOBUF);
        let response = request.body(otlp::request(&self.resource, batch)).send().await;
        let lost = |err: reqwest::Error| NotTaken { reason: chain(&err.without_url()), is_transient: true };
        let status = response.map_err(lost)?.status();
        // By OTLP these, and no others, are worth another try.
        let is_transient = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
        let refused = || NotTaken { reason: format!("the collector answers with {status}"), is_transient };
        if status.is_success() { Ok(()) } else { Err(refused()) }
    }

    fn tell(&mut self, batch: &[Span], handed_over: Result<(), NotTaken>) {
        let spans = batch.len() as u64;
        match handed_over {
            Ok(()) => {
                metrics::spans_exported(spans);
                if std::mem::take(&mut self.is_in_trouble) {
                    tracing::info!("the collector takes spans again");
                }
            }
            Err(NotTaken { reason, .. }) => {
                metrics::spans_dropped(spans);
                if !std::mem::replace(&mut self.is_in_trouble, true) {
                    tracing::warn!(
                        endpoint = %self.endpoint, reason,
                        "the collector does not take spans: they are dropped, and nothing else is affected"
                    );
                }
            }
        }
    }
}

/// Waits for a full batch.
async fn gather(spans: &mut mpsc::Receiver<Span>, batch: &mut Vec<Span>) {
    while batch.len() < BATCH_SPANS {
        let room = BATCH_SPANS - batch.len();
        if spans.recv_many(batch, room).await == 0 {
            return;
        }
    }
}

async fn within(
    patience: Duration,
    posting: impl Future<Output = Result<(), NotTaken>>,
) -> Result<(), NotTaken> {
    let hangs = || NotTaken { reason: "the collector does not answer".to_owned(), is_transient: true };
    timeout(patience, posting).await.unwrap_or_else(|_| Err(hangs()))
}

fn read_headers(headers: Vec<(String, SecretSource)>) -> Result<HeaderMap, String> {
    let mut read = HeaderMap::new();
    for (name, secret) in headers {
        let value = secret.read().map_err(|err| format!("the header `{name}` from {secret}: {err}"))?;
        let value = HeaderValue::from_str(value.expose_secret());
        let named = HeaderName::from_bytes(name.as_bytes()).ok().zip(value.ok());
        let Some((header, mut value)) = named else {
            return Err(format!("the header `{name}` has characters that no header may have"));
        };
        value.set_sensitive(true);
        read.insert(header, value);
    }
    Ok(read)
}
