//! `GET /overview`, `GET /history`, `GET /tail`: how the daemon stands, the charts of the last hour, and events as they are
//! delivered.

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ControlContext, lines};
use crate::live::{PassedEvent, Passing, Tail, TailError, TailFilter};

/// Lines that wait for a slow reader. What it does not read in time the tail itself leaves out.
const LINES_MAX: usize = 16;

/// A line of a tail.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passed {
    /// The tail is open: what is delivered from now on comes by.
    Open,
    /// An event.
    Event(Box<PassedEvent>),
    /// So many events passed that this reader did not keep up with.
    Missed(u64),
}

pub(super) async fn overview(State(context): State<Arc<ControlContext>>) -> Response {
    lines::one(&context.view.overview())
}

pub(super) async fn history(State(context): State<Arc<ControlContext>>) -> Response {
    lines::one(&context.view.last_hours())
}

pub(super) async fn tail(
    State(context): State<Arc<ControlContext>>,
    Query(filter): Query<TailFilter>,
) -> Result<Response, (StatusCode, String)> {
    let tail = context.view.tails.open(&filter).map_err(|err| refuse(&err))?;
    let (passed, read) = mpsc::channel(LINES_MAX);
    context.work.spawn(follow(tail, passed, context.stop.clone()));
    Ok(lines::many(read))
}

/// Hands over what passes, until the reader is gone or the daemon stops.
async fn follow(mut tail: Tail, passed: mpsc::Sender<Passed>, stop: CancellationToken) {
    let following = async {
        let mut next = Passed::Open;
        while passed.send(next).await.is_ok() {
            next = tokio::select! {
                passing = tail.next() => match passing {
                    Passing::Event(event) => Passed::Event(event),
                    Passing::Missed(missed) => Passed::Missed(missed),
                },
                () = passed.closed() => return,
            };
        }
    };
    stop.run_until_cancelled(following).await;
}

fn refuse(err: &TailError) -> (StatusCode, String) {
    let status = match err {
        TailError::TooMany => StatusCode::SERVICE_UNAVAILABLE,
        TailError::NoSuchRoute { .. } => StatusCode::UNPROCESSABLE_ENTITY,
    };
    (status, err.to_string())
}
