//! How a reload of the configuration is asked for, and what became of it; resets of routes go the same way, one after the other. What
//! each does is `app`'s.

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{RouteReset, RouteResetError};

/// Requests that wait for the reload that is under way; all of them are served by the next one.
const REQUESTS_MAX: usize = 16;

/// What became of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ReloadOutcome {
    /// The daemon runs by what was loaded.
    Applied(ConfigChange),
    /// There is nothing new in it. Secrets were read again.
    Unchanged,
    /// The daemon goes on as before.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What differs between two configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChange {
    /// The keys that say something else.
    pub settings: Vec<String>,
    /// Routes and commands that there were not.
    pub added: Vec<String>,
    /// Those that were drained and begun again.
    pub changed: Vec<String>,
    /// Those that were drained and are gone.
    pub removed: Vec<String>,
    /// Those that have noticed nothing.
    pub kept: Vec<String>,
}

impl ReloadOutcome {
    /// The results that there are.
    pub const RESULTS: [&'static str; 3] = ["applied", "unchanged", "refused"];

    /// The result.
    pub fn result(&self) -> &'static str {
        let [applied, unchanged, refused] = Self::RESULTS;
        match self {
            Self::Applied(_) => applied,
            Self::Unchanged => unchanged,
            Self::Refused { .. } => refused,
        }
    }
}

/// Asks for reloads, and for resets of routes.
#[derive(Debug, Clone)]
pub struct ReloadHandle(mpsc::Sender<Asked>);

/// Where requests for a reload or a reset arrive.
#[derive(Debug)]
pub struct ReloadRequests {
    arriving: mpsc::Receiver<Asked>,
    /// What came behind reloads that are served together.
    next: Option<Asked>,
}

/// What is served next.
#[derive(Debug)]
pub enum LoopRequest {
    /// One reload, for all who have asked.
    Reload(ReloadAudience),
    /// A reset, and who is told of it.
    Reset(RouteReset, oneshot::Sender<Result<String, RouteResetError>>),
}

/// A request, to be answered.
#[derive(Debug)]
enum Asked {
    Reload(ReloadRequest),
    Reset(RouteReset, oneshot::Sender<Result<String, RouteResetError>>),
}

type ReloadRequest = oneshot::Sender<ReloadOutcome>;

/// Those who have asked for the same reload.
#[derive(Debug)]
pub struct ReloadAudience(Vec<ReloadRequest>);

/// A handle, and where its requests arrive.
pub fn reload_channel() -> (ReloadHandle, ReloadRequests) {
    let (requests, arriving) = mpsc::channel(REQUESTS_MAX);
    (ReloadHandle(requests), ReloadRequests { arriving, next: None })
}

impl ReloadHandle {
    /// Has the configuration reloaded, after the reload that is under way if there is one. None: the daemon stops.
    pub async fn reload(&self) -> Option<ReloadOutcome> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Asked::Reload(answer)).await.ok()?;
        answered.await.ok()
    }

    /// Has a route begin at another time. Gives, in a sentence, what is so now. None: the daemon stops.
    pub async fn reset(&self, reset: RouteReset) -> Option<Result<String, RouteResetError>> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Asked::Reset(reset, answer)).await.ok()?;
        answered.await.ok()
    }
}

impl ReloadRequests {
    /// Waits for a request, and takes all reloads that there are: one serves them. None: nobody can ask any more. Cancel-safe.
    pub async fn next(&mut self) -> Option<LoopRequest> {
        let first = match self.next.take() {
            Some(next) => next,
            None => self.arriving.recv().await?,
        };
        let mut requests = match first {
            Asked::Reload(request) => vec![request],
            Asked::Reset(reset, answer) => return Some(LoopRequest::Reset(reset, answer)),
        };
        while let Ok(asked) = self.arriving.try_recv() {
            match asked {
                Asked::Reload(request) => requests.push(request),
                reset @ Asked::Reset(..) => {
                    self.next = Some(reset);
                    break;
                }
            }
        }
        Some(LoopRequest::Reload(ReloadAudience(requests)))
    }
}

impl ReloadAudience {
    /// Tells them.
    pub fn tell(self, outcome: &ReloadOutcome) {
        for request in self.0 {
            // Who has left need not know.
            let _ = request.send(outcome.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    async fn next_reload(requests: &mut ReloadRequests) -> ReloadAudience {
        match requests.next().await {
            Some(LoopRequest::Reload(audience)) => audience,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_reset_keeps_its_place_among_reloads() {
        let (handle, mut requests) = reload_channel();
        let by = crate::operations::Operator { name: "ada".to_owned(), reason: None };
        let reset = RouteReset { route: "log/siem".to_owned(), to: jiff::Timestamp::UNIX_EPOCH, by };
        let asking: Vec<_> = (0..3)
            .map(|number| {
                let (handle, reset) = (handle.clone(), reset.clone());
                tokio::spawn(async move {
                    match number {
                        1 => drop(handle.reset(reset).await),
                        _ => drop(handle.reload().await),
                    }
                })
            })
            .collect();
        while requests.arriving.len() < 3 {
            tokio::task::yield_now().await;
        }
        next_reload(&mut requests).await.tell(&ReloadOutcome::Unchanged);
        let next = requests.next().await;
        assert!(matches!(&next, Some(LoopRequest::Reset(reset, _)) if reset.route == "log/siem"), "{next:?}");
        next_reload(&mut requests).await.tell(&ReloadOutcome::Unchanged);
        drop(next);
        join_all(asking).await;
    }

    #[tokio::test]
    async fn those_who_ask_during_a_reload_share_the_next_one() {
        let (handle, mut requests) = reload_channel();
        let asking: Vec<_> = (0..5)
            .map(|_| {
                let handle = handle.clone();
                tokio::spawn(async move { handle.reload().await })
            })
            .collect();
        while requests.arriving.len() < 5 {
            tokio::task::yield_now().await;
        }
        next_reload(&mut requests).await.tell(&ReloadOutcome::Unchanged);
        for told in join_all(asking).await {
            assert_eq!(told.unwrap(), Some(ReloadOutcome::Unchanged));
        }
        let late = tokio::spawn(async move { handle.reload().await });
        while requests.arriving.is_empty() {
            tokio::task::yield_now().await;
        }
        drop(requests);
        assert_eq!(late.await.unwrap(), None, "a daemon that stops reloads nothing");
    }

    #[test]
    fn the_answer_is_one_object_that_says_its_result() {
        let refused = ReloadOutcome::Refused { reason: "no".to_owned() };
        assert_eq!(serde_json::to_string(&refused).unwrap(), r#"{"result":"refused","reason":"no"}"#);
        let applied = ReloadOutcome::Applied(ConfigChange::default());
        let text = serde_json::to_string(&applied).unwrap();
        assert!(text.starts_with(r#"{"result":"applied","settings":[],"added":[]"#), "{text}");
        assert_eq!(serde_json::from_str::<ReloadOutcome>(&text).unwrap(), applied);
        for outcome in [refused, applied, ReloadOutcome::Unchanged] {
            let json = serde_json::to_value(&outcome).unwrap();
            assert_eq!(json["result"], outcome.result());
        }
    }
}
