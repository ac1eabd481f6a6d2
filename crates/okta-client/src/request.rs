//! A request to a resource: a path of escaped segments, a query, and for a change its method and body. Sends nothing.

use std::fmt;

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

/// The resource of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
}

impl Target {
    /// Below `/api/v1`; each segment is escaped on its own, so that a name with `/` or `?` stays one.
    pub(super) fn of(segments: &[&str]) -> Self {
        Self { segments: segments.iter().map(|&segment| segment.to_owned()).collect(), query: Vec::new() }
    }

    /// With a query parameter.
    pub(super) fn with(mut self, name: &'static str, value: &(impl ToString + ?Sized)) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Its URL at `org`.
    pub fn url(&self, org: &Url) -> Url {
        let mut url = org.clone();
        url.set_path("/api/v1");
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(&self.segments);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

/// Whether `text` can be an id of Okta. Nothing else is used as an id in a path: a segment `..` would make
/// it another request.
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// A request that changes something. Its body may contain secrets, so it is not displayed.
#[derive(Clone)]
pub struct Change {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) body: Option<Value>,
    pub(super) confirmation: Confirmation,
}

/// The answer to a completed change, by Okta's API reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// A new object, which has an id, and the value at this pointer that was asked for, in any letter case.
    New(&'static str, Option<String>),
    /// The object of this id, as it is now.
    Object(String),
    /// An object with this member: a secret that Okta shows once.
    Member(&'static str),
    /// An object, or `{}`. A success without a body does not come from Okta, and confirms nothing.
    Body,
    /// 200 with `{}`, which some versions of Okta leave out: a caller that needs certainty has to look.
    Status,
    /// 204 without a body. Any other success without Okta's id of the request comes from something in between.
    NoContent,
}

impl Confirmation {
    /// Whether this can be an answer of Okta; any other answer confirms nothing.
    pub(super) fn is_by(&self, body: &Value) -> bool {
        let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        match self {
            Self::New(pointer, wanted) => {
                let found = body.pointer(pointer).and_then(Value::as_str).map(str::to_lowercase);
                text("id").is_some()
                    && (wanted.is_none() || found == wanted.as_ref().map(|wanted| wanted.to_lowercase()))
            }
            Self::Object(id) => text("id") == Some(id),
            Self::Member(name) => text(name).is_some(),
            Self::Body | Self::Status | Self::NoContent => true,
        }
    }
}

impl Change {
    pub(super) fn post(target: Target, confirmation: Confirmation) -> Self {
        Self { method: Method::POST, target, body: None, confirmation }
    }

    pub(super) fn put(target: Target, confirmation: Confirmation) -> Self {
        Self { method: Method::PUT, target, body: None, confirmation }
    }

    /// Okta answers 204 to every DELETE.
    pub(super) fn delete(target: Target) -> Self {
        Self { method: Method::DELETE, target, body: None, confirmation: Confirmation::NoContent }
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// For people: method, path and body, without the secrets in it.
    pub fn shown(&self, org: &Url) -> Value {
        let url = self.target.url(org);
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut body = self.body.clone();
        if let Some(body) = &mut body {
            for secret in [
                "/credentials/password/value",
                "/credentials/recovery_question/answer",
                "/channel/config/authScheme/value",
            ] {
                if let Some(value) = body.pointer_mut(secret) {
                    *value = json!("(secret)");
                }
            }
        }
        json!({ "method": self.method.as_str(), "path": path, "body": body })
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?}", self.method, self.target)
    }
}

/// The path of a text that Okta would refuse: it accepts no characters beyond U+FFFF, such as emoji.
pub(super) fn unsendable(value: &Value) -> Option<String> {
    let is_beyond = |text: &str| text.chars().any(|c| c.len_utf8() > 3);
    match value {
        Value::String(text) => is_beyond(text).then(String::new),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| unsendable(item).map(|below| format!("[{index}]{below}"))),
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            if is_beyond(name) {
                return Some(format!(".{name}"));
            }
            unsendable(member).map(|below| format!(".{name}{below}"))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_one_segment() {
        let org = Url::parse("https://acme.okta.com/").unwrap();
        let url = |name: &str| Target::of(&["users", name, "groups"]).url(&org).to_string();
        for (name, escaped) in [
            ("ada@acme.com", "ada@acme.com"),
            ("a/b?c#d", "a%2Fb%3Fc%23d"),
            ("a b%2F", "a%20b%252F"),
            ("ünï", "%C3%BCn%C3%AF"),
            (r"acme\ada", "acme%5Cada"),
        ] {
            assert_eq!(url(name), format!("https://acme.okta.com/api/v1/users/{escaped}/groups"));
        }
        let listed = Target::of(&["users"]).with("search", r#"profile.login eq "a&b""#).with("limit", &2);
        assert_eq!(
            listed.url(&org).as_str(),
            "https://acme.okta.com/api/v1/users?search=profile.login+eq+%22a%26b%22&limit=2"
        );
        assert!(is_id("00u1_-Z") && !is_id("..") && !is_id("") && !is_id("a/b"));
    }

    #[test]
    fn an_answer_without_what_okta_answers_with_confirms_nothing() {
        let object = Confirmation::Object("00u1".to_owned());
        let new = |login: &str| Confirmation::New("/profile/login", Some(login.to_owned()));
        for foreign in [json!({}), Value::Null, json!([]), json!({ "id": "" }), json!({ "status": "ok" })] {
            for confirmation in [&new("ada"), &object, &Confirmation::Member("tempPassword")] {
                assert!(!confirmation.is_by(&foreign), "{confirmation:?} {foreign}");
            }
        }
        assert!(!object.is_by(&json!({ "id": "00u2" })) && object.is_by(&json!({ "id": "00u1" })));
        let made = |login: &str| json!({ "id": "00u2", "profile": { "login": login } });
        assert!(new("Ada").is_by(&made("ada")) && !new("Ada").is_by(&made("bob")));
        assert!(!new("Ada").is_by(&json!({ "id": "00u2" })));
        assert!(Confirmation::New("/profile/login", None).is_by(&json!({ "id": "00u2" })));
        assert!(Confirmation::Member("tempPassword").is_by(&json!({ "tempPassword": "x" })));
        assert!(Confirmation::Body.is_by(&json!({})));
    }

    #[test]
    fn secrets_are_not_shown() {
        let org = Url::parse("https://acme.okta.com/").unwrap();
        let credentials = json!({ "password": { "value": "s3cret" }, "recovery_question": { "question": "q", "answer": "s3cret" } });
        let change = Change::post(Target::of(&["users"]).with("activate", &true), Confirmation::Body)
            .body(json!({ "credentials": credentials }));
        let shown = change.shown(&org);
        assert_eq!(shown["path"], "/api/v1/users?activate=true");
        assert_eq!(shown["body"]["credentials"]["recovery_question"]["question"], "q");
        assert!(!shown.to_string().contains("s3cret") && !format!("{change:?}").contains("s3cret"));
    }

    #[test]
    fn what_okta_refuses_is_found_with_its_path() {
        assert_eq!(unsendable(&json!({ "profile": { "a": "é漢", "n": 5 } })), None);
        let found = unsendable(&json!({ "profile": { "nick": ["x", "😀"] } }));
        assert_eq!(found.as_deref(), Some(".profile.nick[1]"));
        assert!(unsendable(&json!({ "😀": 1 })).is_some());
    }
}
