//! What goes on, as server-sent events: how everything stands every two seconds, and events as they are delivered.
//!
//! Watchers are bounded in number; each has a task that waits for it and for nobody else. One that does not read is cut off, and all
//! have to come again after a while, so that a token that was exchanged opens nothing for long.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Query, State},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};

use super::Shared;
use crate::{
    live::{Passing, Tail, TailError, TailFilter},
    serving::LongAnswer,
    telemetry::printable_json,
};

/// Watchers of the overview at a time. Tails have a bound of their own.
const WATCHERS_MAX: usize = 32;
/// How often the overview is sent.
const OVERVIEW_EVERY: Duration = Duration::from_secs(2);
/// What passes is looked at for so long before silence is broken by a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// How long a watcher may take to read what it is sent.
const READ_WITHIN: Duration = Duration::from_secs(20);
/// How long a stream lasts; then the client asks again, with a token that is good then.
const LASTS: Duration = Duration::from_secs(15 * 60);
/// What is sent and not read yet.
const UNREAD_MAX: usize = 16;

/// Room for watchers of the overview.
#[derive(Debug, Clone)]
pub(super) struct Watchers(Arc<Semaphore>);

impl Default for Watchers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WATCHERS_MAX)))
    }
}

/// The way to one watcher.
struct Watcher {
    lines: mpsc::Sender<Bytes>,
    answer: LongAnswer,
    ends_at: Instant,
}

/// It is gone, was cut off, or has to come again.
struct Gone;

pub(super) async fn overviews(
    State(shared): State<Arc<Shared>>,
    Extension(answer): Extension<LongAnswer>,
) -> Response {
    let Ok(room) = Arc::clone(&shared.watchers.0).try_acquire_owned() else {
        let told = format!("{WATCHERS_MAX} pages watch already, and no more may: close one\n");
        return (StatusCode::SERVICE_UNAVAILABLE, told).into_response();
    };
    begin(answer, &shared, |watcher| send_overviews(watcher, Arc::clone(&shared), room))
}

pub(super) async fn tail(
    State(shared): State<Arc<Shared>>,
    Extension(answer): Extension<LongAnswer>,
    Query(filter): Query<TailFilter>,
) -> Response {
    match shared.view.tails.open(&filter) {
        Ok(tail) => begin(answer, &shared, |watcher| send_tail(watcher, tail)),
        Err(err @ TailError::TooMany) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{err}\n")).into_response()
        }
        Err(err @ TailError::NoSuchRoute { .. }) => {
            (StatusCode::UNPROCESSABLE_ENTITY, format!("{err}\n")).into_response()
        }
    }
}

/// The answer to a watcher for whom `send` works, until it is gone or the daemon stops.
fn begin<F: Future<Output = Gone> + Send + 'static>(
    answer: LongAnswer,
    shared: &Shared,
    send: impl FnOnce(Watcher) -> F,
) -> Response {
    let (lines, unread) = mpsc::channel(UNREAD_MAX);
    answer.begin();
    let (gone, stop) = (lines.clone(), shared.stop.clone());
    let sending = send(Watcher { lines, answer, ends_at: Instant::now() + LASTS });
    tokio::spawn(async move {
        tokio::select! {
            Gone = sending => {}
            () = gone.closed() => {}
            () = stop.cancelled() => {}
        }
    });
    let body = stream::unfold(unread, async |mut unread| {
        let line: Bytes = unread.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(line), unread))
    });
    // Proxies must not keep it back.
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    (headers, [("x-accel-buffering", "no")], Body::from_stream(body)).into_response()
}

async fn send_overviews(watcher: Watcher, shared: Arc<Shared>, _room: OwnedSemaphorePermit) -> Gone {
    let mut due = interval(OVERVIEW_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        if let Err(gone) = watcher.send("overview", &shared.view.overview()).await {
            return gone;
        }
    }
}

async fn send_tail(watcher: Watcher, mut tail: Tail) -> Gone {
    if let Err(gone) = watcher.sign_of_life().await {
        return gone;
    }
    loop {
        let sent = match timeout_at(Instant::now() + SIGN_OF_LIFE, tail.next()).await {
            Ok(Passing::Event(event)) => watcher.send("passed", &event).await,
            Ok(Passing::Missed(missed)) => watcher.send("missed", &missed).await,
            Err(_) => watcher.sign_of_life().await,
        };
        if let Err(gone) = sent {
            return gone;
        }
    }
}

impl Watcher {
    async fn send<T: Serialize>(&self, event: &str, data: &T) -> Result<(), Gone> {
        // Whatever is sent here can be written.
        let data = serde_json::to_string(data).unwrap_or_default();
        // JSON has no line breaks but between tokens, where a space says the same.
        let data = printable_json(&data).replace(['\n', '\r'], " ");
        self.line(format!("event: {event}\ndata: {data}\n\n")).await
    }

    async fn sign_of_life(&self) -> Result<(), Gone> {
        self.line(": still here\n\n".to_owned()).await
    }

    async fn line(&self, line: String) -> Result<(), Gone> {
        if Instant::now() >= self.ends_at {
            return Err(Gone);
        }
        match self.lines.send_timeout(line.into(), READ_WITHIN).await {
            Ok(()) => Ok(()),
            Err(_) => {
                // Its connection would stay for as long as it does not read.
                self.answer.cut_off();
                Err(Gone)
            }
        }
    }
}
