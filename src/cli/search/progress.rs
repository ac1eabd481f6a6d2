//! How far a search is, on standard error if that is a terminal, and nowhere else.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};

use super::question::Question;
use crate::{config::Order, okta::BudgetStatus, window::Part};

/// The window is so many steps long.
const STEPS: u64 = 1_000;

/// How far a search is.
#[derive(Debug)]
pub(super) struct Progress {
    /// Shows itself on a terminal alone.
    bar: ProgressBar,
    since: Timestamp,
    until: Timestamp,
    order: Order,
    begun_at: Instant,
    requests: u64,
    events: u64,
}

impl Progress {
    pub(super) fn new(question: &Question) -> Self {
        let bar = ProgressBar::new(STEPS);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {percent:>3}%  {msg}") {
            bar.set_style(style);
        }
        bar.set_message("asking Okta");
        let &Question { since, until, .. } = question;
        let order = question.query.order;
        Self { bar, since, until, order, begun_at: Instant::now(), requests: 0, events: 0 }
    }

    /// An answer has come; says how many there are by now.
    pub(super) fn came(&mut self, part: &Part, budget: &BudgetStatus) -> u64 {
        self.requests += 1;
        self.events += (part.events.len() - part.left_out.len()) as u64;
        let last = part.events.len().checked_sub(1).and_then(|last| part.events.get(last));
        let edge = last.and_then(|event| event.published()?.parse::<Timestamp>().ok());
        let covered = match (&part.next, edge) {
            (Some(_), Some(edge)) => self.covered(edge),
            (Some(_), None) => return self.requests,
            (None, _) => 1.0,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a part of a small number"
        )]
        self.bar.set_position((covered * STEPS as f64) as u64);
        self.bar.set_message(self.words(covered, edge, budget));
        self.requests
    }

    /// Lets `say` write while the bar is away.
    pub(super) fn suspend(&self, say: impl FnOnce()) {
        self.bar.suspend(say);
    }

    pub(super) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Takes the bar away and leaves a line.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
        if io::stderr().is_terminal() {
            super::note(&format!("{} event(s) in {} request(s)", self.events, self.requests));
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

    fn words(&self, covered: f64, edge: Option<Timestamp>, budget: &BudgetStatus) -> String {
        let mut words = format!("{} events, {} requests", self.events, self.requests);
        if let Some(edge) = edge {
            words += &format!(", at {}", edge.strftime("%Y-%m-%d %H:%M"));
        }
        if let Some(allowed) = budget.allowed {
            words += &format!(", {} of {allowed} requests a minute used", budget.used);
        }
        if let Some(left) = left(covered, self.requests, self.begun_at.elapsed(), budget.allowed) {
            let left = SignedDuration::from_secs(i64::try_from(left.as_secs()).unwrap_or(i64::MAX));
            words += &format!(", about {left:#} left");
        }
        words
    }
}

/// How long it takes to cover the rest, if it goes on as before and the budget allows it.
fn left(covered: f64, requests: u64, elapsed: Duration, allowed_per_minute: Option<u64>) -> Option<Duration> {
    const MINUTE: Duration = Duration::from_secs(60);
    if covered <= 0.0 {
        return None;
    }
    let rest = (1.0 - covered) / covered;
    #[expect(clippy::cast_precision_loss, reason = "requests are counted by hand, nearly")]
    let by_budget = allowed_per_minute.map(|allowed| requests as f64 * rest / allowed.max(1) as f64);
    let by_pace = Duration::try_from_secs_f64(elapsed.as_secs_f64() * rest).ok()?;
    let by_budget = Duration::try_from_secs_f64(MINUTE.as_secs_f64() * by_budget.unwrap_or(0.0)).ok()?;
    Some(by_pace.max(by_budget))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_goes_by_the_slower_of_pace_and_budget() {
        let seconds = Duration::from_secs;
        assert_eq!(left(0.0, 1, seconds(1), None), None);
        assert_eq!(left(0.25, 10, seconds(10), None), Some(seconds(30)));
        assert_eq!(left(0.25, 10, seconds(10), Some(60)), Some(seconds(30)));
        assert_eq!(left(0.25, 10, seconds(10), Some(10)), Some(seconds(180)));
        assert_eq!(left(1.0, 10, seconds(10), Some(10)), Some(seconds(0)));
        assert_eq!(left(1e-300, u64::MAX, seconds(10), Some(0)), None);
    }
}
