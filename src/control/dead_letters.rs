//! `POST /dead-letters/retry`, `POST /dead-letters/drop`: delivers dead letters once more, or removes them. Which ones is said by
//! their ids; a command finds them in the files.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};

use super::{ControlContext, lines, peer::Peer};
use crate::{
    dead_letters::{LetterId, LettersError, drop_letters},
    telemetry::chain,
};

/// Which dead letters.
#[derive(Debug, Serialize, Deserialize)]
pub struct NamedLetters {
    /// Their ids.
    pub letters: Vec<LetterId>,
}

type ErrorReply = (StatusCode, String);

pub(super) async fn retry(
    State(context): State<Arc<ControlContext>>,
    Extension(peer): Extension<Peer>,
    Json(named): Json<NamedLetters>,
) -> Result<Response, ErrorReply> {
    let by = peer.user().await;
    tracing::info!(
        letters = named.letters.len(),
        uid = by.uid,
        user = by.name,
        "dead letters are delivered again"
    );
    let retried = context.letters.retry(named.letters).await;
    retried.map(|results| lines::each(&results)).map_err(|err| refuse(&err))
}

pub(super) async fn drop_named(
    State(context): State<Arc<ControlContext>>,
    Extension(peer): Extension<Peer>,
    Json(named): Json<NamedLetters>,
) -> Result<Response, ErrorReply> {
    let by = peer.user().await;
    let letters = named.letters.into_iter().collect();
    let dropped = drop_letters(context.letters.directory(), letters).await.map_err(|err| refuse(&err))?;
    tracing::warn!(
        letters = dropped.dropped.len(),
        uid = by.uid,
        user = by.name,
        "dead letters were dropped"
    );
    Ok(lines::one(&dropped))
}

fn refuse(err: &LettersError) -> ErrorReply {
    (StatusCode::SERVICE_UNAVAILABLE, chain(err))
}
