//! The pages of a daemon that waits for its state: alive, not ready, and why.

use axum::{Router, http::StatusCode, routing::get};
use tokio::{net::TcpListener, sync::watch};

use crate::telemetry::chain;

/// Serves them until it is dropped. `reason` is why the state cannot be opened.
pub async fn serve_starting(listener: TcpListener, reason: watch::Receiver<String>) {
    let unready = move || {
        let reason = format!("the state cannot be opened: {}\n", *reason.borrow());
        async { (StatusCode::SERVICE_UNAVAILABLE, reason) }
    };
    let pages = Router::new().route("/livez", get(async || "ok\n")).fallback(unready);
    if let Err(err) = axum::serve(listener, pages).await {
        tracing::error!(error = chain(&err), "the admin pages have ended");
    }
}
