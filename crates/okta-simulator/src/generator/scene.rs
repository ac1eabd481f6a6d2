//! One run of a story: chooses its people and collects its events with their times.

use std::ops::Range;
use std::sync::Arc;

use fastrand::Rng;

use super::cast::{Cast, Person};
use super::catalogue::{Deck, EventType};
use super::draft::{Act, Draft};
use super::entity::{Entity, okta_id, random_characters};
use super::origin::Origin;

/// One run of a story.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) rng: &'a mut Rng,
    pub(super) cast: &'a Cast,
    deck: &'a mut Deck,
    /// Milliseconds since the story began.
    at_ms: i64,
    drafts: Vec<(i64, Draft)>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(rng: &'a mut Rng, cast: &'a Cast, deck: &'a mut Deck) -> Self {
        Self { rng, cast, deck, at_ms: 0, drafts: Vec::new() }
    }

    /// The events with their times in milliseconds since the story began.
    pub(super) fn into_drafts(self) -> Vec<(i64, Draft)> {
        self.drafts
    }

    /// Adds an event; the next one of the same operation follows some milliseconds later.
    pub(super) fn tell(&mut self, draft: Draft) {
        self.drafts.push((self.at_ms, draft));
        self.at_ms += self.rng.i64(4..60);
    }

    /// Lets some seconds pass.
    pub(super) fn pause(&mut self, seconds: Range<i64>) {
        self.at_ms += self.rng.i64(seconds) * 1000 + self.rng.i64(0..1000);
    }

    /// True once in `n` times.
    pub(super) fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }

    pub(super) fn person(&mut self) -> &'a Person {
        self.cast.person(self.rng)
    }

    pub(super) fn admin(&mut self) -> &'a Person {
        self.cast.admin(self.rng)
    }

    pub(super) fn app(&mut self) -> &'a Arc<Entity> {
        &self.cast.apps[self.rng.usize(..self.cast.apps.len())]
    }

    pub(super) fn group(&mut self) -> &'a Arc<Entity> {
        &self.cast.groups[self.rng.usize(..self.cast.groups.len())]
    }

    pub(super) fn policy(&mut self) -> &'a Arc<Entity> {
        &self.cast.policies[self.rng.usize(..self.cast.policies.len())]
    }

    pub(super) fn rule(&mut self) -> &'a Arc<Entity> {
        &self.cast.rules[self.rng.usize(..self.cast.rules.len())]
    }

    /// The next event type of the catalogue.
    pub(super) fn event_type(&mut self) -> Option<EventType> {
        self.deck.deal(self.rng)
    }

    /// A person at a browser, with a session that begins.
    pub(super) fn visit(&mut self, person: &Person) -> Act {
        let is_at_office = self.rng.u32(..5) < 3;
        let origin = if is_at_office { &person.office } else { &person.home };
        let session_id = self.session_id();
        let act = self.request(&person.user, Some(origin));
        Act { session_id: Some(session_id), device: person.device.clone(), ..act }
    }

    /// A person's account used from a hideout, without a session.
    pub(super) fn intrusion(&mut self, user: &Arc<Entity>) -> Act {
        let hideout = &self.cast.hideouts[self.rng.usize(..self.cast.hideouts.len())];
        self.request(user, Some(hideout))
    }

    /// A service that calls the API.
    pub(super) fn api_call(&mut self) -> Act {
        let service = &self.cast.services[self.rng.usize(..self.cast.services.len())];
        let server = &self.cast.servers[self.rng.usize(..self.cast.servers.len())];
        let token_id = okta_id(self.rng, "00T").into();
        Act { api_token_id: Some(token_id), ..self.request(service, Some(server)) }
    }

    /// Okta itself at work.
    pub(super) fn job(&mut self) -> Act {
        self.request(&self.cast.system, None)
    }

    /// The same actor in the same session with a request of its own.
    pub(super) fn next_request(&mut self, act: &Act) -> Act {
        Act { transaction_id: self.transaction_id(), ..act.clone() }
    }

    fn request(&mut self, actor: &Arc<Entity>, origin: Option<&Arc<Origin>>) -> Act {
        Act {
            actor: Arc::clone(actor),
            origin: origin.cloned(),
            device: None,
            session_id: None,
            transaction_id: self.transaction_id(),
            api_token_id: None,
        }
    }

    fn transaction_id(&mut self) -> Arc<str> {
        format!("{:032x}", self.rng.u128(..)).into()
    }

    fn session_id(&mut self) -> Arc<str> {
        let mut id = String::from("idx");
        random_characters(self.rng, 22, &mut id);
        id.into()
    }
}
