//! A payload with its attributes as a Kafka record: CloudEvents as headers or as an envelope, by the Kafka binding of
//! CloudEvents. Knows neither events nor commands.

use bytes::Bytes;
use rdkafka::message::{Header, Headers as _, OwnedHeaders};

use crate::{
    config::Encoding,
    message::{Attributes, CONTENT_TYPE, STRUCTURED_CONTENT_TYPE, TRACEPARENT},
};

const CONTENT_TYPE_HEADER: &str = "content-type";
const ATTRIBUTE_PREFIX: &str = "ce_";
/// The attributes and the content type.
const HEADERS_MAX: usize = 9;

/// Writes one record after another, allocating what it keeps only once.
#[derive(Debug)]
pub(crate) struct RecordWriter {
    encoding: Encoding,
    header: String,
}

/// A record but for its topic.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// The `partitionkey`, as the binding's key mapper has it.
    pub(super) key: Option<&'a str>,
    pub(super) headers: OwnedHeaders,
    pub(super) value: Bytes,
    /// The key chooses it if there is none.
    pub(super) partition: Option<i32>,
}

impl<'a> Record<'a> {
    /// One without headers.
    pub(crate) fn plain(key: &'a str, value: Bytes, partition: Option<i32>) -> Self {
        Self { key: Some(key), headers: OwnedHeaders::new(), value, partition }
    }

    /// Bytes of which the client puts no fewer on the wire.
    pub(crate) fn bytes(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len));
        self.key.map_or(0, str::len) + self.value.len() + headers.sum::<usize>()
    }

    /// Like the above, with one more header, if there is one.
    pub(crate) fn with_header(self, header: Option<(&str, &str)>) -> Self {
        match header {
            Some((key, value)) => Self { headers: insert(self.headers, key, value), ..self },
            None => self,
        }
    }
}

/// The header of the trace that a record is part of.
pub(crate) fn in_trace(traceparent: &str) -> (&str, &str) {
    (TRACEPARENT, traceparent)
}

impl RecordWriter {
    /// A writer of records of this form.
    pub(crate) fn new(encoding: Encoding) -> Self {
        Self { encoding, header: ATTRIBUTE_PREFIX.to_owned() }
    }

    /// The record of `payload`. Fails if that is not JSON, as the structured form demands.
    pub(crate) fn write<'a>(
        &mut self,
        attributes: &'a Attributes,
        payload: &Bytes,
    ) -> Result<Record<'a>, serde_json::Error> {
        let (headers, value) = match self.encoding {
            Encoding::Binary => (self.binary_headers(attributes), payload.clone()),
            Encoding::Structured => {
                let headers =
                    insert(OwnedHeaders::new_with_capacity(1), CONTENT_TYPE_HEADER, STRUCTURED_CONTENT_TYPE);
                (headers, attributes.structured(payload)?)
            }
        };
        let key = Some(attributes.partition_key.as_str()).filter(|key| !key.is_empty());
        Ok(Record { key, headers, value, partition: None })
    }

    fn binary_headers(&mut self, attributes: &Attributes) -> OwnedHeaders {
        let mut headers = OwnedHeaders::new_with_capacity(HEADERS_MAX);
        for (name, value) in attributes.pairs() {
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
