//! One replay from its beginning to its end.

use std::{sync::Arc, time::Duration};

use okta_client::{Client, logs};
use tokio::sync::{OwnedMutexGuard, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    ReplayError,
    note::Note,
    progress::Progress,
    reader::ReaderContext,
    report::{Beginning, Report},
    tally::Tally,
};
use crate::{
    config::RouteConfig,
    halt::Halt,
    message::Origin,
    route::{Delivery, Rendering, RouteStatus, StateRetry, open_sink, while_delivering},
    sink::{DeadLetters, SinkFactory},
    source::LogSource,
    state::State,
    telemetry::chain,
};

/// The time between two reports of progress.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How long the reader of reports may take for the last line.
const LAST_LINE: Duration = Duration::from_secs(5);

/// A replay that makes sense and may begin.
#[derive(Debug)]
pub struct Replay {
    pub(super) name: String,
    pub(super) route: RouteConfig,
    pub(super) client: Arc<Client>,
    pub(super) window: logs::Window,
    pub(super) seams: Seams,
    /// A file belongs to a route, which may be writing it, so a replay has files of its own. For every other sink the replay
    /// acts as the route.
    pub(super) has_own_files: bool,
    pub(super) progress: Progress,
    /// Of the note; 0 if there is none.
    pub(super) generation: u64,
    /// Holds the lock of the name: no other replay of it runs.
    pub(super) _alone: OwnedMutexGuard<()>,
}

/// What a replay runs on, beside its org: the real things, or simulated ones.
#[derive(Debug)]
pub(super) struct Seams {
    pub(super) source: Arc<dyn LogSource>,
    pub(super) sink: Arc<dyn SinkFactory>,
    pub(super) state: State,
    pub(super) dead_letters: DeadLetters,
}

impl Replay {
    /// Delivers what is left, until `stop` or until the receiver of `reports` is dropped; messages that the sink
    /// already has are then still settled.
    pub async fn run(self, reports: mpsc::Sender<Report>, stop: &CancellationToken) {
        let halt = stop.child_token();
        let name = self.name.clone();
        let tally = Arc::new(Tally::new(self.progress.clone()));
        let status = Arc::new(RouteStatus::new(&format!("{}.replay", self.route.name)));
        let client = Arc::clone(&self.client);
        let began = Report::Began(self.beginning());
        tracing::info!(replay = name, route = self.route.name, "a replay begins");
        let working = async {
            let _ = reports.send(began).await;
            // Large, with all of delivery in it.
            Box::pin(self.work(&tally, &status, &halt)).await
        };
        let telling = async {
            let mut tick = tokio::time::interval(TELL_EVERY);
            loop {
                tokio::select! {
                    () = reports.closed() => {
                        halt.cancel();
                        std::future::pending::<()>().await;
                    }
                    _ = tick.tick() => {}
                }
                let trouble = status.snapshot().trouble().map(str::to_owned);
                let advance = tally.advance(client.logs_budget(), trouble);
                // A slow reader misses a report.
                let _ = reports.try_send(Report::Advanced(advance));
            }
        };
        let worked = tokio::select! {
            worked = working => worked,
            () = telling => Ok(()),
        };
        let summary = tally.summary(&name);
        let last = match worked {
            Err(Halt::Failed(err)) => {
                tracing::error!(replay = name, error = chain(&err), "the replay cannot go on");
                Report::Failed { reason: chain(&err) }
            }
            Ok(()) | Err(Halt::Stopped) if tally.is_finished() => {
                tracing::info!(replay = name, delivered = summary.delivered, "the replay is finished");
                Report::Finished(summary)
            }
            Ok(()) | Err(Halt::Stopped) => {
                tracing::info!(replay = name, delivered = summary.delivered, "the replay was stopped");
                Report::Stopped(summary)
            }
        };
        // A reader that is gone or does not read misses it.
        let _ = tokio::time::timeout(LAST_LINE, reports.send(last)).await;
    }

    fn beginning(&self) -> Beginning {
        Beginning {
            name: self.name.clone(),
            is_resumed: self.generation > 0,
            since: self.progress.since,
            until: self.progress.until,
            slices: self.progress.slices,
            slices_done: self.progress.slices_done(),
            delivered: self.progress.delivered,
        }
    }

    async fn work(
        self,
        tally: &Arc<Tally>,
        status: &Arc<RouteStatus>,
        halt: &CancellationToken,
    ) -> Result<(), Halt<ReplayError>> {
        let rendering = Rendering::open(&self.route, self.client.org()).await.map_err(ReplayError::from)?;
        let origin = self.sink_origin(&rendering.origin);
        let mark = self.progress.mark.as_ref();
        let Seams { source, sink, state, dead_letters } = self.seams;
        let sink = open_sink(&*sink, &origin, mark, status, halt).await?;
        let state_retry = StateRetry { status: Arc::clone(status), stop: halt.clone() };
        let note_name = note_name(&self.name);
        let mut note = Note {
            state: state.clone(),
            state_retry,
            name: note_name.clone(),
            generation: self.generation,
            progress: self.progress,
            tally: Arc::clone(tally),
        };
        if let Err(halt) = note.begin(sink.mark()).await {
            sink.close().await;
            return Err(halt.widen());
        }
        let told = (Arc::clone(status), Arc::clone(tally));
        let how = (rendering, &self.route);
        let log = (source, self.client.org().url.clone());
        let (reading, parts) = ReaderContext::new(log, self.window, &note.progress, how, told);
        let parts_max = self.route.in_flight_pages;
        let delivery = Delivery::new(note, parts_max, sink, dead_letters, Arc::clone(status));
        // What was read when reading ends, for whatever reason, is still delivered.
        let (read, delivered) = while_delivering(reading.run(halt), delivery.run(parts, halt)).await;
        delivered.map_err(Halt::widen)?;
        read.transpose()?;
        if tally.is_finished() {
            state.drop_notes(vec![note_name]).await.map_err(ReplayError::from)?;
        }
        Ok(())
    }

    fn sink_origin(&self, origin: &Arc<Origin>) -> Arc<Origin> {
        if !self.has_own_files {
            return Arc::clone(origin);
        }
        let route = format!("{}.replay+{}", self.route.name, self.name);
        Arc::new(Origin { route, ..Origin::clone(origin) })
    }
}

/// Where the progress of the replay `name` is kept.
pub(super) fn note_name(name: &str) -> String {
    format!("replay/{name}")
}
