//! What becomes of the messages of a simulated queue.

use std::time::Duration;

use tokio::sync::mpsc;

/// What was said of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum Said {
    /// It need not come again.
    Acked,
    /// It can never be a command, and need not come again.
    Rejected,
    /// It is to come again after this time.
    Later(Duration),
    /// Nothing: it comes again.
    Dropped,
}

/// The right to say what became of the message `number`.
#[derive(Debug)]
pub(in crate::command) struct SimulatedAcknowledgement {
    number: usize,
    queue: Option<mpsc::UnboundedSender<(usize, Said)>>,
}

impl SimulatedAcknowledgement {
    pub(in crate::command) fn new(number: usize, queue: mpsc::UnboundedSender<(usize, Said)>) -> Self {
        Self { number, queue: Some(queue) }
    }

    pub(super) fn say(mut self, said: Said) {
        self.send(said);
    }

    fn send(&mut self, said: Said) {
        if let Some(queue) = self.queue.take() {
            // A queue that is gone hears nothing.
            let _ = queue.send((self.number, said));
        }
    }
}

impl Drop for SimulatedAcknowledgement {
    fn drop(&mut self) {
        self.send(Said::Dropped);
    }
}
