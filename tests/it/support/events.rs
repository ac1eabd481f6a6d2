//! Synthetic System Log events and batches of them. The same arguments always give the same bytes.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use okta_system_log::event::Events;
use oktabus::message::{Messages, Origin};

/// How many users the events are about; event `n` is about user `n % USERS`.
pub(crate) const USERS: usize = 7;

/// Where all synthetic events come from.
pub(crate) fn origin() -> Arc<Origin> {
    Arc::new(Origin {
        org: "acme".to_owned(),
        route: "system-log/siem".to_owned(),
        source: "https://acme.okta.com/api/v1/logs".to_owned(),
        format: "okta",
        is_redacted: false,
    })
}

/// Event number `number`. Its bytes are of the kind that a careless program changes: a number with a trailing zero,
/// escapes, text that is not ASCII, unusual spacing, members in no order.
pub(crate) fn event(number: usize) -> String {
    event_with_padding(number, 0)
}

/// Event number `number`, made longer by `padding_bytes`.
pub(crate) fn event_with_padding(number: usize, padding_bytes: usize) -> String {
    let (minute, second, user) = (number / 60 % 60, number % 60, number % USERS);
    let padding = "x".repeat(padding_bytes);
    [
        &format!(r#"{{"uuid":"00000000-0000-4000-8000-{number:012}" , "#),
        &format!(r#""published":"2026-01-02T03:{minute:02}:{second:02}.000Z","#),
        r#""eventType":"user.session.start","severity":"INFO","outcome":{"result":"SUCCESS"},"#,
        r#""client":{"geo":{"lat":34.4740},"city":"Zürich \u00e9\n"},"actor":{"id":"00uadmin"},"#,
        &format!(r#""target":[{{"id":"00u{user}","type":"User"}}],"debug":"{padding}"}}"#),
    ]
    .concat()
}

/// The messages of the events with these numbers.
pub(crate) fn batch(numbers: Range<usize>) -> Arc<Messages> {
    batch_of(numbers.map(event))
}

/// The messages of these events.
pub(crate) fn batch_of(events: impl IntoIterator<Item = String>) -> Arc<Messages> {
    let events: Vec<_> = events.into_iter().collect();
    let page = Events::parse(Bytes::from(format!("[{}]", events.join(",")))).unwrap();
    Arc::new(Messages::render(origin(), Arc::new(page), |_, event| Some(event.raw())))
}

/// So many batches of so many events each, numbered through.
pub(crate) fn batches(count: usize, events: usize) -> Vec<Arc<Messages>> {
    (0..count).map(|index| batch(index * events..(index + 1) * events)).collect()
}
