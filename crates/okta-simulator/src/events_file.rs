//! Events from a file: a JSON array or JSON lines of System Log events, kept byte for byte.

use std::borrow::Cow;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{SimulatorError, clock};

/// One event as it was given.
#[derive(Debug)]
pub(super) struct GivenEvent {
    pub(super) json: String,
    /// `None` if the event has no `published` that can be read.
    pub(super) published_ms: Option<i64>,
}

/// What this room reads of an event: everything optional, since tests bring broken ones.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Identity<'a> {
    #[serde(borrow, default)]
    uuid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    published: Option<&'a RawValue>,
}

impl<'a> Identity<'a> {
    /// Reads the identity of an event; all empty if it is not an object.
    pub(super) fn of(json: &'a [u8]) -> Self {
        serde_json::from_slice(json).unwrap_or_default()
    }

    /// The `uuid`, if it is a string.
    pub(super) fn uuid(&self) -> Option<Cow<'a, str>> {
        self.uuid.and_then(string)
    }

    /// The `published`, if it is a string.
    pub(super) fn published(&self) -> Option<Cow<'a, str>> {
        self.published.and_then(string)
    }
}

/// Reads a file of events.
pub(super) fn read(path: &Path) -> Result<Vec<GivenEvent>, SimulatorError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| SimulatorError::EventsFile { path: path.to_owned(), source })?;
    parse(&text).map_err(|source| SimulatorError::Events { path: path.to_owned(), source })
}

/// Reads events from text: an array, or values one after the other.
pub(super) fn parse(text: &str) -> Result<Vec<GivenEvent>, serde_json::Error> {
    if text.trim_start().starts_with('[') {
        let events: Vec<&RawValue> = serde_json::from_str(text)?;
        return events.into_iter().map(given).collect();
    }
    let events = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    events.map(|event| given(event?)).collect()
}

fn given(raw: &RawValue) -> Result<GivenEvent, serde_json::Error> {
    let identity = match raw.get().strip_prefix('{') {
        // Names that are no Unicode identify nothing, and hinder nothing.
        Some(_) => Identity::of(raw.get().as_bytes()),
        None => serde_json::from_str(raw.get())?,
    };
    let published_ms = identity.published().and_then(|text| clock::parse_date_time(&text));
    Ok(GivenEvent { json: raw.get().to_owned(), published_ms })
}

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
        _ => serde_json::from_str(text).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"uuid":"a", "published":"2024-08-13T15:58:20.353Z","lat":34.4740}"#;

    #[test]
    fn arrays_and_lines_keep_every_byte() {
        let array = parse(&format!("[{EVENT},\n{EVENT}]")).unwrap();
        let lines = parse(&format!("{EVENT}\n{EVENT}\n")).unwrap();
        for events in [array, lines] {
            assert_eq!(events.len(), 2);
            assert_eq!(events[1].json, EVENT);
            assert_eq!(events[1].published_ms, clock::parse_date_time("2024-08-13T15:58:20.353Z"));
        }
    }

    #[test]
    fn odd_events_are_taken_and_other_things_are_not() {
        let events = parse(r#"{"uuid":7}"#).unwrap();
        assert_eq!(events[0].published_ms, None);
        assert_eq!(Identity::of(events[0].json.as_bytes()).uuid(), None);
        assert!(parse("[1, 2]").is_err());
        assert!(parse("not json").is_err());
    }
}
