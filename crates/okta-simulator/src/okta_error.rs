//! Okta's error answers: status, code and body, as its error catalogue and its System Log pages
//! give them.

use axum::http::StatusCode;
use serde::Serialize;

/// An error as Okta answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OktaError {
    pub(super) status: StatusCode,
    pub(super) code: String,
    pub(super) summary: String,
    causes: Vec<String>,
}

impl OktaError {
    /// Any error; the named ones below are what the documentation lists.
    pub(super) fn new(status: StatusCode, code: impl Into<String>, summary: impl Into<String>) -> Self {
        Self { status, code: code.into(), summary: summary.into(), causes: Vec::new() }
    }

    /// Another cause.
    pub(super) fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Its code.
    #[cfg(test)]
    pub(super) fn code(&self) -> &str {
        &self.code
    }

    pub(super) fn forbidden(code: &str, summary: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, summary)
    }

    fn bad_request(code: &str, summary: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, summary)
    }

    /// A parameter or an attribute that fails validation; the causes are to follow.
    pub(super) fn invalid(name: &str) -> Self {
        Self::bad_request("E0000001", format!("Api validation failed: {name}"))
    }

    /// A parameter or an attribute that fails validation.
    pub(super) fn validation(name: &str, cause: impl Into<String>) -> Self {
        Self::invalid(name).because(cause)
    }

    /// A filter or time bound that the System Log does not accept.
    pub(super) fn invalid_parameter(summary: impl Into<String>) -> Self {
        Self::bad_request("E0000053", summary)
    }

    /// An operator that a field does not allow.
    pub(super) fn invalid_search() -> Self {
        Self::bad_request("E0000031", "Invalid search criteria.")
    }

    /// An `after` that is not, or no longer, a cursor.
    pub(super) fn invalid_cursor() -> Self {
        let error = Self::bad_request("E0000029", "Invalid paging request.");
        Self { causes: vec!["Invalid cursor.".to_owned()], ..error }
    }

    pub(super) fn invalid_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "E0000011", "Invalid token provided")
    }

    pub(super) fn access_denied() -> Self {
        let summary = "You do not have permission to perform the requested action";
        Self::new(StatusCode::FORBIDDEN, "E0000006", summary)
    }

    pub(super) fn not_found(path: &str) -> Self {
        let summary = format!("Not found: Resource not found: {path} (Resource)");
        Self::new(StatusCode::NOT_FOUND, "E0000007", summary)
    }

    /// There is no such thing, called by the name of its kind.
    pub(super) fn missing(id: &str, kind: &str) -> Self {
        let summary = format!("Not found: Resource not found: {id} ({kind})");
        Self::new(StatusCode::NOT_FOUND, "E0000007", summary)
    }

    /// The user has the administrator role already.
    pub(super) fn role_assigned_already() -> Self {
        let summary = "The role specified is already assigned to the user.";
        Self::new(StatusCode::CONFLICT, "E0000090", summary)
    }

    /// A body that is no JSON object.
    pub(super) fn unreadable_body() -> Self {
        Self::bad_request("E0000003", "The request body was not well-formed.")
    }

    pub(super) fn too_many_targets() -> Self {
        Self::bad_request("E0000093", "Target count limit exceeded")
    }

    pub(super) fn no_password_to_expire() -> Self {
        let summary = "Could not create user. To create a user and expire their password immediately, a password must be specified";
        Self::bad_request("E0000124", summary)
    }

    pub(super) fn no_activation_to_expire() -> Self {
        let summary = "Could not create user. To create a user and expire their password immediately, \"activate\" must be true";
        Self::bad_request("E0000125", summary)
    }

    pub(super) fn duplicate_group() -> Self {
        Self::new(StatusCode::CONFLICT, "E0000055", "Duplicate group.")
    }

    pub(super) fn still_activating() -> Self {
        let summary = "Cannot update this user because they are still being activated. Please try again in a few minutes.";
        Self::new(StatusCode::CONFLICT, "E0000112", summary)
    }

    pub(super) fn etag_mismatch() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "E0000231", "ETag value doesn't match.")
    }

    /// What everything but the System Log answers to internal errors, and the System Log to searches that
    /// take too long.
    pub(super) fn internal_server_error() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "E0000009", "Internal Server Error")
    }

    pub(super) fn method_not_allowed() -> Self {
        let summary = "The endpoint does not support the provided HTTP method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "E0000022", summary)
    }

    pub(super) fn too_many_requests() -> Self {
        let summary = "API call exceeded rate limit due to too many requests.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "E0000047", summary)
    }

    /// The System Log answers internal errors with a code that elsewhere means a bad parameter.
    pub(super) fn internal() -> Self {
        let summary = "Sorry, there's been an error. Please try again later.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "E0000053", summary)
    }

    /// The error a status stands for when nothing else is said.
    pub(super) fn for_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::bad_request("E0000001", "Api validation failed"),
            401 => Self::invalid_token(),
            403 => Self::access_denied(),
            404 => Self::not_found("/api/v1/logs"),
            405 => Self::method_not_allowed(),
            429 => Self::too_many_requests(),
            503 => Self::new(status, "E0000010", "Service is in read only mode"),
            _ => Self::new(status, "E0000009", "Internal Server Error"),
        }
    }

    /// The same error under another code.
    pub(super) fn with_code(self, code: String) -> Self {
        Self { code, ..self }
    }

    /// The JSON body, under an id of its own.
    pub(super) fn body(&self, error_id: &str) -> Vec<u8> {
        let body = Body {
            error_code: &self.code,
            error_summary: &self.summary,
            error_link: &self.code,
            error_id,
            error_causes: self.causes.iter().map(|cause| Cause { error_summary: cause }).collect(),
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    error_code: &'a str,
    error_summary: &'a str,
    error_link: &'a str,
    error_id: &'a str,
    error_causes: Vec<Cause<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cause<'a> {
    error_summary: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_oktas_members_in_oktas_order() {
        let body = OktaError::invalid_cursor().body("oae1");
        let expected = concat!(
            r#"{"errorCode":"E0000029","errorSummary":"Invalid paging request.","#,
            r#""errorLink":"E0000029","errorId":"oae1","#,
            r#""errorCauses":[{"errorSummary":"Invalid cursor."}]}"#
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
