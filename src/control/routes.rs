//! `POST /routes/pause`, `POST /routes/resume`: has a route read nothing more, or go on.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};

use super::{ControlContext, lines, peer::Peer};
use crate::{
    operations::{Operation, OperationError, Operator, RoutePauseError},
    telemetry::chain,
};

/// Which route, and why.
#[derive(Debug, Serialize, Deserialize)]
pub struct NamedRoute {
    /// Its name, such as `okta/siem`.
    pub route: String,
    /// Why, if they say so.
    pub reason: Option<String>,
}

/// How the route stands now.
#[derive(Debug, Serialize, Deserialize)]
pub struct RouteChange {
    /// A sentence.
    pub done: String,
}

type ErrorReply = (StatusCode, String);

pub(super) async fn pause(
    State(context): State<Arc<ControlContext>>,
    Extension(peer): Extension<Peer>,
    Json(named): Json<NamedRoute>,
) -> Result<Response, ErrorReply> {
    carry_out(&context, &peer, Operation::PauseRoute(named.route), named.reason).await
}

pub(super) async fn resume(
    State(context): State<Arc<ControlContext>>,
    Extension(peer): Extension<Peer>,
    Json(named): Json<NamedRoute>,
) -> Result<Response, ErrorReply> {
    carry_out(&context, &peer, Operation::ResumeRoute(named.route), named.reason).await
}

async fn carry_out(
    context: &ControlContext,
    peer: &Peer,
    operation: Operation,
    reason: Option<String>,
) -> Result<Response, ErrorReply> {
    let by = Operator { name: peer.user().await.to_string(), reason };
    let operations = context.operations.clone();
    // Goes on if the client leaves: what has begun is recorded whole.
    let working = context.work.spawn(async move { operations.carry_out(&operation, &by).await });
    let interrupted = || (StatusCode::SERVICE_UNAVAILABLE, "it was interrupted".to_owned());
    let done = working.await.map_err(|_| interrupted())?;
    done.map(|done| lines::one(&RouteChange { done })).map_err(|err| (status_of(&err), chain(&err)))
}

fn status_of(err: &OperationError) -> StatusCode {
    match err {
        OperationError::Route(RoutePauseError::NoSuchRoute { .. }) => StatusCode::NOT_FOUND,
        OperationError::Route(_) | OperationError::Commands(_) | OperationError::Letters(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
