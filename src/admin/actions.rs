//! What changes something: one request, which says what it is about twice, so that none is made by accident. Who may ask is decided
//! before it comes here; that it is logged and audited is `operations`' business.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};

use super::{Shared, api::json};
use crate::{
    operations::{Operation, OperationError, Operator, RoutePauseError},
    telemetry::{chain, printable},
};

/// A reason is a sentence, and not a document.
const REASON_CHARACTERS_MAX: usize = 400;

/// The address at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(pub(super) Option<IpAddr>);

/// What is to be done.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionRequest {
    action: ActionName,
    /// A route, or the name of `[commands.NAME]`.
    about: String,
    /// The limit, if one is to be released.
    limit: Option<String>,
    /// The same as `about`: whoever asks has looked at it.
    confirm: String,
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActionName {
    PauseRoute,
    ResumeRoute,
    PauseCommands,
    ResumeCommands,
    ReleaseLimit,
    RetryDeadLetters,
}

#[derive(Debug, Serialize)]
struct ActionAnswer {
    done: String,
}

impl ActionRequest {
    fn operation(&self) -> Result<Operation, &'static str> {
        let about = self.about.clone();
        if self.confirm != about {
            return Err("`confirm` has to name what the action is about once more\n");
        }
        Ok(match (self.action, &self.limit) {
            (ActionName::ReleaseLimit, Some(limit)) => {
                Operation::ReleaseLimit { commands: about, limit: limit.clone() }
            }
            (ActionName::ReleaseLimit, None) => return Err("say which `limit`\n"),
            (_, Some(_)) => return Err("`limit` is for `release_limit` alone\n"),
            (ActionName::RetryDeadLetters, None) => Operation::RetryDeadLetters(about),
            (ActionName::PauseRoute, None) => Operation::PauseRoute(about),
            (ActionName::ResumeRoute, None) => Operation::ResumeRoute(about),
            (ActionName::PauseCommands, None) => Operation::PauseCommands(about),
            (ActionName::ResumeCommands, None) => Operation::ResumeCommands(about),
        })
    }
}

pub(super) async fn act(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Json(request): Json<ActionRequest>,
) -> Response {
    let operation = match request.operation() {
        Ok(operation) => operation,
        Err(told) => return (StatusCode::UNPROCESSABLE_ENTITY, told).into_response(),
    };
    let reason = request.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    let reason =
        reason.map(|reason| printable(reason).chars().take(REASON_CHARACTERS_MAX).collect::<String>());
    let by = Operator { name: name(caller, &headers), reason };
    match shared.operations.carry_out(&operation, &by).await {
        Ok(done) => json(&ActionAnswer { done }),
        Err(err) => {
            tracing::error!(
                ?operation,
                by = by.name,
                error = chain(&err),
                "what an operator asked for was not done"
            );
            (status_of(&err), format!("{}\n", printable(&chain(&err)))).into_response()
        }
    }
}

fn status_of(err: &OperationError) -> StatusCode {
    use crate::command::engine::EngineError;
    match err {
        OperationError::Route(RoutePauseError::NoSuchRoute { .. })
        | OperationError::Commands(EngineError::Unknown(_) | EngineError::UnknownLimit { .. }) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        OperationError::Route(_) | OperationError::Commands(_) | OperationError::Letters(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// Who asks, for log and audit: all who have the token are alike, so the address tells them apart.
fn name(Caller(address): Caller, headers: &HeaderMap) -> String {
    let address = address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
    // The proxy's own line is the last, whatever the client has sent before it.
    let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
    let forwarded = forwarded.and_then(|value| value.to_str().ok());
    let forwarded = forwarded.and_then(|list| list.split(',').next_back()?.trim().parse::<IpAddr>().ok());
    match forwarded {
        Some(client) => format!("the status page, from {address} for {client} as a proxy says"),
        None => format!("the status page, from {address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(json: &str) -> Result<Operation, &'static str> {
        serde_json::from_str::<ActionRequest>(json).unwrap().operation()
    }

    #[test]
    fn an_action_is_confirmed_by_the_name_of_what_it_is_about() {
        let pause = r#"{"action":"pause_route","about":"log/siem","confirm":"log/siem"}"#;
        assert_eq!(operation(pause), Ok(Operation::PauseRoute("log/siem".to_owned())));
        assert!(operation(r#"{"action":"pause_route","about":"log/siem","confirm":""}"#).is_err());
        let retry = r#"{"action":"retry_dead_letters","about":"log/siem","confirm":"log/siem"}"#;
        assert_eq!(operation(retry), Ok(Operation::RetryDeadLetters("log/siem".to_owned())));
        assert!(operation(r#"{"action":"release_limit","about":"hr","confirm":"hr"}"#).is_err());
        assert!(operation(r#"{"action":"pause_route","about":"a","confirm":"a","limit":"x"}"#).is_err());
        assert!(serde_json::from_str::<ActionRequest>(r#"{"action":"delete_all"}"#).is_err());
    }

    #[test]
    fn who_asks_is_told_by_address_and_a_proxy_is_not_believed_blindly() {
        let mut headers = HeaderMap::new();
        let caller = Caller(Some("127.0.0.1".parse().unwrap()));
        assert_eq!(name(caller, &headers), "the status page, from 127.0.0.1");
        headers.insert("x-forwarded-for", "10.0.0.9, 192.0.2.7".parse().unwrap());
        assert_eq!(name(caller, &headers), "the status page, from 127.0.0.1 for 192.0.2.7 as a proxy says");
        headers.append("x-forwarded-for", "10.1.2.3".parse().unwrap());
        assert_eq!(name(caller, &headers), "the status page, from 127.0.0.1 for 10.1.2.3 as a proxy says");
        headers.insert("x-forwarded-for", "root\u{1b}".parse().unwrap_or_else(|_| "root".parse().unwrap()));
        assert_eq!(name(caller, &headers), "the status page, from 127.0.0.1");
    }
}
