//! One page of a list, and where the next one begins.

use std::cmp::Ordering;

use serde_json::Value;

use crate::okta_error::OktaError;
use crate::parameters::Parameters;

/// How ids begin, those of zones apart.
const BEGINNINGS: [&str; 2] = ["0", "nzo"];

/// The order of a list.
#[derive(Debug)]
pub(super) enum Order {
    ById,
    /// By an attribute, and then by id.
    By {
        path: Vec<String>,
        descending: bool,
    },
}

/// Some things of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    pub(super) things: Vec<T>,
    /// The `after` of the next page, if there is one.
    pub(super) next: Option<String>,
}

/// A thing in a list.
pub(super) trait Listed {
    fn id(&self) -> &str;
    /// What it can be sorted by.
    fn attributes(&self) -> Value;
}

impl Order {
    /// As `sortBy` and `sortOrder` ask for it, which only go with `search`.
    pub(super) fn parse(parameters: &Parameters) -> Result<Self, OktaError> {
        let (Some(attribute), Some(_)) = (parameters.get("sortBy"), parameters.get("search")) else {
            return Ok(Self::ById);
        };
        let descending = match parameters.get("sortOrder") {
            None => false,
            Some(order) if order.eq_ignore_ascii_case("asc") => false,
            Some(order) if order.eq_ignore_ascii_case("desc") => true,
            Some(_) => return Err(OktaError::validation("sortOrder", "'sortOrder': must be asc or desc")),
        };
        Ok(Self::By { path: attribute.split('.').map(str::to_owned).collect(), descending })
    }

    /// Up to `limit` of the `things` that pass the test, from the one after `after` on. `things` are sorted
    /// by id.
    pub(super) fn page<T: Listed>(
        &self,
        mut things: Vec<T>,
        after: Option<&str>,
        limit: usize,
        test: impl Fn(&T) -> bool,
    ) -> Result<Page<T>, OktaError> {
        if let Self::By { path, descending } = self {
            things.sort_by_cached_key(|thing| sort_key(&thing.attributes(), path));
            if *descending {
                things.reverse();
            }
        }
        let start = match (after, self) {
            (None, _) => 0,
            (Some(after), _) if !BEGINNINGS.iter().any(|beginning| after.starts_with(beginning)) => {
                return Err(OktaError::invalid_cursor());
            }
            (Some(after), Self::ById) => {
                things.partition_point(|thing| thing.id().cmp(after) != Ordering::Greater)
            }
            (Some(after), Self::By { .. }) => {
                let place = things.iter().position(|thing| thing.id() == after);
                place.ok_or_else(OktaError::invalid_cursor)? + 1
            }
        };
        let mut found: Vec<T> =
            things.into_iter().skip(start).filter(test).take(limit.saturating_add(1)).collect();
        if found.len() <= limit {
            return Ok(Page { things: found, next: None });
        }
        found.truncate(limit);
        let next = found.last().map(|thing| thing.id().to_owned());
        Ok(Page { things: found, next })
    }
}

fn sort_key(attributes: &Value, path: &[String]) -> String {
    let value = path.iter().fold(attributes, |value, name| &value[name.as_str()]);
    value.as_str().map_or_else(|| value.to_string(), str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Thing(&'static str, &'static str);

    impl Listed for Thing {
        fn id(&self) -> &str {
            self.0
        }

        fn attributes(&self) -> Value {
            json!({ "name": self.1 })
        }
    }

    const THINGS: [Thing; 4] = [Thing("001", "d"), Thing("002", "B"), Thing("003", "a"), Thing("004", "c")];

    fn walk(order: &Order) -> Vec<&'static str> {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = order.page(THINGS.to_vec(), after.as_deref(), 2, |thing| thing.1 != "d").unwrap();
            seen.extend(page.things.iter().map(|thing| thing.1));
            after = page.next;
            if after.is_none() {
                return seen;
            }
        }
    }

    #[test]
    fn pages_join_in_every_order() {
        assert_eq!(walk(&Order::ById), ["B", "a", "c"]);
        assert_eq!(walk(&Order::By { path: vec!["name".to_owned()], descending: false }), ["a", "B", "c"]);
        assert_eq!(walk(&Order::By { path: vec!["name".to_owned()], descending: true }), ["c", "B", "a"]);
    }

    #[test]
    fn a_page_goes_on_behind_one_who_is_gone() {
        let page = Order::ById.page(THINGS.to_vec(), Some("0025"), 2, |_| true).unwrap();
        assert_eq!(page, Page { things: THINGS[2..].to_vec(), next: None });
        assert!(Order::ById.page(THINGS.to_vec(), Some("nonsense"), 2, |_| true).is_err());
    }
}
