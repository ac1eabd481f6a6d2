//! Reads Okta: one object, or a list to its end or to a limit. Retries a few times, since a read is harmless.

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

/// The most reads of one page or object.
const LOOKS_MAX: u32 = 4;
/// The most reads of a list that may not have a new item yet; about 3 s.
pub(in crate::command) const LISTING_LOOKS_MAX: u32 = 5;
/// The most bytes of a list: brokers accept messages of 1 MB by default, and an outcome has other members.
const LIST_BYTES_MAX: usize = 700 << 10;

/// A list.
#[derive(Debug)]
pub(in crate::command) struct List<T = Value> {
    pub(in crate::command) items: Vec<T>,
    /// Whether the list is complete.
    pub(in crate::command) is_complete: bool,
    /// Where the list continues, if there is more and Okta links to it.
    pub(in crate::command) next: Option<ListPosition>,
}

/// Reads one object; none if it does not exist.
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

/// Reads a list, up to `limit` items or what a message can carry; none if the parent object does not exist.
pub(in crate::command) async fn list(
    okta: &dyn Okta,
    action: Action,
    target: &Target,
    limit: usize,
) -> Result<Option<List>, ActionFailure> {
    list_behind(okta, action, target, limit, &ListPosition::default()).await
}

/// Like [`list`], from `position` on.
pub(in crate::command) async fn list_behind(
    okta: &dyn Okta,
    action: Action,
    target: &Target,
    limit: usize,
    position: &ListPosition,
) -> Result<Option<List>, ActionFailure> {
    or_absent(list_from(okta, okta.url_of(target), limit, position).await, action)
}

/// Reads a list to its end, for internal use.
pub(in crate::command) async fn whole(
    okta: &dyn Okta,
    action: Action,
    target: &Target,
) -> Result<Option<Vec<Value>>, ActionFailure> {
    whole_as(okta, action, target, |item| item).await
}

/// Like [`whole`], keeping only what `read` returns for each item, since a list may be long and its items large.
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

/// The number of items of a list, counted up to `count_max` and one more; none if the parent object does not exist.
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

/// Reads the list at `url` from `position` on, up to `limit` items or what a message can carry, each as Okta wrote it.
pub(in crate::command) async fn raw_list(
    okta: &dyn Okta,
    url: Url,
    limit: usize,
    position: &ListPosition,
) -> Result<List<Box<RawValue>>, OktaError> {
    list_from(okta, url, limit, position).await
}

/// Reads the first pages of the list at `url`, up to `pages_max`, each item as Okta wrote it.
pub(in crate::command) async fn first_pages(
    okta: &dyn Okta,
    url: Url,
    pages_max: usize,
) -> Result<Vec<Box<RawValue>>, OktaError> {
    let (mut items, mut next) = (Vec::new(), Some(url));
    for _ in 0..pages_max {
        let Some(url) = next else { break };
        let page = patiently::<Vec<Box<RawValue>>>(okta, &url).await?;
        items.extend(page.body);
        // The newest come first.
        next = page.next.filter(|_| items.is_empty());
    }
    Ok(items)
}

/// Reads a list until it has an item, with a maximum number of tries: lists are some seconds old.
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
            // An outcome that is too large for any message is trimmed by its publisher.
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
        // A page without a cursor is an own link of Okta, and no command can continue there.
        position = beginning.unwrap_or_default();
        next = url;
    }
}

/// The items after the one with this id; all of them if it is gone: a repeated item is better than a missing one.
fn behind<T: Display>(items: Vec<T>, id: Option<&str>) -> Vec<T> {
    let is_it = |item: &T| id_of(&item.to_string()).as_deref() == id;
    let given = id.and_then(|_| items.iter().position(is_it)).map_or(0, |index| index + 1);
    items.into_iter().skip(given).collect()
}

/// The id of an item; events have a `uuid`.
fn id_of(item: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Identified {
        #[serde(alias = "uuid")]
        id: String,
    }
    serde_json::from_str::<Identified>(item).ok().map(|item| item.id)
}

/// Reads until there is an answer or the tries are used up. After a 429 the client waits by itself.
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

/// The wait before a retry: doubled from 200 ms, with jitter.
pub(in crate::command) fn back_off(times: u32) -> Duration {
    let milliseconds = 200_u64.saturating_mul(1 << times.saturating_sub(1).min(5));
    Duration::from_millis(milliseconds / 2 + fastrand::u64(0..=milliseconds / 2))
}
