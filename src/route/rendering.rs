//! From a page to a batch: which events a route wants, what is left out of them, and how they are written. Pure.

use std::sync::Arc;

use super::Selection;
use crate::{
    event::{Batch, BatchId, Event, EventsError, Origin, Redaction},
    format::Renderer,
    stream::Read,
};

/// What a route makes of a page.
#[derive(Debug)]
pub(super) struct Rendering {
    /// Where the messages come from.
    pub(super) origin: Arc<Origin>,
    /// Which events are wanted.
    pub(super) selection: Selection,
    /// What is left out of them, if anything.
    pub(super) redaction: Option<Redaction>,
    /// How they are written.
    pub(super) renderer: Renderer,
}

impl Rendering {
    /// The batch of the events that are wanted and were not read before, each with no more than `bytes_max` bytes as far
    /// as its format knows how to do with less.
    pub(super) fn batch(
        &self,
        id: BatchId,
        read: &Read,
        bytes_max: Option<usize>,
    ) -> Result<Batch, EventsError> {
        let (origin, events) = (Arc::clone(&self.origin), Arc::clone(&read.page.events));
        let is_wanted = |index: u32, event: &Event<'_>| {
            read.known.binary_search(&index).is_err() && self.selection.wants(event)
        };
        let render = |event: &Event<'_>| self.renderer.render(event, bytes_max);
        let Some(redaction) = &self.redaction else {
            return Ok(Batch::render(id, origin, events, |index, event| {
                is_wanted(index, event).then(|| render(event))
            }));
        };
        // The selection goes by what Okta said, and what is made of an event by what is left of it.
        let redacted = redaction.apply(&events, is_wanted)?;
        Ok(Batch::render(id, origin, Arc::new(redacted), |_, event| Some(render(event))))
    }
}
