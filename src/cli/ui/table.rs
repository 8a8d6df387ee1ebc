//! Tables without lines, folded to the width of the terminal.

use comfy_table::{CellAlignment, ContentArrangement, Table};

use crate::core::printable::one_line;

/// A column of a table: its heading and alignment.
pub(crate) type Column<'a> = (&'a str, CellAlignment);

/// A column of text, aligned left.
pub(crate) const fn text(name: &str) -> Column<'_> {
    (name, CellAlignment::Left)
}

/// A column of numbers, aligned right.
pub(crate) const fn number(name: &str) -> Column<'_> {
    (name, CellAlignment::Right)
}

/// The table as text, two spaces between its columns; with a `width`, cells are folded to fit it.
pub(crate) fn table(columns: &[Column<'_>], rows: &[Vec<String>], width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.set_header(columns.iter().map(|(name, _)| one_line(name)));
    for row in rows {
        table.add_row(row.iter().map(|cell| one_line(cell)));
    }
    for (laid_out, (_, alignment)) in table.column_iter_mut().zip(columns) {
        laid_out.set_cell_alignment(*alignment);
        laid_out.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column<'_>] = &[text("conversation"), number("messages"), text("state")];

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        vec![
            row(["Béla 日本語", "1,234", "complete"]),
            row(["somebody with quite a long name", "5", "a gap, and many words on it"]),
        ]
    }

    #[test]
    fn a_table_fits_its_width_and_aligns_wide_letters() {
        let unlimited = table(COLUMNS, &rows(), None);
        let expected = "\
conversation                     messages  state
Béla 日本語                         1,234  complete
somebody with quite a long name         5  a gap, and many words on it";
        assert_eq!(unlimited, expected);
        for width in [40, 60] {
            let narrow = table(COLUMNS, &rows(), Some(width));
            for line in narrow.lines() {
                assert!(unicode_width::UnicodeWidthStr::width(line) <= usize::from(width), "{narrow}");
            }
        }
    }

    #[test]
    fn text_from_strangers_cannot_move_the_cursor() {
        let text = table(&[text("name")], &[vec!["a\u{1b}[2Jb\rc".into()]], None);
        assert_eq!(text, "name\na\u{fffd}[2Jb\u{fffd}c");
    }
}
