//! `GET /state/export`, `GET /state/verification`: what is durable, for the commands that cannot have the state while the
//! daemon has it.

use std::sync::Arc;

use axum::{body::Body, extract::State, http::StatusCode, response::Response};
use futures_util::stream;

use super::{Controlled, lines};
use crate::{state::StateError, telemetry::chain};

type ErrorReply = (StatusCode, String);

/// Piece by piece, each made when the one before is taken: a slow reader holds up no thread. What fails within the first
/// piece is told by the status; after that the answer is cut short, as its reader will see by the last line that is missing.
pub(super) async fn export(State(controlled): State<Arc<Controlled>>) -> Result<Response, ErrorReply> {
    let mut export = controlled.state.export();
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

pub(super) async fn verification(State(controlled): State<Arc<Controlled>>) -> Result<Response, ErrorReply> {
    controlled.state.verify().await.map(|found| lines::one(&found)).map_err(|err| refuse(&err))
}

fn refuse(err: &StateError) -> ErrorReply {
    (StatusCode::SERVICE_UNAVAILABLE, chain(err))
}
