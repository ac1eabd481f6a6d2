//! Okta's log as a search reads it: events come into it late, windows are answered in the order of `published`, and requests
//! fail, links are refused, repeat themselves and lead to themselves.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::{SignedDuration, Timestamp};
use okta_client::{OktaError, Priority, logs};
use tokio::time::Instant;
use url::Url;

use super::clock::SimulatedClock;
use crate::{
    simulation::happens,
    source::{LogSource, simulation::log::uuid},
};

/// How often in a hundred a request is not answered as it should be.
const FAULTS: u32 = 20;

/// An event: when it was published, and when it came into the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoggedEvent {
    pub(crate) published: Timestamp,
    pub(crate) logged: Timestamp,
}

pub(crate) struct SearchedLog {
    clock: Arc<SimulatedClock>,
    bad_until: Instant,
    /// By `published`.
    pub(crate) events: Vec<LoggedEvent>,
    random: Mutex<Rng>,
}

impl fmt::Debug for SearchedLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SearchedLog")
    }
}

impl SearchedLog {
    /// A log of events over `span`, none of which takes longer than `lag_max` to come into it.
    pub(crate) fn new(
        seed: u64,
        clock: &Arc<SimulatedClock>,
        bad_until: Instant,
        (span, lag_max): (Duration, Duration),
    ) -> Arc<Self> {
        let mut random = Rng::with_seed(seed);
        let lag_max = u64::try_from(lag_max.as_millis()).unwrap();
        let (mut published, end) = (clock.begin(), clock.begin() + span);
        let mut events = Vec::new();
        while published < end {
            // Some at the same millisecond, and quiet hours.
            let gap = [0, 1_000, 20_000, 20_000, 900_000][random.usize(..5)];
            published += SignedDuration::from_millis(random.i64(0..=gap));
            let lag = if random.bool() { 0 } else { random.u64(0..=lag_max) };
            events.push(LoggedEvent { published, logged: published + Duration::from_millis(lag) });
        }
        Arc::new(Self { clock: Arc::clone(clock), bad_until, events, random: Mutex::new(random) })
    }

    fn draw(&self, below: u32) -> u32 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).u32(..below)
    }

    fn answer(&self, url: &Url) -> Result<logs::BoundedPage, OktaError> {
        let first = number(url, "after").unwrap_or_default();
        let fault = if Instant::now() < self.bad_until && self.draw(100) < FAULTS { self.draw(7) } else { 7 };
        match fault {
            0 if number(url, "after").is_some() => {
                happens("a link is refused");
                return Err(status(400, "E0000029"));
            }
            0 | 1 => return Err(status(503, "")),
            2 => return Err(OktaError::NotAPage("it is no JSON array".to_owned())),
            3 => return Err(OktaError::RateLimited { wait: Duration::from_secs(20), is_oktas: true }),
            _ => {}
        }
        let (now, since, until) = (self.clock.at_now(), time(url, "since"), time(url, "until"));
        // A link goes on behind an event, whatever comes into the log before it.
        let is_asked = |(index, event): &(usize, &LoggedEvent)| {
            *index >= first && event.published >= since && event.published < until && event.logged <= now
        };
        let size = number(url, "limit").unwrap();
        let mut found: Vec<_> = self.events.iter().enumerate().filter(is_asked).collect();
        let is_more = found.len() > size;
        found.truncate(size);
        let next = found.last().filter(|_| is_more).map(|(last, _)| link(url, last + 1));
        let next = match fault {
            4 if is_more => {
                happens("a link leads to itself");
                Some(url.clone())
            }
            5 if is_more => {
                happens("a link leads back");
                Some(link(url, found[found.len() / 2].0))
            }
            _ => next,
        };
        let json = found.iter().map(|(index, event)| {
            format!(r#"{{"uuid":"{}","published":"{}"}}"#, uuid(*index), event.published)
        });
        let json: Vec<_> = json.collect();
        Ok(logs::BoundedPage { body: format!("[{}]", json.join(",")).into(), next })
    }
}

impl LogSource for SearchedLog {
    fn page<'a>(&'a self, _: &'a Url) -> BoxFuture<'a, Result<logs::LogPage, OktaError>> {
        unreachable!("a search asks for windows")
    }

    fn part<'a>(&'a self, url: &'a Url, _: Priority) -> BoxFuture<'a, Result<logs::BoundedPage, OktaError>> {
        async move {
            let wait = Duration::from_millis(u64::from(self.draw(300)) + 10);
            tokio::time::sleep(wait).await;
            self.answer(url)
        }
        .boxed()
    }

    fn okta_now(&self) -> Timestamp {
        self.clock.at_now()
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

fn number(url: &Url, name: &str) -> Option<usize> {
    Some(parameter(url, name)?.parse().unwrap())
}

fn time(url: &Url, name: &str) -> Timestamp {
    parameter(url, name).unwrap().parse().unwrap()
}

fn status(status: u16, code: &str) -> OktaError {
    let code = (!code.is_empty()).then(|| code.to_owned());
    OktaError::Status { status, code, summary: String::new(), request_id: None }
}

/// The link to the events from `index` on.
fn link(asked: &Url, index: usize) -> Url {
    let mut link = asked.clone();
    let kept = asked.query_pairs().filter(|(name, _)| name != "after");
    link.query_pairs_mut().clear().extend_pairs(kept).append_pair("after", &index.to_string());
    link
}
