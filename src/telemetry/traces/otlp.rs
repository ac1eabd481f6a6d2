//! Spans as the bytes of OTLP's `ExportTraceServiceRequest` (opentelemetry-proto 1.x, stable). Pure.
//!
//! The messages are written field by field: they are seven, they never change, and a library for them would bring more code
//! than the rest of the traces. A decoder that is not ours judges them in the tests.

use jiff::Timestamp;

use super::{
    context::TraceContext,
    span::{AttributeValue, Span},
};

/// What the spans are called as a whole.
const SCOPE: &str = "oktabus";
/// The status of a span that failed.
const FAILED: u64 = 2;
/// OTLP's flag of a trace that is kept.
const SAMPLED: u32 = 1;

/// The request that hands over `spans` of the process that `resource` describes.
pub(super) fn request(resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |resource_spans| {
        resource_spans.message(1, |message| {
            for (name, value) in resource {
                message
                    .message(1, |attribute| attribute.attribute(name, &AttributeValue::Text(value.clone())));
            }
        });
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.text(1, SCOPE);
                scope.text(2, env!("CARGO_PKG_VERSION"));
            });
            for span in spans {
                scope_spans.message(2, |message| write(message, span));
            }
        });
    });
    request.0
}

fn write(message: &mut Message, span: &Span) {
    let Span { context, parent, name, kind, start, end, attributes, events, links, error } = span;
    message.ids(context);
    if let Some(parent) = parent {
        message.bytes(4, &parent.to_be_bytes());
    }
    message.text(5, name);
    message.number(6, *kind as u64);
    message.fixed64(7, nanoseconds(*start));
    message.fixed64(8, nanoseconds(*end));
    for (name, value) in attributes {
        message.message(9, |attribute| attribute.attribute(name, value));
    }
    for (name, at) in events {
        message.message(11, |event| {
            event.fixed64(1, nanoseconds(*at));
            event.text(2, name);
        });
    }
    for link in links {
        message.message(13, |message| {
            message.ids(link);
            message.fixed32(6, u32::from(link.is_sampled) & SAMPLED);
        });
    }
    if let Some(error) = error {
        message.message(15, |status| {
            status.text(2, error);
            status.number(3, FAILED);
        });
    }
    message.fixed32(16, u32::from(context.is_sampled) & SAMPLED);
}

fn nanoseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or(0)
}

/// A message of protobuf in the making.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or(0));
    }

    /// The number of a field with the form of its value.
    fn field(&mut self, field: u64, form: u64) {
        self.varint(field << 3 | form);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.field(field, 0);
        self.varint(value);
    }

    fn fixed64(&mut self, field: u64, value: u64) {
        self.field(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn fixed32(&mut self, field: u64, value: u32) {
        self.field(field, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.field(field, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn text(&mut self, field: u64, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    fn message(&mut self, field: u64, fill: impl FnOnce(&mut Self)) {
        let mut message = Self::default();
        fill(&mut message);
        self.bytes(field, &message.0);
    }

    fn ids(&mut self, context: &TraceContext) {
        self.bytes(1, &context.trace.to_be_bytes());
        self.bytes(2, &context.span.to_be_bytes());
    }

    /// A `KeyValue`.
    fn attribute(&mut self, name: &str, value: &AttributeValue) {
        self.text(1, name);
        self.message(2, |message| match value {
            AttributeValue::Text(text) => message.text(1, text),
            AttributeValue::Number(number) => message.number(3, number.cast_unsigned()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_written_as_protobuf_has_them() {
        let mut message = Message::default();
        message.number(1, 150);
        message.text(2, "testing");
        message.message(16, |inner| inner.number(1, 0));
        // The examples of protobuf's own documentation.
        let expected =
            [&[0x08, 0x96, 0x01, 0x12, 0x07][..], b"testing", &[0x82, 0x01, 0x02, 0x08, 0x00]].concat();
        assert_eq!(message.0, expected);
    }
}
