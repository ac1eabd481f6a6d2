//! The standard output sink: one line an event, for programs or for people.

mod human;

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::Arc,
};

use super::{Failure, Receipt, Settled, SinkError};
use crate::{
    config::{StdoutSink, StdoutStyle},
    event::Batch,
    format::push_line,
    telemetry::printable_json,
};

/// Standard output.
#[derive(Debug)]
pub struct Stdout {
    name: String,
    style: StdoutStyle,
    is_terminal: bool,
    is_coloured: bool,
}

impl Stdout {
    pub(super) fn open(config: &StdoutSink) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let is_coloured = is_terminal && std::env::var_os("NO_COLOR").is_none();
        Self { name: config.name.clone(), style: config.style, is_terminal, is_coloured }
    }

    pub(super) async fn publish(&mut self, batch: &Arc<Batch>, from: usize) -> Result<Receipt, SinkError> {
        let lines = self.render(batch, from);
        let written = tokio::task::spawn_blocking(move || write(&lines)).await;
        let settled = match written.unwrap_or_else(|err| Err(io::Error::other(err))) {
            Ok(()) => Ok(Settled::default()),
            Err(source) => Err(self.failure(from, source)),
        };
        Ok(Box::pin(async { settled }))
    }

    fn render(&self, batch: &Batch, from: usize) -> Vec<u8> {
        let mut lines = Vec::new();
        for message in batch.messages().skip(from) {
            match self.style {
                StdoutStyle::Json => push_line(message.payload, &mut lines),
                StdoutStyle::Human => human::push_line(message.payload, self.is_coloured, &mut lines),
            }
        }
        match str::from_utf8(&lines) {
            Ok(text) if self.is_terminal && matches!(self.style, StdoutStyle::Json) => {
                printable_json(text).into_owned().into_bytes()
            }
            _ => lines,
        }
    }

    fn failure(&self, first_undelivered: usize, source: io::Error) -> Failure {
        let action = "cannot write to standard output".to_owned();
        let error = SinkError::Io { sink: self.name.clone(), action, source };
        Failure { first_undelivered, rejected: Vec::new(), error }
    }
}

fn write(lines: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(lines)?;
    stdout.flush()
}
