//! The `q` parameter: keywords that must all occur as whole words among an event's values.

use serde_json::Value;

const MAX_KEYWORDS: usize = 10;
const MAX_CHARACTERS: usize = 40;

/// Keywords in lower case.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Keywords(Vec<String>);

/// The parameter holds too many keywords, or one that is too long.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidKeywords {
    #[error("'q': must be {MAX_KEYWORDS} or fewer keywords")]
    TooMany,
    #[error("'q': each keyword must be {MAX_CHARACTERS} or fewer characters")]
    TooLong,
}

impl Keywords {
    /// Splits and checks the parameter.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidKeywords> {
        let keywords: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        if keywords.len() > MAX_KEYWORDS {
            return Err(InvalidKeywords::TooMany);
        }
        if keywords.iter().any(|keyword| keyword.chars().count() > MAX_CHARACTERS) {
            return Err(InvalidKeywords::TooLong);
        }
        Ok(Self(keywords))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every keyword is a word of the event.
    pub(super) fn match_event(&self, event: &Value) -> bool {
        self.0.iter().all(|keyword| has_word(event, keyword))
    }
}

fn has_word(value: &Value, keyword: &str) -> bool {
    match value {
        Value::Object(members) => members.values().any(|member| has_word(member, keyword)),
        Value::Array(elements) => elements.iter().any(|element| has_word(element, keyword)),
        Value::String(text) => text_has_word(text, keyword),
        Value::Number(number) => number.to_string() == keyword,
        Value::Bool(_) | Value::Null => false,
    }
}

/// A word is what stands between white space, without punctuation around it, or a part of it
/// between hyphens.
fn text_has_word(text: &str, keyword: &str) -> bool {
    let text = text.to_lowercase();
    text.split_whitespace().any(|word| {
        let bare = word.trim_matches(|character: char| !character.is_alphanumeric());
        word == keyword || bare == keyword || bare.split('-').any(|part| part == keyword)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(q: &str) -> bool {
        let event = serde_json::json!({
            "client": {"geographicalContext": {"city": "New York"}},
            "uuid": "dc9fd3c0-598c-11ef",
            "authenticationContext": {"authenticationStep": 7}
        });
        Keywords::parse(q).unwrap().match_event(&event)
    }

    #[test]
    fn all_keywords_match_whole_words_in_any_case() {
        assert!(matches("new YORK"));
        assert!(!matches("new jersey"));
        assert!(!matches("yor"));
        assert!(matches("dc9fd3c0-598c-11ef"));
        assert!(matches("598c"));
        assert!(matches("7"));
        assert!(!matches("city"));
    }

    #[test]
    fn limits_count_keywords_and_characters() {
        assert_eq!(Keywords::parse(&"k ".repeat(11)), Err(InvalidKeywords::TooMany));
        assert_eq!(Keywords::parse(&"é".repeat(41)), Err(InvalidKeywords::TooLong));
        assert!(Keywords::parse(&"é".repeat(40)).is_ok());
    }
}
