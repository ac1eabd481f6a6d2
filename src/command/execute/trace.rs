//! Whether Okta's System Log shows that a change was made since the command was begun: where the object itself does not
//! tell, because it is as before whether nothing was done or what was done was taken back.

use jiff::SignedDuration;
use serde_json::Value;

use super::{
    failure::of_okta,
    lookup::{self, back_off},
    work::Work,
};
use crate::{
    command::Failed,
    config::Order,
    okta::logs::{Window, window_url},
};

/// By how much the log may be behind the clock that Okta shows.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(2);
/// Looks into the log after a lost answer; some 3 s. Events are there within a second or two, mostly.
const LOOKS_MAX: u32 = 5;

/// Whether the log has an event of this type about both `user` and `group` since the command was begun. A credential that
/// may not read the log sees none.
pub(in crate::command) async fn shows(
    work: &Work<'_>,
    event_type: &str,
    user: &str,
    group: &str,
) -> Result<bool, Failed> {
    let quoted = |text: &str| Value::from(text);
    let filter = format!(
        "eventType eq {} and target.id eq {} and target.id eq {}",
        quoted(event_type),
        quoted(user),
        quoted(group)
    );
    let window = Window {
        since: work.begun_at().saturating_sub(CLOCKS_APART).unwrap_or(work.begun_at()),
        until: work.okta.okta_now(),
        filter: Some(filter),
        q: None,
        order: Order::Descending,
        page_size: 1,
    };
    // A former attempt is long enough ago.
    let looks_max = if work.attempt.number > 1 { 1 } else { LOOKS_MAX };
    for looks in 1..=looks_max {
        let list = lookup::raw_list(work.okta, window_url(work.okta.url(), &window), 1).await;
        match list {
            Ok(list) if list.items.is_empty() => {}
            Ok(_) => return Ok(true),
            Err(error) if matches!(error.status(), Some(401 | 403)) => return Ok(false),
            Err(error) => return Err(of_okta(&error, work.action)),
        }
        if looks < looks_max {
            tokio::time::sleep(back_off(looks)).await;
        }
    }
    Ok(false)
}
