//! What was found on standard output: as a table, as JSON lines or as CSV.

use std::io::{self, Write};

use super::{
    super::table::columns_of,
    Output,
    read::{Take, TakeError},
    row::{COLUMNS, Row},
};
use crate::{
    config::OrgConfig,
    event::Event,
    format::{Format, Renderer, push_line},
};

/// The columns of a table with their widths; what is longer takes its room.
const TABLE: [(&str, usize); 6] =
    [("TIME", 24), ("EVENT TYPE", 40), ("OUTCOME", 9), ("ACTOR", 34), ("ADDRESS", 15), ("TARGET", 0)];

/// Prints events.
pub(super) struct Printer<W> {
    out: W,
    style: Style,
}

enum Style {
    Table,
    Json(Renderer),
    Csv,
}

impl Printer<io::BufWriter<io::Stdout>> {
    pub(super) fn new(output: Output, format: Format, org: &OrgConfig) -> Self {
        let tenant = org.url.host_str().map(str::to_owned);
        let style = match output {
            Output::Table => Style::Table,
            Output::Json => Style::Json(Renderer { format, tenant, ..Renderer::default() }),
            Output::Csv => Style::Csv,
        };
        Self { out: io::BufWriter::new(io::stdout()), style }
    }
}

impl<W: Write> Printer<W> {
    fn write_header(&mut self) -> io::Result<()> {
        match self.style {
            Style::Table => write_row(&mut self.out, TABLE.map(|(name, _)| name)),
            Style::Csv => write_csv(&mut self.out, COLUMNS),
            Style::Json(_) => Ok(()),
        }
    }

    fn write(&mut self, event: &Event<'_>) -> io::Result<()> {
        match &self.style {
            Style::Json(renderer) => {
                let mut line = Vec::new();
                push_line(&renderer.render(event, None).bytes, &mut line);
                self.out.write_all(&line)
            }
            Style::Csv => write_csv(&mut self.out, Row::new(event).cells()),
            Style::Table => {
                let row = Row::new(event);
                let cells = [
                    row.published(),
                    row.event_type(),
                    row.outcome(),
                    row.actor(),
                    row.address(),
                    row.target(),
                ];
                write_row(&mut self.out, cells)
            }
        }
    }
}

impl<W: Write + Send + 'static> Take for Printer<W> {
    fn begin(&mut self) -> Result<(), TakeError> {
        self.write_header().map_err(TakeError::Print)
    }

    fn take(&mut self, event: &Event<'_>) -> Result<(), TakeError> {
        self.write(event).map_err(TakeError::Print)
    }

    fn flush(&mut self) -> Result<(), TakeError> {
        self.out.flush().map_err(TakeError::Print)
    }
}

fn write_row(out: &mut impl Write, cells: [&str; TABLE.len()]) -> io::Result<()> {
    let mut line = String::new();
    for (cell, (_, width)) in cells.into_iter().zip(TABLE) {
        // What a terminal would take for a command must not reach it.
        let cell: String = cell.chars().filter(|c| !c.is_control()).collect();
        let room = width.saturating_sub(columns_of(&cell));
        line.push_str(&format!("{cell}{:room$}  ", ""));
    }
    writeln!(out, "{}", line.trim_end())
}

fn write_csv(out: &mut impl Write, cells: [&str; COLUMNS.len()]) -> io::Result<()> {
    let mut line = csv::Writer::from_writer(out);
    line.write_record(cells)?;
    line.flush()
}
