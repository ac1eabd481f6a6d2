//! `POST /routes/pause`, `POST /routes/resume`: has a route read nothing more, or go on. `POST /routes/reset`: has it begin at another
//! time; `GET /routes/position`: where it stands.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ControlContext, lines, peer::Peer};
use crate::{
    operations::{Operation, OperationError, Operator, RoutePauseError, RouteReset, RouteResetError},
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

/// Which route is to begin elsewhere.
#[derive(Debug, Serialize, Deserialize)]
pub struct ResetRoute {
    /// Its name.
    pub route: String,
    /// Where it is to begin.
    pub to: Timestamp,
    /// Why, if they say so.
    pub reason: Option<String>,
}

/// Where a route stands.
#[derive(Debug, Serialize, Deserialize)]
pub struct RoutePosition {
    /// Okta's link; none if it never moved.
    pub link: Option<String>,
}

/// Which route.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    route: String,
}

type ErrorReply = (StatusCode, String);

pub(super) async fn position(
    State(context): State<Arc<ControlContext>>,
    Query(which): Query<Which>,
) -> Result<Response, ErrorReply> {
    let stored = context.state.load(&which.route).await;
    let stored = stored.map_err(|err| (StatusCode::SERVICE_UNAVAILABLE, chain(&err)))?;
    Ok(lines::one(&RoutePosition { link: stored.map(|stored| stored.cursor.link) }))
}

pub(super) async fn reset(
    State(context): State<Arc<ControlContext>>,
    Extension(peer): Extension<Peer>,
    Json(ResetRoute { route, to, reason }): Json<ResetRoute>,
) -> Result<Response, ErrorReply> {
    let by = Operator { name: peer.user().await.to_string(), reason };
    // Goes on if the client leaves.
    let outcome = context.reloads.reset(RouteReset { route, to, by }).await;
    match outcome {
        Some(Ok(done)) => Ok(lines::one(&RouteChange { done })),
        Some(Err(err)) => Err((status_of_reset(&err), chain(&err))),
        None => Err((StatusCode::SERVICE_UNAVAILABLE, "the daemon stops".to_owned())),
    }
}

fn status_of_reset(err: &RouteResetError) -> StatusCode {
    match err {
        RouteResetError::NoSuchRoute { .. } | RouteResetError::OfSearch { .. } => StatusCode::NOT_FOUND,
        RouteResetError::NotOwned { .. } | RouteResetError::RunsToAnEnd => StatusCode::CONFLICT,
        RouteResetError::Checkpoint { .. }
        | RouteResetError::Silent { .. }
        | RouteResetError::Record(_)
        | RouteResetError::State { .. }
        | RouteResetError::NotBegun(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

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
