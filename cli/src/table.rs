//! Rows of cells: aligned on a terminal, with tabs between them elsewhere. A cell is one line without control characters,
//! whatever a torrent says.

use std::{
    fmt::Write,
    io::{self, IsTerminal},
};

pub(crate) use crate::clean::line as clean;
use crate::{exit::Outcome, output};

/// Between two columns on a terminal.
const GAP: &str = "  ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows for stdout.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Align>,
    rows: Vec<Vec<String>>,
    on_terminal: bool,
}

impl Table {
    pub(crate) fn new(columns: impl IntoIterator<Item = Align>) -> Self {
        let on_terminal = io::stdout().is_terminal();
        Self { columns: columns.into_iter().collect(), rows: Vec::new(), on_terminal }
    }

    /// Whether people read it, and not programs.
    pub(crate) fn on_terminal(&self) -> bool {
        self.on_terminal
    }

    pub(crate) fn row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(|cell| clean(cell.as_ref())).collect());
    }

    pub(crate) fn print(&self) -> Outcome {
        output::text(self.render())
    }

    fn render(&self) -> String {
        let mut text = String::new();
        let widths = self.widths();
        for row in &self.rows {
            let start = text.len();
            for (index, cell) in row.iter().enumerate() {
                if index > 0 {
                    text.push_str(if self.on_terminal { GAP } else { "\t" });
                }
                let width = widths.get(index).copied().filter(|_| self.on_terminal).unwrap_or_default();
                let result = match self.columns.get(index) {
                    Some(Align::Right) => write!(text, "{cell:>width$}"),
                    _ => write!(text, "{cell:<width$}"),
                };
                result.expect("strings take all text");
            }
            if self.on_terminal {
                text.truncate(start + text[start..].trim_end().len());
            }
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        (0..self.columns.len()).map(|column| width(column).unwrap_or_default()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(on_terminal: bool) -> String {
        let mut table = Table { columns: vec![Align::Right, Align::Left, Align::Left], rows: Vec::new(), on_terminal };
        table.row(["1", "a\tb", "x"]);
        table.row(["22", "é", ""]);
        table.render()
    }

    #[test]
    fn columns_are_aligned_on_a_terminal() {
        assert_eq!(table(true), " 1  a\\tb  x\n22  é\n");
    }

    #[test]
    fn cells_are_separated_by_tabs_elsewhere() {
        assert_eq!(table(false), "1\ta\\tb\tx\n22\té\t\n");
    }
}
