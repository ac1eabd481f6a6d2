//! Looks at Okta: one object, or a list to its end or to a limit. A look may be repeated, so it is, a few times.

use std::{fmt::Display, time::Duration};

use okta_client::{Class, Found, OktaError, Target};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Value, value::RawValue};
use url::Url;

use super::{ListPosition, Okta, failure::of_okta};
use crate::command::{Action, ActionFailure};

/// Looks at one thing, at most.
const LOOKS_MAX: u32 = 4;
/// Looks for what lists may not have yet; some 3 s.
pub(in crate::command) const LISTING_LOOKS_MAX: u32 = 5;
/// What a list may weigh: brokers take messages of 1 MB unless told otherwise, and an outcome has more in it.
const LIST_BYTES_MAX: usize = 700 << 10;

/// A list.
#[derive(Debug)]
pub(in crate::command) struct List<T = Value> {
    pub(in crate::command) items: Vec<T>,
    /// Whether there is nothing more.
    pub(in crate::command) is_complete: bool,
    /// Where it goes on, if there is more and Okta says where.
    pub(in crate::command) next: Option<ListPosition>,
}

/// Looks up one object; none if Okta has none of that name.
pub(in crate::command) async fn one(
    okta: &dyn Okta,
    action: Action,
    target: &Target,
) -> Result<Option<Value>, ActionFailure> {
    match patiently::<Value>(okta, &okta.url_of(target)).await {
        Ok(found) => Ok(Some(found.body)),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(of_okta(&error, action)),
    }
}

/// Looks up a list, up to `limit` items or what a message can carry; none if what it belongs to does not exist.
pub(in crate::command) async fn list(
    okta: &dyn Okta,
    action: Action,
    target: &Target,
    limit: usize,
) -> Result<Option<List>, ActionFailure> {
    list_behind(okta, action, target, limit, &ListPosition::default()).await
}

/// The same from `position` on.
pub(in crate::command) async fn list_behind(
    okta: &dyn Okta,
    action: Action,
    target: &Target,
    limit: usize,
    position: &ListPosition,
) -> Result<Option<List>, ActionFailure> {
    or_absent(list_from(okta, okta.url_of(target), limit, position).await, action)
}

/// Looks up a list to its end, for our own use.
pub(in crate::command) async fn whole(
    okta: &dyn Okta,
    action: Action,
    target: &Target,
) -> Result<Option<Vec<Value>>, ActionFailure> {
    whole_as(okta, action, target, |item| item).await
}

/// The same of what `read` makes of each item: a list may be long, and its items large.
pub(in crate::command) async fn whole_as<T>(
    okta: &dyn Okta,
    action: Action,
    target: &Target,
    read: impl Fn(Value) -> T,
) -> Result<Option<Vec<T>>, ActionFailure> {
    let whole = async {
        let mut items = Vec::new();
        let mut next = Some(okta.url_of(target));
        while let Some(url) = next {
            let page = patiently::<Vec<Value>>(okta, &url).await?;
            items.extend(page.body.into_iter().map(&read));
            next = page.next;
        }
        Ok(items)
    };
    or_absent(whole.await, action)
}

/// How many items a list has, counted until there are more than `count_max`; none if what it belongs to does not exist.
pub(in crate::command) async fn count(
    okta: &dyn Okta,
    action: Action,
    target: &Target,
    count_max: usize,
) -> Result<Option<usize>, ActionFailure> {
    let count = async {
        let mut count = 0;
        let mut next = Some(okta.url_of(target));
        while let Some(url) = next.take_if(|_| count <= count_max) {
            let page = patiently::<Vec<IgnoredAny>>(okta, &url).await?;
            count += page.body.len();
            next = page.next;
        }
        Ok(count)
    };
    or_absent(count.await, action)
}

/// Looks up the list at `url` from `position` on, up to `limit` items or what a message can carry, each as Okta wrote it.
pub(in crate::command) async fn raw_list(
    okta: &dyn Okta,
    url: Url,
    limit: usize,
    position: &ListPosition,
) -> Result<List<Box<RawValue>>, OktaError> {
    list_from(okta, url, limit, position).await
}

/// Looks up to so often until there is something: lists are some seconds behind.
pub(in crate::command) async fn until_listed<T, F: Future<Output = Result<Option<T>, ActionFailure>>>(
    looks_max: u32,
    look: impl Fn() -> F,
) -> Result<Option<T>, ActionFailure> {
    let mut looks = 1;
    loop {
        let found = look().await?;
        if found.is_some() || looks >= looks_max {
            return Ok(found);
        }
        tokio::time::sleep(back_off(looks)).await;
        looks += 1;
    }
}

fn or_absent<T>(list: Result<T, OktaError>, action: Action) -> Result<Option<T>, ActionFailure> {
    match list {
        Ok(list) => Ok(Some(list)),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(of_okta(&error, action)),
    }
}

async fn list_from<T: DeserializeOwned + Display>(
    okta: &dyn Okta,
    url: Url,
    limit: usize,
    from: &ListPosition,
) -> Result<List<T>, OktaError> {
    let mut list = List { items: Vec::new(), is_complete: false, next: None };
    let mut bytes = 0;
    let mut position = from.clone();
    let mut next = position.of(url);
    loop {
        let page = patiently::<Vec<T>>(okta, &next).await?;
        let given = list.items.len();
        for item in behind(page.body, position.last()) {
            bytes += item.to_string().len();
            // What is too large for any message is left to who sends it.
            let is_too_much = bytes > LIST_BYTES_MAX && !list.items.is_empty();
            if list.items.len() == limit || is_too_much {
                let last = list.items[given..].last().map(|item: &T| id_of(&item.to_string()));
                list.next = Some(last.map_or_else(|| position.clone(), |id| position.behind(id)));
                return Ok(list);
            }
            list.items.push(item);
        }
        let Some(url) = page.next else {
            list.is_complete = true;
            return Ok(list);
        };
        let beginning = ListPosition::at(&url);
        if list.items.len() == limit {
            list.next = beginning;
            return Ok(list);
        }
        // A page that has no cursor is its own, and no command can go on there.
        position = beginning.unwrap_or_default();
        next = url;
    }
}

/// The items behind the one of this id; all of them if it is not there any more: better twice than never.
fn behind<T: Display>(items: Vec<T>, id: Option<&str>) -> Vec<T> {
    let is_it = |item: &T| id_of(&item.to_string()).as_deref() == id;
    let given = id.and_then(|_| items.iter().position(is_it)).map_or(0, |index| index + 1);
    items.into_iter().skip(given).collect()
}

/// What tells an item from others: events have a `uuid`.
fn id_of(item: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Identified {
        #[serde(alias = "uuid")]
        id: String,
    }
    serde_json::from_str::<Identified>(item).ok().map(|item| item.id)
}

/// Looks until there is an answer, or no more patience. After a 429 the next turn waits by itself.
async fn patiently<T: DeserializeOwned>(okta: &dyn Okta, url: &Url) -> Result<Found<T>, OktaError> {
    let mut looks = 0;
    loop {
        looks += 1;
        match look(okta, url).await {
            Err(error) if looks < LOOKS_MAX && matches!(error.class(), Class::Retry(_)) => {
                tokio::time::sleep(back_off(looks)).await;
            }
            result => return result,
        }
    }
}

async fn look<T: DeserializeOwned>(okta: &dyn Okta, url: &Url) -> Result<Found<T>, OktaError> {
    let Found { body, next } = okta.look_up(url).await?;
    let body =
        serde_json::from_str(body.get()).map_err(|err| OktaError::NotAsAsked(format!("JSON: {err}")))?;
    Ok(Found { body, next })
}

/// How long to wait after so many times: doubled from a fifth of a second, with jitter.
pub(in crate::command) fn back_off(times: u32) -> Duration {
    let milliseconds = 200_u64.saturating_mul(1 << times.saturating_sub(1).min(5));
    Duration::from_millis(milliseconds / 2 + fastrand::u64(0..=milliseconds / 2))
}
