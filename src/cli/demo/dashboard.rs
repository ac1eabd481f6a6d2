//! A line a route now and then: rate, lag and budget.

use std::{collections::BTreeMap, time::Duration};

use anstyle::{AnsiColor, Style};

use crate::{overview::DaemonView, route::Phase};

const DIM: Style = AnsiColor::BrightBlack.on_default();

/// Remembers the previous counts, to show rates.
#[derive(Debug, Default)]
pub(super) struct Dashboard {
    delivered: BTreeMap<String, u64>,
}

impl Dashboard {
    /// The lines for what happened in the last `elapsed`.
    pub(super) fn render(&mut self, view: &DaemonView, elapsed: Duration) -> String {
        let mut lines = String::new();
        for route in view.snapshots() {
            let before = self.delivered.insert(route.route.clone(), route.delivered).unwrap_or_default();
            let rate = (route.delivered - before.min(route.delivered)) / elapsed.as_secs().max(1);
            let phase = match route.phase {
                Phase::Starting => "starting",
                Phase::Reading => "catching up",
                Phase::AtTail => "live",
                Phase::Paused => "paused",
                Phase::Standby => "standby",
                Phase::Superseded => "superseded",
                Phase::Ended => "ended",
            };
            lines.push_str(&format!(
                "{DIM}── {name:16} {phase:11} {delivered:>8} delivered  {rate:>6}/s  lag {lag:>7.1} s{trouble}{DIM:#}\n",
                name = route.route,
                delivered = route.delivered,
                lag = route.lag_seconds,
                trouble = route.trouble().map(|trouble| format!("  {trouble}")).unwrap_or_default(),
            ));
        }
        for client in &view.clients {
            let budget = client.logs_budget();
            if let (Some(allowed), Some(limit)) = (budget.allowed, budget.limit) {
                lines.push_str(&format!(
                    "{DIM}── budget           {used} of our {allowed} requests this minute (Okta allows {limit}){DIM:#}\n",
                    used = budget.used,
                ));
            }
        }
        lines
    }
}
