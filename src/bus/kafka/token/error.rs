//! Why there is no token.

use crate::{config::SecretError, telemetry::chain};

/// Why there is no token, with its causes and without anything that changes from try to try.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// A secret or a credentials file cannot be read.
    #[error("{what}: {}", chain(source))]
    Secret {
        /// The secret or file.
        what: &'static str,
        source: SecretError,
    },
    /// HTTP cannot be set up.
    #[error("cannot set up HTTP: {0}")]
    Setup(String),
    /// The endpoint is unreachable.
    #[error("cannot reach {place}: {reason}")]
    Unreachable { place: String, reason: String },
    /// The endpoint refuses to give us a token.
    #[error("{place} refuses: {reason}")]
    Refused { place: String, reason: String },
    /// The answer is invalid.
    #[error("the answer of {place} cannot be used: {reason}")]
    Answer { place: String, reason: String },
    /// There is nothing to make one of.
    #[error("there are no AWS credentials: {0}")]
    NoCredentials(String),
    /// It took too long.
    #[error("no answer in time")]
    Late,
    /// The client is closing.
    #[error("the client is closing")]
    Closing,
}
