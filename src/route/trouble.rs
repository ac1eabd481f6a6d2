//! Telling of a request that failed: once while it stays the same, with what can be done about it.

use super::status::RouteStatus;
use crate::{
    okta::{Class, OktaError},
    telemetry::{chain, metrics},
};

const NO_EVENTS: &str = "Okta gives no events; trying again";

/// Notes in `status`, metrics and, if it is news, the log that a request failed and is tried again.
pub(crate) fn report_okta(status: &RouteStatus, error: &OktaError) {
    let class = match error.class() {
        Class::Retry(_) => "transient",
        Class::Permanent => "permanent",
        Class::Authentication => "authentication",
        Class::Configuration => "configuration",
    };
    metrics::okta_failure(status.name(), class);
    let remedy = error.remedy().unwrap_or_default();
    let trouble = if remedy.is_empty() { chain(error) } else { format!("{}: {remedy}", chain(error)) };
    if status.okta_failed(&trouble, error.essence()) {
        match error.class() {
            Class::Retry(_) => {
                tracing::warn!(route = status.name(), class, error = trouble, "{}", NO_EVENTS);
            }
            // Somebody must do something.
            Class::Permanent | Class::Authentication | Class::Configuration => {
                tracing::error!(route = status.name(), class, error = trouble, "{}", NO_EVENTS);
            }
        }
    }
}
