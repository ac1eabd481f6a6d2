//! Looking into the System Log: a window, the newest first, up to a limit.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{json, value::RawValue};

use super::{
    failure::{Code, of_okta},
    lookup,
    work::{Finished, Work},
};
use crate::{
    command::{
        Failed,
        parameters::{LogByIp, LogByUser, LogSearch, When},
    },
    config::{Order, Start},
    okta::logs::{RETENTION, Window, window_url},
    scim::{self, Criteria},
};

/// What counts as recent.
const SINCE_DEFAULT: Start = Start::Ago(Duration::from_secs(12 * 3_600));
const LIMIT_DEFAULT: usize = 100;
/// Okta's most for a page.
const PAGE_MAX: usize = 1_000;

/// Events by or about a user: by id, and by what they are called where Okta knows no id, as of a failed sign-in.
pub(super) async fn by_user(work: &mut Work<'_>, parameters: &LogByUser) -> Result<Finished, Failed> {
    let LogByUser { user, since, until, limit, event_types, outcomes } = parameters;
    let subject = work.subjects.users.first();
    let mut names = vec![user.clone()];
    for name in subject.into_iter().flat_map(|subject| [&subject.id, &subject.login]).flatten() {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name.clone());
        }
    }
    let either = |name: &String| {
        let by = Criteria { actor: Some(name.clone()), ..Criteria::default() };
        let about = Criteria { target: Some(name.clone()), ..Criteria::default() };
        [by.to_filter(), about.to_filter()].into_iter().flatten()
    };
    let filter = names.iter().flat_map(either).collect::<Vec<_>>().join(" or ");
    let criteria = Criteria {
        filter: Some(filter),
        event_types: event_types.clone(),
        outcomes: outcomes.clone(),
        ..Criteria::default()
    };
    look(work, criteria.to_filter(), None, (*since, *until), *limit).await
}

/// Events from an address.
pub(super) async fn by_ip(work: &mut Work<'_>, parameters: &LogByIp) -> Result<Finished, Failed> {
    let LogByIp { ip, since, until, limit, event_types, outcomes } = parameters;
    let criteria = Criteria {
        ip: Some(ip.to_string()),
        event_types: event_types.clone(),
        outcomes: outcomes.clone(),
        ..Criteria::default()
    };
    look(work, criteria.to_filter(), None, (*since, *until), *limit).await
}

/// Events of a window.
pub(super) async fn search(work: &mut Work<'_>, parameters: &LogSearch) -> Result<Finished, Failed> {
    let LogSearch { filter, q, since, until, limit } = parameters;
    look(work, filter.clone(), q.clone(), (*since, *until), *limit).await
}

async fn look(
    work: &Work<'_>,
    filter: Option<String>,
    q: Option<String>,
    (since, until): (Option<When>, Option<When>),
    limit: Option<usize>,
) -> Result<Finished, Failed> {
    if let Some(filter) = &filter {
        scim::check(filter).map_err(|err| Code::InvalidParameters.because(format!("filter: {err}")))?;
    }
    let now = Timestamp::now();
    let since = since.map_or(SINCE_DEFAULT, |When(since)| since).resolve(now, RETENTION);
    let until = until.map_or(now, |When(until)| until.resolve(now, RETENTION));
    if since >= until {
        return Err(Code::InvalidParameters
            .because(format!("the window ends at {until}, before it begins at {since}")));
    }
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    let page_size = limit.clamp(1, PAGE_MAX);
    let page_size = u16::try_from(page_size).unwrap_or(u16::MAX);
    let window = Window { since, until, filter: filter.clone(), q, order: Order::Descending, page_size };
    let list = lookup::raw_list(work.client, window_url(work.client, &window), limit).await;
    let list = list.map_err(|error| of_okta(&error, work.action))?;
    let window = json!({ "since": since, "until": until });
    let count = list.items.len();
    let about = json!({ "count": count, "complete": list.is_complete, "window": window, "filter": filter });
    Ok(Finished::done(about).events(list.items.into_iter().map(on_one_line).collect()))
}

/// An outcome is one line, as an event of Okta's is. A line break in JSON can only stand between tokens, where a space means
/// the same.
fn on_one_line(event: Box<RawValue>) -> Box<RawValue> {
    if !event.get().contains(['\n', '\r']) {
        return event;
    }
    RawValue::from_string(event.get().replace(['\n', '\r'], " ")).unwrap_or(event)
}
