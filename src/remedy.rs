//! What an operator can do about an error of Okta's, in the words of the configuration and of the commands. Where the
//! client's own advice is as good, it is that.

use okta_client::OktaError;

/// What an operator can do, where the message itself does not say it.
pub(crate) fn remedy(error: &OktaError) -> Option<&'static str> {
    if error.is_ungranted_scope() {
        return Some(
            "not all of these scopes are granted to the app: `oktabus check` says which are not; grant them (Applications, \
             the app, Okta API Scopes; a super administrator can), or allow no actions that need them",
        );
    }
    if error.status() == Some(400) {
        return Some(
            "Okta does not accept the request: check the `filter`; if it stays so, `oktabus state reset` begins the route \
             at a time",
        );
    }
    error.remedy()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use okta_client::AuthError;

    use super::*;

    #[test]
    fn commands_of_ours_are_named_where_they_help() {
        let (error, description) = ("invalid_scope".to_owned(), "no".to_owned());
        let scopes = "okta.logs.read".to_owned();
        let refused = AuthError::Refused { scopes, status: 400, error, description, request_id: None };
        let told = remedy(&OktaError::Auth(Arc::new(refused))).unwrap();
        assert!(told.contains("oktabus check"), "{told}");
        let status =
            |status| OktaError::Status { status, code: None, summary: String::new(), request_id: None };
        assert!(remedy(&status(400)).unwrap().contains("oktabus state reset"));
        assert!(remedy(&status(401)).unwrap().contains("30 days"));
        assert_eq!(remedy(&status(500)), None);
    }
}
