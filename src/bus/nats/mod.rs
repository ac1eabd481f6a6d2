//! Connections to NATS: how they are made and authenticated, what the server's errors mean, the streams of JetStream,
//! how a message is written, and what the server answers to one.

pub(crate) mod checkpoints;
pub(crate) mod connection;
pub(crate) mod exchange;
pub(crate) mod headers;
pub(crate) mod link;
mod options;
pub(crate) mod rejection;
mod runtime;
pub(crate) mod stream;
pub(crate) mod stream_settings;
pub(crate) mod stream_warnings;
pub(crate) mod subscription;
