//! `/api/v1/eventHooks`: Okta's endpoints for event hooks.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use serde_json::Value;

use super::hook::{Hook, Status, Verification};
use super::outbound::Outgoing;
use super::{EventHooks, Sent};
use crate::answer::Answer;
use crate::directory::Visit;
use crate::okta_error::OktaError;
use crate::org::Org;

/// Okta asks once more after a failure.
const ATTEMPTS: u32 = 2;

/// What can be asked about event hooks, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HookCall {
    List,
    Create,
    Get { hook: String },
    Replace { hook: String },
    Delete { hook: String },
    Verify { hook: String },
    Activate { hook: String },
    Deactivate { hook: String },
}

/// Answers one request.
pub(crate) async fn answer(org: &Arc<Org>, visit: &Visit<'_>, call: &HookCall) -> Result<Answer, OktaError> {
    let hooks = &org.hooks;
    let shown = |hook: &Hook| json(&hook.view(visit.base));
    match call {
        HookCall::List => {
            Ok(json(&Value::Array(hooks.all().iter().map(|hook| hook.view(visit.base)).collect())))
        }
        HookCall::Create => {
            hooks.create(&body(visit)?, &visit.principal.party(None).id).map(|hook| shown(&hook))
        }
        HookCall::Get { hook } => hooks.get(hook).map(|hook| shown(&hook)),
        HookCall::Replace { hook } => {
            let body = body(visit)?;
            hooks.change(hook, |hook| hook.replace(&body)).map(|hook| shown(&hook))
        }
        HookCall::Delete { hook } => hooks.delete(hook).map(|()| Answer::empty(StatusCode::NO_CONTENT)),
        HookCall::Verify { hook } => verify(org, &hooks.get(hook)?).await.map(|hook| shown(&hook)),
        HookCall::Activate { hook } => set(hooks, hook, Status::Active).map(|hook| shown(&hook)),
        HookCall::Deactivate { hook } => set(hooks, hook, Status::Inactive).map(|hook| shown(&hook)),
    }
}

fn set(hooks: &EventHooks, id: &str, status: Status) -> Result<Hook, OktaError> {
    hooks.change(id, |hook| {
        hook.status = status;
        Ok(())
    })
}

/// Sends the challenge: whoever answers with it owns the address.
async fn verify(org: &Arc<Org>, hook: &Hook) -> Result<Hook, OktaError> {
    let challenge = format!("{:032x}", fastrand::u128(..));
    for attempt in 1..=ATTEMPTS {
        let started = std::time::Instant::now();
        let outgoing = Outgoing {
            method: Method::GET,
            channel: &hook.channel,
            headers: &[("x-okta-verification-challenge", challenge.clone())],
            body: Vec::new(),
        };
        let answered = org.outbound.send(outgoing).await;
        let status = answered.as_ref().map(|(status, _)| *status).map_err(String::as_str);
        org.hooks.note(Sent::new(hook, "verification", attempt, started.elapsed(), status, Vec::new()));
        let Ok((status, body)) = answered else { continue };
        let proof: Value = serde_json::from_slice(&body).unwrap_or_default();
        if (200..300).contains(&status) && proof["verification"].as_str() == Some(&challenge) {
            return org.hooks.change(&hook.id, |hook| {
                hook.verification = Verification::Verified;
                Ok(())
            });
        }
    }
    let cause = format!("Unable to verify event hook. Hook {} execution failed", hook.name());
    Err(OktaError::validation("eventHook", cause))
}

fn body(visit: &Visit<'_>) -> Result<Value, OktaError> {
    match serde_json::from_slice(visit.body) {
        Ok(body @ Value::Object(_)) => Ok(body),
        _ => Err(OktaError::unreadable_body()),
    }
}

fn json(value: &Value) -> Answer {
    Answer::json(StatusCode::OK, serde_json::to_vec(value).unwrap_or_default())
}
