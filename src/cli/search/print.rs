//! Prints the events found: as a table, as JSON lines or as CSV.

use std::{
    borrow::Cow,
    io::{self, IsTerminal as _, Write},
};

use super::{
    super::table::columns_of,
    Output,
    read::{EventOutput, OutputError},
    row::{COLUMNS, Row},
};
use okta_client::Org;
use okta_system_log::{
    event::Event,
    format::{Format, Renderer, push_line},
};

use crate::telemetry::{printable, printable_json, printable_lines};

/// The columns of a table with their widths; what is longer takes its room.
const TABLE: [(&str, usize); 6] =
    [("TIME", 24), ("EVENT TYPE", 40), ("OUTCOME", 9), ("ACTOR", 34), ("ADDRESS", 15), ("TARGET", 0)];

/// Prints events.
pub(super) struct Printer<W> {
    out: W,
    style: Style,
    /// Whether a person's terminal takes it.
    is_terminal: bool,
}

enum Style {
    Table,
    Json(Renderer),
    Csv,
}

impl Printer<io::BufWriter<io::Stdout>> {
    pub(super) fn new(output: Output, format: Format, org: &Org) -> Self {
        let tenant = org.url.host_str().map(str::to_owned);
        let style = match output {
            Output::Table => Style::Table,
            Output::Json => Style::Json(Renderer { format, tenant, ..Renderer::default() }),
            Output::Csv => Style::Csv,
        };
        let is_terminal = io::stdout().is_terminal();
        Self { out: io::BufWriter::new(io::stdout()), style, is_terminal }
    }
}

impl<W: Write> Printer<W> {
    fn write_header(&mut self) -> io::Result<()> {
        match self.style {
            Style::Table => write_row(&mut self.out, &TABLE.map(|(name, _)| name.into())),
            Style::Csv => write_csv(&mut self.out, &COLUMNS.map(Cow::Borrowed)),
            Style::Json(_) => Ok(()),
        }
    }

    fn write(&mut self, event: &Event<'_>) -> io::Result<()> {
        match &self.style {
            Style::Json(renderer) => {
                let mut line = Vec::new();
                push_line(&renderer.render(event, None).bytes, &mut line);
                match str::from_utf8(&line) {
                    Ok(text) if self.is_terminal => self.out.write_all(printable_json(text).as_bytes()),
                    _ => self.out.write_all(&line),
                }
            }
            Style::Csv => write_csv(&mut self.out, &Row::new(&event.raw()).cells()),
            Style::Table => {
                let raw = event.raw();
                let row = Row::new(&raw);
                let cells = [
                    row.published(),
                    row.event_type(),
                    row.outcome(),
                    row.actor(),
                    row.address(),
                    row.target(),
                ];
                write_row(&mut self.out, &cells)
            }
        }
    }
}

impl<W: Write + Send + 'static> EventOutput for Printer<W> {
    fn begin(&mut self) -> Result<(), OutputError> {
        self.write_header().map_err(OutputError::Print)
    }

    fn take(&mut self, event: &Event<'_>) -> Result<(), OutputError> {
        self.write(event).map_err(OutputError::Print)
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        self.out.flush().map_err(OutputError::Print)
    }
}

fn write_row(out: &mut impl Write, cells: &[Cow<'_, str>; TABLE.len()]) -> io::Result<()> {
    let mut line = String::new();
    for (cell, (_, width)) in cells.iter().zip(TABLE) {
        let cell = printable(cell);
        let room = width.saturating_sub(columns_of(&cell));
        line.push_str(&format!("{cell}{:room$}  ", ""));
    }
    writeln!(out, "{}", line.trim_end())
}

fn write_csv(out: &mut impl Write, cells: &[Cow<'_, str>; COLUMNS.len()]) -> io::Result<()> {
    let mut line = csv::Writer::from_writer(out);
    line.write_record(cells.iter().map(|cell| for_spreadsheet(cell).into_owned()))?;
    line.flush()
}

/// A cell as a spreadsheet may have it. One that would be taken for a formula begins with an apostrophe, as OWASP advises
/// ("CSV Injection"); control and format characters are shown as escapes, all but the line breaks within.
fn for_spreadsheet(cell: &str) -> Cow<'_, str> {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let shown = printable_lines(cell);
    if is_formula { format!("'{shown}").into() } else { shown.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_a_command() {
        for (cell, expected) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(1)", "'@SUM(1)"),
            ("\t=1", "'\\t=1"),
            ("\r=1", "'\\r=1"),
            ("\n=1", "'\n=1"),
            ("＝1", "'＝1"),
            ("a=b", "a=b"),
            ("ada@acme.com", "ada@acme.com"),
            ("two\nlines \u{1b}[2J\u{202e}", "two\nlines \\u{1b}[2J\\u{202e}"),
            ("", ""),
        ] {
            assert_eq!(for_spreadsheet(cell), expected, "{cell:?}");
        }
    }
}
