//! Columns that line up.

/// Rows of cells as text, each column as wide as its widest cell, and no blanks at the end of a line.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
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
    }
}
