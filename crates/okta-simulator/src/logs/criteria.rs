//! What `filter` and `q` ask of an event, and which questions the System Log does not answer.

use serde_json::Value;

use super::keyword::Keywords;
use crate::okta_error::OktaError;
use crate::scim::{Filter, Operator};

/// Members of an event that a filter may name, from the `LogEvent` schema and the examples of the
/// documentation. A name ending in `.*` is a free map.
const FIELDS: &[&str] = &[
    "actor.alternateId",
    "actor.detailEntry.*",
    "actor.displayName",
    "actor.id",
    "actor.type",
    "authenticationContext.authenticationProvider",
    "authenticationContext.authenticationStep",
    "authenticationContext.authenticatorContext.*",
    "authenticationContext.credentialProvider",
    "authenticationContext.credentialType",
    "authenticationContext.externalSessionId",
    "authenticationContext.interface",
    "authenticationContext.issuer.id",
    "authenticationContext.issuer.type",
    "authenticationContext.rootSessionId",
    "client.device",
    "client.geographicalContext.city",
    "client.geographicalContext.country",
    "client.geographicalContext.geolocation.lat",
    "client.geographicalContext.geolocation.lon",
    "client.geographicalContext.postalCode",
    "client.geographicalContext.state",
    "client.id",
    "client.ipAddress",
    "client.userAgent.browser",
    "client.userAgent.os",
    "client.userAgent.rawUserAgent",
    "client.zone",
    "debugContext.debugData.*",
    "device.*",
    "displayMessage",
    "eventType",
    "legacyEventType",
    "outcome.reason",
    "outcome.result",
    "request.ipChain.*",
    "securityContext.*",
    "severity",
    "target.alternateId",
    "target.detailEntry.*",
    "target.displayName",
    "target.id",
    "target.type",
    "transaction.detail.*",
    "transaction.id",
    "transaction.type",
    "uuid",
    "version",
];

/// Fields that are too long to be searched for a part.
const NO_CONTAINS: &[&str] = &["debugContext.debugData.url", "debugContext.debugData.requestUri"];

/// What an event must meet to be in the page.
#[derive(Debug, Default)]
pub(super) struct Criteria {
    filter: Option<Filter>,
    keywords: Keywords,
}

impl Criteria {
    pub(super) fn parse(filter: Option<&str>, q: Option<&str>) -> Result<Self, OktaError> {
        let filter = filter.filter(|text| !text.trim().is_empty()).map(parse_filter).transpose()?;
        let keywords = Keywords::parse(q.unwrap_or_default())
            .map_err(|error| OktaError::validation("q", error.to_string()))?;
        Ok(Self { filter, keywords })
    }

    /// Whether every event meets them, so that none needs to be read.
    pub(super) fn is_everything(&self) -> bool {
        self.filter.is_none() && self.keywords.is_empty()
    }

    /// Whether an event meets them; one that is not JSON does not.
    pub(super) fn match_event(&self, json: &[u8]) -> bool {
        if self.is_everything() {
            return true;
        }
        let Ok(event) = serde_json::from_slice::<Value>(json) else {
            return false;
        };
        self.keywords.match_event(&event)
            && self.filter.as_ref().is_none_or(|filter| filter.match_value(&event))
    }
}

fn parse_filter(text: &str) -> Result<Filter, OktaError> {
    let filter = Filter::parse(text).map_err(|error| OktaError::invalid_parameter(error.to_string()))?;
    for (path, operator) in filter.comparisons() {
        // `target.0.id` is `target.id` of one target.
        let names = path.iter().filter(|name| name.parse::<usize>().is_err());
        let field = names.map(String::as_str).collect::<Vec<_>>().join(".");
        if !is_field(&field) {
            return Err(OktaError::invalid_parameter(format!("field is not valid: {field}")));
        }
        if operator == Operator::Contains && NO_CONTAINS.contains(&field.as_str()) {
            return Err(OktaError::invalid_search());
        }
    }
    Ok(filter)
}

fn is_field(field: &str) -> bool {
    FIELDS.iter().any(|known| match known.strip_suffix(".*") {
        Some(map) => field.strip_prefix(map).is_some_and(|rest| rest.starts_with('.')),
        None => *known == field,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(filter: &str) -> String {
        let error = Criteria::parse(Some(filter), None).unwrap_err();
        String::from_utf8(error.body("x")).unwrap()
    }

    #[test]
    fn filters_and_keywords_both_count() {
        let json = br#"{"eventType":"user.session.start","actor":{"displayName":"Ada Ito"}}"#;
        let meets = |filter, q| Criteria::parse(filter, q).unwrap().match_event(json);
        assert!(meets(Some(r#"eventType sw "user.""#), Some("ito")));
        assert!(!meets(Some(r#"eventType sw "user.""#), Some("otto")));
        assert!(!meets(Some(r#"eventType sw "group.""#), Some("ito")));
        assert!(meets(None, None));
    }

    #[test]
    fn fields_outside_the_log_are_refused() {
        for field in ["published", "nonsense", "target.changeDetails.from", "actor", "debugContext"] {
            assert!(error_of(&format!("{field} eq \"x\"")).contains("field is not valid"), "{field}");
        }
        assert!(Criteria::parse(Some(r#"debugContext.debugData.risk co "HIGH""#), None).is_ok());
        assert!(error_of(r#"debugContext.debugData.url co "x""#).contains("E0000031"));
    }
}
