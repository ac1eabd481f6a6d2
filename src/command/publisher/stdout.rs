//! Publications to standard output: one line of JSON each.

use futures_util::future::BoxFuture;

use super::{Publication, PublishError, Publisher};
use crate::{
    config::{StdoutSink, StdoutStyle},
    sink::stdout::Stdout,
};

/// Standard output.
#[derive(Debug)]
pub(super) struct StdoutPublisher(Stdout);

impl StdoutPublisher {
    pub(super) fn new(sink: &StdoutSink) -> Self {
        // The style for people is one for events.
        Self(Stdout::open(&StdoutSink { style: StdoutStyle::Json, ..sink.clone() }))
    }
}

impl Publisher for StdoutPublisher {
    fn publish<'a>(&'a self, publication: &'a Publication) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(async { Ok(self.0.print([&publication.payload]).await?) })
    }

    fn require_private<'a>(&'a self, _address: &'a str) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
