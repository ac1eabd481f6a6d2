//! `oktabus render`: events from standard input, rendered as a route would; for people who write rules.

use std::{
    collections::VecDeque,
    io::{self, BufRead, IsTerminal as _, Write},
};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use okta_system_log::{
    event::Events,
    format::{Format, Renderer, explanation, ocsf, push_line},
};

use super::{Exit, fail};
use crate::telemetry::{printable, printable_json};

#[derive(Debug, Args)]
pub(super) struct RenderArguments {
    /// The format
    #[arg(long, value_enum)]
    format: FormatArgument,
    /// Explain the mapping of each event on standard error
    #[arg(long)]
    explain: bool,
    /// Include Okta's own event as raw_data (ocsf only)
    #[arg(long)]
    raw_data: bool,
    /// The org's domain; a route takes it from the configuration
    #[arg(long, value_name = "DOMAIN")]
    org: Option<String>,
    /// The largest size of a rendered event, like the limit of a bus
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatArgument {
    Okta,
    Ocsf,
    Ecs,
    Udm,
}

impl From<FormatArgument> for Format {
    fn from(format: FormatArgument) -> Self {
        match format {
            FormatArgument::Okta => Self::Okta,
            FormatArgument::Ocsf => Self::Ocsf,
            FormatArgument::Ecs => Self::Ecs,
            FormatArgument::Udm => Self::Udm,
        }
    }
}

/// An event may be written over several lines, but not over more than this.
const EVENT_LINES_MAX: usize = 2_000;

/// What a piece of the input is.
#[derive(Debug)]
enum Parsed {
    /// One event or an array of them.
    Events(Events),
    /// The beginning of one; the rest may be on the next line.
    Beginning,
    /// Neither, and why.
    Nothing(serde_json::Error),
}

/// Standard input or output failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {0}")]
struct StreamError(&'static str, #[source] io::Error);

pub(super) async fn render(arguments: RenderArguments) -> Exit {
    let done = tokio::task::spawn_blocking(move || {
        let is_terminal = io::stdout().is_terminal();
        let (input, output) = (io::stdin().lock(), io::BufWriter::new(io::stdout().lock()));
        Rendering { is_terminal, ..Rendering::new(arguments, output, io::stderr()) }.run(input)
    });
    match done.await {
        Ok(Ok(exit)) => exit,
        // A closed pipe is no failure.
        Ok(Err(StreamError(_, err))) if err.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Ok(Err(err @ StreamError("write standard output", _))) => fail(Exit::Unprinted, &err),
        Ok(Err(err)) => fail(Exit::Unavailable, &err),
        Err(err) => fail(Exit::Bug, &err),
    }
}

struct Rendering<O, E> {
    renderer: Renderer,
    bytes_max: Option<usize>,
    explains: bool,
    /// Whether a person's terminal takes it.
    is_terminal: bool,
    output: O,
    errors: E,
    is_bad: bool,
    /// Lines that begin an event whose end has not come yet.
    pending: Vec<Line>,
}

/// A line of the input with its number, from 1 on.
type Line = (usize, String);

impl<O: Write, E: Write> Rendering<O, E> {
    fn new(arguments: RenderArguments, output: O, errors: E) -> Self {
        let format = arguments.format.into();
        let ocsf = ocsf::Options { raw_data: arguments.raw_data, ..ocsf::Options::default() };
        let renderer = Renderer { format, ocsf, tenant: arguments.org };
        let (bytes_max, explains) = (arguments.max_bytes, arguments.explain);
        let (is_terminal, is_bad, pending) = (false, false, Vec::new());
        Self { renderer, bytes_max, explains, is_terminal, output, errors, is_bad, pending }
    }

    /// Renders all valid events; returns [`Exit::Usage`] if there were others.
    fn run(mut self, input: impl BufRead) -> Result<Exit, StreamError> {
        for (line, number) in input.split(b'\n').zip(1..) {
            let line = line.map_err(|err| StreamError("read standard input", err))?;
            self.take_lines(VecDeque::from([(number, String::from_utf8_lossy(&line).into_owned())]))?;
        }
        while !self.pending.is_empty() {
            let rest = self.give_up_first();
            self.take_lines(rest)?;
        }
        self.output.flush().map_err(|err| StreamError("write standard output", err))?;
        Ok(if self.is_bad { Exit::Usage } else { Exit::Done })
    }

    fn take_lines(&mut self, mut lines: VecDeque<Line>) -> Result<(), StreamError> {
        while let Some((number, line)) = lines.pop_front() {
            if line.trim().is_empty() {
                continue;
            }
            self.pending.push((number, line));
            let text = self.pending.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n");
            match piece(&text) {
                Parsed::Events(events) => {
                    let first = self.pending.first().map_or(number, |(first, _)| *first);
                    self.pending.clear();
                    self.render_all(&events, first)?;
                }
                Parsed::Beginning if self.pending.len() < EVENT_LINES_MAX => {}
                Parsed::Nothing(err) if self.pending.len() == 1 => {
                    self.pending.clear();
                    self.complain(number, &format!("this is not JSON: {err}"));
                }
                Parsed::Beginning | Parsed::Nothing(_) => {
                    self.give_up_first().into_iter().rev().for_each(|line| lines.push_front(line));
                }
            }
        }
        Ok(())
    }

    /// What was begun does not go on as it should, so its first line was cut short; those after it may be events of their
    /// own.
    fn give_up_first(&mut self) -> VecDeque<Line> {
        let mut lines = VecDeque::from(std::mem::take(&mut self.pending));
        if let Some((number, _)) = lines.pop_front() {
            self.complain(number, "the event that begins here is cut short");
        }
        lines
    }

    fn render_all(&mut self, events: &Events, line: usize) -> Result<(), StreamError> {
        for event in events.iter() {
            if self.explains {
                // The events are printed even if the explanations cannot be.
                let explanation = explanation(self.renderer.format, &event);
                let _ = writeln!(self.errors, "line {line}: {}", printable(&explanation));
            }
            let mut line = Vec::new();
            push_line(&self.renderer.render(&event, self.bytes_max).bytes, &mut line);
            let written = match str::from_utf8(&line) {
                Ok(text) if self.is_terminal => self.output.write_all(printable_json(text).as_bytes()),
                _ => self.output.write_all(&line),
            };
            written.map_err(|err| StreamError("write standard output", err))?;
        }
        Ok(())
    }

    fn complain(&mut self, line: usize, complaint: &str) {
        self.is_bad = true;
        let _ = writeln!(self.errors, "oktabus: line {line}: {complaint}");
    }
}

/// Reads `text` as one JSON value. An array is a page of Okta's, as `/api/v1/logs` answers.
fn piece(text: &str) -> Parsed {
    match serde_json::from_str::<&serde_json::value::RawValue>(text) {
        Ok(value) => {
            let json = value.get();
            let page = if json.starts_with('[') { json.to_owned() } else { format!("[{json}]") };
            match Events::parse(Bytes::from(page)) {
                Ok(events) => Parsed::Events(events),
                Err(err) => Parsed::Nothing(serde::de::Error::custom(err)),
            }
        }
        Err(err) if err.is_eof() => Parsed::Beginning,
        Err(err) => Parsed::Nothing(err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exit code, standard output and standard error.
    fn run(format: FormatArgument, input: &str) -> (Exit, String, String) {
        let arguments =
            RenderArguments { format, explain: false, raw_data: false, org: None, max_bytes: None };
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let exit = Rendering::new(arguments, &mut output, &mut errors).run(input.as_bytes()).unwrap();
        (exit, String::from_utf8(output).unwrap(), String::from_utf8(errors).unwrap())
    }

    #[test]
    fn lines_pages_and_events_over_several_lines_are_rendered() {
        let input = "{\"a\":1}\n\n[{\"b\":\n2},{\"c\":3}]\n{\n \"d\": 4\n}\n\"e\"";
        let (exit, output, errors) = run(FormatArgument::Okta, input);
        assert_eq!((exit, errors.as_str()), (Exit::Done, ""));
        assert_eq!(output, "{\"a\":1}\n{\"b\": 2}\n{\"c\":3}\n{  \"d\": 4 }\n\"e\"\n");
    }

    #[test]
    fn a_bad_line_is_told_by_its_number_and_hides_no_good_one() {
        let input = "{\"a\":1}\nnonsense\n{\"b\":\n{\"c\":3}\n{\"d\":4}\n{\"e\":";
        let (exit, output, errors) = run(FormatArgument::Okta, input);
        assert_eq!(exit, Exit::Usage);
        assert_eq!(output, "{\"a\":1}\n{\"c\":3}\n{\"d\":4}\n");
        for line in [
            "line 2: this is not JSON",
            "line 3: the event that begins here is cut short",
            "line 6: the event that begins here is cut short",
        ] {
            assert!(errors.contains(line), "{errors}");
        }
    }
}
