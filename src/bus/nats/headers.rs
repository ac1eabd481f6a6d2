//! The headers of a message: its id for JetStream, and CloudEvents attributes as the NATS binding writes them.
//!
//! Binary mode is that of the binding's 1.0.3 draft: `ce-<name>` with percent-encoded values. Structured mode needs
//! only the media type.

use std::borrow::Cow;

use async_nats::{HeaderMap, header::NATS_MESSAGE_ID};

use bytes::Bytes;

use crate::{
    config::Encoding,
    message::{Attributes, CONTENT_TYPE},
};

/// The media type of a payload that is a CloudEvent in JSON.
const STRUCTURED_CONTENT_TYPE: &str = "application/cloudevents+json";

/// Headers and payload of a message of this form. Fails if `payload` is not JSON, as the structured form demands.
pub(crate) fn encoded(
    encoding: Encoding,
    id: &str,
    attributes: &Attributes,
    payload: &Bytes,
) -> Result<(HeaderMap, Bytes), serde_json::Error> {
    match encoding {
        Encoding::Binary => Ok((binary(id, attributes), payload.clone())),
        Encoding::Structured => Ok((structured(id), attributes.structured(payload)?)),
    }
}

/// The headers of a message whose payload is the event alone.
fn binary(id: &str, attributes: &Attributes) -> HeaderMap {
    let mut headers = identified(id);
    for (name, value) in attributes.pairs() {
        headers.insert(format!("ce-{name}"), &*percent_encoded(value));
    }
    headers.insert("ce-datacontenttype", CONTENT_TYPE);
    headers
}

/// The headers of a message whose payload is the envelope with the event in it.
fn structured(id: &str) -> HeaderMap {
    let mut headers = identified(id);
    headers.insert("Content-Type", STRUCTURED_CONTENT_TYPE);
    headers
}

/// The id as it travels in `Nats-Msg-Id`: ids are made of what Okta sends, and a line break would end the header.
pub(crate) fn message_id(id: &str) -> Cow<'_, str> {
    percent_encoded(id)
}

fn identified(id: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, &*message_id(id));
    headers
}

/// Encodes space, `"`, `%` and everything outside U+0021 to U+007E, as the binding says.
fn percent_encoded(value: &str) -> Cow<'_, str> {
    let travels = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'%');
    if value.bytes().all(travels) {
        return Cow::Borrowed(value);
    }
    let mut encoded = String::with_capacity(value.len() + 16);
    for byte in value.bytes() {
        if travels(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes() -> Attributes {
        Attributes {
            id: "u-1".to_owned(),
            source: "https://acme.okta.com/api/v1/logs".to_owned(),
            event_type: "com.okta.user.session.start".to_owned(),
            subject: "J\u{fc}rgen \"100%\"\r\n".to_owned(),
            time: String::new(),
            data_schema: Some(
                "https://schema.ocsf.io/schema/1.8.0/classes/authentication?profiles=datetime,host",
            ),
            partition_key: "00u 1".to_owned(),
        }
    }

    fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        headers.get(name).map(async_nats::HeaderValue::as_str)
    }

    #[test]
    fn attributes_travel_as_percent_encoded_headers() {
        let headers = binary("acme:u-1", &attributes());
        assert_eq!(value(&headers, "Nats-Msg-Id"), Some("acme:u-1"));
        assert_eq!(value(&headers, "ce-specversion"), Some("1.0"));
        assert_eq!(value(&headers, "ce-source"), Some("https://acme.okta.com/api/v1/logs"));
        assert_eq!(value(&headers, "ce-subject"), Some("J%C3%BCrgen%20%22100%25%22%0D%0A"));
        assert_eq!(value(&headers, "ce-datacontenttype"), Some("application/json"));
        assert_eq!(value(&headers, "ce-partitionkey"), Some("00u%201"));
        assert!(value(&headers, "ce-dataschema").unwrap().ends_with("?profiles=datetime,host"));
        assert_eq!(value(&headers, "ce-time"), None);
    }

    #[test]
    fn the_structured_form_has_its_id_and_media_type_alone() {
        let headers = structured("acme:u\n1");
        assert_eq!(value(&headers, "Nats-Msg-Id"), Some("acme:u%0A1"));
        assert_eq!(value(&headers, "Content-Type"), Some("application/cloudevents+json"));
        assert_eq!(headers.len(), 2);
    }
}
