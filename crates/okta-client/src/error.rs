//! The errors of a request, classified in one place. The HTTP status decides first, the error code second.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;

use super::{auth::AuthError, header::Challenge};

/// Why a request has no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum OktaError {
    /// No answer, or an incomplete one.
    #[error("no answer from {host}: {reason}")]
    Transport {
        /// The host.
        host: String,
        /// What went wrong, without the URL.
        reason: String,
        /// Whether the request may have reached Okta.
        was_sent: bool,
    },
    /// Too many requests.
    #[error("okta asks to wait {} s (429)", wait.as_secs())]
    RateLimited {
        /// How long nothing may be asked of the bucket.
        wait: Duration,
        /// Whether Okta says so, and not something between us and Okta.
        is_oktas: bool,
    },
    /// Another status than success.
    #[error(
        "okta answered {status}{}: {summary}{}",
        code.as_deref().map(|code| format!(" {code}")).unwrap_or_default(),
        request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default()
    )]
    Status {
        /// The HTTP status.
        status: u16,
        /// Okta's error code, for example `E0000011`.
        code: Option<String>,
        /// What Okta wrote, shortened.
        summary: String,
        /// Okta's id of the request, for its support.
        request_id: Option<String>,
    },
    /// The answer is larger than the configured limit.
    #[error(
        "the answer has more than {limit_bytes} bytes: raise `http.body_max` of the org or lower the `page_size`"
    )]
    TooLarge {
        /// The configured limit.
        limit_bytes: usize,
    },
    /// The task that asked has ended without an answer.
    #[error("the request was broken off: {0}")]
    BrokenOff(String),
    /// A page with events whose link leads back to pages that were read, with nothing in them that is new.
    #[error(
        "the link does not move: okta gives events that were read before, and a link back to them; they are not delivered again"
    )]
    StuckLink,
    /// A success whose body is not what was asked for.
    #[error("the answer is not a page of events: {0}")]
    NotAPage(String),
    /// The same, for users, groups and apps.
    #[error("the answer is not what was asked for: {0}")]
    NotAsAsked(String),
    /// A text that Okta would refuse. Nothing was sent.
    #[error("okta takes no characters beyond U+FFFF, such as emoji, and there is one in {path}")]
    Unsendable {
        /// Where it is in the body.
        path: String,
    },
    /// No request can be made of it, for example because the URL is too long: nothing was sent.
    #[error("this cannot be asked of Okta: {reason}")]
    NotARequest {
        /// What is wrong with it, without the URL.
        reason: String,
    },
    /// Okta has refused the credential, and there was no other. The change was not made.
    #[error("okta has refused the credential, and a new one takes a while: nothing was changed")]
    NotTaken,
    /// A polling answer always has a `next` link.
    #[error("the answer has no `next` link")]
    NoNextLink,
    /// The link points to another host or to something else than was asked for; no credential may be sent there.
    #[error(
        "the link points to {found}, not to {expected}: it is not followed; if the org has moved, change its domain"
    )]
    ForeignLink {
        /// Where it points.
        found: String,
        /// The org, and what was asked for if the org is right.
        expected: String,
    },
    /// There is no credential. All requests that waited for it get this error.
    #[error(transparent)]
    Auth(Arc<AuthError>),
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Retry after this time at the earliest, or after a back-off.
    Retry(Option<Duration>),
    /// Okta will not answer this request differently.
    Permanent,
    /// An operator must correct the credential or its rights.
    Authentication,
    /// An operator must change a setting.
    Configuration,
}

impl OktaError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Transport { .. }
            | Self::NotAPage(_)
            | Self::NotAsAsked(_)
            | Self::NotTaken
            | Self::BrokenOff(_)
            | Self::StuckLink
            | Self::NoNextLink => Class::Retry(None),
            Self::RateLimited { wait, .. } => Class::Retry(Some(*wait)),
            Self::Status { status, code, .. } => class_of(*status, code.as_deref()),
            Self::TooLarge { .. } | Self::ForeignLink { .. } => Class::Configuration,
            Self::Unsendable { .. } | Self::NotARequest { .. } => Class::Permanent,
            Self::Auth(err) => err.class(),
        }
    }

    /// Whether the change may have been made in spite of this error: only a look-up can tell.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Transport { was_sent, .. } => *was_sent,
            Self::Status { status, code, .. } => match (status, code.as_deref()) {
                (501, Some("E0000060")) => false,
                _ => matches!(status, 408 | 500..) || !self.is_oktas(),
            },
            Self::RateLimited { is_oktas, .. } => !is_oktas,
            Self::TooLarge { .. }
            | Self::BrokenOff(_)
            | Self::StuckLink
            | Self::NotAPage(_)
            | Self::NotAsAsked(_)
            | Self::NoNextLink
            | Self::ForeignLink { .. } => true,
            Self::Unsendable { .. } | Self::NotARequest { .. } | Self::NotTaken | Self::Auth(_) => false,
        }
    }

    /// Whether a refusal has a mark of Okta's: its id of the request, one of its codes, or one of OAuth's. Others come from
    /// something between us and Okta, which may have let the request through.
    pub fn is_oktas(&self) -> bool {
        match self {
            Self::Status { code, request_id, .. } => {
                request_id.is_some() || code.as_deref().is_some_and(is_oktas_code)
            }
            Self::RateLimited { is_oktas, .. } => *is_oktas,
            _ => true,
        }
    }

    /// Okta's error code, for example `E0000007`.
    pub fn code(&self) -> Option<&str> {
        let Self::Status { code, .. } = self else { return None };
        code.as_deref()
    }

    /// The HTTP status, if it was not success.
    pub fn status(&self) -> Option<u16> {
        let Self::Status { status, .. } = self else { return None };
        Some(*status)
    }

    /// Whether Okta has no such object, or not any more.
    pub fn is_absence(&self) -> bool {
        self.status() == Some(404) && self.code() == Some("E0000007")
    }

    /// Whether the credential may not do it: it has not the right, or the service app has not the scope.
    pub fn is_forbidden(&self) -> bool {
        matches!(self.status(), Some(401 | 403)) || self.is_ungranted_scope()
    }

    /// Whether Okta gives the service app no token, because a scope is not granted to it.
    pub fn is_ungranted_scope(&self) -> bool {
        matches!(self, Self::Auth(err) if err.is_scope())
    }

    /// Whether there is another object of the same login, name or other attribute that must be unique. Of groups the
    /// catalogue has a code; of users only the words tell.
    pub fn is_duplicate(&self) -> bool {
        let Self::Status { status, code: Some(code), summary, .. } = self else { return false };
        match (status, code.as_str()) {
            (409, "E0000055") => true,
            (400, "E0000001") => summary.contains("already exists in the current organization"),
            _ => false,
        }
    }

    /// Okta's id of the request.
    pub fn request_id(&self) -> Option<&str> {
        let Self::Status { request_id, .. } = self else { return None };
        request_id.as_deref()
    }

    /// The part of the message that is the same when the same error occurs again: no waiting times, no request ids.
    pub fn essence(&self) -> String {
        match self {
            Self::RateLimited { .. } => "429".to_owned(),
            Self::Status { status, code, .. } => format!("{status} {}", code.as_deref().unwrap_or_default()),
            Self::Auth(err) => err.essence(),
            other => other.to_string(),
        }
    }

    /// Whether Okta says that it cannot go on from the link that was asked, so that asking again is of no use. Every other
    /// refusal may be a proxy's, a credential's or a clock's, and pass. Okta documents no code for the System Log's links;
    /// elsewhere it answers E0000029 for a cursor that it does not know, and its catalogue has E0000054 for pagination. A
    /// link carries the parameters of the first request on, and their codes are those of any parameter, so there the
    /// words have to tell.
    pub fn refuses_link(&self) -> bool {
        let Self::Status { status: 400, code: Some(code), summary, .. } = self else { return false };
        match code.as_str() {
            "E0000029" | "E0000054" => true,
            "E0000001" | "E0000053" => {
                let mut words = summary.split(|c: char| !c.is_alphanumeric());
                words.any(|word| matches!(word, "after" | "since" | "cursor"))
            }
            _ => false,
        }
    }

    /// Whether Okta aborted a query after 30 seconds. It reports this with the code of any internal error.
    pub fn is_query_timeout(&self) -> bool {
        matches!(self, Self::Status { status: 500, code: Some(code), .. } if code == "E0000009")
    }

    /// What an operator can do, where the message itself does not say it.
    pub fn remedy(&self) -> Option<&'static str> {
        let status = match self {
            Self::Status { status, .. } => *status,
            Self::Auth(err) => return err.remedy(),
            _ => return None,
        };
        match status {
            401 => Some(
                "check the credential. An API token dies after 30 days without use and with the deactivation of its owner; \
                 a new one in the same place is picked up by itself. A service app must be active",
            ),
            403 => Some(
                "the credential may not read the System Log: give the token's owner, or the service app, the Read-only or \
                 Report administrator role, and the app the scope okta.logs.read",
            ),
            400 => Some("Okta does not accept the request: check the `filter`"),
            ..=299 => Some("does a proxy or a sign-in page of the network answer in Okta's place?"),
            300..=399 | 404 | 405 => Some("check the org's domain: this does not look like an Okta org"),
            407 => Some("the proxy demands a credential: check `http.proxy` and HTTPS_PROXY"),
            _ => None,
        }
    }

    /// Reads Okta's error answer, whatever its shape: a body in Okta's form or OAuth's, or none and a `challenge`.
    pub(super) fn from_answer(
        status: u16,
        body: &[u8],
        challenge: Option<Challenge>,
        request_id: Option<String>,
    ) -> Self {
        let parsed: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
        let challenge = challenge.unwrap_or_default();
        let causes = causes(&parsed.error_causes);
        let summary = parsed.error_summary.or(parsed.error_description).or(challenge.description);
        let summary = [summary.unwrap_or_default(), causes].concat();
        let code = parsed.error_code.or(parsed.error).or(challenge.error).map(|code| shorten(&code));
        let is_oktas = request_id.is_some() || code.as_deref().is_some_and(is_oktas_code);
        let summary = match summary.is_empty() {
            true if is_oktas => "no explanation".to_owned(),
            true => "not in okta's form; something on the way may have answered in its place".to_owned(),
            false => shorten(&summary),
        };
        Self::Status { status, code, summary, request_id }
    }
}

impl From<AuthError> for OktaError {
    fn from(error: AuthError) -> Self {
        Self::Auth(Arc::new(error))
    }
}

/// The codes of OAuth with which Okta refuses a token (RFC 6749, 6750 and 9449).
const OAUTH_CODES: [&str; 10] = [
    "access_denied",
    "insufficient_scope",
    "invalid_client",
    "invalid_dpop_proof",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_token",
    "unauthorized_client",
    "use_dpop_nonce",
];

/// Whether `code` is one that Okta answers with.
fn is_oktas_code(code: &str) -> bool {
    let is_numbered = |digits: &str| digits.len() == 7 && digits.bytes().all(|byte| byte.is_ascii_digit());
    code.strip_prefix('E').is_some_and(is_numbered) || OAUTH_CODES.contains(&code)
}

fn class_of(status: u16, code: Option<&str>) -> Class {
    match (status, code) {
        // The feature is not enabled in the org.
        (401, Some("E0000015")) => Class::Configuration,
        // The state of the user forbids it, or another system masters what would change: no credential could do it.
        (403, Some("E0000016" | "E0000023" | "E0000032" | "E0000038" | "E0000077")) => Class::Permanent,
        (401 | 403, _) => Class::Authentication,
        // The object does not exist.
        (404, Some("E0000007")) => Class::Permanent,
        // Okta or another client is still changing the user.
        (409, Some("E0000055")) => Class::Permanent,
        // Unsupported: what Okta does not do to this object, such as a group that an app fills.
        (501, Some("E0000060")) => Class::Permanent,
        (408 | 409 | 423 | 425 | 429, _) | (500.., _) => Class::Retry(None),
        // Okta answers a look-up with 200; any other success comes from something in between, and may pass.
        (..=299, _) => Class::Retry(None),
        // 407: the proxy demands credentials.
        (300..=399 | 404 | 405 | 407, _) => Class::Configuration,
        _ => Class::Permanent,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ErrorBody {
    error_code: Option<String>,
    error_summary: Option<String>,
    /// OAuth's names.
    error: Option<String>,
    #[serde(rename = "error_description")]
    error_description: Option<String>,
    /// A list of objects, or one object.
    error_causes: serde_json::Value,
}

fn causes(causes: &serde_json::Value) -> String {
    let one = std::slice::from_ref(causes);
    let list = causes.as_array().map_or(one, Vec::as_slice);
    let summaries = list.iter().filter_map(|cause| cause.get("errorSummary")?.as_str());
    summaries.map(|summary| format!("; {summary}")).collect()
}

/// Okta's message may quote the request, so it is cut to one line.
pub(super) fn shorten(text: &str) -> String {
    const LENGTH_MAX: usize = 300;
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> OktaError {
        OktaError::from_answer(status, body.as_bytes(), None, None)
    }

    #[test]
    fn the_status_decides_and_the_code_comes_second() {
        let code = r#"{"errorCode":"E0000053","errorSummary":"Sorry"}"#;
        assert_eq!(error(400, code).class(), Class::Permanent);
        assert_eq!(error(500, code).class(), Class::Retry(None));
        assert_eq!(error(401, r#"{"errorCode":"E0000011"}"#).class(), Class::Authentication);
        assert_eq!(error(401, r#"{"errorCode":"E0000015"}"#).class(), Class::Configuration);
        assert_eq!(error(404, "<html>").class(), Class::Configuration);
        assert_eq!(error(302, "").class(), Class::Configuration);
        assert_eq!(error(404, r#"{"errorCode":"E0000007"}"#).class(), Class::Permanent);
        assert_eq!(error(409, r#"{"errorCode":"E0000112"}"#).class(), Class::Retry(None));
        assert_eq!(error(501, r#"{"errorCode":"E0000060"}"#).class(), Class::Permanent);
        assert_eq!(error(403, r#"{"errorCode":"E0000023"}"#).class(), Class::Permanent);
        assert_eq!(error(403, r#"{"errorCode":"E0000006"}"#).class(), Class::Authentication);
    }

    #[test]
    fn only_paging_errors_of_okta_give_up_a_link() {
        let refuses = |status, body: &str| error(status, body).refuses_link();
        for body in [
            r#"{"errorCode":"E0000029","errorSummary":"Invalid paging request.","errorCauses":[{"errorSummary":"Invalid cursor."}]}"#,
            r#"{"errorCode":"E0000054","errorSummary":"Invalid pagination properties."}"#,
            r#"{"errorCode":"E0000001","errorSummary":"Api validation failed","errorCauses":[{"errorSummary":"'after': must be valid"}]}"#,
            r#"{"errorCode":"E0000053","errorSummary":"Invalid parameter: The since parameter is over 180 days prior to the current day."}"#,
        ] {
            assert!(refuses(400, body), "{body}");
            assert!(!refuses(500, body) && !refuses(404, body) && !refuses(204, body), "{body}");
        }
        for body in [
            "",
            "<html>Bad Request</html>",
            r#"{"errorCode":"E0000001","errorSummary":"Api validation failed: filter"}"#,
            r#"{"errorCode":"E0000053","errorSummary":"field is not valid: thereafter"}"#,
            r#"{"errorCode":"E0000031","errorSummary":"Invalid search criteria."}"#,
            r#"{"error":"invalid_dpop_proof","error_description":"The DPoP proof JWT is issued in the future, after now."}"#,
        ] {
            assert!(!refuses(400, body), "{body}");
        }
    }

    #[test]
    fn what_is_no_answer_of_okta_may_pass() {
        for status in [100, 201, 204, 206, 299] {
            assert_eq!(error(status, "").class(), Class::Retry(None), "{status}");
        }
        assert_eq!(error(407, "").class(), Class::Configuration);
    }

    #[test]
    fn a_change_is_in_doubt_unless_okta_said_no_or_was_never_reached() {
        let oktas = r#"{"errorCode":"E0000001"}"#;
        for (status, is_ambiguous) in [
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (408, true),
            (409, false),
            (500, true),
            (501, true),
            (503, true),
        ] {
            assert_eq!(error(status, oktas).is_ambiguous(), is_ambiguous, "{status}");
        }
        assert!(!error(501, r#"{"errorCode":"E0000060"}"#).is_ambiguous());
        let lost = |was_sent| OktaError::Transport { host: String::new(), reason: String::new(), was_sent };
        assert!(lost(true).is_ambiguous() && !lost(false).is_ambiguous());
        let throttled = |is_oktas| OktaError::RateLimited { wait: Duration::ZERO, is_oktas };
        assert!(throttled(false).is_ambiguous() && !throttled(true).is_ambiguous());
    }

    #[test]
    fn a_change_is_in_doubt_if_something_else_than_okta_refuses_it() {
        for status in [302, 400, 401, 403, 404, 409, 429] {
            for body in ["", "<html>blocked</html>", r#"{"error":"Forbidden"}"#, r#"{"errorCode":"EWAF"}"#] {
                assert!(error(status, body).is_ambiguous(), "{status} {body}");
            }
            let with_id = OktaError::from_answer(status, b"", None, Some("req-1".to_owned()));
            assert!(!with_id.is_ambiguous(), "{status}");
        }
        for body in [r#"{"errorCode":"E0000011"}"#, r#"{"error":"invalid_token"}"#] {
            assert!(!error(401, body).is_ambiguous(), "{body}");
        }
        let challenge = Challenge { error: Some("use_dpop_nonce".to_owned()), description: None };
        assert!(!OktaError::from_answer(400, b"", Some(challenge), None).is_ambiguous());
    }

    #[test]
    fn what_must_be_unique_is_known_by_code_or_words() {
        let taken = r#"{"errorCode":"E0000001","errorSummary":"Api validation failed: login","errorCauses":[{"errorSummary":"login: An object with this field already exists in the current organization"}]}"#;
        assert!(error(400, taken).is_duplicate());
        assert!(error(409, r#"{"errorCode":"E0000055","errorSummary":"Duplicate group."}"#).is_duplicate());
        assert!(
            !error(400, r#"{"errorCode":"E0000001","errorSummary":"Api validation failed: login"}"#)
                .is_duplicate()
        );
        assert!(!error(409, r#"{"errorCode":"E0000112"}"#).is_duplicate());
    }

    #[test]
    fn the_message_has_what_support_needs() {
        let body = r#"{"errorCode":"E0000031","errorSummary":"Invalid search criteria.","errorCauses":[{"errorSummary":"at position 16"}]}"#;
        let error = OktaError::from_answer(400, body.as_bytes(), None, Some("req-1".to_owned()));
        assert_eq!(
            error.to_string(),
            "okta answered 400 E0000031: Invalid search criteria.; at position 16 (request req-1)"
        );
    }

    #[test]
    fn an_empty_body_is_explained_by_the_challenge() {
        let challenge = Challenge {
            error: Some("invalid_dpop_proof".to_owned()),
            description: Some("The DPoP proof JWT has already been used.".to_owned()),
        };
        let told = OktaError::from_answer(400, b"", Some(challenge), None).to_string();
        assert_eq!(told, "okta answered 400 invalid_dpop_proof: The DPoP proof JWT has already been used.");
    }

    #[test]
    fn any_body_is_survived() {
        for body in
            ["", "null", "[]", "<html>", r#"{"errorCauses":{"errorSummary":"x"}}"#, r#"{"errorCode":5}"#]
        {
            assert!(error(400, body).to_string().starts_with("okta answered 400: "), "{body}");
        }
    }
}
