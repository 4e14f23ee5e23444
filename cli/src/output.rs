//! What is printed: tables for people, JSON for programs.

use std::io::{self, Write};

use serde::Serialize;

/// Prints `value` as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Prints text and a line's end.
pub(crate) fn line(text: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Says something on stderr; where nobody listens, to nobody.
pub(crate) fn note(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Columns of text, as wide as they need to be.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Headings that begin with `>` are of columns of numbers: aligned to the right.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn print(&self) -> io::Result<()> {
        line(self.render())
    }

    fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let is_number: Vec<bool> = self.rows[0].iter().map(|heading| heading.starts_with('>')).collect();
        let text = |row: usize, column: usize| -> &str {
            let cell = self.rows[row].get(column).map_or("", String::as_str);
            if row == 0 { cell.trim_start_matches('>') } else { cell }
        };
        let width = |column| (0..self.rows.len()).map(|row| text(row, column).chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let lines = (0..self.rows.len()).map(|row| {
            let cells = (0..columns).map(|column| {
                let (cell, width) = (text(row, column), widths[column]);
                if is_number.get(column) == Some(&true) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Numbers in a list, or a dash.
pub(crate) fn list<T: ToString>(items: &[T]) -> String {
    match items {
        [] => "-".into(),
        items => items.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    }
}

/// A value, or a dash.
pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_numbers_stand_to_the_right() {
        let mut table = Table::new(&["TOPIC", ">LAG", "HOST"]);
        table.row(["orders-of-today".into(), "5".into(), "/127.0.0.1".into()]);
        table.row(["é".into(), "12345".into(), String::new()]);
        assert_eq!(
            table.render(),
            "TOPIC              LAG  HOST\norders-of-today      5  /127.0.0.1\né                12345"
        );
    }
}
