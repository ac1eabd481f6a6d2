//! An event as a person likes to see it: time, severity, outcome, type, who, to whom, from where.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use okta_system_log::event::{json::EventView, name_of};

use crate::telemetry::printable;

/// Appends one line. What is missing in the event is missing in the line.
pub(super) fn push_line(payload: &[u8], is_coloured: bool, lines: &mut Vec<u8>) {
    let event = EventView::at(payload);
    let text = |path: &str| printable(&event.text(path)).into_owned();
    let severity = text("/severity");
    let outcome = text("/outcome/result");
    let style = if is_coloured { style_of(&severity, &outcome) } else { Style::new() };
    let published = text("/published");
    let time = published.split_once('T').map_or("", |(_, time)| time.get(..8).unwrap_or(time));
    let name = |path: &str| printable(&name_of(&event, path)).into_owned();
    let (mut who, target) = (name("/actor"), name("/target/0"));
    if !target.is_empty() && target != who {
        who = format!("{who} → {target}");
    }
    let place = [text("/client/ipAddress"), text("/client/geographicalContext/city")];
    let place = place.join(" ");
    let place = place.trim();
    // Writing to memory cannot fail.
    let _ = writeln!(
        lines,
        "{time:8} {style}{severity:5} {outcome:9} {event_type:44}{style:#} {who}{separator}{place}",
        event_type = text("/eventType"),
        separator = if place.is_empty() { "" } else { "  " },
    );
}

fn style_of(severity: &str, outcome: &str) -> Style {
    let colour = match (severity, outcome) {
        ("ERROR", _) | (_, "FAILURE" | "DENY") => AnsiColor::Red,
        ("WARN", _) | (_, "CHALLENGE" | "RATE_LIMIT") => AnsiColor::Yellow,
        _ => AnsiColor::Green,
    };
    colour.on_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &str) -> String {
        let mut lines = Vec::new();
        push_line(event.as_bytes(), false, &mut lines);
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn a_line_says_who_did_what_to_whom_from_where() {
        let line = line(
            r#"{"published":"2026-01-02T03:04:05.678Z","severity":"WARN","outcome":{"result":"FAILURE"},
            "eventType":"user.account.lock","actor":{"alternateId":"ada@acme.com"},
            "target":[{"alternateId":"unknown","displayName":"Bob"}],
            "client":{"ipAddress":"203.0.113.7","geographicalContext":{"city":"Utrecht"}}}"#,
        );
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(
            words,
            [
                "03:04:05",
                "WARN",
                "FAILURE",
                "user.account.lock",
                "ada@acme.com",
                "→",
                "Bob",
                "203.0.113.7",
                "Utrecht"
            ]
        );
    }

    #[test]
    fn nothing_in_an_event_breaks_the_line_or_the_terminal() {
        for odd in ["null", "1", "[]", "{}", r#"{"target":{},"actor":5,"published":"é"}"#] {
            assert_eq!(line(odd).lines().count(), 1, "{odd}");
        }
        let hostile = line(
            r#"{"actor":{"displayName":"a\u001b[2Jb\nc\u202e"},"eventType":"x\u009b2Jy\nz","severity":"\ud800","n":1e999,
            "target":[{"id":"t","id":"u\u2066"}]}"#,
        );
        assert_eq!(hostile.lines().count(), 1);
        assert!(
            hostile.contains(r"a\u{1b}[2Jb\nc\u{202e} → u\u{2066}") && hostile.contains(r"x\u{9b}2Jy"),
            "{hostile}"
        );
        assert!(!hostile.trim_end().contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{2066}']), "{hostile:?}");
    }
}
