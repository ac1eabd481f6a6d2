//! `POST /replays`: begins or resumes a replay. It stops when the client disconnects.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use tokio::sync::mpsc;

use super::{ControlContext, lines};
use crate::{
    replay::{InvalidReplay, Request},
    telemetry::chain,
};

/// Lines that wait for a slow listener.
const LINES_MAX: usize = 16;

pub(super) async fn begin(
    State(context): State<Arc<ControlContext>>,
    Json(request): Json<Request>,
) -> Result<Response, (StatusCode, String)> {
    let replay = context.replays.prepare(request).await.map_err(|refusal| refuse(&refusal))?;
    let (reports, told) = mpsc::channel(LINES_MAX);
    let stop = context.stop.clone();
    context.work.spawn(async move { replay.run(reports, &stop).await });
    Ok(lines::many(told))
}

fn refuse(refusal: &InvalidReplay) -> (StatusCode, String) {
    let status = match refusal {
        InvalidReplay::State(_) => StatusCode::SERVICE_UNAVAILABLE,
        InvalidReplay::UnderWay(_) => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    (status, chain(refusal))
}
