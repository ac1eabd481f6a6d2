//! `GET /state/export`: the state as JSON lines, piece by piece, so that memory is bounded however much there is. Who reads
//! slowly holds up the export and nothing else.

use std::{future::ready, io, pin::Pin, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{
        HeaderName, StatusCode,
        header::{CONTENT_TYPE, HeaderValue},
    },
};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::mpsc;

use super::{Watched, unavailable};
use crate::state::State as DurableState;

/// The size of a piece.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait for the reader.
const PIECES_MAX: usize = 4;
const BINARY: [(HeaderName, HeaderValue); 1] =
    [(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))];

type Refusal = (StatusCode, String);

pub(super) async fn export(
    State(watched): State<Arc<Watched>>,
) -> Result<([(HeaderName, HeaderValue); 1], Body), Refusal> {
    body(watched.state.clone()).await.map(|body| (BINARY, body))
}

/// What fails within the first piece is told by the status; after that the answer is cut short, as its reader will see by
/// the last line that is missing.
async fn body(state: DurableState) -> Result<Body, Refusal> {
    let (to, mut pieces) = mpsc::channel(PIECES_MAX);
    let writing = async move { state.export(Pieces { piece: Vec::with_capacity(PIECE_BYTES), to }).await };
    let failure = stream::once(writing).filter_map(|written| ready(written.err().map(Err)));
    let pieces = stream::poll_fn(move |context| pieces.poll_recv(context)).map(Ok);
    let mut answer = Box::pin(stream::select(pieces, failure).peekable());
    if let Some(Err(err)) = Pin::as_mut(&mut answer).peek().await {
        return Err(unavailable(err));
    }
    Ok(Body::from_stream(answer))
}

/// Hands on what is written to it, and waits where there is no room.
struct Pieces {
    piece: Vec<u8>,
    to: mpsc::Sender<Bytes>,
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        self.to.blocking_send(piece.into()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use jiff::Timestamp;

    use super::*;
    use crate::state::{Entry, Opening, Places};

    /// A state whose export has more pieces than may wait.
    async fn large(directory: &std::path::Path) -> DurableState {
        let state = DurableState::open(Places::within(directory.to_owned()), Opening::Trusted).await.unwrap();
        let content = "x".repeat(crate::state::ENTRY_MAX_BYTES);
        let entries = (PIECES_MAX + 4) * PIECE_BYTES / content.len();
        let writes = (0..entries).map(|number| {
            let entry = Entry { received_at: Timestamp::UNIX_EPOCH, content: content.clone() };
            let state = state.clone();
            async move { state.record(&format!("c-{number:03}"), 0, entry).await.unwrap() }
        });
        stream::iter(writes).buffer_unordered(16).collect::<Vec<_>>().await;
        state
    }

    #[tokio::test]
    async fn the_pieces_are_the_export() {
        let directory = tempfile::tempdir().unwrap();
        let state = large(directory.path()).await;
        let streamed = body(state.clone()).await.unwrap().collect().await.unwrap().to_bytes();
        let whole = state.export(Vec::new()).await.unwrap();
        let lines = |export: &[u8]| {
            let text = str::from_utf8(export).unwrap();
            // The first line tells when.
            text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(lines(&streamed) == lines(&whole));
        assert!(streamed.len() > (PIECES_MAX + 3) * PIECE_BYTES);
    }

    /// The test ends only once the thread that writes does.
    #[tokio::test]
    async fn a_reader_that_stops_or_goes_away_holds_up_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let state = large(directory.path()).await;
        let mut stopped = body(state.clone()).await.unwrap();
        stopped.frame().await.unwrap().unwrap();
        assert_eq!(state.keep_note("n", 0, "meanwhile".to_owned()).await.unwrap(), 1);
        drop(stopped);
        state.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_state_that_cannot_be_read_is_told_by_the_status() {
        let directory = tempfile::tempdir().unwrap();
        let state = large(directory.path()).await;
        state.close().await.unwrap();
        std::fs::remove_dir_all(directory.path().join("store")).unwrap();
        let (status, text) = body(state.clone()).await.err().unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");
    }
}
