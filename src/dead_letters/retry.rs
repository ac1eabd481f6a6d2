//! Delivers dead letters once more to the sink of their route, with the ids that they had.
//!
//! A letter holds the event as the route chose and redacted it, so neither is done again: it is rendered as the route renders
//! today, and goes out only if it has the same id as then. It is removed once the sink has proved it, and not before. A message
//! that was no command cannot become one by being tried again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{sync::Mutex, time::timeout};
use tokio_util::task::TaskTracker;

use super::{
    KeptLetter, LetterFilter, LetterId, LetterOwner, LettersError, drop_letters, find_letters,
    sending::{Outgoing, send},
};
use crate::{
    config::{Config, RouteConfig, SinkConfig},
    message::Origin,
    route::Rendering,
    sink::{Sink, SinkFactory as _},
    telemetry::chain,
};

/// Letters that are delivered together.
const CHUNK: usize = 100;
/// How long a sink may take to open, and then to prove a chunk.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

const NO_COMMAND: &str = "it was no command that could run, and what is kept of it is not the whole message: mend it, and send it \
                          with `oktabus command publish` or `oktabus command run`; then drop this one";

/// What became of one letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", content = "reason", rename_all = "snake_case")]
pub enum LetterResult {
    /// The sink has proved it, and the letter is removed.
    Delivered,
    /// The sink has proved it, and the letter could not be removed: it is there still.
    DeliveredAndKept(String),
    /// The sink refuses it as before; it is kept.
    Rejected(String),
    /// The sink did not prove it; it is kept. It may have arrived.
    Failed(String),
    /// It cannot be tried; it is kept.
    Refused(String),
    /// There is no such letter.
    Unknown,
}

/// What became of which letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterRetry {
    /// The letter.
    pub letter: LetterId,
    /// The id of its message, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What became of it.
    #[serde(flatten)]
    pub result: LetterResult,
}

/// Delivers letters, one request at a time.
#[derive(Debug)]
pub struct LetterRetries {
    config: RwLock<Arc<Config>>,
    directory: PathBuf,
    alone: Mutex<()>,
    work: TaskTracker,
}

impl LetterRetries {
    /// Letters in `directory`, for the routes of `config`.
    pub fn new(config: Config, directory: PathBuf) -> Self {
        let config = RwLock::new(Arc::new(config));
        Self { config, directory, alone: Mutex::new(()), work: TaskTracker::new() }
    }

    /// Letters are delivered as the routes of this say from now on.
    pub fn exchange(&self, config: Config) {
        // Nothing panics while the lock is held.
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where the letters are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Delivers these letters. Says of each what became of it. Goes on if whoever asked leaves: a message that is on its way is
    /// settled, and its letter removed.
    pub async fn retry(self: &Arc<Self>, letters: Vec<LetterId>) -> Result<Vec<LetterRetry>, LettersError> {
        let retrying = Arc::clone(self);
        let retried = self.work.spawn(async move { retrying.deliver_all(letters).await });
        retried.await.unwrap_or(Err(LettersError::Interrupted))
    }

    /// Waits until no letter is on its way.
    pub async fn end(&self) {
        self.work.close();
        self.work.wait().await;
    }

    async fn deliver_all(&self, letters: Vec<LetterId>) -> Result<Vec<LetterRetry>, LettersError> {
        // A letter that is on its way is not sent twice.
        let _alone = self.alone.lock().await;
        let mut results = Vec::new();
        if letters.is_empty() {
            return Ok(results);
        }
        let found = find_letters(&self.directory, LetterFilter::of(letters.iter().cloned())).await?;
        let mut by_route: BTreeMap<String, Vec<Outgoing>> = BTreeMap::new();
        let mut known = BTreeMap::new();
        for KeptLetter { letter, owner, id, content, .. } in found.letters {
            if known.insert(letter.clone(), id.clone()).is_some() {
                continue;
            }
            match (owner, id, content) {
                (LetterOwner::Route(route), Some(id), Some(content)) => {
                    let event = content.get().to_owned();
                    by_route.entry(route).or_default().push(Outgoing { letter, id, event });
                }
                (_, id, _) => {
                    results.push(LetterRetry {
                        letter,
                        id,
                        result: LetterResult::Refused(NO_COMMAND.to_owned()),
                    });
                }
            }
        }
        for letter in letters {
            if !known.contains_key(&letter) {
                results.push(LetterRetry { letter, id: None, result: LetterResult::Unknown });
            }
        }
        for (route, outgoing) in by_route {
            results.extend(self.deliver(&route, outgoing).await);
        }
        Ok(results)
    }

    /// Delivers letters of one route, and removes those that the sink has proved.
    async fn deliver(&self, route: &str, outgoing: Vec<Outgoing>) -> Vec<LetterRetry> {
        let told = |outgoing: &[Outgoing], result: &LetterResult| -> Vec<LetterRetry> {
            let each = outgoing.iter().map(|Outgoing { letter, id, .. }| LetterRetry {
                letter: letter.clone(),
                id: Some(id.clone()),
                result: result.clone(),
            });
            each.collect()
        };
        let config = self.config();
        let Some((route_config, sink, rendering)) = rendering(&config, route) else {
            let reason = format!(
                "the configuration has no route `{route}` any more: configure it again, or drop the letter"
            );
            return told(&outgoing, &LetterResult::Refused(reason));
        };
        let mut sink = match open(sink, &rendering.origin).await {
            Ok(sink) => sink,
            Err(reason) => return told(&outgoing, &LetterResult::Failed(reason)),
        };
        let mut results = Vec::new();
        let mut rest = outgoing.as_slice();
        while !rest.is_empty() {
            let (chunk, later) = rest.split_at(rest.len().min(CHUNK));
            let (sent, is_broken) = send(&mut *sink, &rendering, chunk).await;
            results.extend(self.settle(route_config, sent).await);
            rest = later;
            if is_broken {
                let reason = "not tried, because the sink failed before".to_owned();
                results.extend(told(rest, &LetterResult::Failed(reason)));
                break;
            }
        }
        sink.close().await;
        results
    }

    /// Removes the letters that were delivered.
    async fn settle(&self, route: &RouteConfig, mut sent: Vec<LetterRetry>) -> Vec<LetterRetry> {
        let delivered = sent.iter().filter(|sent| sent.result == LetterResult::Delivered);
        let delivered: BTreeSet<_> = delivered.map(|sent| sent.letter.clone()).collect();
        if delivered.is_empty() {
            return sent;
        }
        let count = delivered.len();
        match drop_letters(&self.directory, delivered).await {
            Ok(_) => tracing::info!(
                route = route.name,
                delivered = count,
                "dead letters were delivered and removed"
            ),
            Err(err) => {
                let reason = chain(&err);
                tracing::error!(
                    route = route.name,
                    delivered = count,
                    error = reason,
                    "dead letters were delivered and cannot be removed: they would be delivered again by another retry"
                );
                for sent in sent.iter_mut().filter(|sent| sent.result == LetterResult::Delivered) {
                    sent.result = LetterResult::DeliveredAndKept(reason.clone());
                }
            }
        }
        sent
    }
}

/// How the letters of the route `name` are rendered, and where they go.
fn rendering<'a>(config: &'a Config, name: &str) -> Option<(&'a RouteConfig, &'a SinkConfig, Rendering)> {
    let mut routes = config.owned_routes();
    let (_, org, route) = routes.find(|(_, _, route)| route.name == name)?;
    let (org, sink) = (config.orgs.get(org)?, config.sink_of(route)?);
    let mut rendering = Rendering::of_kept(route, org);
    // A file belongs to the route, which may be writing it.
    if sink.has_one_writer() {
        let origin = Origin { route: format!("{}.retry", route.name), ..Origin::clone(&rendering.origin) };
        rendering.origin = Arc::new(origin);
    }
    Some((route, sink, rendering))
}

async fn open(sink: &SinkConfig, origin: &Arc<Origin>) -> Result<Box<dyn Sink>, String> {
    match timeout(PATIENCE, sink.open(origin, None)).await {
        Ok(Ok(sink)) => Ok(sink),
        Ok(Err(err)) => Err(chain(&err)),
        Err(_) => Err(format!("the sink could not be opened within {} s", PATIENCE.as_secs())),
    }
}
