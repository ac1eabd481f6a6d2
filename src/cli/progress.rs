//! Progress of long work, on standard error: a bar on a terminal, or a line from time to time in a log.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use jiff::SignedDuration;

use super::note;

/// The time between two lines in a log.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// The shortest time from which a rate is computed.
const RATE_AFTER: Duration = Duration::from_secs(3);
const STEPS: u64 = 1_000;

/// The progress of one task.
#[derive(Debug)]
pub(super) struct Progress {
    /// Shown on a terminal only.
    bar: ProgressBar,
    /// Without a terminal.
    log: Option<Log>,
    /// Time and value of the first report.
    first: Option<(Instant, f64)>,
}

#[derive(Debug, Default)]
struct Log {
    told_at: Option<Instant>,
}

impl Progress {
    /// Shown at a terminal, and nowhere else.
    pub(super) fn at_a_terminal() -> Self {
        let bar = ProgressBar::new(STEPS);
        // The template is right, or the plain style must do.
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        Self { bar, log: None, first: None }
    }

    /// A bar on a terminal, and log lines elsewhere.
    pub(super) fn told_everywhere() -> Self {
        let mut progress = Self::at_a_terminal();
        progress.log = (!io::stderr().is_terminal()).then(Log::default);
        progress
    }

    /// What it is about, before it is known how far it is.
    pub(super) fn begin(&self, text: &'static str) {
        self.bar.set_message(text);
    }

    /// It is at `part`, from 0 to 1; `text` says the rest. It takes `left_min` yet, or longer.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of few steps"
    )]
    pub(super) fn advance(&mut self, part: f64, text: &str, left_min: Option<SignedDuration>) {
        let (at, from) = *self.first.get_or_insert((Instant::now(), part));
        let left = left(at.elapsed(), from, part).max(left_min);
        let left = left.map(|left| format!(", about {left:#} left")).unwrap_or_default();
        self.bar.set_message(format!("{text}{left}"));
        self.bar.set_position((part * STEPS as f64) as u64);
        if let Some(log) = &mut self.log
            && log.told_at.is_none_or(|told_at| told_at.elapsed() >= TELL_EVERY)
        {
            log.told_at = Some(Instant::now());
            note(&format!("{:.1} %, {text}{left}", part * 100.0));
        }
    }

    /// Prints a line above the bar.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| note(text));
    }

    /// The bar, to be hidden while something else writes to the terminal.
    pub(super) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
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
