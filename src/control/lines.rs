//! Answers as JSON lines.

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc;

const NDJSON: [(axum::http::HeaderName, &str); 1] = [(CONTENT_TYPE, "application/x-ndjson")];

/// An answer of one line.
pub(super) fn one<T: Serialize>(answer: &T) -> Response {
    match line(answer) {
        Ok(line) => (NDJSON, line).into_response(),
        Err(err) => (StatusCode::INTERNAL_SERVER_ERROR, err.to_string()).into_response(),
    }
}

/// An answer of one line for each of `answers`.
pub(super) fn each<T: Serialize>(answers: &[T]) -> Response {
    match answers.iter().map(line).collect::<serde_json::Result<Vec<_>>>() {
        Ok(lines) => (NDJSON, lines.concat()).into_response(),
        Err(err) => (StatusCode::INTERNAL_SERVER_ERROR, err.to_string()).into_response(),
    }
}

/// An answer that streams lines as they come. The channel closes when the reader is gone.
pub(super) fn many<T: Serialize + Send + 'static>(answers: mpsc::Receiver<T>) -> Response {
    let lines = stream::unfold(answers, async |mut answers| {
        let answer = answers.recv().await?;
        Some((line(&answer), answers))
    });
    (NDJSON, Body::from_stream(lines)).into_response()
}

/// An answer whose lines are written already.
pub(super) fn written(lines: Body) -> Response {
    (NDJSON, lines).into_response()
}

fn line<T: Serialize>(answer: &T) -> serde_json::Result<Bytes> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    Ok(line.into())
}
