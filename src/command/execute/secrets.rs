//! Takes the secrets out of Okta's answers, so that a result never has them.

use secrecy::SecretString;
use serde_json::Value;

use crate::command::RevealedSecret;

/// Okta's names and ours. A secret without a name of ours is dropped: the token of a link is in the link.
const SECRETS: [(&str, Option<&str>); 6] = [
    ("tempPassword", Some("temporary_password")),
    ("activationUrl", Some("activation_url")),
    ("activationToken", None),
    ("resetPasswordUrl", Some("reset_password_url")),
    ("recoveryToken", None),
    ("resetPasswordToken", None),
];

/// Takes the secrets out of `answer`.
pub(in crate::command) fn take(answer: &mut Value) -> Vec<RevealedSecret> {
    let Some(members) = answer.as_object_mut() else { return Vec::new() };
    let take = |(okta_name, name): (&str, Option<&'static str>)| {
        let Some(Value::String(secret)) = members.remove(okta_name) else { return None };
        Some(RevealedSecret { name: name?, secret: SecretString::from(secret) })
    };
    SECRETS.into_iter().filter_map(take).collect()
}

/// Takes the seed and the activation link out of a factor that waits for its activation.
pub(in crate::command) fn strip_factor(factor: &mut Value) {
    let Some(members) = factor.as_object_mut() else { return };
    members.remove("_embedded");
    if let Some(profile) = members.get_mut("profile").and_then(Value::as_object_mut) {
        profile.remove("sharedSecret");
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_secret_is_left() {
        let mut answer = json!({ "activationUrl": "https://s3cret", "activationToken": "s3cret", "id": "1" });
        let revealed = take(&mut answer);
        assert_eq!(answer, json!({ "id": "1" }));
        let shown: Vec<_> = revealed.iter().map(|one| (one.name, one.secret.expose_secret())).collect();
        assert_eq!(shown, [("activation_url", "https://s3cret")]);
        assert!(take(&mut json!([])).is_empty());
    }

    #[test]
    fn the_seed_of_a_factor_is_no_result() {
        let mut factor = json!({ "id": "ost1", "status": "PENDING_ACTIVATION", "profile": { "credentialId": "ada", "sharedSecret": "s3cret" },
            "_embedded": { "activation": { "sharedSecret": "s3cret", "_links": { "qrcode": { "href": "https://s3cret" } } } } });
        strip_factor(&mut factor);
        let left =
            json!({ "id": "ost1", "status": "PENDING_ACTIVATION", "profile": { "credentialId": "ada" } });
        assert_eq!(factor, left);
    }
}
