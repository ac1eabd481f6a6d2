//! The simulated bus: accepts a publication, accepts it without an answer, or does not; redelivers unacknowledged
//! messages.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::world::{Crash, Published, World};
use crate::{
    bus::BusError,
    clock::Clock as _,
    command::{
        Outcome,
        publisher::{Publication, PublishError, Publisher},
    },
    simulation::happens,
};

/// How often in a thousand a publication is refused, and is accepted without an answer.
const NOT_TAKEN: u32 = 50;
const ANSWER_LOST: u32 = 50;

/// The connection to the bus in one life of the daemon.
#[derive(Debug)]
pub(super) struct SimulatedPublisher {
    world: Arc<World>,
    crash: Arc<Crash>,
    /// Whether publications are kept for the judge: audit records are not.
    is_kept: bool,
}

impl SimulatedPublisher {
    pub(super) fn new(world: Arc<World>, crash: Arc<Crash>, is_kept: bool) -> Arc<Self> {
        Arc::new(Self { world, crash, is_kept })
    }

    async fn published(&self, publication: &Publication) -> Result<(), PublishError> {
        self.crash.point().await;
        if self.world.goes_wrong(NOT_TAKEN) {
            happens("a publication is refused");
            return Err(away());
        }
        if self.is_kept {
            let outcome: Outcome = serde_json::from_slice(&publication.payload).unwrap();
            if outcome.error.as_ref().is_some_and(|error| error.code == "limit_tripped") {
                happens("a limit refuses a command");
            }
            let at = self.world.now();
            let message_id = publication.attributes.id.clone();
            self.world.record().published.push(Published { at, message_id, outcome });
        }
        self.crash.point().await;
        self.world.latency(10).await;
        if self.world.goes_wrong(ANSWER_LOST) {
            happens("the answer to a publication is lost");
            return Err(away());
        }
        Ok(())
    }
}

impl Publisher for SimulatedPublisher {
    fn publish<'a>(&'a self, publication: &'a Publication) -> BoxFuture<'a, Result<(), PublishError>> {
        self.published(publication).boxed()
    }

    fn require_private<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), PublishError>> {
        std::future::ready(Ok(())).boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

fn away() -> PublishError {
    BusError::Unreachable { name: "bus".to_owned(), reason: "it is away".to_owned() }.into()
}
