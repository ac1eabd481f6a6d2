//! How far something long is, on standard error: a bar for a person at a terminal, a line now and then for a log.

use std::{
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::SignedDuration;

/// How often a log is told.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// A rate is not read out of less.
const RATE_AFTER: Duration = Duration::from_secs(3);
const STEPS: u64 = 1_000;

/// Something on its way.
#[derive(Debug)]
pub(super) struct Progress {
    /// None where nobody sees a bar.
    bar: Option<ProgressBar>,
    told_at: Option<Instant>,
    /// When it was first heard how far it is, and how far it was.
    first: Option<(Instant, f64)>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr());
            // The template is right, or the plain style must do.
            let style = ProgressStyle::with_template("{bar:24} {percent:>3} %  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, told_at: None, first: None }
    }

    /// It is at `part`, from 0 to 1; `text` says the rest.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of few steps"
    )]
    pub(super) fn advance(&mut self, part: f64, text: &str) {
        let (at, from) = *self.first.get_or_insert((Instant::now(), part));
        let left = left(at.elapsed(), from, part).map(|left| format!(", {left:#} left")).unwrap_or_default();
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{text}{left}"));
            bar.set_position((part * STEPS as f64) as u64);
            return;
        }
        if self.told_at.is_none_or(|told_at| told_at.elapsed() >= TELL_EVERY) {
            self.told_at = Some(Instant::now());
            self.say(&format!("{:.1} %, {text}{left}", part * 100.0));
        }
    }

    /// Says something beside it.
    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(format!("oktabus: {text}")),
            // Nothing more can be done if even this cannot be printed.
            None => drop(writeln!(std::io::stderr(), "oktabus: {text}")),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How long it takes yet, if it goes on as it did since it was at `from`.
fn left(elapsed: Duration, from: f64, part: f64) -> Option<SignedDuration> {
    if elapsed < RATE_AFTER || part <= from {
        return None;
    }
    let seconds = elapsed.as_secs_f64() * (1.0 - part).max(0.0) / (part - from);
    SignedDuration::try_from_secs_f64(seconds.round()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_goes_by_what_this_run_did() {
        let minute = Duration::from_secs(60);
        assert_eq!(left(minute, 0.5, 0.75), Some(SignedDuration::from_secs(60)));
        assert_eq!(left(minute, 0.0, 1.0), Some(SignedDuration::ZERO));
        assert_eq!(left(minute, 0.5, 0.5), None);
        assert_eq!(left(Duration::from_secs(1), 0.0, 0.5), None);
    }
}
