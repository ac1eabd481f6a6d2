//! A message as a Kafka record: CloudEvents as headers or as an envelope, by the Kafka binding of CloudEvents.

use bytes::Bytes;
use rdkafka::message::{Header, OwnedHeaders};

use crate::{
    config::{Encoding, KafkaSink},
    event::{Attributes, CONTENT_TYPE, Message, STRUCTURED_CONTENT_TYPE, Template},
};

const CONTENT_TYPE_HEADER: &str = "content-type";
const ATTRIBUTE_PREFIX: &str = "ce_";
/// The attributes and the content type.
const HEADERS_MAX: usize = 9;

/// Writes one record after another, allocating what it keeps only once.
#[derive(Debug)]
pub(super) struct RecordWriter {
    encoding: Encoding,
    key: Template,
    attributes: Attributes,
    header: String,
}

/// A record but for its topic.
#[derive(Debug)]
pub(super) struct Written<'a> {
    /// The `partitionkey`, as the binding's key mapper has it.
    pub(super) key: Option<&'a str>,
    pub(super) headers: OwnedHeaders,
    pub(super) value: Bytes,
}

impl RecordWriter {
    /// A writer for the sink `config`.
    pub(super) fn new(config: &KafkaSink) -> Self {
        Self {
            encoding: config.encoding,
            key: config.key.clone(),
            attributes: Attributes::default(),
            header: ATTRIBUTE_PREFIX.to_owned(),
        }
    }

    /// The record of `message`. Fails if the payload, which must be JSON in the structured form, is not.
    pub(super) fn write(&mut self, message: &Message<'_>) -> Result<Written<'_>, serde_json::Error> {
        self.attributes.fill(message, &self.key);
        let (headers, value) = match self.encoding {
            Encoding::Binary => (self.binary_headers(), message.payload.clone()),
            Encoding::Structured => {
                let headers =
                    insert(OwnedHeaders::new_with_capacity(1), CONTENT_TYPE_HEADER, STRUCTURED_CONTENT_TYPE);
                (headers, self.attributes.structured(message.payload)?)
            }
        };
        let key = Some(self.attributes.partition_key.as_str()).filter(|key| !key.is_empty());
        Ok(Written { key, headers, value })
    }

    fn binary_headers(&mut self) -> OwnedHeaders {
        let mut headers = OwnedHeaders::new_with_capacity(HEADERS_MAX);
        for (name, value) in self.attributes.pairs() {
            self.header.truncate(ATTRIBUTE_PREFIX.len());
            self.header.push_str(name);
            headers = insert(headers, &self.header, value);
        }
        insert(headers, CONTENT_TYPE_HEADER, CONTENT_TYPE)
    }
}

fn insert(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
}
