//! The query of a search, within the limits of Okta.

use okta_client::logs::Order;
use okta_system_log::scim::Criteria;

use super::super::{
    Problem,
    stream::{check_filter, page_size},
};

/// What Okta takes in `q`.
const KEYWORDS_MAX: usize = 10;
const KEYWORD_CHARS_MAX: usize = 40;

/// A query of the System Log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchQuery {
    /// All criteria as one SCIM filter.
    pub filter: Option<String>,
    /// Keywords that must all be there.
    pub q: Option<String>,
    /// The order of the events.
    pub order: Order,
    /// The most events that a run finds.
    pub limit: Option<u64>,
    /// Events a request, 1 to 1,000.
    pub page_size: u16,
}

impl SearchQuery {
    /// A query for what `criteria`, `q` and the rest say, if Okta could take it. The error says which key is wrong.
    pub fn new(
        criteria: &Criteria,
        q: Option<String>,
        order: Order,
        limit: Option<u64>,
        typed_page_size: Option<u16>,
    ) -> Result<Self, Problem> {
        check_filter(criteria.filter.as_deref())?;
        criteria.event_types.iter().try_for_each(|pattern| check_event_type(pattern))?;
        if let Some(q) = &q {
            check_keywords(q)?;
        }
        if limit == Some(0) {
            return Err(Problem::new(
                "limit",
                "a search that may find nothing finds nothing: leave it out for all",
            ));
        }
        let page_size = page_size(typed_page_size)?;
        Ok(Self { filter: criteria.to_filter(), q, order, limit, page_size })
    }
}

/// Okta answers an impossible query with no events and no error, so it is refused here.
fn check_event_type(pattern: &str) -> Result<(), Problem> {
    let within = pattern.strip_prefix('*').unwrap_or(pattern);
    let within = within.strip_suffix('*').unwrap_or(within);
    if pattern.is_empty() {
        return Err(Problem::new("event_types", "an event type is empty: leave it out to get all"));
    }
    if within.contains('*') {
        let reason = format!(
            "`{pattern}` is more than Okta can be asked for: `*` stands at the beginning or the end; \
             `event_types` of a route take it anywhere"
        );
        return Err(Problem::new("event_types", reason));
    }
    Ok(())
}

fn check_keywords(q: &str) -> Result<(), Problem> {
    let keywords: Vec<_> = q.split_whitespace().collect();
    if keywords.is_empty() {
        return Err(Problem::new("q", "is empty: leave it out to get everything"));
    }
    if keywords.len() > KEYWORDS_MAX {
        let reason = format!("has {} keywords, and Okta takes {KEYWORDS_MAX}", keywords.len());
        return Err(Problem::new("q", reason));
    }
    match keywords.iter().find(|keyword| keyword.chars().count() > KEYWORD_CHARS_MAX) {
        None => Ok(()),
        Some(long) => {
            let reason = format!(
                "`{long}` has {} characters, and Okta takes {KEYWORD_CHARS_MAX} a keyword",
                long.chars().count()
            );
            Err(Problem::new("q", reason))
        }
    }
}
