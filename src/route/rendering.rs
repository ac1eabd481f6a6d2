//! From events to messages: which ones a route wants, what is left out of them, and how they are written.

use std::sync::Arc;

use super::{RouteError, Selection};
use okta_client::Org;
use okta_system_log::{
    event::{Event, Events, Redaction},
    format::{Payload, Renderer},
};

use crate::{
    config::{RedactionConfig, RouteConfig, Secret, SecretError},
    message::{Messages, Origin},
};

/// What a route makes of events.
#[derive(Debug)]
pub(crate) struct Rendering {
    /// Where the messages come from.
    pub(crate) origin: Arc<Origin>,
    /// Which events are wanted.
    selection: Selection,
    /// What is left out of them, if anything.
    redaction: Option<Redaction>,
    /// How they are written.
    renderer: Renderer,
}

impl Rendering {
    /// As `route` wants it, for events of `org`. Reads the key of pseudonyms.
    pub(crate) async fn open(route: &RouteConfig, org: &Org) -> Result<Self, RouteError> {
        let redaction = match &route.redaction {
            Some(config) => {
                let redaction = redaction(config).await;
                Some(redaction.map_err(|source| RouteError::Key { route: route.name.clone(), source })?)
            }
            None => None,
        };
        let tenant = org.url.host_str().map(str::to_owned);
        Ok(Self {
            origin: Arc::new(route.origin(org)),
            selection: Selection::new(&route.selection),
            redaction,
            renderer: Renderer { format: route.format, ocsf: route.ocsf, tenant },
        })
    }

    /// As `route` renders what it has chosen and redacted before: neither is done again.
    pub(crate) fn of_kept(route: &RouteConfig, org: &Org) -> Self {
        let tenant = org.url.host_str().map(str::to_owned);
        Self {
            origin: Arc::new(route.origin(org)),
            selection: Selection::default(),
            redaction: None,
            renderer: Renderer { format: route.format, ocsf: route.ocsf, tenant },
        }
    }

    /// A message of each of `events`, which were chosen and redacted before. What `is_carried` is no event of Okta's and is
    /// carried as it is.
    pub(crate) fn kept_messages(
        &self,
        events: &Arc<Events>,
        bytes_max: Option<usize>,
        is_carried: impl Fn(&Event<'_>) -> bool,
    ) -> Messages {
        Messages::render(Arc::clone(&self.origin), Arc::clone(events), |_, event| {
            Some(match is_carried(event) {
                true => Payload::from(event.raw()),
                false => self.renderer.render(event, bytes_max),
            })
        })
    }

    /// The messages of the events that are wanted and not `known` (indices, ascending), each with no more than `bytes_max`
    /// bytes as far as its format knows how to do with less.
    pub(crate) fn messages(
        &self,
        events: &Arc<Events>,
        known: &[u32],
        bytes_max: Option<usize>,
    ) -> Result<Messages, RouteError> {
        let (origin, events) = (Arc::clone(&self.origin), Arc::clone(events));
        let is_wanted = |index: u32, event: &Event<'_>| {
            known.binary_search(&index).is_err() && self.selection.wants(event)
        };
        let render = |event: &Event<'_>| self.renderer.render(event, bytes_max);
        let Some(redaction) = &self.redaction else {
            return Ok(Messages::render(origin, events, |index, event| {
                is_wanted(index, event).then(|| render(event))
            }));
        };
        // The selection goes by what Okta said, and what is made of an event by what is left of it.
        let redacted = redaction.apply(&events, is_wanted);
        let redacted =
            redacted.map_err(|source| RouteError::Redaction { route: self.origin.route.clone(), source })?;
        Ok(Messages::render(origin, Arc::new(redacted), |_, event| Some(render(event))))
    }
}

async fn redaction(config: &RedactionConfig) -> Result<Redaction, SecretError> {
    let key = config.key.clone();
    let key = tokio::task::spawn_blocking(move || key.as_ref().map(Secret::read_line).transpose()).await;
    Ok(Redaction::new(&config.rules, key.unwrap_or(Err(SecretError::Interrupted))?.as_ref()))
}
