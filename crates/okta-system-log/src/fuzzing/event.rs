//! An event in each format: sound JSON with the members that every reader needs, the same bytes each time, and nothing
//! of what Okta said left out.

use bytes::Bytes;

use super::json::Json;
use crate::{
    event::{Events, is_missing},
    format::{Format, Renderer, ocsf},
};

/// The formats that take an event apart.
const MAPPED: [Format; 3] = [Format::Ocsf, Format::Ecs, Format::Udm];
/// The version of an address, which the address tells.
const IMPLIED: [&str; 2] = ["V4", "V6"];
/// What a sink may allow.
const BYTES_MAX: [usize; 4] = [1, 1_500, 4_000, 6_000];

/// Renders the event that `data` is. What is none says nothing of a format.
pub fn event(data: &[u8]) {
    let Some(events) = page_of(data) else { return };
    let Some(event) = events.get(0) else { return };
    let okta = renderer(Format::Okta, false).render(&event, Some(1));
    assert_eq!(okta.bytes, event.raw(), "Okta's own form is what Okta sent");
    for format in MAPPED {
        let with_raw_data = data.len().is_multiple_of(2);
        let renderer = renderer(format, with_raw_data);
        let full = renderer.render(&event, None).bytes;
        let again = page_of(data).unwrap_or_default();
        let again = again.get(0).map(|event| renderer.render(&event, None).bytes);
        assert_eq!(again.as_ref(), Some(&full), "another time other bytes");
        let full = require_sound(format, &full);
        require_whole(&event.raw(), &full, format);
        let bytes_max = BYTES_MAX[data.len() % BYTES_MAX.len()];
        require_sound(format, &renderer.render(&event, Some(bytes_max)).bytes);
    }
}

/// A page with this one event, if it is one.
pub(super) fn page_of(event: &[u8]) -> Option<Events> {
    let page = [b"[", event, b"]"].concat();
    let events = Events::parse(Bytes::from(page)).ok()?;
    (events.len() == 1).then_some(events)
}

pub(super) fn renderer(format: Format, raw_data: bool) -> Renderer {
    let ocsf = ocsf::Options { raw_data, ..ocsf::Options::default() };
    Renderer { format, ocsf, tenant: Some("acme.okta.com".to_owned()) }
}

/// Asserts that `rendered` is one JSON object that any reader takes, with what the format requires of all of them. Gives
/// it if it is not too deep to be looked at.
fn require_sound(format: Format, rendered: &[u8]) -> Option<Json> {
    let text = std::str::from_utf8(rendered).unwrap_or_default();
    assert!(serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok(), "{format:?}: {text}");
    let Some(value) = Json::read(text) else {
        // Strict readers take no half of a surrogate pair.
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(), "{format:?}: {text}");
        return None;
    };
    assert_eq!(value.name_twice(), None, "{format:?}: {text}");
    assert_eq!(value.null(), None, "{format:?}: {text}");
    match format {
        Format::Okta => {}
        Format::Ocsf => require_ocsf(&value),
        Format::Ecs => {
            require_texts(&value, &["@timestamp", "ecs.version", "event.kind", "event.outcome", "event.id"]);
        }
        Format::Udm => require_texts(
            &value,
            &[
                "metadata.event_timestamp",
                "metadata.event_type",
                "metadata.vendor_name",
                "metadata.product_log_id",
            ],
        ),
    }
    Some(value)
}

fn require_ocsf(value: &Json) {
    let number = |name: &str| value.get(name).and_then(Json::number);
    let (class, activity) = (number("class_uid"), number("activity_id"));
    let (Some(class), Some(activity), Some(category)) = (class, activity, number("category_uid")) else {
        unreachable!("what classifies an event is missing");
    };
    assert_eq!(category, class / 1_000, "a class belongs to its category");
    assert_eq!(number("type_uid"), Some(class * 100 + activity));
    assert!(number("time").is_some() && number("severity_id").is_some());
    require_texts(value, &["metadata.version", "metadata.product.vendor_name", "metadata.uid"]);
}

fn require_texts(value: &Json, paths: &[&str]) {
    for path in paths {
        let found = path.split('.').try_fold(value, |value, name| value.get(name));
        assert!(found.and_then(Json::text).is_some_and(|text| !text.is_empty()), "`{path}` is missing");
    }
}

/// Asserts that everything that `event` says is told in `rendered`.
fn require_whole(event: &[u8], rendered: &Option<Json>, format: Format) {
    let (Ok(event), Some(rendered)) = (std::str::from_utf8(event), rendered) else { return };
    let Some(event) = Json::read(event) else { return };
    let mut told = Vec::new();
    rendered.leaves(&mut told);
    // What was a part of a text may be a name now.
    rendered.names(&mut told);
    let told = normal(&told.join("\n"));
    let mut said = Vec::new();
    event.leaves(&mut said);
    for text in said.into_iter().filter(|text| !is_missing(text.trim()) && !IMPLIED.contains(text)) {
        let text = normal(text);
        // Several rights in one text may be told one by one, and so may the members of a text such as `{level=LOW}`.
        let mut parts = text
            .split(|c: char| c.is_whitespace() || ",=[]{}:\"".contains(c))
            .filter(|part| !is_missing(part));
        let is_told = told.contains(&text) || parts.all(|part| told.contains(part));
        assert!(is_told, "{format:?} does not tell {text:?}");
    }
}

/// What is the same whether a text stands for itself or within the text of some JSON.
fn normal(text: &str) -> String {
    text.to_lowercase().replace('\\', "")
}
