//! An event before it is rendered: actor, targets, client and outcome.

use std::borrow::Cow;
use std::sync::Arc;

use super::entity::{Device, Entity};
use super::origin::Origin;

/// What events of one operation share.
#[derive(Clone, Debug)]
pub(super) struct Act {
    pub(super) actor: Arc<Entity>,
    /// Where the request came from; `None` for a job inside Okta.
    pub(super) origin: Option<Arc<Origin>>,
    pub(super) device: Option<Arc<Device>>,
    pub(super) session_id: Option<Arc<str>>,
    pub(super) transaction_id: Arc<str>,
    /// The API token that the request used.
    pub(super) api_token_id: Option<Arc<str>>,
}

impl Act {
    /// An event of this operation, which succeeds unless something else is said.
    pub(super) fn event(&self, event_type: &'static str) -> Draft {
        Draft {
            act: self.clone(),
            event_type,
            outcome: Some(Outcome { result: "SUCCESS", reason: None }),
            targets: Vec::new(),
            change: None,
            credential: None,
            risk: None,
            request_uri: Cow::Borrowed("/idp/idx/identify"),
            debug: Vec::new(),
        }
    }
}

/// One event.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) act: Act,
    pub(super) event_type: &'static str,
    pub(super) outcome: Option<Outcome>,
    pub(super) targets: Vec<Arc<Entity>>,
    /// A change to the first target.
    pub(super) change: Option<Change>,
    pub(super) credential: Option<Credential>,
    pub(super) risk: Option<Risk>,
    pub(super) request_uri: Cow<'static, str>,
    /// More members of `debugData`.
    pub(super) debug: Vec<(&'static str, String)>,
}

/// The event's `outcome`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) result: &'static str,
    pub(super) reason: Option<&'static str>,
}

/// One property that became another.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) property: &'static str,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

/// How the actor proved who they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Credential {
    /// The authentication provider: a member of `LogAuthenticationProvider`.
    pub(super) checked_by: &'static str,
    /// The credential provider: a member of `LogCredentialProvider`.
    pub(super) issued_by: &'static str,
    /// What was shown: a member of `LogCredentialType`.
    pub(super) kind: &'static str,
}

/// What Okta thinks of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Risk {
    pub(super) level: &'static str,
    pub(super) previous_level: Option<&'static str>,
    pub(super) reasons: &'static [&'static str],
    pub(super) detection_name: Option<&'static str>,
}

impl Draft {
    pub(super) fn target(mut self, target: &Arc<Entity>) -> Self {
        self.targets.push(Arc::clone(target));
        self
    }

    pub(super) fn result(self, result: &'static str) -> Self {
        Self { outcome: Some(Outcome { result, reason: None }), ..self }
    }

    pub(super) fn failure(self, reason: &'static str) -> Self {
        Self { outcome: Some(Outcome { result: "FAILURE", reason: Some(reason) }), ..self }
    }

    pub(super) fn change(self, property: &'static str, from: &'static str, to: &'static str) -> Self {
        Self { change: Some(Change { property, from, to }), ..self }
    }

    pub(super) fn credential(self, credential: Credential) -> Self {
        Self { credential: Some(credential), ..self }
    }

    pub(super) fn risk(self, risk: Risk) -> Self {
        Self { risk: Some(risk), ..self }
    }

    pub(super) fn uri(self, request_uri: impl Into<Cow<'static, str>>) -> Self {
        Self { request_uri: request_uri.into(), ..self }
    }

    pub(super) fn debug(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.debug.push((name, value.into()));
        self
    }

    /// Whether it ended badly.
    pub(super) fn is_failure(&self) -> bool {
        self.outcome.is_some_and(|outcome| matches!(outcome.result, "FAILURE" | "DENY"))
    }
}
