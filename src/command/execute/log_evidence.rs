//! Searches Okta's System Log for a change that was made since the command began. Used if the object itself cannot
//! tell, because it looks the same whether nothing was done or a change was reverted.

use std::time::Duration;

use jiff::SignedDuration;
use okta_client::logs::{Order, Window, window_url};
use serde_json::{Value, value::RawValue};
use tokio::time::Instant;

use super::{failure::of_okta, lookup, work::Work};
use crate::command::ActionFailure;

/// By how much the log may be behind Okta's reported time.
const LOG_BEHIND: SignedDuration = SignedDuration::from_secs(2);
/// By how much it may be ahead: Okta reports whole seconds, and the last report may be old.
const LOG_AHEAD: SignedDuration = SignedDuration::from_secs(60);
/// How many events are read, newest first: events of earlier commands do not count.
const EVENTS_MAX: u16 = 20;
/// The most pages of them: a window that ends in the future may be linked on for ever.
const PAGES_MAX: usize = 5;
/// When the event of a request is in the log. It mostly is within a second or two.
const LOGGED_WITHIN: Duration = Duration::from_secs(3);
/// The waits between reads of the log, which last that long together.
const LOOKS_APART: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1_600),
];

/// Whether the log has an event of this type since the command began with all of `about`: pairs of a target's attribute
/// and its value. Events of changes that were answered before belong to other commands. None for a credential that may
/// not read the log.
pub(in crate::command) async fn shows(
    work: &Work<'_>,
    event_type: &str,
    about: &[(&str, &str)],
) -> Result<bool, ActionFailure> {
    Ok(event(work, event_type, about).await?.is_some())
}

/// The id of the object of this kind that was created since the command began, according to the log, which has it
/// before lists do.
pub(in crate::command) async fn created(
    work: &Work<'_>,
    event_type: &str,
    kind: &str,
    about: (&str, &str),
) -> Result<Option<String>, ActionFailure> {
    let Some(event) = event(work, event_type, &[about]).await? else { return Ok(None) };
    let event: Value = serde_json::from_str(event.get()).unwrap_or_default();
    let mut targets = event.get("target").and_then(Value::as_array).into_iter().flatten();
    let target = targets.find(|target| target.get("type").and_then(Value::as_str) == Some(kind));
    Ok(target.and_then(|target| target.get("id")?.as_str()).map(str::to_owned))
}

async fn event(
    work: &Work<'_>,
    event_type: &str,
    about: &[(&str, &str)],
) -> Result<Option<Box<RawValue>>, ActionFailure> {
    let quoted = |text: &str| Value::from(text);
    let about =
        about.iter().map(|(attribute, value)| format!(" and target.{attribute} eq {}", quoted(value)));
    let filter = format!("eventType eq {}{}", quoted(event_type), about.collect::<String>());
    let mut waits = LOOKS_APART.into_iter();
    loop {
        let asked_at = Instant::now();
        match listed(work, filter.clone()).await? {
            Listed::Event(event) => return Ok(Some(event)),
            Listed::Unreadable => return Ok(None),
            Listed::Nothing => {}
        }
        let is_logged = asked_at.saturating_duration_since(work.unsure_since()) >= LOGGED_WITHIN;
        match waits.next() {
            Some(wait) if !is_logged => tokio::time::sleep(wait).await,
            Some(_) | None => return Ok(None),
        }
    }
}

/// What one read of the log shows.
enum Listed {
    /// An event that may be of this command.
    Event(Box<RawValue>),
    Nothing,
    /// The credential may not read the log.
    Unreadable,
}

/// Reads the log from when the command began until beyond now: what happens at this moment must not be missed because
/// of clocks.
async fn listed(work: &Work<'_>, filter: String) -> Result<Listed, ActionFailure> {
    let now = work.okta.okta_now();
    let window = Window {
        since: work.begun_at().saturating_sub(LOG_BEHIND).unwrap_or(work.begun_at()),
        until: now.saturating_add(LOG_AHEAD).unwrap_or(now),
        filter: Some(filter),
        q: None,
        order: Order::Descending,
        page_size: EVENTS_MAX,
    };
    let url = window_url(work.okta.url(), &window);
    match lookup::first_pages(work.okta, url, PAGES_MAX).await {
        Ok(events) => {
            let mut ours = events.into_iter().filter(|event| !is_of_a_command_before(work, event));
            Ok(ours.next().map_or(Listed::Nothing, Listed::Event))
        }
        Err(error) if error.is_forbidden() && error.is_oktas() => Ok(Listed::Unreadable),
        Err(error) => Err(of_okta(&error, work.action)),
    }
}

/// Whether the event's request was answered before the command began. The clocks are not exact enough to tell by time.
fn is_of_a_command_before(work: &Work<'_>, event: &RawValue) -> bool {
    let event: Value = serde_json::from_str(event.get()).unwrap_or_default();
    let transaction = event.pointer("/transaction/id").and_then(Value::as_str);
    transaction.is_some_and(|id| work.is_of_a_command_before(id))
}
