//! How large a message may be, by the stream and by the server. Both may be changed while a session lasts, so they are read
//! anew: now and then, and before a message is called too large. Refuses nothing itself.

use std::time::Duration;

use async_nats::jetstream::stream::Config;
use tokio::time::Instant;

use crate::{
    bus::{
        BusError,
        nats::{connection::Connection, stream},
    },
    config::NatsSink,
};

/// How old the limits may be by which a message is called too large.
const AGE_MAX: Duration = Duration::from_secs(1);
/// How old they may be otherwise. A message that could be shortened is shortened to them.
const AGE_USUAL_MAX: Duration = Duration::from_secs(30);

/// What a message with its headers may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SizeLimit {
    pub(super) bytes_max: usize,
    pub(super) whose: &'static str,
}

impl SizeLimit {
    /// Why a message of so many bytes can never be stored.
    pub(super) fn exceeded(self, bytes: usize) -> String {
        let Self { bytes_max, whose } = self;
        format!("{bytes} bytes with its headers are more than the {whose}, which is {bytes_max}")
    }
}

/// The limits as they were read last.
#[derive(Debug)]
pub(super) struct SizeLimits {
    of_stream: Option<usize>,
    of_server: Option<usize>,
    read_at: Instant,
}

impl SizeLimits {
    /// The limits of a connection that has just been made, and of a stream that has just been looked up.
    pub(super) fn new(connection: &Connection, stream: &Config) -> Self {
        Self {
            of_stream: bytes_max(stream),
            of_server: connection.payload_bytes_max(),
            read_at: Instant::now(),
        }
    }

    /// The smaller of the two.
    pub(super) fn lowest(&self) -> Option<SizeLimit> {
        let limits =
            [(self.of_stream, "stream's `max_msg_size`"), (self.of_server, "server's `max_payload`")];
        let limits = limits
            .into_iter()
            .filter_map(|(bytes_max, whose)| Some(SizeLimit { bytes_max: bytes_max?, whose }));
        limits.min_by_key(|limit| limit.bytes_max)
    }

    /// The limit that a message of so many bytes exceeds.
    pub(super) fn exceeded_by(&self, bytes: usize) -> Option<SizeLimit> {
        self.lowest().filter(|limit| bytes > limit.bytes_max)
    }

    /// Reads the stream's limit anew, unless that was done of late. What cannot be read stays as it was.
    pub(super) async fn refresh(&mut self, connection: &Connection, sink: &NatsSink) {
        if self.read_at.elapsed() >= AGE_USUAL_MAX {
            self.read_stream(connection, sink).await;
        }
    }

    /// Reads the limits anew because a message of so many bytes exceeds them, unless that was done a moment ago. An error: the
    /// server takes larger messages than this connection, which has to be made anew.
    pub(super) async fn confirm(
        &mut self,
        connection: &Connection,
        sink: &NatsSink,
        bytes: usize,
    ) -> Result<(), BusError> {
        if self.read_at.elapsed() < AGE_MAX {
            return Ok(());
        }
        self.read_stream(connection, sink).await;
        let of_server = match self.of_server {
            Some(of_server) if bytes > of_server => of_server,
            _ => return Ok(()),
        };
        // A server tells its limit to whoever connects, and to nobody later.
        let Ok(mut another) = Connection::open(&sink.name, &sink.bus, 1).await else { return Ok(()) };
        let now = another.payload_bytes_max();
        another.end();
        if now.is_none_or(|now| now > of_server) {
            return Err(BusError::Poisoned {
                name: sink.name.clone(),
                reason: "the server's `max_payload` was raised".to_owned(),
            });
        }
        Ok(())
    }

    async fn read_stream(&mut self, connection: &Connection, sink: &NatsSink) {
        let found = tokio::select! {
            found = stream::find(connection, &sink.name, &sink.stream) => found,
            () = connection.link.lost() => return,
        };
        self.read_at = Instant::now();
        if let Ok(Some(found)) = found {
            self.of_stream = bytes_max(&found.cached_info().config);
        }
        self.of_server = connection.payload_bytes_max();
    }
}

fn bytes_max(stream: &Config) -> Option<usize> {
    usize::try_from(stream.max_message_size).ok().filter(|bytes| *bytes > 0)
}
