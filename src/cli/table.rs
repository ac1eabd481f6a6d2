//! Columns that line up.

use unicode_width::UnicodeWidthStr;

use crate::telemetry::printable;

/// Rows of cells as text, each column as wide as its widest cell, and no blanks at the end of a line. A row is one line,
/// and no cell does anything to a terminal, whatever is in it.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let one_line = |cell: &String| printable(&cell.replace('\n', " ")).into_owned();
    let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(one_line).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| columns_of(cell)).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let padded = |(cell, width): (&String, &usize)| {
            format!("{cell}{:1$}", "", width.saturating_sub(columns_of(cell)))
        };
        let cells = row.iter().zip(&widths).map(padded);
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// How many columns a terminal takes to show `cell`: colours none, what is wide two.
pub(super) fn columns_of(cell: &str) -> usize {
    anstream::adapter::strip_str(cell).map(UnicodeWidthStr::width).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["long".to_owned(), "c d".to_owned()]];
        assert_eq!(table(&rows), "a     b\nlong  c d\n");
        let rows = [vec!["a".to_owned(), String::new()], vec!["long".to_owned(), "b".to_owned()]];
        assert_eq!(table(&rows), "a\nlong  b\n");
        let rows = [vec!["東京".to_owned(), "b".to_owned()], vec!["long!".to_owned(), "b".to_owned()]];
        assert_eq!(table(&rows), "東京   b\nlong!  b\n");
        let rows =
            [vec!["a\u{1b}[2J".to_owned(), "b\nc".to_owned()], vec!["\u{202e}".to_owned(), "d".to_owned()]];
        assert_eq!(table(&rows), "a\\u{1b}[2J  b c\n\\u{202e}    d\n");
    }
}
