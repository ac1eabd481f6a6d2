//! The parameters of a request's query.

use super::okta_error::OktaError;

/// Names and values, decoded.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn new(raw_query: &str) -> Self {
        Self(url::form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect())
    }

    /// The first value of a parameter; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find_map(|(other, value)| (other == name).then_some(value));
        value.map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A truth value; anything but `true` and `false` counts as absent.
    pub(super) fn truth(&self, name: &str) -> Option<bool> {
        self.get(name)?.parse().ok()
    }

    /// How many are asked for: the most there may be if it is more, `None` if nothing is said.
    pub(super) fn limit(&self, most: usize) -> Result<Option<usize>, OktaError> {
        let Some(text) = self.get("limit") else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(limit) if limit > 0 => Ok(Some(limit.min(most))),
            _ => Err(OktaError::validation("limit", "'limit': must be a positive integer")),
        }
    }
}
