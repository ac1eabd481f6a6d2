//! What becomes of one message of Kafka.

use std::{sync::Arc, time::Duration};

use super::{desk::Desk, letter::Letter, offsets::Spot};

/// After how long a message is handed out again of which nobody said what became of it.
const DROPPED_WAIT: Duration = Duration::from_secs(30);

/// One message that was handed out.
#[derive(Debug)]
pub(in crate::command::intake) struct KafkaTicket {
    desk: Arc<Desk>,
    spot: Spot,
    /// None once it is said what became of it.
    letter: Option<Letter>,
}

impl KafkaTicket {
    pub(super) fn new(desk: Arc<Desk>, spot: Spot, letter: Letter) -> Self {
        Self { desk, spot, letter: Some(letter) }
    }

    /// Whether the partition is still ours as it was when the message came.
    pub(super) fn is_open(&self) -> bool {
        self.desk.state().offsets.is_open(self.spot)
    }

    /// Notes that it is being carried out, if the partition is still ours.
    pub(in crate::command::intake) fn begin(&self) -> bool {
        self.desk.state().begin(self.spot)
    }

    /// Lets the offset be committed once all before it are done too.
    pub(in crate::command::intake) fn done(mut self) {
        self.letter = None;
        self.desk.state().done(self.spot);
    }

    /// Keeps the offset, and hands the message out again after `wait`.
    pub(in crate::command::intake) fn later(mut self, wait: Duration) {
        self.hold(wait);
    }

    fn hold(&mut self, wait: Duration) {
        if let Some(letter) = self.letter.take() {
            self.desk.state().hold(self.spot, letter, wait);
        }
    }
}

impl Drop for KafkaTicket {
    fn drop(&mut self) {
        self.hold(DROPPED_WAIT);
    }
}
