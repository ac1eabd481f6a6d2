//! Prepares replays and lets one of each name run: in the daemon, or in a command's own process.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jiff::Timestamp;
use okta_client::{
    Client,
    logs::{self, Order},
};
use okta_system_log::scim;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    InvalidReplay, Replay, Request,
    plan::Span,
    progress::Progress,
    run::{Seams, note_name},
};
use crate::{
    config::{Config, RouteConfig, StreamConfig},
    sink::DeadLetters,
    state::State,
};

/// How long a replay that is being stopped may take before the next one of its name is refused.
const PATIENCE: Duration = Duration::from_secs(5);

/// Configuration, clients and state, of which replays are made.
#[derive(Debug)]
pub struct Replays {
    replayable: RwLock<Arc<Replayable>>,
    state: State,
    /// A lock for each name, held while a replay runs.
    at_work: std::sync::Mutex<BTreeMap<String, Arc<Mutex<()>>>>,
}

/// The routes that can be replayed, and the clients of their orgs.
#[derive(Debug)]
struct Replayable {
    config: Config,
    clients: BTreeMap<String, Arc<Client>>,
}

impl Replays {
    /// Replays of the routes of `config` through `clients`, by the names of their orgs.
    pub fn new(config: Config, clients: BTreeMap<String, Arc<Client>>, state: State) -> Self {
        let replayable = RwLock::new(Arc::new(Replayable { config, clients }));
        Self { replayable, state, at_work: std::sync::Mutex::default() }
    }

    /// The next replays are of these routes. One that runs goes on as it began.
    pub fn exchange(&self, config: Config, clients: BTreeMap<String, Arc<Client>>) {
        // Nothing panics while the lock is held.
        *self.replayable.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Replayable { config, clients });
    }

    fn replayable(&self) -> Arc<Replayable> {
        Arc::clone(&self.replayable.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The requested replay: a new one, or the rest of an earlier one. Changes nothing before it runs.
    pub async fn prepare(&self, request: Request) -> Result<Replay, InvalidReplay> {
        let replayable = self.replayable();
        let Replayable { config, clients } = &*replayable;
        let (stream, route) = find(config, &request.route)?;
        if let Some(filter) = &request.filter {
            scim::check(filter).map_err(InvalidReplay::Filter)?;
        }
        let name = request.name()?;
        let alone = self.alone(&name).await?;
        // Loading refused references to what does not exist.
        let unknown = || InvalidReplay::UnknownRoute { route: request.route.clone(), known: Vec::new() };
        let client = clients.get(&stream.org).map(Arc::clone).ok_or_else(unknown)?;
        let sink = config.sink_of(route).cloned().ok_or_else(unknown)?;

        let filter = both(stream.filter.as_deref(), request.filter.as_deref());
        let question = question(&client, filter.as_deref());
        let (generation, progress) = match self.earlier(&request, &name, &question).await? {
            Some(earlier) => earlier,
            None => {
                let span = Span::resolve(&request.from, &request.to, Timestamp::now())?;
                let slices = span.slices(request.slices)?;
                (0, Progress::new(request.clone(), span, slices, question))
            }
        };
        let window = logs::Window {
            since: progress.since,
            until: progress.until,
            filter,
            q: None,
            order: Order::Ascending,
            page_size: stream.page_size,
        };
        let (has_own_files, state) = (sink.has_one_writer(), self.state.clone());
        let dead_letters = DeadLetters::new(&state.dead_letters_directory(), &route.name);
        let source = Arc::<Client>::clone(&client);
        let seams = Seams { source, sink: Arc::new(sink), state, dead_letters };
        let route = route.clone();
        Ok(Replay { name, route, client, window, seams, has_own_files, progress, generation, _alone: alone })
    }

    /// The progress of an earlier replay of this name that did not finish.
    async fn earlier(
        &self,
        request: &Request,
        name: &str,
        question: &str,
    ) -> Result<Option<(u64, Progress)>, InvalidReplay> {
        let note_name = note_name(name);
        if request.anew {
            self.state.drop_notes(vec![note_name]).await?;
            return Ok(None);
        }
        let Some(note) = self.state.note(&note_name).await? else { return Ok(None) };
        let progress = serde_json::from_str::<Progress>(&note.content);
        let progress = progress.map_err(|source| InvalidReplay::Note { name: name.to_owned(), source })?;
        if !progress.request.is_same(request) {
            let Request { route, from, to, filter, .. } = &progress.request;
            let filter = filter.as_ref().map(|filter| format!(" --filter '{filter}'")).unwrap_or_default();
            let earlier = format!("--route {route} --from {from} --to {to}{filter}");
            return Err(InvalidReplay::Different { name: name.to_owned(), earlier });
        }
        if progress.question != question {
            return Err(InvalidReplay::OtherQuestion(name.to_owned()));
        }
        Ok(Some((note.generation, progress)))
    }

    async fn alone(&self, name: &str) -> Result<OwnedMutexGuard<()>, InvalidReplay> {
        let lock = {
            let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
            at_work.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(at_work.entry(name.to_owned()).or_default())
        };
        let alone = tokio::time::timeout(PATIENCE, lock.lock_owned()).await;
        alone.map_err(|_| InvalidReplay::UnderWay(name.to_owned()))
    }
}

fn find<'a>(config: &'a Config, name: &str) -> Result<(&'a StreamConfig, &'a RouteConfig), InvalidReplay> {
    let routes =
        || config.streams.values().flat_map(|stream| stream.routes.iter().map(move |route| (stream, route)));
    if let Some(found) = routes().find(|(_, route)| route.name == name) {
        return Ok(found);
    }
    if config.routes().any(|(route, _)| route.name == name) {
        return Err(InvalidReplay::SearchRoute(name.to_owned()));
    }
    let known = routes().map(|(_, route)| route.name.clone()).collect();
    Err(InvalidReplay::UnknownRoute { route: name.to_owned(), known })
}

/// What the stream wants and what was typed.
fn both(stream: Option<&str>, typed: Option<&str>) -> Option<String> {
    match (stream, typed) {
        (Some(stream), Some(typed)) => Some(format!("({stream}) and ({typed})")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

/// What links answer, as a digest: filters can be long.
fn question(client: &Client, filter: Option<&str>) -> String {
    let words = [client.org().url.as_str(), filter.unwrap_or_default()].join("\n");
    Sha256::digest(words).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::state::{Opening, StatePaths};

    const CONFIG: &str = r#"
[state]
path = "{dir}/state"
[orgs.acme]
url = "http://127.0.0.1:1"
auth = { token_env = "PATH" }
[streams.log]
org = "acme"
filter = 'severity eq "WARN"'
routes = [{ sink = "siem" }]
[searches.logins]
org = "acme"
schedule = "0 * * * *"
routes = [{ sink = "siem" }]
[sinks.siem]
kind = "file"
directory = "{dir}/archive"
"#;

    /// Replays of one route that nobody answers.
    pub(crate) async fn replays(directory: &std::path::Path) -> Replays {
        let file = directory.join("oktabus.toml");
        std::fs::write(&file, CONFIG.replace("{dir}", &directory.display().to_string())).unwrap();
        let config = Config::load(&file).unwrap();
        let state = State::open(StatePaths::from(&config.runtime.state), Opening::Trusted).await.unwrap();
        let client = Arc::new(Client::new(config.orgs["acme"].clone()).unwrap());
        Replays::new(config, BTreeMap::from([("acme".to_owned(), client)]), state)
    }

    impl Replays {
        /// The state that it keeps its progress in.
        pub(crate) fn state(&self) -> State {
            self.state.clone()
        }

        /// What its routes are.
        pub(crate) fn config(&self) -> Config {
            self.replayable().config.clone()
        }
    }

    fn request(route: &str, filter: Option<&str>) -> Request {
        let (from, to) = ("-7d".to_owned(), "now".to_owned());
        let (route, filter) = (route.to_owned(), filter.map(str::to_owned));
        Request { route, from, to, filter, slices: None, name: Some("a".to_owned()), anew: false }
    }

    #[tokio::test]
    async fn what_cannot_be_replayed_is_refused_and_says_what_can() {
        let directory = tempfile::tempdir().unwrap();
        let replays = replays(directory.path()).await;
        let refused = async |route: &str, filter| {
            replays.prepare(request(route, filter)).await.map(|replay| replay.name).unwrap_err().to_string()
        };
        assert!(refused("log/siam", None).await.contains("did you mean `log/siem`?"));
        assert!(refused("logins/siem", None).await.contains("route of a search"));
        let caret = refused("log/siem", Some("eventType eqq \"x\"")).await;
        assert!(caret.contains("--filter: ") && caret.ends_with('^'), "{caret}");
    }

    #[tokio::test]
    async fn the_streams_filter_holds_too_and_a_name_is_one_replay() {
        let directory = tempfile::tempdir().unwrap();
        let replays = replays(directory.path()).await;
        let typed = request("log/siem", Some("eventType sw \"user.\""));
        let replay = replays.prepare(typed.clone()).await.unwrap();
        let both = r#"(severity eq "WARN") and (eventType sw "user.")"#;
        assert_eq!(replay.window.filter.as_deref(), Some(both));
        assert!(scim::check(both).is_ok());

        let kept = serde_json::to_string(&replay.progress).unwrap();
        replays.state.keep_note("replay/a", 0, kept).await.unwrap();
        drop(replay);
        let again = replays.prepare(typed.clone()).await.unwrap();
        assert_eq!(again.generation, 1);
        drop(again);
        let other = replays.prepare(request("log/siem", None)).await.map(|replay| replay.name);
        let Err(InvalidReplay::Different { earlier, .. }) = other else { panic!("{other:?}") };
        assert_eq!(earlier, r#"--route log/siem --from -7d --to now --filter 'eventType sw "user."'"#);
        let anew = replays.prepare(Request { anew: true, ..request("log/siem", None) }).await.unwrap();
        assert_eq!(anew.generation, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_else_is_at_work_under_the_same_name() {
        let directory = tempfile::tempdir().unwrap();
        let replays = replays(directory.path()).await;
        let replay = replays.prepare(request("log/siem", None)).await.unwrap();
        let second = replays.prepare(request("log/siem", None)).await.map(|replay| replay.name);
        assert!(matches!(second, Err(InvalidReplay::UnderWay(_))), "{second:?}");
        drop(replay);
        assert!(replays.prepare(request("log/siem", None)).await.is_ok());
    }
}
