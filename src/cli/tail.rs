//! `oktabus tail`: events as they are delivered by the running daemon.

use clap::Args;
use okta_system_log::event::{
    catalogue::{OUTCOMES, SEVERITIES},
    json::EventView,
};

use super::{ConfigArgument, Exit, fail, is_unread, note, print, status::connect_until_stopped};
use crate::{
    control::{Client, ControlError, Passed, with_query},
    live::{PassedEvent, TailFilter},
    sink::human_line,
    telemetry::printable_json,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Events are shown as their route delivers them: what it redacts is redacted here. A terminal that does not keep
up misses some, and is told how many; delivery never waits for it.

Examples:
  oktabus tail
  oktabus tail system-log/siem --event-type 'user.session.*' --outcome FAILURE
  oktabus tail --actor ada@acme.com --limit 10 --json | jq .event"
)]
pub(super) struct TailArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Only what this route delivers, as listed by `status` [default: all routes]
    #[arg(value_name = "ROUTE")]
    route: Option<String>,
    /// Only these event types; `*` matches anything
    #[arg(long, value_name = "PATTERN")]
    event_type: Option<String>,
    /// Only this outcome: SUCCESS, FAILURE, DENY, …
    #[arg(long, value_name = "RESULT")]
    outcome: Option<String>,
    /// Only this severity: INFO, WARN, …
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<String>,
    /// Only what this actor did: id, login or name
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only events with this text in them, in whatever case
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// End after so many events
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// One JSON object per line: at, route, id, format, event, and payload where that is another
    #[arg(long)]
    json: bool,
}

/// Where an actor is named.
const ACTOR: [&str; 3] = ["/actor/id", "/actor/alternateId", "/actor/displayName"];

pub(super) async fn tail(arguments: TailArguments) -> Exit {
    warn_of_unknown("outcome", arguments.outcome.as_ref(), &OUTCOMES);
    warn_of_unknown("severity", arguments.severity.as_ref(), &SEVERITIES);
    let (mut daemon, mut signals) = match connect_until_stopped(&arguments.config).await {
        Ok(connected) => connected,
        Err(exit) => return exit,
    };
    tokio::select! {
        () = signals.next() => Exit::Done,
        ended = follow(&mut daemon, &arguments) => match ended {
            Ok(exit) => exit,
            Err(err @ ControlError::Refused { status: hyper::StatusCode::UNPROCESSABLE_ENTITY, .. }) => fail(Exit::Usage, &err),
            Err(err) => fail(Exit::Unavailable, &err),
        },
    }
}

async fn follow(daemon: &mut Client, arguments: &TailArguments) -> Result<Exit, ControlError> {
    let TailArguments { route, event_type, outcome, severity, actor, text, limit, json, .. } = arguments;
    let filter = TailFilter {
        route: route.clone(),
        event_type: event_type.clone(),
        outcome: outcome.clone(),
        severity: severity.clone(),
        text: text.clone().or_else(|| actor.clone()),
    };
    let mut shown = 0;
    let mut answers = daemon.get(&with_query("/tail", &filter)).await?;
    while let Some(passed) = answers.next::<Passed>().await? {
        let event = match passed {
            Passed::Open => continue,
            Passed::Missed(missed) => {
                note(&format!("{missed} event(s) passed too fast to be shown"));
                continue;
            }
            Passed::Event(event) => event,
        };
        if actor.as_ref().is_some_and(|actor| !is_by(&event, actor)) {
            continue;
        }
        print(&if *json { json_line(&event) } else { line(&event, route.is_none()) });
        shown += 1;
        if is_unread() || limit.is_some_and(|limit| shown >= limit) {
            return Ok(Exit::Done);
        }
    }
    note("the daemon has ended");
    Ok(Exit::Unavailable)
}

/// Okta may add values at any time, so that one which is not known is waited for all the same.
fn warn_of_unknown(name: &str, wanted: Option<&String>, known: &[&str]) {
    let Some(wanted) = wanted else { return };
    if !known.iter().any(|known| known.eq_ignore_ascii_case(wanted)) {
        note(&format!("`{wanted}` is not known as {name}: Okta writes {}", known.join(", ")));
    }
}

fn is_by(event: &PassedEvent, actor: &str) -> bool {
    let view = EventView::at(event.event.get().as_bytes());
    ACTOR.iter().any(|path| view.text(path).eq_ignore_ascii_case(actor))
}

fn json_line(event: &PassedEvent) -> String {
    // What came as JSON is written as JSON.
    let json = serde_json::to_string(event).unwrap_or_default();
    format!("{}\n", printable_json(&json))
}

fn line(event: &PassedEvent, has_route: bool) -> String {
    let line = human_line(event.event.get().as_bytes(), true);
    if has_route { format!("{:16} {line}", event.route) } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_known_by_id_login_or_name() {
        let event = PassedEvent {
            at: jiff::Timestamp::UNIX_EPOCH,
            route: "log/siem".to_owned(),
            id: "acme:u".to_owned(),
            format: "okta".to_owned(),
            event: serde_json::from_str(
                r#"{"actor":{"id":"00u1","alternateId":"ada@acme.com","displayName":"Ada"},"eventType":"x"}"#,
            )
            .unwrap(),
            payload: None,
        };
        for actor in ["00u1", "ADA@acme.com", "ada"] {
            assert!(is_by(&event, actor), "{actor}");
        }
        assert!(!is_by(&event, "ad"));
        assert!(line(&event, true).starts_with("log/siem "));
        assert!(json_line(&event).ends_with("\"eventType\":\"x\"}}\n"));
    }
}
