//! The standard output sink: one line an event, for programs or for people.

mod human;

use std::{
    future::ready,
    io::{self, IsTerminal as _, Write as _},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use okta_system_log::format::push_line;

use super::{BatchError, Receipt, Settled, Sink, SinkError};
use crate::{
    config::{StdoutSink, StdoutStyle},
    message::Messages,
    telemetry::printable_json,
};

/// An event on a line for people, with its line break.
pub(crate) fn human_line(event: &[u8], is_coloured: bool) -> String {
    let mut line = Vec::new();
    human::push_line(event, is_coloured, &mut line);
    String::from_utf8_lossy(&line).into_owned()
}

/// Standard output.
#[derive(Debug)]
pub(crate) struct Stdout {
    name: String,
    style: StdoutStyle,
    is_terminal: bool,
    is_coloured: bool,
}

impl Stdout {
    pub(crate) fn open(config: &StdoutSink) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let is_coloured = is_terminal && std::env::var_os("NO_COLOR").is_none();
        Self { name: config.name.clone(), style: config.style, is_terminal, is_coloured }
    }

    /// Prints a line for each of `payloads`.
    pub(crate) async fn print<'a>(
        &self,
        payloads: impl IntoIterator<Item = &'a Bytes>,
    ) -> Result<(), SinkError> {
        let lines = self.render(payloads);
        let written = tokio::task::spawn_blocking(move || write(&lines)).await;
        written.unwrap_or_else(|err| Err(io::Error::other(err))).map_err(|source| {
            let action = "cannot write to standard output".to_owned();
            SinkError::Io { sink: self.name.clone(), action, source }
        })
    }

    fn render<'a>(&self, payloads: impl IntoIterator<Item = &'a Bytes>) -> Vec<u8> {
        let mut lines = Vec::new();
        for payload in payloads {
            match self.style {
                StdoutStyle::Json => push_line(payload, &mut lines),
                StdoutStyle::Human => human::push_line(payload, self.is_coloured, &mut lines),
            }
        }
        match str::from_utf8(&lines) {
            Ok(text) if self.is_terminal && matches!(self.style, StdoutStyle::Json) => {
                printable_json(text).into_owned().into_bytes()
            }
            _ => lines,
        }
    }
}

impl Sink for Stdout {
    fn publish<'a>(
        &'a mut self,
        batch: &'a Arc<Messages>,
        from: usize,
    ) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        async move {
            let settled = match self.print(batch.messages().skip(from).map(|message| message.payload)).await {
                Ok(()) => Ok(Settled { rejected: Vec::new(), mark: None }),
                Err(error) => Err(BatchError { first_undelivered: from, rejected: Vec::new(), error }),
            };
            Ok(ready(settled).boxed())
        }
        .boxed()
    }

    fn recover(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        ready(Ok(())).boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        ready(()).boxed()
    }
}

fn write(lines: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(lines)?;
    stdout.flush()
}
