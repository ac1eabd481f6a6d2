//! `GET /state/export`, `GET /state/verification`: the durable state, for commands that cannot open it while the daemon
//! has locked it.

use std::sync::Arc;

use axum::{body::Body, extract::State, http::StatusCode, response::Response};
use futures_util::stream;

use super::{ControlContext, lines};
use crate::{state::StateError, telemetry::chain};

type ErrorReply = (StatusCode, String);

/// Streams the export in pieces, each made when the one before was read, so that a slow reader blocks no thread. A
/// failure in the first piece gives an error status; a later one cuts the answer short, which the reader notices by the
/// missing last line.
pub(super) async fn export(State(context): State<Arc<ControlContext>>) -> Result<Response, ErrorReply> {
    let mut export = context.state.export();
    let first = export.piece().await.map_err(|err| refuse(&err))?;
    let pieces = stream::unfold((first, export), async |(ready, mut export)| {
        let piece = match ready {
            Some(piece) => Ok(Some(piece)),
            None => export.piece().await,
        };
        piece.transpose().map(|piece| (piece, (None, export)))
    });
    Ok(lines::written(Body::from_stream(pieces)))
}

pub(super) async fn verification(State(context): State<Arc<ControlContext>>) -> Result<Response, ErrorReply> {
    context.state.verify().await.map(|found| lines::one(&found)).map_err(|err| refuse(&err))
}

fn refuse(err: &StateError) -> ErrorReply {
    (StatusCode::SERVICE_UNAVAILABLE, chain(err))
}
