//! The polling state machine: which link to follow next, and what to make of a failure. Pure.

use std::{collections::HashSet, time::Duration};

use okta_client::{Class, OktaError};
use url::Url;

use crate::{
    retry::{Backoff, RetryPolicy},
    state::fingerprint,
};

/// Links that are remembered while nothing new comes: more than an overlap has pages.
const LINKS_MAX: usize = 10_000;

/// The position and back-off of one reader.
#[derive(Debug)]
pub(super) struct Polling {
    link: Url,
    retry: Backoff,
    attention: Backoff,
    refused: Backoff,
    refusals: u32,
    /// Fingerprints of the links that were asked since something new came.
    asked: HashSet<u64>,
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Ask the same again after this time.
    Retry(Duration),
    /// The link is of no use any more: resume by time, after this time.
    Resume(Duration),
}

impl Polling {
    pub(super) fn new(link: Url, seed: u64) -> Self {
        Self {
            link,
            retry: RetryPolicy::OKTA.backoff_from(seed),
            attention: RetryPolicy::OKTA_ATTENTION.backoff_from(seed),
            refused: RetryPolicy::OKTA_LINK.backoff_from(seed),
            refusals: 0,
            asked: HashSet::new(),
        }
    }

    /// What to ask for.
    pub(super) fn link(&self) -> &Url {
        &self.link
    }

    /// Whether a page with events leads nowhere: nothing in it is new, and `next` was asked since something new came.
    /// One with news may lead to itself, since more may come there.
    pub(super) fn is_going_round(&mut self, next: &Url, has_news: bool) -> bool {
        if has_news || self.asked.len() >= LINKS_MAX {
            self.asked.clear();
        }
        self.asked.insert(fingerprint(self.link.as_str()));
        !has_news && self.asked.contains(&fingerprint(next.as_str()))
    }

    /// A page came; `next` is the link after it.
    pub(super) fn advance(&mut self, next: Url) {
        if is_okta_link(&self.link) {
            self.refusals = 0;
            self.refused.reset();
        }
        self.link = next;
        self.retry.reset();
        self.attention.reset();
    }

    /// Begins anew at a URL that asks by time: what was read there before is no circle.
    pub(super) fn resume(&mut self, url: Url) {
        self.link = url;
        self.asked.clear();
    }

    /// Follows a link that leads nowhere, which is no progress.
    pub(super) fn go_round(&mut self, next: Url) {
        self.link = next;
    }

    /// Something else than a page came. Only if Okta itself refuses its own link, the link is given up.
    pub(super) fn fail(&mut self, error: &OktaError) -> Reaction {
        if is_okta_link(&self.link) && error.refuses_link() {
            self.refusals += 1;
            // The first time at once; links that are refused again and again are no reason to hurry.
            let wait = if self.refusals == 1 { Duration::ZERO } else { self.refused.next_wait() };
            return Reaction::Resume(wait);
        }
        match error.class() {
            Class::Retry(Some(wait)) => Reaction::Retry(wait),
            Class::Retry(None) => Reaction::Retry(self.retry.next_wait()),
            Class::Permanent | Class::Authentication | Class::Configuration => {
                Reaction::Retry(self.attention.next_wait())
            }
        }
    }
}

/// Whether Okta made the URL: only its links carry `after`. What we ask for by time ourselves is never refused for
/// being too old, so there is nothing to fall back to.
fn is_okta_link(url: &Url) -> bool {
    url.query_pairs().any(|(name, _)| name == "after")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(query: &str) -> Url {
        Url::parse(&format!("https://a/api/v1/logs?{query}")).unwrap()
    }

    fn status(status: u16, code: Option<&str>) -> OktaError {
        let code = code.map(str::to_owned);
        OktaError::Status { status, code, summary: String::new(), request_id: None }
    }

    fn refused() -> OktaError {
        status(400, Some("E0000029"))
    }

    #[test]
    fn a_refused_link_is_resumed_by_time_at_once_and_then_with_patience() {
        let mut polling = Polling::new(url("after=1"), 1);
        assert_eq!(polling.fail(&refused()), Reaction::Resume(Duration::ZERO));
        polling.resume(url("since=2026"));
        polling.advance(url("since=2026&after=2"));
        let Reaction::Resume(second) = polling.fail(&refused()) else { panic!("not resumed") };
        assert!(second >= Duration::from_secs(2));
        polling.resume(url("since=2026"));
        polling.advance(url("after=3"));
        polling.advance(url("after=4"));
        assert_eq!(polling.fail(&refused()), Reaction::Resume(Duration::ZERO));
    }

    #[test]
    fn a_request_by_time_that_is_refused_waits_for_somebody() {
        let mut polling = Polling::new(url("since=2026&filter=nonsense"), 1);
        for _ in 0..10 {
            let Reaction::Retry(wait) = polling.fail(&refused()) else { panic!("resumed") };
            assert!(wait >= Duration::from_millis(2_500) && wait <= Duration::from_secs(30));
        }
    }

    #[test]
    fn failures_keep_the_link_and_never_spin() {
        let mut polling = Polling::new(url("after=1"), 1);
        let strays = [204, 302, 400, 401, 402, 403, 404, 406, 407, 409, 410, 418, 422, 451, 500, 503];
        let dpop = status(400, Some("invalid_dpop_proof"));
        let others = [dpop, OktaError::NoNextLink, OktaError::NotAPage(String::new()), OktaError::StuckLink];
        for error in strays.map(|stray| status(stray, None)).iter().chain(&others) {
            let Reaction::Retry(wait) = polling.fail(error) else { panic!("resumed after {error}") };
            assert!(wait >= Duration::from_millis(500), "{error}");
        }
        let wait = Duration::from_secs(31);
        assert_eq!(polling.fail(&OktaError::RateLimited { wait, is_oktas: true }), Reaction::Retry(wait));
        assert_eq!(polling.link(), &url("after=1"));
    }

    #[test]
    fn pages_that_lead_back_without_news_are_seen() {
        let mut polling = Polling::new(url("after=1"), 1);
        assert!(!polling.is_going_round(&url("after=1"), true), "what is new may lead to itself");
        assert!(polling.is_going_round(&url("after=1"), false));
        for number in 2..6 {
            assert!(!polling.is_going_round(&url(&format!("after={number}")), false));
            polling.advance(url(&format!("after={number}")));
        }
        assert!(polling.is_going_round(&url("after=3"), false), "a circle");
        assert!(!polling.is_going_round(&url("after=6"), false));
    }
}
