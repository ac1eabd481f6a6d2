//! The control socket: how commands of this machine reach the one process that has the state and the budgets.
//!
//! HTTP on a Unix socket in the state directory; file permissions decide who may use it. A subject is one file with its
//! requests and answers, and one line in `serve`. A long answer is a stream of JSON lines (`lines`); its work ends when
//! the client disconnects. Does no work itself.

mod client;
mod commands;
mod daemon;
mod dead_letters;
mod lines;
mod live;
mod peer;
mod reload;
mod replays;
mod routes;
mod socket;
mod state;

use std::{path::Path, sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use client::{Answers, Client, ControlError, with_query};
pub use commands::{Released, RunCommand, RunResult};
pub use daemon::Daemon;
pub use dead_letters::NamedLetters;
pub use live::Passed;
pub use routes::{NamedRoute, ResetRoute, RouteChange, RoutePosition};
pub use socket::{NAME, Socket};

use crate::{
    command::engine::Engines,
    dead_letters::LetterRetries,
    operations::{Operations, ReloadHandle},
    overview::DaemonView,
    replay::Replays,
    state::State,
    telemetry::chain,
};

/// How long connections may take to end when all work has ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the requests use.
#[derive(Debug)]
pub struct ControlContext {
    /// Ends all work.
    pub stop: CancellationToken,
    /// The work that requests have begun.
    pub work: TaskTracker,
    /// Cursors, journal and notes.
    pub state: State,
    /// Windows of the past that are delivered again.
    pub replays: Arc<Replays>,
    /// The commands.
    pub engines: Engines,
    /// Dead letters that are delivered again.
    pub letters: Arc<LetterRetries>,
    /// What operators may do.
    pub operations: Operations,
    /// How everything stands.
    pub view: Arc<DaemonView>,
    /// Reloads of the configuration.
    pub reloads: ReloadHandle,
}

impl ControlContext {
    /// Waits for the stop, and until what requests have begun has ended.
    async fn ended(&self) {
        self.stop.cancelled().await;
        self.work.close();
        self.work.wait().await;
        self.letters.end().await;
    }
}

/// Binds the socket in the state directory, whose lock is held. Without it the daemon runs, but commands cannot reach
/// it.
pub async fn bind(directory: &Path) -> Option<Socket> {
    match Socket::bind(directory).await {
        Ok(socket) => Some(socket),
        Err(err) => {
            tracing::warn!(
                directory = %directory.display(), error = chain(&err),
                "there is no control socket: commands such as `replay` cannot reach this daemon"
            );
            None
        }
    }
}

/// Serves the socket until the work was stopped and has ended, and removes it.
pub async fn serve(socket: Socket, context: Arc<ControlContext>) {
    let subjects = Router::new()
        .route("/daemon", get(daemon::show))
        .route("/overview", get(live::overview))
        .route("/history", get(live::history))
        .route("/tail", get(live::tail))
        .route("/reload", post(reload::reload))
        .route("/replays", post(replays::begin))
        .route("/commands", get(commands::list).post(commands::run))
        .route("/audit", get(commands::audit))
        .route("/commands/pause", get(commands::pauses).post(commands::pause))
        .route("/routes/pause", post(routes::pause))
        .route("/routes/resume", post(routes::resume))
        .route("/routes/reset", post(routes::reset))
        .route("/routes/position", get(routes::position))
        .route("/commands/resume", post(commands::resume))
        .route("/commands/cancel", post(commands::cancel))
        .route("/limits", get(commands::limits))
        .route("/limits/release", post(commands::release))
        .route("/dead-letters/retry", post(dead_letters::retry))
        .route("/dead-letters/drop", post(dead_letters::drop_named))
        .route("/state/export", get(state::export))
        .route("/state/verification", get(state::verification))
        .with_state(Arc::clone(&context));
    let stop = context.stop.clone();
    let served = socket.serve(subjects, stop);
    let ended = async {
        context.ended().await;
        // A client that does not read to the end must not delay the stop.
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        () = served => {}
        () = ended => return,
    }
    context.ended().await;
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tokio::task::JoinSet;

    use super::*;
    use crate::overview::Shown;

    async fn start(directory: &Path, socket: Socket) -> (CancellationToken, JoinSet<()>) {
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        assert!(directory.join(NAME).exists());
        let replays = crate::replay::tests::replays(directory).await;
        let config = replays.config();
        let view = Arc::new(DaemonView::new(Shown::of(&config)));
        let letters = Arc::new(LetterRetries::new(config, directory.join("dead-letters")));
        let (state, engines) = (replays.state(), Engines::default());
        let log = crate::operations::OperatorLog::under(directory);
        let operations = Operations::new([], engines.clone(), state.clone(), Arc::clone(&letters), log);
        let (replays, reloads) = (Arc::new(replays), crate::operations::reload_channel().0);
        let (stop_of_context, work) = (stop.clone(), TaskTracker::new());
        let context = ControlContext {
            stop: stop_of_context,
            work,
            state,
            replays,
            engines,
            letters,
            operations,
            view,
            reloads,
        };
        serving.spawn(serve(socket, Arc::new(context)));
        (stop, serving)
    }

    #[tokio::test]
    async fn a_command_reaches_the_daemon_whatever_was_left_behind_and_however_long_the_path_is() {
        let directory = tempfile::tempdir().unwrap();
        let long = directory.path().join("d".repeat(120));
        std::fs::create_dir(&long).unwrap();
        for directory in [directory.path(), &long] {
            assert!(Client::connect(directory).await.unwrap().is_none(), "nobody is there yet");
            // As a daemon leaves it that was killed.
            std::fs::create_dir(directory.join("control.new")).unwrap();
            std::fs::write(directory.join("control.new/control.sock"), "").unwrap();
            std::fs::write(directory.join(NAME), "").unwrap();

            let (stop, mut serving) = start(directory, Socket::bind(directory).await.unwrap()).await;
            let mode = std::fs::metadata(directory.join(NAME)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert!(!directory.join("control.new").exists());
            let mut client = Client::connect(directory).await.unwrap().unwrap();
            let mut answers = client.get("/daemon").await.unwrap();
            let daemon: Daemon = answers.next().await.unwrap().unwrap();
            assert_eq!(daemon.pid, std::process::id());
            assert!(answers.next::<Daemon>().await.unwrap().is_none());
            let unknown = client.get("/nothing").await.unwrap_err();
            assert!(matches!(unknown, ControlError::Refused { .. }), "{unknown}");

            stop.cancel();
            serving.join_next().await.unwrap().unwrap();
            assert!(!directory.join(NAME).exists());
            assert!(Client::connect(directory).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_socket_that_nobody_serves_any_more_is_no_daemon() {
        let directory = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(directory.path().join(NAME)).unwrap());
        assert!(directory.path().join(NAME).exists());
        assert!(Client::connect(directory.path()).await.unwrap().is_none());
    }
}
