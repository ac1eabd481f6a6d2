//! One event that was delivered, and which of them a reader wants. Pure.

use jiff::Timestamp;
use okta_system_log::event::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::message::Message;

/// An event that was delivered, as its route delivered it: what the route redacts is redacted here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PassedEvent {
    /// When its route was known to have delivered it.
    pub at: Timestamp,
    /// The route.
    pub route: String,
    /// The message's id.
    pub id: String,
    /// The format of the message.
    pub format: String,
    /// What is left of Okta's event.
    pub event: Box<RawValue>,
    /// The message's payload, where it is not the event itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Box<RawValue>>,
}

/// Which events a reader wants: each condition that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TailFilter {
    /// The name of a route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// A pattern of event types, in which `*` matches any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// `outcome.result`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// `severity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// Any text in what is left of the event, in whatever case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A filter that is ready to be used. Names of routes are not its business.
#[derive(Debug)]
pub(super) struct Wanted {
    event_type: Option<Pattern>,
    outcome: Option<String>,
    severity: Option<String>,
    text: Option<Text>,
}

/// A text in lower case, as it is and as JSON writes it: a name may have a backslash or a quote.
#[derive(Debug)]
struct Text {
    plain: String,
    escaped: String,
}

impl PassedEvent {
    /// A copy, so that no page is kept. None if the event is no JSON, which does not come out of a page.
    pub(super) fn of(message: &Message<'_>, at: Timestamp) -> Option<Self> {
        let raw = |bytes: &[u8]| serde_json::from_slice::<Box<RawValue>>(bytes).ok();
        let event = message.event.raw();
        let is_event_itself = message.payload == &event;
        let mut id = String::new();
        message.write_id(&mut id);
        Some(Self {
            at,
            route: message.origin.route.clone(),
            id,
            format: message.origin.format.to_owned(),
            event: raw(&event)?,
            payload: if is_event_itself { None } else { raw(message.payload) },
        })
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.event.get().len() + self.payload.as_ref().map_or(0, |payload| payload.get().len())
    }
}

impl Text {
    fn new(text: &str) -> Self {
        let plain = text.to_lowercase();
        // A text can always be written as JSON.
        let json = serde_json::to_string(&plain).unwrap_or_default();
        let escaped = json.trim_matches('"').to_owned();
        Self { plain, escaped }
    }

    fn is_in(&self, event: &str) -> bool {
        event.contains(&self.plain) || event.contains(&self.escaped)
    }
}

impl Wanted {
    pub(super) fn new(filter: &TailFilter) -> Self {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Self {
            event_type: set(&filter.event_type).map(|pattern| Pattern::new(&pattern)),
            outcome: set(&filter.outcome),
            severity: set(&filter.severity),
            text: set(&filter.text).map(|text| Text::new(&text)),
        }
    }

    pub(super) fn has(&self, message: &Message<'_>) -> bool {
        let event = &message.event;
        let is = |wanted: &Option<String>, value: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| value.is_some_and(|value| value.eq_ignore_ascii_case(wanted)))
        };
        let is_type = |pattern: &Pattern| pattern.matches(event.event_type().unwrap_or_default());
        let has_text = |text: &Text| text.is_in(&String::from_utf8_lossy(&event.raw()).to_lowercase());
        self.event_type.as_ref().is_none_or(is_type)
            && is(&self.outcome, event.outcome())
            && is(&self.severity, event.severity())
            && self.text.as_ref().is_none_or(has_text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::batch;

    #[test]
    fn a_text_is_found_as_it_is_and_as_json_writes_it() {
        let event = r#"{"alternateId":"CORP\\ada","displayName":"Ada \"the\" Countess"}"#.to_lowercase();
        for text in [r"CORP\ada", "\"The\" Count", "alternateid"] {
            assert!(Text::new(text).is_in(&event), "{text}");
        }
        assert!(!Text::new("CORP/ada").is_in(&event));
    }

    #[test]
    fn each_condition_that_is_set_must_hold() {
        let messages = batch(
            r#"[{"eventType":"user.session.start","outcome":{"result":"FAILURE"},"actor":{"alternateId":"Ada@acme.com"}}]"#,
        );
        let wants = |filter: &TailFilter| Wanted::new(filter).has(&messages.get(0).unwrap());
        let text = |text: &str| Some(text.to_owned());
        assert!(wants(&TailFilter::default()));
        assert!(wants(&TailFilter { event_type: text("user.session.*"), ..TailFilter::default() }));
        assert!(!wants(&TailFilter { event_type: text("group.*"), ..TailFilter::default() }));
        assert!(wants(&TailFilter { text: text("aDA@acme"), ..TailFilter::default() }));
        assert!(wants(&TailFilter { outcome: text("failure"), text: text(""), ..TailFilter::default() }));
        let filter = TailFilter { outcome: text("FAILURE"), severity: text("WARN"), ..TailFilter::default() };
        assert!(!wants(&filter), "an event without severity has not this one");
    }

    #[test]
    fn an_event_is_told_with_its_message_unless_that_is_the_event() {
        let messages = batch("[{\"uuid\":\"u-1\",\n\"n\":34.4740}]");
        let passed = PassedEvent::of(&messages.get(0).unwrap(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((passed.id.as_str(), passed.route.as_str()), ("acme:u-1", "system-log/siem"));
        assert!(passed.event.get().contains("34.4740"));
        assert!(passed.payload.is_none());
    }
}
