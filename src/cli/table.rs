//! Columns that line up.

use crate::event::for_terminal;

/// Rows of cells as text, each column as wide as its widest cell, and no blanks at the end of a line. A row is one line,
/// and no cell does anything to a terminal, whatever is in it.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let one_line = |cell: &String| for_terminal(&cell.replace('\n', " ")).into_owned();
    let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(one_line).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
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
        let rows =
            [vec!["a\u{1b}[2J".to_owned(), "b\nc".to_owned()], vec!["\u{202e}".to_owned(), "d".to_owned()]];
        assert_eq!(table(&rows), "a\\u{1b}[2J  b c\n\\u{202e}    d\n");
    }
}
