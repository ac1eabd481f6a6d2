//! Text with `*` for anything, as event types are selected by.

/// A pattern by the pieces between its stars.
#[derive(Debug)]
pub struct Pattern(Vec<String>);

impl Pattern {
    /// The pattern that `text` is.
    pub fn new(text: &str) -> Self {
        Self(text.split('*').map(str::to_owned).collect())
    }

    /// Whether `text` is as the pattern says.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_first() else { return text.is_empty() };
        let Some((last, middle)) = rest.split_last() else { return text == first };
        let inside = text.strip_prefix(first.as_str()).and_then(|text| text.strip_suffix(last.as_str()));
        let Some(mut inside) = inside else { return false };
        // The leftmost place of each piece leaves the most room for the next.
        middle.iter().all(|piece| match inside.split_once(piece.as_str()) {
            Some((_, after)) => {
                inside = after;
                true
            }
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).matches(text)
    }

    #[test]
    fn stars_stand_for_anything() {
        assert!(matches("user.lifecycle.*", "user.lifecycle.create"));
        assert!(!matches("user.lifecycle.*", "user.lifecycles"));
        assert!(matches("*", "") && matches("*", "x") && matches("a**b", "ab"));
        assert!(matches("user.*.mfa.*", "user.x.mfa.y") && !matches("user.*.mfa.*", "user.mfa.y"));
        assert!(matches("exact", "exact") && !matches("exact", "exactly"));
        assert!(!matches("ab*ba", "aba"));
    }
}
