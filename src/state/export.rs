//! The state as JSON lines: stable, documented in `docs/state.md`, and read back by an import.
//!
//! The first line says what it is, the last one how many came between, so that a file that was cut short is noticed.

use std::{
    io::{self, BufRead},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Contents, Cursor, RecentIds, StateError, StoredCursor, cursors,
    identity::StoreId,
    journal::{self, Entry, JournalPosition, StoredEntry},
    notes::{self, StoredNote},
    store::{Store, StoreIdentity},
};

/// What is written, and the newest that is read. Format 1 has no notes.
const FORMAT: u32 = 2;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    State { format: u32, store: StoreId, commits: u64, exported_at: Timestamp, exported_by: String },
    Cursor { route: String, generation: u64, cursor: Box<Cursor>, recent_count: u64, recent: String },
    Command { id: String, generation: u64, entry: Entry },
    Note { name: String, generation: u64, content: String },
    End { lines: u64 },
}

/// Why an export cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read at all.
    #[error("the export cannot be read")]
    Io(#[from] io::Error),
    /// A line is not what it should be.
    #[error("line {number} of the export is not understood: {reason}")]
    Line {
        /// Counted from 1.
        number: u64,
        /// What is wrong.
        reason: String,
    },
    /// Another version wrote it.
    #[error("the export has format {0}, and this version of oktabus knows formats up to {FORMAT}")]
    Newer(u32),
    /// It ends too early.
    #[error("the export is cut short: its last line is missing, or there are fewer lines than it says")]
    CutShort,
}

/// Journal entries in a piece: some hundred kilobytes.
const PIECE_ENTRIES: usize = 64;

/// An export, piece by piece. A slow reader delays nothing else. What changes between two pieces is in the later one.
#[derive(Debug)]
pub struct Export {
    store: Arc<dyn Store>,
    next: Part,
    lines: u64,
}

/// What comes next.
#[derive(Debug, Clone)]
enum Part {
    Head,
    Entries(Option<JournalPosition>),
    Notes,
    End,
    Over,
}

impl Export {
    pub(super) fn of(store: Arc<dyn Store>) -> Self {
        Self { store, next: Part::Head, lines: 0 }
    }

    /// The next lines; none after the last. May be dropped and asked again.
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>, StateError> {
        loop {
            if matches!(self.next, Part::Over) {
                return Ok(None);
            }
            let (piece, next) = write(&*self.store, self.next.clone(), self.lines).await?;
            self.lines += piece.lines;
            self.next = next;
            if piece.lines > 0 {
                return Ok(Some(piece.bytes));
            }
        }
    }
}

/// Some lines.
#[derive(Debug, Default)]
struct Piece {
    bytes: Vec<u8>,
    lines: u64,
}

impl Piece {
    fn put(&mut self, line: &Line) -> Result<(), StateError> {
        serde_json::to_writer(&mut self.bytes, line).map_err(|err| StateError::Unwritable(err.into()))?;
        self.bytes.push(b'\n');
        self.lines += 1;
        Ok(())
    }
}

/// Writes `part` of `store`; `lines` is the number of lines before it. Returns the part that comes next.
async fn write(store: &dyn Store, part: Part, lines: u64) -> Result<(Piece, Part), StateError> {
    let mut piece = Piece::default();
    let next = match part {
        Part::Head => {
            let StoreIdentity { id, commits } = store.identity();
            piece.put(&Line::State {
                format: FORMAT,
                store: id,
                commits,
                exported_at: Timestamp::now(),
                exported_by: env!("CARGO_PKG_VERSION").to_owned(),
            })?;
            for (route, StoredCursor { generation, cursor }) in cursors::list(store).await? {
                let (recent_count, recent) = (cursor.recent.count(), cursor.recent.to_hex());
                let cursor = Box::new(cursor);
                piece.put(&Line::Cursor { route, generation, cursor, recent_count, recent })?;
            }
            Part::Entries(None)
        }
        Part::Entries(after) => {
            let (entries, last) = journal::entries_after(store, after, PIECE_ENTRIES).await?;
            for StoredEntry { id, generation, entry } in entries {
                piece.put(&Line::Command { id, generation, entry })?;
            }
            last.map_or(Part::Notes, |last| Part::Entries(Some(last)))
        }
        Part::Notes => {
            for StoredNote { name, generation, content } in notes::list(store, "").await? {
                piece.put(&Line::Note { name, generation, content })?;
            }
            Part::End
        }
        Part::End => {
            piece.put(&Line::End { lines })?;
            Part::Over
        }
        Part::Over => Part::Over,
    };
    Ok((piece, next))
}

/// Reads an export.
pub fn read(export: impl BufRead) -> Result<Contents, ImportError> {
    let mut contents = Contents::default();
    for (before, text) in (0..).zip(export.lines()) {
        let misunderstood = |reason: String| ImportError::Line { number: before + 1, reason };
        let line: Line = serde_json::from_str(&text?).map_err(|err| misunderstood(err.to_string()))?;
        match line {
            Line::State { format, .. } if format > FORMAT => return Err(ImportError::Newer(format)),
            Line::State { .. } if before == 0 => {}
            _ if before == 0 => {
                return Err(misunderstood("the first line does not say what this is".to_owned()));
            }
            Line::State { .. } => return Err(misunderstood("a second first line".to_owned())),
            Line::End { lines } if lines == before => return Ok(contents),
            Line::End { .. } => return Err(ImportError::CutShort),
            Line::Cursor { route, generation, mut cursor, recent_count, recent } => {
                let recent = RecentIds::from_hex(recent_count, &recent);
                cursor.recent =
                    recent.ok_or_else(|| misunderstood("the recent events are not understood".to_owned()))?;
                contents.routes.push((route, generation, *cursor));
            }
            Line::Command { id, generation, entry } => {
                contents.entries.push(StoredEntry { id, generation, entry });
            }
            Line::Note { name, generation, content } => {
                contents.notes.push(StoredNote { name, generation, content });
            }
        }
    }
    Err(ImportError::CutShort)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    async fn exported() -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        let state = State::for_tests(directory.path()).await;
        let mut cursor = Cursor::for_tests("https://acme.okta.com/api/v1/logs?after=1");
        cursor.recent.remember("u-1");
        state.advance("log/siem", 0, cursor.into()).await.unwrap();
        let entry = Entry { received_at: Timestamp::UNIX_EPOCH, content: "{\"status\":\"done\"}".to_owned() };
        state.record("c-1", 0, entry).await.unwrap();
        state.keep_note("search/a", 0, "slot".to_owned()).await.unwrap();
        let (mut export, mut lines) = (state.export(), Vec::new());
        while let Some(piece) = export.piece().await.unwrap() {
            lines.extend(piece);
        }
        (directory, String::from_utf8(lines).unwrap())
    }

    #[tokio::test]
    async fn an_export_goes_on_piece_by_piece_and_holds_up_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::for_tests(directory.path()).await;
        for number in 0..3 * PIECE_ENTRIES {
            let entry = Entry { received_at: Timestamp::UNIX_EPOCH, content: "x".to_owned() };
            state.record(&format!("c-{number:03}"), 0, entry).await.unwrap();
        }
        let mut export = state.export();
        let mut text = export.piece().await.unwrap().unwrap();
        // The reader may stop here for any time.
        state.keep_note("n", 0, "meanwhile".to_owned()).await.unwrap();
        let mut pieces = 1;
        while let Some(piece) = export.piece().await.unwrap() {
            text.extend(piece);
            pieces += 1;
        }
        assert!(pieces > 3, "{pieces}");
        let contents = read(text.as_slice()).unwrap();
        assert_eq!((contents.entries.len(), contents.notes.len()), (3 * PIECE_ENTRIES, 1));
    }

    #[tokio::test]
    async fn an_export_holds_everything_and_is_read_back() {
        let (_directory, export) = exported().await;
        let contents = read(export.as_bytes()).unwrap();
        let (route, generation, cursor) = &contents.routes[0];
        assert_eq!((route.as_str(), *generation), ("log/siem", 1));
        assert!(cursor.link.ends_with("after=1") && cursor.recent.to_set().contains("u-1"));
        assert_eq!(contents.entries[0].entry.content, "{\"status\":\"done\"}");
        assert_eq!(contents.notes[0].content, "slot");
    }

    #[tokio::test]
    async fn an_export_that_was_cut_anywhere_is_refused() {
        let (_directory, export) = exported().await;
        for end in 0..export.trim_end().len() {
            assert!(read(&export.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        let without_a_line: String = export
            .lines()
            .enumerate()
            .filter(|(at, _)| *at != 1)
            .map(|(_, line)| format!("{line}\n"))
            .collect();
        assert!(matches!(read(without_a_line.as_bytes()), Err(ImportError::CutShort)));
    }

    #[tokio::test]
    async fn a_newer_format_and_nonsense_are_told_apart() {
        let (_directory, export) = exported().await;
        let newer = export.replacen("\"format\":2", "\"format\":3", 1);
        assert!(matches!(read(newer.as_bytes()), Err(ImportError::Newer(3))));
        assert!(matches!(read(&b"{}\n"[..]), Err(ImportError::Line { number: 1, .. })));
    }
}
