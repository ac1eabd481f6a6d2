//! Searches of the System Log: a time window, newest first, up to a limit.

use std::{str::FromStr, time::Duration};

use jiff::Timestamp;
use okta_client::logs::{Order, RETENTION, Window, window_url};
use okta_system_log::scim::{self, Criteria};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{Changes, Names, UserName, row::Row};
use crate::{
    command::{
        ActionFailure, UserSubject,
        execute::{
            ListPosition,
            failure::{Code, of_okta},
            lookup,
            work::{Finished, Work},
        },
    },
    config::Start,
};

/// The row of `log.by_user`.
pub(super) const BY_USER: Row<LogByUser> = Row {
    secrets: &[],
    names: |of| Ok(Names::user(UserName::MaybeGoneByEmail(&of.user))),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(by_user(work, of)),
};

/// The row of `log.by_ip`.
pub(super) const BY_IP: Row<LogByIp> = Row {
    secrets: &[],
    names: |_| Ok(Names::nothing()),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(by_ip(work, of)),
};

/// The row of `log.search`.
pub(super) const SEARCH: Row<LogSearch> = Row {
    secrets: &[],
    names: |_| Ok(Names::nothing()),
    renames: |_| None,
    changes: |_| Changes::Fixed(1),
    carry_out: |work, of| Box::pin(search(work, of)),
};

/// Recent events by or about a user.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogByUser {
    /// Id, login or e-mail.
    pub user: String,
    /// The beginning: a time, or a time ago such as `-12h`, which is what counts unless set.
    pub since: Option<When>,
    /// The end: now unless set.
    pub until: Option<When>,
    /// The most events to return, newest first; 100 unless set.
    pub limit: Option<usize>,
    /// The `next` of a former outcome: the list goes on there, in the same window.
    pub after: Option<ListPosition>,
    /// Only these types; `*` stands for anything at the end.
    #[serde(default)]
    pub event_types: Vec<String>,
    /// Only these values of `outcome.result`.
    #[serde(default)]
    pub outcomes: Vec<String>,
}

/// Recent events from an address.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogByIp {
    /// The address.
    #[schemars(with = "String", extend("anyOf" = [{ "format": "ipv4" }, { "format": "ipv6" }]))]
    pub ip: std::net::IpAddr,
    /// The beginning: a time, or a time ago such as `-12h`, which is what counts unless set.
    pub since: Option<When>,
    /// The end: now unless set.
    pub until: Option<When>,
    /// The most events to return, newest first; 100 unless set.
    pub limit: Option<usize>,
    /// The `next` of a former outcome: the list goes on there, in the same window.
    pub after: Option<ListPosition>,
    /// Only these types; `*` stands for anything at the end.
    #[serde(default)]
    pub event_types: Vec<String>,
    /// Only these values of `outcome.result`.
    #[serde(default)]
    pub outcomes: Vec<String>,
}

/// Events of a window.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogSearch {
    /// A SCIM filter, as the System Log takes it.
    pub filter: Option<String>,
    /// Words that must all be there.
    pub q: Option<String>,
    /// The beginning: a time, or a time ago such as `-12h`, which is what counts unless set.
    pub since: Option<When>,
    /// The end: now unless set.
    pub until: Option<When>,
    /// The most events to return, newest first; 100 unless set.
    pub limit: Option<usize>,
    /// The `next` of a former outcome: the list goes on there, in the same window.
    pub after: Option<ListPosition>,
}

/// A time, or a time ago such as `-12h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = r"^(now|-[\d_]+ ?(ms|s|m|min|h|d|w)|\d{4}-\d\d-\d\d[T ]\d\d.*)$"))]
pub struct When(pub Start);

impl TryFrom<String> for When {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Start::from_str(&text).map(Self)
    }
}

/// The default beginning of the window.
const SINCE_DEFAULT: Start = Start::Ago(Duration::from_secs(12 * 3_600));
const LIMIT_DEFAULT: usize = 100;
/// Okta's largest page.
const PAGE_MAX: usize = 1_000;

/// Lists events by or about a user: by id, and by the typed name for events without an id, such as a failed sign-in.
async fn by_user(work: &mut Work<'_>, parameters: &LogByUser) -> Result<Finished, ActionFailure> {
    let LogByUser { user, since, until, limit, event_types, outcomes, after } = parameters;
    let filter = parties(user, work.subjects.users.first());
    let criteria = Criteria {
        filter: Some(filter),
        event_types: event_types.clone(),
        outcomes: outcomes.clone(),
        ..Criteria::default()
    };
    look(work, criteria.to_filter(), None, Extent::new(*since, *until, *limit, after)).await
}

/// A filter for a user as actor or target. A user who is not found may be deleted: the typed name may then be an id or
/// a login.
fn parties(typed: &str, found: Option<&UserSubject>) -> String {
    let id = found.and_then(|found| found.id.as_deref()).unwrap_or(typed);
    let login = found.and_then(|found| found.login.as_deref()).unwrap_or(typed);
    let mut names = vec![("id", id), ("alternateId", login)];
    if ![id, login].contains(&typed) {
        names.push(("alternateId", typed));
    }
    let compared = |who: &str| {
        let compare =
            |(attribute, name): &(&str, &str)| format!("{who}.{attribute} eq {}", Value::from(*name));
        names.iter().map(compare).collect::<Vec<_>>()
    };
    [compared("actor"), compared("target")].concat().join(" or ")
}

/// Events from an address.
async fn by_ip(work: &mut Work<'_>, parameters: &LogByIp) -> Result<Finished, ActionFailure> {
    let LogByIp { ip, since, until, limit, event_types, outcomes, after } = parameters;
    let criteria = Criteria {
        ip: Some(ip.to_string()),
        event_types: event_types.clone(),
        outcomes: outcomes.clone(),
        ..Criteria::default()
    };
    look(work, criteria.to_filter(), None, Extent::new(*since, *until, *limit, after)).await
}

/// Events of a window.
async fn search(work: &mut Work<'_>, parameters: &LogSearch) -> Result<Finished, ActionFailure> {
    let LogSearch { filter, q, since, until, limit, after } = parameters;
    look(work, filter.clone(), q.clone(), Extent::new(*since, *until, *limit, after)).await
}

/// The limit and the window of a search.
struct Extent<'a> {
    since: Timestamp,
    until: Timestamp,
    limit: usize,
    after: Option<&'a ListPosition>,
}

impl<'a> Extent<'a> {
    /// As the command says. A continued list keeps the window in which it began.
    fn new(
        since: Option<When>,
        until: Option<When>,
        limit: Option<usize>,
        after: &'a Option<ListPosition>,
    ) -> Self {
        let now = Timestamp::now();
        let after = after.as_ref();
        let asked = || {
            let since = since.map_or(SINCE_DEFAULT, |When(since)| since).resolve(now, RETENTION);
            (since, until.map_or(now, |When(until)| until.resolve(now, RETENTION)))
        };
        let (since, until) = after.and_then(ListPosition::window).unwrap_or_else(asked);
        Self { since, until, limit: limit.unwrap_or(LIMIT_DEFAULT), after }
    }
}

async fn look(
    work: &Work<'_>,
    filter: Option<String>,
    q: Option<String>,
    Extent { since, until, limit, after }: Extent<'_>,
) -> Result<Finished, ActionFailure> {
    if let Some(filter) = &filter {
        scim::check(filter).map_err(|err| Code::InvalidParameters.because(format!("filter: {err}")))?;
    }
    if since >= until {
        return Err(Code::InvalidParameters
            .because(format!("the window ends at {until}, before it begins at {since}")));
    }
    let page_size = limit.clamp(1, PAGE_MAX);
    let page_size = u16::try_from(page_size).unwrap_or(u16::MAX);
    let window = Window { since, until, filter: filter.clone(), q, order: Order::Descending, page_size };
    let (url, beginning) = (window_url(work.okta.url(), &window), ListPosition::default());
    let list = lookup::raw_list(work.okta, url, limit, after.unwrap_or(&beginning)).await;
    let list = list.map_err(|error| of_okta(&error, work.action))?;
    let window = json!({ "since": since, "until": until });
    let count = list.items.len();
    let mut about =
        json!({ "count": count, "complete": list.is_complete, "window": window, "filter": filter });
    if let Some(next) = list.next {
        about["next"] = next.within(since, until).text().into();
    }
    Ok(Finished::done(about).events(list.items.into_iter().map(on_one_line).collect()))
}

/// Removes line breaks, as Okta's events have none. A line break in JSON can only be between tokens, where a space
/// means the same.
fn on_one_line(event: Box<RawValue>) -> Box<RawValue> {
    if !event.get().contains(['\n', '\r']) {
        return event;
    }
    RawValue::from_string(event.get().replace(['\n', '\r'], " ")).unwrap_or(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_looked_for_by_id_and_login_and_by_what_was_typed() {
        let found = |id: &str, login: &str| UserSubject {
            name: String::new(),
            id: Some(id.to_owned()),
            login: Some(login.to_owned()),
        };
        for (typed, found, expected) in [
            ("00u1", Some(found("00u1", "ada")), r#"actor.id eq "00u1" or actor.alternateId eq "ada""#),
            (
                "Ada@acme.com",
                Some(found("00u1", "ada@acme.com")),
                r#"actor.id eq "00u1" or actor.alternateId eq "ada@acme.com" or actor.alternateId eq "Ada@acme.com""#,
            ),
            ("x\"y", None, r#"actor.id eq "x\"y" or actor.alternateId eq "x\"y""#),
        ] {
            let expected = format!("{expected} or {}", expected.replace("actor", "target"));
            assert_eq!(parties(typed, found.as_ref()), expected);
        }
    }
}
