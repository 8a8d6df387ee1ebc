//! Messages as text and JSON: safe to print, folded to the width of the terminal, with search hits marked.

use std::ops::Range;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthChar as _;

use crate::cli::ui::local_time::local_minute;
use crate::cli::ui::printable::printable;
use crate::cli::ui::style::Style;
use crate::core::Ms;
use crate::core::format::IsoTime;
use crate::store::MessageRow;

/// A message as JSON, with the columns of the view `message_log`.
pub(crate) fn message_json(row: &MessageRow) -> Value {
    json!({
        "message_id": row.id,
        "account": row.account,
        "conversation_id": row.conversation_id,
        "conversation": row.conversation_name,
        "entity_urn": row.message.urn,
        "sent_at": IsoTime(row.message.at_ms),
        "sent_at_ms": row.message.at_ms,
        "sender": row.message.sender.name,
        "from_me": row.from_me,
        "message_type": row.message.kind,
        "subject": row.parts.subject,
        "text": row.message.text,
        "attachments": row.parts.attachments,
        "versions": row.versions,
        "gone_since": row.gone_since_ms.map(IsoTime),
        "source": row.source,
    })
}

/// What is special about a message: its type, and whether it was edited.
pub(crate) fn notes(row: &MessageRow) -> String {
    let mut notes = String::new();
    if is_system(row) {
        notes.push_str(&format!(" [{}]", harmless(&row.message.kind)));
    }
    if row.versions > 1 {
        notes.push_str(" (edited)");
    }
    notes
}

/// Whether nobody wrote it.
pub(crate) fn is_system(row: &MessageRow) -> bool {
    !matches!(row.message.kind.as_str(), "" | "TEXT")
}

/// The ends of a gap, in words.
pub(crate) fn from_to(from: Option<Ms>, to: Option<Ms>) -> (String, String) {
    let or = |time: Option<Ms>, none: &str| time.map_or_else(|| none.to_owned(), local_minute);
    (or(from, "the beginning"), or(to, "now"))
}

pub(crate) fn sender(row: &MessageRow) -> String {
    match row.message.sender.name.as_str() {
        "" => "(unknown)".to_owned(),
        name => harmless(name).replace('\n', " "),
    }
}

/// The text with line breaks and tabs normalized, safe to print.
pub(crate) fn harmless(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\t', "    ").replace(['\u{2028}', '\u{2029}'], "\n");
    printable(&text)
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
    let first = hits.first().map_or(0, |hit| hit.start);
    let before = text.get(..first).unwrap_or_default();
    // A third of the snippet comes before the hit.
    let start = before.char_indices().rev().nth(length / 3).map_or(0, |(at, _)| word_border(text, at, first));
    let rest = text.get(start..).unwrap_or_default();
    let end = rest.char_indices().nth(length).map_or(text.len(), |(at, _)| start.saturating_add(at));
    let mut out = String::from(if start > 0 { "…" } else { "" });
    let mut at = start;
    let plain = |range: Range<usize>| harmless(text.get(range).unwrap_or_default());
    for hit in hits.iter().filter(|hit| hit.start >= start && hit.end <= end) {
        out.push_str(&plain(at..hit.start));
        let marked = plain(hit.clone());
        out.push_str(&if style.is_on() { style.bold(&marked) } else { format!("[{marked}]") });
        at = hit.end;
    }
    out.push_str(&plain(at..end));
    if end < text.len() {
        out.push('…');
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The beginning of the first word after `from`, if it lies before `to`.
fn word_border(text: &str, from: usize, to: usize) -> usize {
    let between = text.get(from..to).unwrap_or_default();
    between.find(char::is_whitespace).map_or(from, |space| from.saturating_add(space))
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
            for line in folded(&harmless(&text), width) {
                prop_assert!(line.width() <= width, "{line:?}");
                let obeyed = |c: char| c.is_control() || c == char::from_u32(0x202e).unwrap();
                prop_assert!(!line.chars().any(obeyed));
            }
            let hits: Vec<_> = text.char_indices().next().map(|(at, c)| at..at + c.len_utf8()).into_iter().collect();
            prop_assert!(!snippet(&text, &hits, width, Style::plain()).chars().any(char::is_control));
        }
    }
}
