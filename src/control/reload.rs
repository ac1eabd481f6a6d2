//! `POST /reload`: has the daemon load its configuration again, and says what became of it.

use std::sync::Arc;

use axum::{Extension, extract::State, http::StatusCode, response::Response};

use super::{ControlContext, lines, peer::Peer};

pub(super) async fn reload(
    State(context): State<Arc<ControlContext>>,
    Extension(peer): Extension<Peer>,
) -> Result<Response, (StatusCode, String)> {
    let by = peer.user().await;
    tracing::info!(uid = by.uid, user = by.name, "a reload of the configuration was asked for");
    let stopping = || (StatusCode::SERVICE_UNAVAILABLE, "the daemon stops".to_owned());
    let outcome = context.reloads.reload().await.ok_or_else(stopping)?;
    Ok(lines::one(&outcome))
}
