//! One event in each format, with why it is rendered so. Pure but for the answer: the event comes with the request.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use okta_system_log::{
    event::Events,
    format::{Format, Renderer, explanation, ocsf},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::api::json;

const FORMATS: [Format; 4] = [Format::Okta, Format::Ocsf, Format::Ecs, Format::Udm];

/// An event to be rendered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RenderRequest {
    event: Box<RawValue>,
}

#[derive(Debug, Serialize)]
struct RenderedEvent {
    format: &'static str,
    /// Why it is rendered so.
    explanation: String,
    payload: Box<RawValue>,
}

pub(super) async fn render(Json(request): Json<RenderRequest>) -> Response {
    let page = Bytes::from(format!("[{}]", request.event.get()));
    let events = match Events::parse(page) {
        Ok(events) => events,
        Err(err) => return (StatusCode::UNPROCESSABLE_ENTITY, format!("{err}\n")).into_response(),
    };
    let rendered: Vec<_> = events
        .iter()
        .take(1)
        .flat_map(|event| {
            FORMATS.map(|format| {
                let renderer = Renderer { format, ocsf: ocsf::Options::default(), tenant: None };
                let payload = serde_json::from_slice(&renderer.render(&event, None).bytes).ok()?;
                Some(RenderedEvent {
                    format: format.name(),
                    explanation: explanation(format, &event),
                    payload,
                })
            })
        })
        .flatten()
        .collect();
    json(&rendered)
}
