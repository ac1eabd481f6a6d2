//! Whether Okta's System Log shows that a change was made since the command was begun: where the object itself does not
//! tell, because it is as before whether nothing was done or what was done was taken back.

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

/// By how much the log may be behind the clock that Okta shows.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(2);
/// How many events are looked at, the newest first: those of the commands before this one do not count.
const EVENTS_MAX: u16 = 20;
/// Looks into the log after a lost answer; some 3 s. Events are there within a second or two, mostly.
const LOOKS_MAX: u32 = 5;

/// Whether the log has an event of this type since the command was begun, all of whose `about` are so: pairs of an
/// attribute of a target, and its value. What Okta had answered to before is another command's. A credential that may not read the log sees none.
pub(in crate::command) async fn shows(
    work: &Work<'_>,
    event_type: &str,
    about: &[(&str, &str)],
) -> Result<bool, ActionFailure> {
    Ok(event(work, event_type, about).await?.is_some())
}

/// The id of what the log says was created so since the command was begun: the target of this kind. It is there before
/// lists have it.
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
    // A former attempt that may have sent something is long enough ago.
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

/// Whether the request that the event is of was answered before the command was begun: clocks are not exact enough to tell.
fn is_of_a_command_before(work: &Work<'_>, event: &RawValue) -> bool {
    let event: Value = serde_json::from_str(event.get()).unwrap_or_default();
    let transaction = event.pointer("/transaction/id").and_then(Value::as_str);
    transaction.is_some_and(|id| work.is_of_a_command_before(id))
}
