//! The transcript of a run, for people.

use std::fmt::Write as _;

use super::{scenario::Scenario, world::World};

/// The commands and events of a run, for people.
pub(super) fn transcript(world: &World, scenario: &Scenario) -> String {
    let mut lines: Vec<(f64, String)> = Vec::new();
    #[expect(clippy::cast_precision_loss, reason = "they are small")]
    for command in &scenario.commands {
        let by = if command.is_foreign { "stranger".to_owned() } else { format!("{:?}", command.sender) };
        let times = format!("by {by} not_before {:?} expires {:?}", command.not_before_s, command.expires_s);
        lines.push((command.sent_s as f64, format!("asked {} {times}", command.message)));
    }
    let record = world.record();
    for sent in &record.sent {
        let text =
            format!("sent {} {} at {:?} made: {}", sent.method, sent.path, sent.status_then, sent.is_made);
        lines.push((world.seconds(sent.at), text));
    }
    for (at, other) in &record.others {
        lines.push((world.seconds(*at), format!("other {other:?}")));
    }
    for published in &record.published {
        let outcome = &published.outcome;
        let code = outcome.error.as_ref().map(|error| error.code.as_str()).unwrap_or_default();
        let text = format!(
            "outcome {} {} {} {code} attempts {}",
            published.message_id,
            outcome.command_id,
            outcome.status.name(),
            outcome.attempts
        );
        lines.push((world.seconds(published.at), text));
    }
    lines.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut text = format!(
        "limit {} suspends an hour, lives {:?} down {:?} signed {}\n",
        scenario.suspends_max, scenario.lives, scenario.downtimes, scenario.is_signed
    );
    for (at, line) in lines {
        let _ = writeln!(text, "  {at:9.3} {line}");
    }
    text
}
