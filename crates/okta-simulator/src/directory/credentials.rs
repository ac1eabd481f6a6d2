//! What a request says about credentials, and Okta's default password policy. No secret is kept: the org
//! only remembers that there is one.

use serde_json::Value;

use super::profile::Profile;
use crate::okta_error::OktaError;

const POLICY: &str = "password: Password requirements were not met. Password requirements: at least 8 characters, \
     a lowercase letter, an uppercase letter, a number, no parts of your username.";

/// What a request changes about credentials.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) has_password: bool,
    pub(super) recovery_question: Option<String>,
}

impl Credentials {
    /// Reads and checks the member `credentials` of a request about the user of this profile.
    pub(super) fn parse(credentials: &Value, profile: &Profile) -> Result<Self, OktaError> {
        let password = &credentials["password"];
        // Hashes come from another directory, and hooks ask it: the policy is not asked then.
        let has_password = match password["value"].as_str() {
            Some(text) if !meets_policy(text, profile) => {
                return Err(OktaError::validation("password", POLICY));
            }
            Some(_) => true,
            None => password["hash"].is_object() || password["hook"].is_object(),
        };
        let question = &credentials["recovery_question"];
        if let Some(text) = question["question"].as_str() {
            let answer = question["answer"].as_str().unwrap_or_default();
            if answer.chars().count() < 4 {
                let cause = "The security question answer must be at least 4 characters in length";
                return Err(OktaError::validation("recovery_question", cause));
            }
            return Ok(Self { has_password, recovery_question: Some(text.to_owned()) });
        }
        Ok(Self { has_password, recovery_question: None })
    }
}

fn meets_policy(password: &str, profile: &Profile) -> bool {
    let has = |test: fn(&char) -> bool| password.chars().any(|character| test(&character));
    let login = profile.get("login").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let lower = password.to_lowercase();
    let mut parts = login.split(['@', '.', '_', '-', ',']).filter(|part| part.chars().count() > 3);
    password.chars().count() >= 8
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_digit)
        && !parts.any(|part| lower.contains(part))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_policy_is_oktas_default() {
        let profile = [("login".to_owned(), json!("lovelace@acme.example"))].into_iter().collect();
        let parse = |password: &str| Credentials::parse(&json!({"password": {"value": password}}), &profile);
        for bad in ["Short1a", "nouppercase1", "NOLOWERCASE1", "NoDigitsHere", "Lovelace1815"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("Analytic1843").unwrap().has_password);
        let hash = json!({"password": {"hash": {"algorithm": "BCRYPT"}}});
        assert!(Credentials::parse(&hash, &profile).unwrap().has_password);
        assert_eq!(Credentials::parse(&Value::Null, &profile).unwrap(), Credentials::default());
    }
}
