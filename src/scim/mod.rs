//! SCIM filters as Okta's System Log takes them: checked before they are sent, and made from criteria.
//!
//! Pure. Okta itself has the last word; what is refused here is what Okta would refuse, told with a caret at the place
//! (Okta, "System Log query" and "Core Okta API", on filters).

mod criteria;
mod error;
mod lexer;
mod parser;

pub use criteria::Criteria;
pub use error::FilterError;

/// Looks whether Okta could take `filter` for the System Log.
pub fn check(filter: &str) -> Result<(), FilterError> {
    parser::check(filter)
}
