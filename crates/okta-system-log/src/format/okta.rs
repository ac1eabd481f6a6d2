//! The event as Okta sent it, byte for byte and without a copy.

use bytes::Bytes;

use crate::event::Event;

pub(super) fn render(event: &Event<'_>) -> Bytes {
    event.raw()
}
