//! One or several: `user` or `users`, `group` or `groups`.

use serde_json::{Value, json};

/// The names of `one` and `many` together; `key` is the singular member.
pub(super) fn names(key: &str, one: Option<String>, many: Vec<String>) -> Result<Vec<String>, String> {
    match (one, many) {
        (Some(one), many) if many.is_empty() => Ok(vec![one]),
        (None, many) if !many.is_empty() => Ok(many),
        (None, _) => Err(format!("`{key}` is missing, or `{key}s` with at least one")),
        (Some(_), _) => Err(format!("there are both `{key}` and `{key}s`: give one of them")),
    }
}

/// The requirement of [`names`] in JSON Schema.
pub(super) fn one_or_many(key: &str) -> Value {
    let many = format!("{key}s");
    json!([
        { "required": [key], "properties": { key: { "type": "string" } } },
        { "required": [many], "properties": { (many.as_str()): { "minItems": 1 } } },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_of_the_two_is_given() {
        let (one, two) = (|| Some("a".to_owned()), || vec!["b".to_owned(), "c".to_owned()]);
        assert_eq!(names("user", one(), Vec::new()).unwrap(), ["a"]);
        assert_eq!(names("user", None, two()).unwrap(), ["b", "c"]);
        assert!(names("user", None, Vec::new()).is_err() && names("user", one(), two()).is_err());
    }
}
