//! The words that Okta writes where it has no value.

/// Whether `text` says that there is no value, in any case of its letters.
#[inline]
pub fn is_missing(text: &str) -> bool {
    match text.len() {
        0 => true,
        4 => text.eq_ignore_ascii_case("null") || text.eq_ignore_ascii_case("none"),
        7 => text.eq_ignore_ascii_case("unknown"),
        _ => false,
    }
}

/// Whether nobody can see anything in `text`, or only such a word.
#[inline]
pub fn says_nothing(text: &str) -> bool {
    is_missing(text.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_nothing_are_so_in_any_case_and_alone() {
        for word in ["", "null", "NULL", "None", "NONE", "unknown", "Unknown", "UNKNOWN"] {
            assert!(is_missing(word), "{word}");
        }
        for text in [" ", "nil", "nonet", "unknown user", "00u1", "0"] {
            assert!(!is_missing(text), "{text}");
        }
    }
}
