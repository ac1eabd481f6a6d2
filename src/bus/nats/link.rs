//! The state of one connection: whether it is up, whether anything may still be sent, and the last error of the server.
//! Does not know messages.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_nats::{Event, ServerError};
use tokio_util::sync::CancellationToken;

use crate::bus::{BusClass, BusError};

/// The state of one connection, shared by those who use it.
#[derive(Debug)]
pub(crate) struct Link {
    /// The sink or the commands that use the connection.
    name: String,
    /// What the subjects of the JetStream API begin with.
    api_prefix: String,
    /// The connection is gone.
    lost: CancellationToken,
    /// Nothing more is to be sent; follows from `lost`.
    halted: CancellationToken,
    last_errors: Mutex<LastErrors>,
}

/// An error as it is told, with what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) class: BusClass,
    pub(crate) text: String,
}

impl From<&BusError> for Complaint {
    fn from(error: &BusError) -> Self {
        Self { class: error.class(), text: error.to_string() }
    }
}

#[derive(Debug, Default)]
struct LastErrors {
    /// Why nothing more is to be sent, if not because the connection is gone.
    halted_by: Option<Complaint>,
    server_error: Option<ServerError>,
}

impl Link {
    /// An open connection, whose JetStream API has subjects that begin with `api_prefix`.
    pub(super) fn new(name: &str, api_prefix: String) -> Self {
        let lost = CancellationToken::new();
        let halted = lost.child_token();
        Self { name: name.to_owned(), api_prefix, halted, lost, last_errors: Mutex::default() }
    }

    /// Takes note of what the client reports.
    pub(super) fn observe(&self, event: Event) {
        match event {
            Event::ServerError(error) => {
                let is_mute = self.is_denied_message(&error);
                self.last_errors().server_error = Some(error);
                if is_mute {
                    self.lose();
                }
            }
            Event::Disconnected | Event::Closed => self.lose(),
            Event::Connected
            | Event::LameDuckMode
            | Event::Draining
            | Event::SlowConsumer(_)
            | Event::ClientError(_) => {}
        }
    }

    /// Stops sending because of `error`; acknowledgements of sent messages may still arrive.
    pub(crate) fn halt(&self, error: &BusError) {
        self.last_errors().halted_by.get_or_insert_with(|| Complaint::from(error));
        self.halted.cancel();
    }

    /// Counts the connection as gone.
    pub(crate) fn lose(&self) {
        self.lost.cancel();
    }

    /// Whether nothing more is to be sent.
    pub(crate) fn is_halted(&self) -> bool {
        self.halted.is_cancelled()
    }

    /// Resolves when nothing more is to be sent.
    pub(crate) async fn halted(&self) {
        self.halted.cancelled().await;
    }

    /// Resolves when the connection is gone.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Forgets the last error of the server, if it prevented nothing.
    pub(crate) fn forget_complaint(&self) {
        self.last_errors().server_error = None;
    }

    /// What keeps messages from being sent.
    pub(crate) fn trouble(&self) -> Option<Complaint> {
        if !self.is_halted() {
            return None;
        }
        let halted_by = self.last_errors().halted_by.clone();
        Some(halted_by.unwrap_or_else(|| Complaint::from(&self.error())))
    }

    /// Why nothing can be sent: a denied permission, else the last error of the connection.
    pub(crate) fn error(&self) -> BusError {
        self.denial().unwrap_or_else(|| self.unreachable())
    }

    /// Why a message on `subject` got no answer. The connection ends for all when the server denies one message, but
    /// the denial is about that one alone.
    pub(crate) fn error_on(&self, subject: &str) -> BusError {
        self.denial_on(subject).unwrap_or_else(|| self.unreachable())
    }

    /// The permission or credential that the server reported as missing.
    pub(crate) fn denial(&self) -> Option<BusError> {
        self.denial_that(is_denial)
    }

    /// The permission or credential that a message on `subject` lacks.
    pub(crate) fn denial_on(&self, subject: &str) -> Option<BusError> {
        self.denial_that(|server_error| {
            let text = server_error.to_string();
            is_denial(server_error) && denied_subject(&text).is_none_or(|denied| denied == subject)
        })
    }

    fn denial_that(&self, concerns: impl FnOnce(&ServerError) -> bool) -> Option<BusError> {
        let last_errors = self.last_errors();
        let server_error = last_errors.server_error.as_ref().filter(|server_error| concerns(server_error))?;
        let reason = format!("{server_error}: check what the user of this bus may do");
        Some(BusError::Refused { name: self.name.clone(), reason })
    }

    fn unreachable(&self) -> BusError {
        let last_errors = self.last_errors();
        let reason = match (&last_errors.server_error, self.lost.is_cancelled()) {
            (Some(server_error), _) => server_error.to_string(),
            (None, true) => "the connection was lost".to_owned(),
            (None, false) => "an earlier message was not acknowledged".to_owned(),
        };
        BusError::Unreachable { name: self.name.clone(), reason }
    }

    /// For a message that we may not publish this error is the only answer; a request to the JetStream API times out.
    fn is_denied_message(&self, server_error: &ServerError) -> bool {
        let text = server_error.to_string();
        denied_subject(&text)
            .is_some_and(|subject| !subject.starts_with("$JS.") && !subject.starts_with(&self.api_prefix))
    }

    fn last_errors(&self) -> MutexGuard<'_, LastErrors> {
        self.last_errors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server's errors about permissions and credentials are fixed English texts.
fn is_denial(server_error: &ServerError) -> bool {
    match server_error {
        ServerError::AuthorizationViolation => true,
        ServerError::SlowConsumer(_) => false,
        ServerError::Other(text) => {
            let text = text.to_ascii_lowercase();
            ["permissions violation", "authentication", "authorization"]
                .iter()
                .any(|denial| text.contains(denial))
        }
    }
}

/// The subject to which nothing may be published, by the server's text.
fn denied_subject(text: &str) -> Option<&str> {
    text.split_once("Publish to \"")?.1.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link::new("events", "JS.hub.API".to_owned())
    }

    #[test]
    fn what_is_sent_stops_before_what_is_awaited() {
        let link = link();
        assert_eq!(link.trouble(), None);

        link.halt(&BusError::Misconfigured { name: "events".to_owned(), reason: "no stream".to_owned() });
        assert!(link.is_halted() && !link.lost.is_cancelled());
        link.observe(Event::Disconnected);
        assert!(link.lost.is_cancelled());
        assert_eq!(link.trouble().unwrap().text, "events: no stream");
    }

    #[test]
    fn a_lost_connection_is_trouble() {
        let link = link();
        link.observe(Event::Disconnected);
        assert!(link.trouble().unwrap().text.contains("the connection was lost"));
    }

    #[test]
    fn a_denial_is_told_in_the_servers_own_words() {
        let link = link();
        let server_error =
            ServerError::Other(r#"Permissions Violation for Publish to "okta.acme""#.to_owned());
        link.observe(Event::ServerError(server_error));
        assert!(
            matches!(link.error(), BusError::Refused { reason, .. } if reason.contains(r#"Publish to "okta.acme""#))
        );
        assert!(link.is_halted());
    }

    #[test]
    fn a_denial_is_about_one_subject() {
        let link = link();
        let server_error = r#"Permissions Violation for Publish to "replies.forbidden""#;
        link.observe(Event::ServerError(ServerError::Other(server_error.to_owned())));
        assert!(matches!(link.error_on("replies.forbidden"), BusError::Refused { .. }));
        assert!(matches!(link.error_on("replies.hr"), BusError::Unreachable { .. }), "it may be sent again");

        link.observe(Event::ServerError(ServerError::AuthorizationViolation));
        assert!(matches!(link.error_on("replies.hr"), BusError::Refused { .. }), "it is about everything");
    }

    #[test]
    fn a_denied_request_stops_no_message() {
        for subject in ["$JS.API.CONSUMER.CREATE.OKTA.x", "JS.hub.API.CONSUMER.CREATE.OKTA.x"] {
            let link = link();
            let server_error = format!("Permissions Violation for Publish to \"{subject}\"");
            link.observe(Event::ServerError(ServerError::Other(server_error)));
            assert!(link.denial().is_some() && !link.is_halted());
            link.forget_complaint();
            assert!(link.denial().is_none());
        }
    }
}
