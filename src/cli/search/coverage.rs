//! How much of the window of a search is read, for people at a terminal.

use std::io::{self, IsTerminal as _};

use jiff::{SignedDuration, Timestamp};
use okta_client::{BudgetStatus, logs::Order};

use super::question::Question;
use crate::{cli::progress::Progress, source::window::BoundedPage};

/// How much of a window is read.
#[derive(Debug)]
pub(super) struct Coverage {
    progress: Progress,
    since: Timestamp,
    until: Timestamp,
    order: Order,
    requests: u64,
    events: u64,
}

impl Coverage {
    pub(super) fn new(question: &Question) -> Self {
        let progress = Progress::at_a_terminal();
        progress.begin("asking Okta");
        let &Question { since, until, .. } = question;
        Self { progress, since, until, order: question.query.order, requests: 0, events: 0 }
    }

    /// An answer has come; says how many there are by now.
    pub(super) fn came(&mut self, part: &BoundedPage, budget: &BudgetStatus) -> u64 {
        self.requests += 1;
        self.events += (part.events.len() - part.left_out.len()) as u64;
        let last = part.events.len().checked_sub(1).and_then(|last| part.events.get(last));
        let edge = last.and_then(|event| event.published()?.parse::<Timestamp>().ok());
        let covered = match (&part.next, edge) {
            (Some(_), Some(edge)) => self.covered(edge),
            (Some(_), None) => return self.requests,
            (None, _) => 1.0,
        };
        let left_min = left_by_budget(covered, self.requests, budget.allowed);
        self.progress.advance(covered, &self.words(edge, budget), left_min);
        self.requests
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Leaves a line where a bar was.
    pub(super) fn end(&self) {
        if io::stderr().is_terminal() {
            self.progress.say(&format!("{} event(s) in {} request(s)", self.events, self.requests));
        }
    }

    /// The part of the window up to `edge`, 0 to 1.
    fn covered(&self, edge: Timestamp) -> f64 {
        let whole = self.until.duration_since(self.since).as_secs_f64();
        let part = match self.order {
            Order::Ascending => edge.duration_since(self.since),
            Order::Descending => self.until.duration_since(edge),
        };
        (part.as_secs_f64() / whole).clamp(0.0, 1.0)
    }

    fn words(&self, edge: Option<Timestamp>, budget: &BudgetStatus) -> String {
        let mut words = format!("{} events, {} requests", self.events, self.requests);
        if let Some(edge) = edge {
            words += &format!(", at {}", edge.strftime("%Y-%m-%d %H:%M"));
        }
        if let Some(allowed) = budget.allowed {
            words += &format!(", {} of {allowed} requests a minute used", budget.used);
        }
        words
    }
}

/// How long the budget lets the rest take, if that needs as many requests as what is covered did.
fn left_by_budget(covered: f64, requests: u64, allowed_per_minute: Option<u64>) -> Option<SignedDuration> {
    if covered <= 0.0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "requests are counted by hand, nearly")]
    let minutes = requests as f64 * (1.0 - covered) / covered / allowed_per_minute?.max(1) as f64;
    SignedDuration::try_from_secs_f64((60.0 * minutes).round()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_goes_by_the_requests_that_it_needs() {
        let seconds = |seconds| Some(SignedDuration::from_secs(seconds));
        assert_eq!(left_by_budget(0.0, 1, Some(60)), None);
        assert_eq!(left_by_budget(0.25, 10, None), None);
        assert_eq!(left_by_budget(0.25, 10, Some(60)), seconds(30));
        assert_eq!(left_by_budget(0.25, 10, Some(10)), seconds(180));
        assert_eq!(left_by_budget(1.0, 10, Some(10)), seconds(0));
        assert_eq!(left_by_budget(1e-300, u64::MAX, Some(0)), None);
    }
}
