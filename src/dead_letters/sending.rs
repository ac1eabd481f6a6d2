//! One chunk of dead letters on its way to a sink: rendered, published, and what became of each.

use std::sync::Arc;

use bytes::Bytes;
use okta_system_log::event::Events;
use tokio::time::timeout;

use super::{
    LetterId,
    retry::{LetterResult, LetterRetry, PATIENCE},
};
use crate::{
    message::Messages,
    route::{Rendering, RouteError},
    sink::{BatchError, Rejected, Sink, SinkError, payload_bytes_max},
    telemetry::chain,
};

/// Types of messages that are made by searches, and are carried as they are.
const OWN_TYPE_PREFIX: &str = "oktabus.";

/// A letter on its way.
pub(super) struct Outgoing {
    pub(super) letter: LetterId,
    pub(super) id: String,
    pub(super) event: String,
}

/// Sends letters and waits for the proof. Says of each what became of it, and whether the sink is of no use any more.
pub(super) async fn send(
    sink: &mut dyn Sink,
    rendering: &Rendering,
    letters: &[Outgoing],
) -> (Vec<LetterRetry>, bool) {
    let mut results = Results::of(letters);
    let bytes_max = payload_bytes_max(sink.message_bytes_max());
    let (messages, places) = match render(rendering, letters, bytes_max, &mut results) {
        Ok(rendered) => rendered,
        Err(err) => {
            results.rest(&LetterResult::Refused(chain(&err)));
            return (results.told(), false);
        }
    };
    let messages = Arc::new(messages);
    let outcome = timeout(PATIENCE, async {
        let receipt = sink.publish(&messages, 0).await.map_err(Failure::Sink)?;
        receipt.await.map_err(Failure::Batch)
    });
    let reject = |results: &mut Results<'_>, rejected: &[Rejected]| {
        for rejected in rejected {
            if let Some(place) = places.get(rejected.index) {
                results.set(*place, LetterResult::Rejected(rejected.reason.clone()));
            }
        }
    };
    match outcome.await {
        Ok(Ok(settled)) => {
            reject(&mut results, settled.rejected());
            results.rest(&LetterResult::Delivered);
            (results.told(), false)
        }
        Ok(Err(Failure::Batch(failure))) => {
            reject(&mut results, &failure.rejected);
            for place in places.iter().take(failure.first_undelivered) {
                results.set_if_open(*place, LetterResult::Delivered);
            }
            results.rest(&LetterResult::Failed(chain(&failure.error)));
            (results.told(), true)
        }
        Ok(Err(Failure::Sink(err))) => {
            results.rest(&LetterResult::Failed(chain(&err)));
            (results.told(), true)
        }
        Err(_) => {
            let stall = sink.stall_reason()().map(|stall| format!(": {}", stall.reason)).unwrap_or_default();
            let reason = format!("the sink proved nothing within {} s{stall}", PATIENCE.as_secs());
            results.rest(&LetterResult::Failed(reason));
            (results.told(), true)
        }
    }
}

enum Failure {
    Sink(SinkError),
    Batch(BatchError),
}

/// The messages of the letters that still have the id of then, and the place of each among the letters.
fn render(
    rendering: &Rendering,
    letters: &[Outgoing],
    bytes_max: Option<usize>,
    results: &mut Results<'_>,
) -> Result<(Messages, Vec<usize>), RouteError> {
    let events: Vec<_> = letters.iter().map(|letter| letter.event.as_str()).collect();
    let page = Bytes::from(format!("[{}]", events.join(",")));
    let route = || rendering.origin.route.clone();
    let events = Events::parse(page).map_err(|source| RouteError::Redaction { route: route(), source })?;
    let is_own = |event_type: Option<&str>| event_type.is_some_and(|of| of.starts_with(OWN_TYPE_PREFIX));
    let messages = rendering.kept_messages(&Arc::new(events), bytes_max, |event| is_own(event.event_type()));
    let (mut places, mut id) = (Vec::new(), String::new());
    for (place, (letter, message)) in letters.iter().zip(messages.messages()).enumerate() {
        message.write_id(&mut id);
        if id == letter.id {
            places.push(place);
            continue;
        }
        let reason = format!(
            "the route would now give it the id `{id}`, which readers do not know for the same message: its org, format or \
             redaction has changed"
        );
        results.set(place, LetterResult::Refused(reason));
    }
    Ok((messages.part(places.iter().copied()), places))
}

/// What became of letters, as far as that is known.
struct Results<'a> {
    letters: &'a [Outgoing],
    results: Vec<Option<LetterResult>>,
}

impl<'a> Results<'a> {
    fn of(letters: &'a [Outgoing]) -> Self {
        Self { letters, results: vec![None; letters.len()] }
    }

    fn set(&mut self, place: usize, result: LetterResult) {
        if let Some(slot) = self.results.get_mut(place) {
            *slot = Some(result);
        }
    }

    fn set_if_open(&mut self, place: usize, result: LetterResult) {
        if let Some(slot @ None) = self.results.get_mut(place) {
            *slot = Some(result);
        }
    }

    /// All of which nothing is known yet.
    fn rest(&mut self, result: &LetterResult) {
        for slot in &mut self.results {
            slot.get_or_insert_with(|| result.clone());
        }
    }

    fn told(self) -> Vec<LetterRetry> {
        let told =
            self.letters.iter().zip(self.results).filter_map(|(Outgoing { letter, id, .. }, result)| {
                Some(LetterRetry { letter: letter.clone(), id: Some(id.clone()), result: result? })
            });
        told.collect()
    }
}
