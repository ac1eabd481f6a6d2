//! The pages of a daemon that waits for its state: alive, not ready, and why. Access rules and limits are those of the
//! pages that follow.

use axum::{Extension, Router, middleware, routing::get};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    access::{self, Seen},
    server::Server,
};

/// What they say, before the reason.
pub const STATE_NOT_OPEN: &str = "the state cannot be opened";

/// Serves them until it is dropped. `reason` is why the state cannot be opened.
pub async fn serve_starting(server: Server, reason: watch::Receiver<String>) {
    let unready = move |Extension(seen): Extension<Seen>| {
        let answer = super::answer(&[format!("{STATE_NOT_OPEN}: {}", *reason.borrow())], &[], seen);
        async { answer }
    };
    let guarded = middleware::from_fn_with_state(server.access(), access::guard);
    let pages = Router::new().route("/livez", get(async || "ok\n")).fallback(unready).layer(guarded);
    server.serve(pages, CancellationToken::new()).await;
}
