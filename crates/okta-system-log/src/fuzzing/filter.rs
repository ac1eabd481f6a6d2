//! The filters that Okta takes: any text is one, or is refused with a place in it.

use crate::scim;

/// Reads the filter that `data` is.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match scim::read(text) {
        Ok(filter) => {
            assert!(!text.trim().is_empty());
            for comparison in &filter.comparisons {
                assert!(text.contains(comparison.attribute) && !comparison.attribute.is_empty());
                assert!(!comparison.operator.is_empty());
            }
            // What stands in parentheses means the same.
            let grouped = format!("({text})");
            let read = scim::read(&grouped).map(|filter| filter.comparisons);
            assert!(read.is_err() || read == Ok(filter.comparisons));
        }
        Err(err) => {
            let told = err.to_string();
            assert!(!err.reason().is_empty());
            let caret = told.lines().last().unwrap_or_default().chars().count();
            assert!(caret <= 4 + text.chars().count() + 1, "{told}");
        }
    }
}
