//! A message as a Kafka record: CloudEvents as headers or as an envelope, by the Kafka binding of CloudEvents.

use bytes::Bytes;
use rdkafka::message::{Header, OwnedHeaders};

use crate::{
    config::Encoding,
    event::{Attributes, CONTENT_TYPE, Message, STRUCTURED_CONTENT_TYPE},
};

const CONTENT_TYPE_HEADER: &str = "content-type";
const ATTRIBUTE_PREFIX: &str = "ce_";
/// The attributes and the content type.
const HEADERS_MAX: usize = 7;

/// Writes one record after another, allocating what it keeps only once.
#[derive(Debug)]
pub(super) struct RecordWriter {
    encoding: Encoding,
    attributes: Attributes,
    header: String,
}

impl RecordWriter {
    /// A writer for the form `encoding`.
    pub(super) fn new(encoding: Encoding) -> Self {
        Self { encoding, attributes: Attributes::default(), header: ATTRIBUTE_PREFIX.to_owned() }
    }

    /// The headers and the value of the record of `message`. Fails if the payload, which must be JSON in the structured
    /// form, is not.
    pub(super) fn write(
        &mut self,
        message: &Message<'_>,
    ) -> Result<(OwnedHeaders, Bytes), serde_json::Error> {
        self.attributes.fill(message);
        match self.encoding {
            Encoding::Binary => Ok((self.binary_headers(), message.payload.clone())),
            Encoding::Structured => {
                let headers =
                    insert(OwnedHeaders::new_with_capacity(1), CONTENT_TYPE_HEADER, STRUCTURED_CONTENT_TYPE);
                Ok((headers, self.attributes.structured(message.payload)?))
            }
        }
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
