//! What went wrong with a file: what was being done to which, and what the operating system said.

use std::{io, path::Path};

use crate::sink::SinkError;

/// What was being done when the operating system refused, or when a file turned out to be no longer ours.
#[derive(Debug)]
pub(crate) struct WriterError {
    pub(super) action: String,
    pub(super) source: io::Error,
}

impl WriterError {
    pub(crate) fn interrupted(err: tokio::task::JoinError) -> Self {
        Self { action: "open the file".to_owned(), source: io::Error::other(err) }
    }

    /// The error of the sink named `sink`.
    pub(crate) fn in_sink(self, sink: &str) -> SinkError {
        let Self { action, source } = self;
        SinkError::Io { sink: sink.to_owned(), action, source }
    }

    /// The same error once more, for each of the batches that it hits.
    pub(super) fn again(&self) -> Self {
        let source = io::Error::new(self.source.kind(), self.source.to_string());
        Self { action: self.action.clone(), source }
    }
}

/// What `action` on `path` failed with.
pub(super) fn doing(action: &str, path: &Path) -> impl FnOnce(io::Error) -> WriterError {
    let action = format!("cannot {action} {}", path.display());
    move |source| WriterError { action, source }
}
