//! Events of changes that clients make over the API, in the same shape as the generated ones.

use std::sync::Arc;

use fastrand::Rng;

use super::draft::Act;
use super::entity::Entity;
use super::origin::Origin;
use super::render;

/// An actor or target of such an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) alternate_id: String,
    pub(crate) display_name: String,
}

/// An event of a change.
#[derive(Debug)]
pub(crate) struct ApiEvent<'a> {
    pub(crate) event_type: &'static str,
    pub(crate) actor: &'a Party,
    /// The id of the API token that the request used, if it used one.
    pub(crate) api_token_id: Option<&'a str>,
    pub(crate) targets: &'a [Party],
    /// Of the request: the event's transaction.
    pub(crate) request_id: &'a str,
    pub(crate) path: &'a str,
}

impl Party {
    pub(crate) fn new(id: &str, kind: &'static str, alternate_id: &str, display_name: &str) -> Self {
        let (alternate_id, display_name) = (alternate_id.to_owned(), display_name.to_owned());
        Self { id: id.to_owned(), kind, alternate_id, display_name }
    }

    fn entity(&self) -> Arc<Entity> {
        Arc::new(Entity {
            id: self.id.clone(),
            kind: self.kind.to_owned(),
            alternate_id: Some(self.alternate_id.clone()),
            display_name: Some(self.display_name.clone()),
            details: Vec::new(),
        })
    }
}

impl ApiEvent<'_> {
    /// The event as Okta's JSON, published at the given time. The seed makes its uuid.
    pub(crate) fn render(&self, published_ms: i64, seed: u64) -> Vec<u8> {
        // Clients of the API stay where they are.
        let origin = Origin::server(&mut Rng::with_seed(0));
        let act = Act {
            actor: self.actor.entity(),
            origin: Some(Arc::new(origin)),
            device: None,
            session_id: None,
            transaction_id: self.request_id.into(),
            api_token_id: self.api_token_id.map(Into::into),
        };
        let draft = act.event(self.event_type).uri(self.path.to_owned());
        let draft = self.targets.iter().fold(draft, |draft, target| draft.target(&target.entity()));
        render::render(&draft, published_ms, seed)
    }
}
