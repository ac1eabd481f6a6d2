//! Traces over OTLP: what a page and a command went through, and when. Off unless configured; then a part of all pages and
//! commands is traced, and messages carry `traceparent`.
//!
//! Nothing waits for a collector: spans go into a bounded queue, and what does not fit is dropped and counted. While traces are
//! off, a page and a command cost one look at a pointer, and an event nothing.
//!
//! | file | its one job |
//! |---|---|
//! | `context.rs` | `traceparent`, read and written |
//! | `span.rs` | one span |
//! | `page.rs`, `command.rs` | the spans of a page and of a command |
//! | `otlp.rs` | spans as bytes |
//! | `export.rs` | from the queue to the collector |

mod command;
mod context;
#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "otlp")]
mod otlp;
mod page;
mod span;

use std::{path::PathBuf, sync::OnceLock};

use okta_client::SecretSource;
use tokio::sync::mpsc;
use url::Url;

pub(crate) use command::{CommandTrace, happened, publishing, requested, working_on};
#[cfg(feature = "otlp")]
pub use export::{Exporter, TracesError};
pub(crate) use page::PageTrace;
use span::Span;

use super::metrics;

/// How traces are made and where they go.
#[derive(Debug, Clone)]
pub struct TracesConfig {
    /// Where the collector takes traces.
    pub endpoint: Url,
    /// The part of pages and commands that is traced: above 0, at most 1.
    pub sample: f64,
    /// Headers of each request, such as a token.
    pub headers: Vec<(String, SecretSource)>,
    /// What this process is called.
    pub service_name: String,
    /// Authorities that are trusted too.
    pub ca_file: Option<PathBuf>,
}

/// Where spans go, and which.
#[derive(Debug)]
pub(crate) struct Tracer {
    spans: mpsc::Sender<Span>,
    /// The part of all pages and of commands without a parent that is traced.
    sample: f64,
}

/// The one of this process, once traces are on.
static TRACER: OnceLock<Tracer> = OnceLock::new();

fn tracer() -> Option<&'static Tracer> {
    TRACER.get()
}

impl Tracer {
    /// Whether a new trace is begun: by chance.
    fn takes_new(&self) -> bool {
        fastrand::f64() < self.sample
    }

    /// Hands a span over. Never waits.
    fn send(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            metrics::spans_dropped(1);
        }
    }
}
