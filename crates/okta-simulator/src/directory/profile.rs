//! The profile of a user: its schema, and what Okta refuses to put into one.

use serde_json::{Map, Value};

use crate::okta_error::OktaError;

pub(crate) type Profile = Map<String, Value>;

const REQUIRED: &[&str] = &["firstName", "lastName", "email", "login"];
/// The other attributes that every org has; all are strings.
const BASE: &[&str] = &[
    "city",
    "costCenter",
    "countryCode",
    "department",
    "displayName",
    "division",
    "employeeNumber",
    "honorificPrefix",
    "honorificSuffix",
    "locale",
    "manager",
    "managerId",
    "middleName",
    "mobilePhone",
    "nickName",
    "organization",
    "postalAddress",
    "preferredLanguage",
    "primaryPhone",
    "profileUrl",
    "secondEmail",
    "state",
    "streetAddress",
    "timezone",
    "title",
    "userType",
    "zipCode",
];

/// What an attribute holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Truth,
    Texts,
}

/// The attributes that this org has added.
const CUSTOM: &[(&str, Kind)] =
    &[("badge", Kind::Text), ("level", Kind::Number), ("remote", Kind::Truth), ("skills", Kind::Texts)];

/// Whether there is such an attribute.
pub(super) fn is_attribute(name: &str) -> bool {
    kind(name).is_some()
}

/// `old` with `new` in it; `null` takes an attribute away.
pub(super) fn merged(old: &Profile, new: Profile) -> Profile {
    let mut merged = old.clone();
    merged.extend(new);
    merged.retain(|_, value| !value.is_null());
    merged
}

/// Refuses what the schema does not allow.
pub(super) fn check(profile: &Profile) -> Result<(), OktaError> {
    let problems: Vec<(&str, String)> = profile
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), problem(name, value)?)))
        .chain(REQUIRED.iter().filter(|name| is_blank(profile.get(**name))).map(|name| (*name, blank(name))))
        .collect();
    match problems.first() {
        None => Ok(()),
        Some((first, _)) => {
            let error = OktaError::invalid(first);
            Err(problems.iter().fold(error, |error, (_, cause)| error.because(cause.as_str())))
        }
    }
}

fn kind(name: &str) -> Option<Kind> {
    if REQUIRED.contains(&name) || BASE.contains(&name) {
        return Some(Kind::Text);
    }
    CUSTOM.iter().find(|(other, _)| *other == name).map(|(_, kind)| *kind)
}

fn problem(name: &str, value: &Value) -> Option<String> {
    let Some(kind) = kind(name) else {
        return Some(format!("Property name '{name}' is not defined in profile"));
    };
    let is_kind = match kind {
        Kind::Text => value.is_string(),
        Kind::Number => value.is_number(),
        Kind::Truth => value.is_boolean(),
        Kind::Texts => value.as_array().is_some_and(|elements| elements.iter().all(Value::is_string)),
    };
    if !is_kind && !value.is_null() {
        return Some(format!("{name}: The value does not match the attribute's type"));
    }
    let text = value.as_str().unwrap_or_default();
    if text.chars().any(|character| character.len_utf8() > 3) {
        return Some(format!("{name}: Invalid characters"));
    }
    match name {
        "login" if !text.is_empty() && !is_email(text) => {
            Some("login: Username must be in the form of an email address".to_owned())
        }
        "email" | "secondEmail" if !text.is_empty() && !is_email(text) => {
            Some(format!("{name}: Does not match required pattern"))
        }
        "firstName" | "lastName" if text.chars().count() > 50 => {
            Some(format!("{name}: The field is too long (the maximum is 50)"))
        }
        "login" | "email" if text.chars().count() > 100 => {
            Some(format!("{name}: The field is too long (the maximum is 100)"))
        }
        _ => None,
    }
}

fn is_blank(value: Option<&Value>) -> bool {
    value.is_none_or(|value| value.as_str().is_none_or(|text| text.trim().is_empty()))
}

fn blank(name: &str) -> String {
    format!("{name}: The field cannot be left blank")
}

fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(local, domain)| {
        !local.is_empty()
            && domain.contains('.')
            && !domain.contains('@')
            && !text.contains(char::is_whitespace)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn profile(more: Value) -> Profile {
        let ada = json!({"firstName": "Ada", "lastName": "L", "email": "ada@acme.example", "login": "ada@acme.example"});
        let (Value::Object(ada), Value::Object(more)) = (ada, more) else { panic!() };
        merged(&ada, more)
    }

    fn refusal(more: Value) -> String {
        check(&profile(more))
            .map_or_else(|error| String::from_utf8(error.body("x")).unwrap(), |()| String::new())
    }

    #[test]
    fn the_schema_decides() {
        let good = json!({"badge": "7", "remote": true, "level": 3, "skills": ["a"], "costCenter": "1", "title": null});
        assert_eq!(refusal(good), "");
        for (bad, cause) in [
            (json!({"shoeSize": "44"}), "Property name 'shoeSize' is not defined in profile"),
            (json!({"firstName": null}), "firstName: The field cannot be left blank"),
            (json!({"login": "ada"}), "login: Username must be in the form of an email address"),
            (json!({"email": "ada@"}), "email: Does not match required pattern"),
            (json!({"remote": "yes"}), "remote: The value does not match the attribute's type"),
            (json!({"lastName": "🦀"}), "lastName: Invalid characters"),
        ] {
            let refusal = refusal(bad);
            assert!(refusal.contains("E0000001") && refusal.contains(cause), "{refusal}");
        }
        assert_eq!(refusal(json!({"lastName": "王"})), "");
    }

    #[test]
    fn null_takes_an_attribute_away() {
        let merged = merged(&profile(json!({"title": "Dr"})), profile(json!({})));
        assert_eq!(merged["title"], "Dr");
        let (Value::Object(gone), merged) = (json!({"title": null}), merged) else { panic!() };
        assert!(!super::merged(&merged, gone).contains_key("title"));
    }
}
