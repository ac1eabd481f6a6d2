//! Searches Okta's System Log for a change that was made since the command began. Used if the object itself cannot
//! tell, because it looks the same whether nothing was done or a change was reverted.

use jiff::SignedDuration;
use okta_client::logs::{Order, Window, window_url};
use serde_json::{Value, value::RawValue};

use super::{
    ListPosition,
    failure::of_okta,
    lookup::{self, back_off},
    work::Work,
};
use crate::command::ActionFailure;

/// By how much the log may be behind Okta's reported time.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(2);
/// How many events are read, newest first: events of earlier commands do not count.
const EVENTS_MAX: u16 = 20;
/// The most reads of the log after a lost answer; about 3 s. Events mostly appear within a second or two.
const LOOKS_MAX: u32 = 5;

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
    let window = Window {
        since: work.begun_at().saturating_sub(CLOCKS_APART).unwrap_or(work.begun_at()),
        until: work.okta.okta_now(),
        filter: Some(filter),
        q: None,
        order: Order::Descending,
        page_size: EVENTS_MAX,
    };
    // An earlier attempt that may have sent something is long enough ago.
    let looks_max = if work.attempt.baseline.is_some() { 1 } else { LOOKS_MAX };
    for looks in 1..=looks_max {
        let url = window_url(work.okta.url(), &window);
        match lookup::raw_list(work.okta, url, EVENTS_MAX.into(), &ListPosition::default()).await {
            Ok(list) => {
                let mut ours = list.items.into_iter().filter(|event| !is_of_a_command_before(work, event));
                if let Some(event) = ours.next() {
                    return Ok(Some(event));
                }
            }
            Err(error) if error.is_forbidden() => return Ok(None),
            Err(error) => return Err(of_okta(&error, work.action)),
        }
        if looks < looks_max {
            tokio::time::sleep(back_off(looks)).await;
        }
    }
    Ok(None)
}

/// Whether the event's request was answered before the command began. The clocks are not exact enough to tell by time.
fn is_of_a_command_before(work: &Work<'_>, event: &RawValue) -> bool {
    let event: Value = serde_json::from_str(event.get()).unwrap_or_default();
    let transaction = event.pointer("/transaction/id").and_then(Value::as_str);
    transaction.is_some_and(|id| work.is_of_a_command_before(id))
}
