//! The matrix: peers down, abilities across.

use std::fmt::Write as _;

use comfy_table::{Table, presets};

use super::facts::Facts;

/// What one peer can do, as a run showed.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) facts: Facts,
    /// How far the ability goes, or why the peer lacks it.
    note: Option<&'static str>,
    ability: bool,
}

impl Cell {
    /// The peer has the ability.
    pub(super) fn can(facts: Facts) -> Self {
        Self { facts, note: None, ability: true }
    }

    /// The peer lacks the ability. The facts show that, if there is anything to check.
    pub(super) fn cannot(facts: Facts, note: &'static str) -> Self {
        Self { facts, note: Some(note), ability: false }
    }

    /// Adds how far the ability goes.
    pub(super) fn with_note(self, note: &'static str) -> Self {
        Self { note: Some(note), ..self }
    }

    fn is_failed(&self) -> bool {
        !self.facts.faults().is_empty() || self.ability && self.facts.held() == 0
    }
}

/// Cells in rows.
#[derive(Debug, Default)]
pub(super) struct Matrix {
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<(String, Vec<Cell>)>,
}

impl Matrix {
    /// How many facts held.
    pub(super) fn held(&self) -> usize {
        self.cells().map(|(_, _, cell)| cell.facts.held()).sum()
    }

    /// What did not hold, a line each.
    pub(super) fn faults(&self) -> Vec<String> {
        let failed = self.cells().filter(|(_, _, cell)| cell.is_failed());
        failed
            .flat_map(|(row, column, cell)| {
                let faults = cell.facts.faults().iter().map(String::as_str);
                let none = cell.facts.faults().is_empty().then_some("nothing was checked");
                faults.chain(none).map(move |fault| format!("{row}, {column}: {fault}"))
            })
            .collect()
    }

    fn cells(&self) -> impl Iterator<Item = (&str, &str, &Cell)> {
        self.rows.iter().flat_map(|(row, cells)| {
            let cells = self.columns.iter().zip(cells);
            cells.map(move |(column, cell)| (row.as_str(), *column, cell))
        })
    }

    /// A Markdown table, with notes.
    pub(super) fn to_markdown(&self) -> String {
        let mut notes: Vec<&str> = Vec::new();
        let mut note = |text| {
            let at = notes.iter().position(|known| *known == text).unwrap_or_else(|| {
                notes.push(text);
                notes.len() - 1
            });
            format!("<sup>{}</sup>", at + 1)
        };
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(std::iter::once("").chain(self.columns.iter().copied()));
        for (name, cells) in &self.rows {
            let cells = cells.iter().map(|cell| {
                let sign = match cell {
                    cell if cell.is_failed() => "✗",
                    Cell { ability: true, .. } => "✓",
                    Cell { ability: false, .. } => "–",
                };
                let note = cell.note.map(&mut note).unwrap_or_default();
                format!("{sign}{note}")
            });
            table.add_row(std::iter::once(name.clone()).chain(cells));
        }
        let mut markdown = format!("{table}\n\n");
        for (index, text) in notes.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = writeln!(markdown, "{}. {text}", index + 1);
        }
        markdown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> Facts {
        let mut facts = Facts::default();
        facts.hold("it is", true);
        facts
    }

    fn failed() -> Facts {
        let mut facts = held();
        facts.hold("it is not", false);
        facts
    }

    fn matrix() -> Matrix {
        Matrix {
            columns: vec!["calls", "is called"],
            rows: vec![
                (
                    "one".to_owned(),
                    vec![Cell::can(held()), Cell::can(held()).with_note("without baggage")],
                ),
                (
                    "two".to_owned(),
                    vec![Cell::cannot(Facts::default(), "is no server"), Cell::can(failed())],
                ),
                (
                    "three".to_owned(),
                    vec![
                        Cell::can(Facts::default()),
                        Cell::can(held()).with_note("without baggage"),
                    ],
                ),
            ],
        }
    }

    #[test]
    fn cells_have_signs_and_notes() {
        let expected = "\
|       | calls         | is called     |
|-------|---------------|---------------|
| one   | ✓             | ✓<sup>1</sup> |
| two   | –<sup>2</sup> | ✗             |
| three | ✗             | ✓<sup>1</sup> |

1. without baggage
2. is no server
";
        assert_eq!(matrix().to_markdown(), expected);
    }

    #[test]
    fn cells_fail_by_faults_and_without_checks() {
        let expected = [
            "two, is called: it is not: false instead of true",
            "three, calls: nothing was checked",
        ];
        assert_eq!(matrix().faults(), expected);
        assert_eq!(matrix().held(), 4);
    }
}
