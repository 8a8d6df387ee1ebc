//! Messages as text and JSON: safe to print, folded to the width of the terminal, with search hits marked.

use std::ops::Range;

use unicode_width::UnicodeWidthChar as _;

use crate::cli::ui::style::Style;
use crate::core::printable::{one_line, printable};
use crate::store::MessageRow;
use crate::view;
use crate::view::message::{Piece, is_system};

/// What is special about a message: its type, and whether it was edited.
pub(crate) fn notes(row: &MessageRow) -> String {
    let mut notes = String::new();
    if is_system(row) {
        notes.push_str(&format!(" [{}]", printable(&row.message.kind)));
    }
    if row.versions > 1 {
        notes.push_str(" (edited)");
    }
    notes
}

pub(crate) fn sender(row: &MessageRow) -> String {
    match row.message.sender.name.as_str() {
        "" => "(unknown)".to_owned(),
        name => one_line(name),
    }
}

/// The text in lines of at most `width` columns, folded at spaces where possible.
pub(crate) fn folded(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let (mut line, mut taken) = (String::new(), 0_usize);
        for word in paragraph.split_inclusive(' ') {
            let needed: usize = word.trim_end().chars().map(columns).sum();
            if taken.saturating_add(needed) > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                taken = 0;
            }
            for c in word.chars() {
                if taken.saturating_add(columns(c)) > width && c != ' ' {
                    lines.push(std::mem::take(&mut line));
                    taken = 0;
                }
                line.push(c);
                taken = taken.saturating_add(columns(c));
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    while lines.len() > 1 && lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// The columns that a character takes, at most. A variation selector may widen the character before it.
fn columns(c: char) -> usize {
    if c == '\u{fe0f}' { 1 } else { c.width().unwrap_or(0) }
}

/// The part of a text around its first hits, on one line, with the hits bold, or in brackets where there are no colours.
pub(crate) fn snippet(text: &str, hits: &[Range<usize>], length: usize, style: Style) -> String {
    let mut out = String::new();
    for piece in view::message::snippet(text, hits, length) {
        match piece {
            Piece::Plain(text) => out.push_str(&text),
            Piece::Hit(text) if style.is_on() => out.push_str(&style.bold(&text)),
            Piece::Hit(text) => out.push_str(&format!("[{text}]")),
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr as _;

    #[test]
    fn lines_fit_and_no_word_is_lost() {
        assert_eq!(folded("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(folded("a\n\nb\n", 9), ["a", "", "b"]);
        assert_eq!(folded("日本語日本語日本語", 8), ["日本語日", "本語日本", "語"]);
    }

    fn hit(range: Range<usize>) -> Vec<Range<usize>> {
        std::iter::once(range).collect()
    }

    #[test]
    fn a_snippet_marks_its_hits_and_says_where_it_was_cut() {
        let text = "The quarterly report on Thursday\nwas fine.";
        assert_eq!(
            snippet(text, &hit(24..32), 80, Style::plain()),
            "The quarterly report on [Thursday] was fine."
        );
        let long = format!("{} needle {}", "hay ".repeat(40), "stack ".repeat(40));
        let shown = snippet(&long, &hit(161..167), 30, Style::plain());
        assert_eq!(shown, "… hay hay [needle] stack stack s…");
        assert_eq!(snippet("a\u{1b}[2Jb", &hit(0..1), 80, Style::plain()), "[a]\u{fffd}[2Jb");
    }

    proptest! {
        #[test]
        fn no_text_moves_the_cursor_or_runs_over(text in "[\\x00-\\x20a-z日é🎉\u{202e}\u{9b}\n]{0,60}", width in 8usize..30) {
            for line in folded(&printable(&text), width) {
                prop_assert!(line.width() <= width, "{line:?}");
                let obeyed = |c: char| c.is_control() || c == char::from_u32(0x202e).unwrap();
                prop_assert!(!line.chars().any(obeyed));
            }
            let hits: Vec<_> = text.char_indices().next().map(|(at, c)| at..at + c.len_utf8()).into_iter().collect();
            prop_assert!(!snippet(&text, &hits, width, Style::plain()).chars().any(char::is_control));
        }
    }
}
