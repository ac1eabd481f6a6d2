//! SCIM filters as Okta's System Log takes them: checked before they are sent, and made from criteria.
//!
//! Pure. Okta itself has the last word: what is refused here is what its documentation says that it refuses, told with a
//! caret at the place (Okta, "System Log query" and "Core Okta API", on filters). What may be right is a doubt, no more.

mod criteria;
mod error;
mod lexer;
mod parser;

use std::borrow::Cow;

pub use criteria::Criteria;
pub use error::FilterError;

/// A filter that Okta could take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter<'a> {
    /// What is compared, in the order of the text.
    pub comparisons: Vec<Comparison<'a>>,
    /// What Okta may refuse.
    pub doubts: Vec<String>,
}

/// One attribute compared with one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison<'a> {
    /// For example `outcome.result`.
    pub attribute: &'a str,
    /// In small letters, for example `eq`; each text of an `in` counts as one `eq`.
    pub operator: String,
    /// The text, without quotes and escapes.
    pub value: Cow<'a, str>,
}

/// Reads `filter`, if Okta could take it for the System Log.
pub fn read(filter: &str) -> Result<Filter<'_>, FilterError> {
    parser::read(filter)
}

/// Looks whether Okta could take `filter` for the System Log.
pub fn check(filter: &str) -> Result<(), FilterError> {
    read(filter).map(drop)
}
