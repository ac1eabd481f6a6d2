//! `/commands`, `/commands/pause`, `/commands/resume`, `/commands/cancel`, `/audit`, `/limits`, `/limits/release`: runs
//! commands, and lists and stops others.

use std::sync::{Arc, Weak};

use axum::{
    Extension, Json,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ControlContext, lines, peer::Peer};
use crate::{
    command::{
        Outcome,
        engine::{
            CancelCommand, Engine, EngineError, ListCommands, LocalAnswer, PauseCommands, ReleaseLimit,
            StopChange, UnknownCommands,
        },
    },
    telemetry::chain,
};

/// A command to be carried out now.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunCommand {
    /// The name of `[commands.NAME]`; not needed if there is only one.
    pub commands: Option<String>,
    /// The command, as a message would say it.
    pub message: Box<RawValue>,
}

/// The result of a command.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// Its outcome.
    Outcome(Box<Outcome>),
    /// It was not carried out yet, and why. Send the same command, with the same id, to ask again.
    NotNow(String),
}

/// The answer to the release of a limit.
#[derive(Debug, Serialize, Deserialize)]
pub struct Released {
    /// Whether the limit had tripped.
    pub had_tripped: bool,
}

type ErrorReply = (StatusCode, String);

pub(super) async fn run(
    State(context): State<Arc<ControlContext>>,
    Extension(peer): Extension<Peer>,
    Json(request): Json<RunCommand>,
) -> Result<Response, ErrorReply> {
    let payload = Bytes::from(String::from(Box::<str>::from(request.message)));
    let by = peer.user().await;
    let mut asked: Option<Weak<Engine>> = None;
    loop {
        let engine = context.engines.get(request.commands.as_deref()).map_err(unknown)?;
        if asked.as_ref().is_some_and(|asked| std::ptr::eq(asked.as_ptr(), Arc::as_ptr(&engine))) {
            let why = "the daemon stops, or has given it up: its log says why".to_owned();
            return Ok(lines::one(&RunResult::NotNow(why)));
        }
        let told = engine.submit(payload.clone(), by.clone()).await;
        // An engine that ends answers nobody by being dropped.
        asked = Some(Arc::downgrade(&engine));
        drop(engine);
        let ran = match told.await {
            Ok(LocalAnswer::Outcome(outcome)) => RunResult::Outcome(outcome),
            Ok(LocalAnswer::NotNow(why)) => RunResult::NotNow(why),
            // Another one takes its place after a reload: by its id it is the same command there.
            Ok(LocalAnswer::Ended) | Err(_) => continue,
        };
        return Ok(lines::one(&ran));
    }
}

pub(super) async fn list(
    State(context): State<Arc<ControlContext>>,
    Query(request): Query<ListCommands>,
) -> Result<Response, ErrorReply> {
    context.engines.list(&request).await.map(|listed| lines::each(&listed)).map_err(refuse)
}

pub(super) async fn audit(
    State(context): State<Arc<ControlContext>>,
    Query(request): Query<ListCommands>,
) -> Result<Response, ErrorReply> {
    let listed = context.engines.audit_chains(request.commands.as_deref()).await;
    listed.map(|listed| lines::each(&listed)).map_err(refuse)
}

pub(super) async fn limits(
    State(context): State<Arc<ControlContext>>,
    Query(request): Query<ListCommands>,
) -> Result<Response, ErrorReply> {
    let listed = context.engines.list_limits(request.commands.as_deref()).await;
    listed.map(|listed| lines::each(&listed)).map_err(refuse)
}

pub(super) async fn release(
    State(context): State<Arc<ControlContext>>,
    Extension(peer): Extension<Peer>,
    Json(request): Json<ReleaseLimit>,
) -> Result<Response, ErrorReply> {
    let released = context.engines.release(&request, Some(&peer.user().await)).await;
    released.map(|had_tripped| lines::one(&Released { had_tripped })).map_err(refuse)
}

pub(super) async fn pause(
    State(context): State<Arc<ControlContext>>,
    Extension(peer): Extension<Peer>,
    Json(request): Json<PauseCommands>,
) -> Result<Response, ErrorReply> {
    stop_change(context.engines.pause(&request, Some(&peer.user().await)).await)
}

pub(super) async fn resume(
    State(context): State<Arc<ControlContext>>,
    Extension(peer): Extension<Peer>,
    Json(request): Json<PauseCommands>,
) -> Result<Response, ErrorReply> {
    stop_change(context.engines.resume(&request, Some(&peer.user().await)).await)
}

pub(super) async fn cancel(
    State(context): State<Arc<ControlContext>>,
    Extension(peer): Extension<Peer>,
    Json(request): Json<CancelCommand>,
) -> Result<Response, ErrorReply> {
    stop_change(context.engines.cancel(&request, Some(&peer.user().await)).await)
}

pub(super) async fn pauses(
    State(context): State<Arc<ControlContext>>,
    Query(request): Query<ListCommands>,
) -> Result<Response, ErrorReply> {
    let listed = context.engines.list_pauses(request.commands.as_deref()).await;
    listed.map(|listed| lines::each(&listed)).map_err(refuse)
}

fn stop_change(changed: Result<StopChange, EngineError>) -> Result<Response, ErrorReply> {
    changed.map(|change| lines::one(&change)).map_err(refuse)
}

fn unknown(err: UnknownCommands) -> ErrorReply {
    refuse(EngineError::from(err))
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn refuse(err: EngineError) -> ErrorReply {
    let status = match err {
        EngineError::Unknown(_)
        | EngineError::UnknownLimit { .. }
        | EngineError::TooManyCancelled { .. }
        | EngineError::ImpossibleId { .. }
        | EngineError::AlreadyEnded { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        EngineError::State(_)
        | EngineError::NotRecorded { .. }
        | EngineError::NotSaved { .. }
        | EngineError::Record { .. }
        | EngineError::Note { .. }
        | EngineError::Credential(_)
        | EngineError::Key(_)
        | EngineError::Sink(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, chain(&err))
}
