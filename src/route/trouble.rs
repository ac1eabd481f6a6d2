//! What keeps a route from making progress, told once while it stays the same.

use std::{collections::BTreeMap, time::Duration};

use okta_client::{Class, OktaError};
use tokio::time::Instant;

use super::status::RouteStatus;
use crate::{
    remedy::remedy,
    telemetry::{chain, metrics},
};

/// Troubles that take turns are told again after so long.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(600);
/// As many different ones are remembered.
const TOLD_MAX: usize = 32;

/// A trouble of one kind, from when it begins until it is over.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    text: Option<String>,
    /// What stays the same of the text while it is the same trouble.
    essence: String,
    /// What was told since it began. Two troubles may take turns from one attempt to the next.
    told: BTreeMap<String, Instant>,
}

impl Trouble {
    /// It is there; true if that is news, judged by its essence.
    pub(super) fn note(&mut self, text: &str, essence: String) -> bool {
        let now = Instant::now();
        let is_same = self.text.is_some() && self.essence == essence;
        let is_told = self.told.get(&essence).is_some_and(|at| now.duration_since(*at) < TELL_AGAIN_AFTER);
        self.text = Some(text.to_owned());
        self.essence.clone_from(&essence);
        if is_same || is_told {
            return false;
        }
        if self.told.len() >= TOLD_MAX {
            self.told.clear();
        }
        self.told.insert(essence, now);
        true
    }

    /// It is over; true if there was one.
    pub(super) fn end(&mut self) -> bool {
        self.told.clear();
        self.text.take().is_some()
    }

    /// What it is.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

/// `text` without its numbers: how long it lasts and how much is left are no news.
pub(super) fn essence(text: &str) -> String {
    let mut essence = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_digit() {
            essence.push(c);
        } else if !essence.ends_with('#') {
            essence.push('#');
        }
    }
    essence
}

const NO_EVENTS: &str = "Okta gives no events; trying again";

/// Notes in `status` and, if it is news, the log that Okta answered.
pub(crate) fn report_okta_answer(status: &RouteStatus) {
    if status.okta_recovered() {
        tracing::info!(route = status.name(), "Okta answers again");
    }
}

/// Notes in `status`, metrics and, if it is news, the log that a request failed and is tried again.
pub(crate) fn report_okta(status: &RouteStatus, error: &OktaError) {
    let class = match error.class() {
        Class::Retry(_) => "transient",
        Class::Permanent => "permanent",
        Class::Authentication => "authentication",
        Class::Configuration => "configuration",
    };
    metrics::okta_failure(status.name(), class);
    let remedy = remedy(error).unwrap_or_default();
    let trouble = if remedy.is_empty() { chain(error) } else { format!("{}: {remedy}", chain(error)) };
    if status.okta_failed(&trouble, error.essence()) {
        match error.class() {
            Class::Retry(_) => {
                tracing::warn!(route = status.name(), class, error = trouble, "{}", NO_EVENTS);
            }
            // Somebody must do something.
            Class::Permanent | Class::Authentication | Class::Configuration => {
                tracing::error!(route = status.name(), class, error = trouble, "{}", NO_EVENTS);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(trouble: &mut Trouble, text: &str) -> bool {
        trouble.note(text, essence(text))
    }

    #[tokio::test(start_paused = true)]
    async fn a_trouble_is_told_once_while_it_stays_the_same() {
        let mut trouble = Trouble::default();
        assert!(note(&mut trouble, "nothing acknowledged for 5 s"));
        for seconds in 6..600 {
            assert!(!note(&mut trouble, &format!("nothing acknowledged for {seconds} s")));
        }
        assert_eq!(trouble.text(), Some("nothing acknowledged for 599 s"));
        assert!(trouble.end() && !trouble.end());
        assert!(note(&mut trouble, "nothing acknowledged for 5 s"));
    }

    #[tokio::test(start_paused = true)]
    async fn troubles_that_take_turns_are_not_told_at_every_turn() {
        let mut trouble = Trouble::default();
        assert!(note(&mut trouble, "refused") && note(&mut trouble, "unreachable"));
        for _ in 0..100 {
            assert!(!note(&mut trouble, "refused") && !note(&mut trouble, "unreachable"));
        }
        tokio::time::advance(TELL_AGAIN_AFTER).await;
        assert!(!note(&mut trouble, "unreachable"), "it is what it was");
        assert!(note(&mut trouble, "refused"));
    }
}
