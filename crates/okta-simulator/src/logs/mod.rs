//! `GET /api/v1/logs`: from the query to a page of events and its links.

mod criteria;
mod cursor;
mod keyword;
mod query;
mod select;

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::task::spawn_blocking;

use super::answer::Answer;
use super::clock;
use super::endpoint::LOGS_PATH;
use super::fault::{Fault, HEAVY_QUERY_MS};
use super::link::Links;
use super::log_store::LogStore;
use super::okta_error::OktaError;
use super::org::Org;

use query::LogsQuery;
use select::Selection;

/// Answers one request. `base` is what links begin with: scheme and host.
pub(super) async fn answer(
    org: &Arc<Org>,
    base: &str,
    raw_query: &str,
    faults: &[Fault],
) -> Result<Answer, OktaError> {
    let now_ms = clock::now_ms();
    let mut query = LogsQuery::parse(raw_query, now_ms)?;
    refuse_heavy(org, &query, faults).await?;
    let repeated = repeated_events(org, faults);
    // Whatever is on a page, it is not more than was asked for.
    query.limit = query.limit.saturating_sub(repeated.len() + odd_events(faults));
    let is_emptied = faults.contains(&Fault::EmptyPages) && query.is_polling();
    if is_emptied {
        query.limit = 0;
    }
    let links = Links::new(base, LOGS_PATH, raw_query);
    let selection = select(org, query, now_ms).await?;

    let mut events = selection.events;
    events.splice(0..0, repeated);
    let body = {
        let log = org.log();
        render(&log, &events, faults)
    };

    let mut answer = Answer::json(StatusCode::OK, body);
    answer.events = events.len();
    answer.links.push(links.this());
    if let Some(cursor) = selection.next {
        let token = if is_emptied { links.respelt(&cursor.to_string()) } else { cursor.to_string() };
        answer.links.push(next_link(&links, &token, faults));
    }
    *org.last_page() = events;
    Ok(answer)
}

/// A bounded request for more events than the org is ready to sort ends in an error, and not soon.
async fn refuse_heavy(org: &Org, query: &LogsQuery, faults: &[Fault]) -> Result<(), OktaError> {
    let armed = faults.iter().map(|fault| match fault {
        Fault::HeavyQuery { events, milliseconds } => Some((*events, *milliseconds)),
        _ => None,
    });
    let usual = org.heavy_query_events.map(|events| (events, HEAVY_QUERY_MS));
    let Some((events, milliseconds)) = armed.flatten().next().or(usual) else { return Ok(()) };
    if query.is_polling() || query.limit <= events {
        return Ok(());
    }
    let wait = tokio::time::sleep(Duration::from_millis(milliseconds));
    let _ = org.stopping.run_until_cancelled(wait).await;
    Err(OktaError::internal_server_error())
}

/// Filters read whole events, which takes too long for the runtime; everything else is quick.
async fn select(org: &Arc<Org>, query: LogsQuery, now_ms: i64) -> Result<Selection, OktaError> {
    if query.criteria.is_everything() {
        return select::select(org, &query, now_ms);
    }
    let org = Arc::clone(org);
    spawn_blocking(move || select::select(&org, &query, now_ms))
        .await
        .unwrap_or_else(|_| Err(OktaError::internal()))
}

/// The page as JSON: the events byte for byte, and whatever the faults put between them.
fn render(log: &LogStore, events: &[u64], faults: &[Fault]) -> Vec<u8> {
    let length: usize = events.iter().map(|index| log.json(*index).len() + 1).sum();
    let mut page = Vec::with_capacity(length + 2);
    page.push(b'[');
    for index in events {
        page.extend_from_slice(log.json(*index));
        page.push(b',');
    }
    for fault in faults {
        match fault {
            Fault::ManyItems { items } => page = zeros(*items),
            Fault::OddEvent { oddity } => {
                page.splice(1..1, oddity.json().bytes().chain([b',']));
            }
            Fault::HugeBody { mebibytes } => {
                page.splice(1..1, std::iter::repeat_n(b' ', mebibytes * 1024 * 1024));
            }
            _ => {}
        }
    }
    if page.last() == Some(&b',') {
        page.pop();
    }
    page.push(b']');
    page
}

fn repeated_events(org: &Org, faults: &[Fault]) -> Vec<u64> {
    let last_page = org.last_page();
    let mut repeated = Vec::new();
    for fault in faults {
        if let Fault::Duplicates { events } = fault {
            repeated.extend(&last_page[last_page.len().saturating_sub(*events)..]);
        }
    }
    repeated
}

fn odd_events(faults: &[Fault]) -> usize {
    faults.iter().filter(|fault| matches!(fault, Fault::OddEvent { .. })).count()
}

/// An array of zeros, with a comma after the last one.
fn zeros(items: usize) -> Vec<u8> {
    let mut page = vec![b'['];
    page.extend(b"0,".repeat(items));
    page
}

fn next_link(links: &Links<'_>, token: &str, faults: &[Fault]) -> String {
    if faults.contains(&Fault::StuckNext) {
        return links.next_is_this();
    }
    let elsewhere = faults.iter().find_map(|fault| match fault {
        Fault::ForeignNext { host, next_path } => Some((host.as_deref(), next_path.as_deref())),
        _ => None,
    });
    match elsewhere {
        Some((host, path)) => links.next_elsewhere(token, host, path),
        None => links.next(token),
    }
}
