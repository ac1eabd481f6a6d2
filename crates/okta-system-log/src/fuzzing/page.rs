//! A page of events: cut where serde_json cuts it, refused where serde_json refuses it.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::json::Json;
use crate::event::{Events, EventsError};

/// What a page may take of memory for each of its bytes: `0,` is the record of an event.
const BYTES_PER_BYTE_MAX: usize = 400;

/// Cuts `data` into events.
pub fn page(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = Events::parse(Bytes::copy_from_slice(data));
    let Ok(expected) = serde_json::from_str::<Vec<&RawValue>>(&text) else {
        assert!(
            read.is_err(),
            "serde_json refuses what is taken as {} events",
            read.map_or(0, |read| read.len())
        );
        return;
    };
    let Ok(events) = read else {
        unreachable!("{:?}, and serde_json reads {} events", read.err(), expected.len());
    };
    assert_eq!(events.len(), expected.len());
    assert!(events.size_bytes() <= (data.len() + 64) * BYTES_PER_BYTE_MAX, "{} bytes", events.size_bytes());
    let again = Events::parse(Bytes::copy_from_slice(data)).unwrap_or_default();
    for ((event, expected), again) in events.iter().zip(&expected).zip(again.iter()) {
        assert_eq!(event.raw(), expected.get());
        assert!(!event.identity().is_empty());
        assert_eq!(event.identity(), again.identity());
        // What serde_json cannot read as a value is odd, and looked at elsewhere.
        let Some(value) = Json::read(expected.get()) else { continue };
        let told = value.get("uuid").and_then(Json::text).filter(|uuid| !uuid.is_empty());
        assert_eq!(event.uuid(), told);
        assert_eq!(event.published(), value.get("published").and_then(Json::text));
        assert_eq!(event.event_type(), value.get("eventType").and_then(Json::text));
    }
    if let Some(fewer) = events.len().checked_sub(1) {
        let bounded = Events::parse_at_most(Bytes::copy_from_slice(data), fewer);
        assert!(matches!(bounded, Err(EventsError::TooMany(_))));
    }
}
