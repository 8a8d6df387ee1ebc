//! Markdown: a note for each conversation, with front matter as Obsidian reads it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::html::name;
use super::text::Times;
use super::{Export, ExportError, Summary, Watch, text};
use crate::core::Ms;
use crate::core::model::parts::{Attachment, Parts};
use crate::export::destination::Place;
use crate::store::{ConversationRow, ExportRow, FormerVersion, Scope};

pub(super) fn write(export: &Export<'_>, watch: &mut dyn Watch) -> Result<Summary, ExportError> {
    let scope = Scope { changed_after: None, ..export.job.scope };
    let messages = export.announce(&scope, watch)?;
    let mut folder = Place::begin(export)?;
    // The list's own name, as a file system that knows no capitals has it.
    let mut taken = BTreeSet::from(["readme".to_owned()]);
    let mut list = String::from("# Conversations\n\n");
    for row in export.conversations(&scope)? {
        let scope = Scope { conversation: Some(row.id), ..scope };
        let count = export.snapshot.count(&scope)?;
        if count == 0 && (row.timeline.gaps.is_empty() || scope.chosen_people) {
            continue;
        }
        let name = name(&row);
        let file = file_of(&row, &name, &mut taken);
        write_conversation(export, &scope, &row, count, &file, &mut folder, watch)?;
        // A name on a file system may hold what a link may not.
        let link = file.replace(' ', "%20");
        list.push_str(&format!("- [{}](<{link}>): {count}\n", escaped(&one_line(&name))));
    }
    folder.editable_file("README.md", list.as_bytes())?;
    watch.closing("syncing to disk");
    folder.finish(export, |_| false, messages)
}

/// A name that no other conversation has, and that stays when others come.
fn file_of(row: &ConversationRow, name: &str, taken: &mut BTreeSet<String>) -> String {
    let slug = text::slug(name);
    let plain = if slug.is_empty() { format!("conversation-{}", row.id) } else { slug };
    let mut file = plain.clone();
    let mut number = 1_u32;
    // Another conversation may be called like this one with its number.
    while !taken.insert(folded(&file)) {
        file =
            if number == 1 { format!("{plain}-{}", row.id) } else { format!("{plain}-{}-{number}", row.id) };
        number = number.saturating_add(1);
    }
    format!("{file}.md")
}

/// A name as a file system compares it that knows no capitals.
fn folded(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

fn write_conversation(
    export: &Export<'_>,
    scope: &Scope,
    row: &ConversationRow,
    count: u64,
    name: &str,
    folder: &mut Place,
    watch: &mut dyn Watch,
) -> Result<(), ExportError> {
    let mut text = front_matter(row, count, export.job.times());
    let mut day = String::new();
    export.snapshot.messages(scope, |message| {
        watch.step()?;
        let former = if message.versions > 1 {
            export.snapshot.queries().former_versions(message.id)?
        } else {
            Vec::new()
        };
        text.push_str(&note(message, &former, &mut day, export.job.times()));
        Ok::<(), ExportError>(())
    })?;
    folder.editable_file(name, text.as_bytes())
}

/// What a note begins with.
pub(crate) fn front_matter(row: &ConversationRow, count: u64, times: Times) -> String {
    let mut out = String::from("---\n");
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            out.push_str(&format!("{key}: {value}\n"));
        }
    };
    let day = |ms: Option<Ms>| ms.map(|ms| times.day(ms));
    add("title", Some(quoted(&name(row))));
    add("account", Some(quoted(&row.account)));
    add("conversation_id", row.conversation_id.as_deref().map(quoted));
    add("profile", row.profile_url.as_deref().map(quoted));
    add("messages", Some(count.to_string()));
    add("first", day(row.timeline.oldest_ms));
    add("last", day(row.timeline.newest_ms));
    add("timezone", (times != Times::UTC).then(|| times.0.name().to_owned()));
    add("gaps", Some(row.timeline.gaps.len().to_string()));
    add("tags", Some("[linkedin, conversation]".to_owned()));
    out.push_str(&format!("---\n\n# {}\n\n", escaped(&one_line(&name(row)))));
    let zone = times.0.name();
    for gap in &row.timeline.gaps {
        let edge = |ms: Option<Ms>, open: &str| ms.map_or_else(|| open.to_owned(), |ms| times.minute(ms));
        let (from, to) = (edge(gap.older_ms, "the beginning"), edge(gap.newer_ms, "now"));
        out.push_str(&format!("> [!warning] Messages may be missing from {from} to {to} ({zone})\n\n"));
    }
    out
}

/// A text as a YAML string: as JSON's, but for what YAML does not take as it is.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        let refused =
            matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
        if refused { out.push_str(&format!("\\u{:04x}", u32::from(c))) } else { out.push(c) }
    }
    out
}

/// A message, with its day where that is another than the last one's.
pub(crate) fn note(m: &ExportRow<'_>, former: &[FormerVersion], day: &mut String, times: Times) -> String {
    let mut out = String::new();
    let today = times.day(m.sent_at_ms);
    if *day != today {
        out.push_str(&format!("## {today}\n\n"));
        *day = today;
    }
    let sender = if m.fields.name.trim().is_empty() { "Unknown sender" } else { m.fields.name };
    let mut notes = String::new();
    if !matches!(m.fields.kind, "" | "TEXT") {
        notes.push_str(&format!(" · {}", escaped(&one_line(m.fields.kind))));
    }
    if m.versions > 1 {
        notes.push_str(" · edited");
    }
    if let Some(since) = m.gone_since_ms {
        // Writing to a string does not fail.
        write!(notes, " · vanished, noticed on {}", times.day(since)).unwrap_or_default();
    }
    out.push_str(&format!("**{}** {}{notes}\n\n", escaped(&one_line(sender)), times.clock(m.sent_at_ms)));
    let parts = m.parts();
    let subject = parts.subject.iter().map(|subject| format!("**Subject: {}**", escaped(&one_line(subject))));
    let text = match m.fields.text {
        "" if parts == Parts::default() => Some("*no text*".to_owned()),
        "" => None,
        text => Some(escaped(text)),
    };
    for said in subject.chain(text).chain(parts.attachments.iter().map(attached)) {
        out.push_str(&said);
        out.push_str("\n\n");
    }
    for version in former {
        let before = escaped(&version.text).replace('\n', "\n> ");
        out.push_str(&format!("> Until {}:\n> {before}\n\n", times.minute(version.replaced_ms)));
    }
    out
}

/// An attachment, as a link if its address is one that Markdown takes.
fn attached(attachment: &Attachment) -> String {
    let label = format!("[attachment: {}]", escaped(&one_line(&attachment.name)));
    let is_plain = |url: &&String| {
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        is_web && !url.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\\".contains(c))
    };
    attachment.url.iter().find(is_plain).map_or_else(|| label.clone(), |url| format!("{label}(<{url}>)"))
}

/// The text on one line, escaped.
pub(crate) fn heading(text: &str) -> String {
    escaped(&one_line(text))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text so that it reads as it was written, whatever of it Markdown would take for its own. Web addresses stay as
/// they are, for links.
fn escaped(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<String> = text.split('\n').map(escaped_line).collect();
    // Two spaces at the end of a line break it.
    lines.join("  \n")
}

fn escaped_line(line: &str) -> String {
    let mut out = String::with_capacity(line.len().saturating_add(8));
    let indented = line.starts_with([' ', '\t']);
    let line = line.trim_start_matches([' ', '\t']);
    if indented {
        out.push_str("&nbsp;");
    }
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let is_address = rest.starts_with("https://") || rest.starts_with("http://");
        if is_address {
            let ends = |c: char| c.is_whitespace() || c.is_control() || "<>\"'`|\\[]()*~$%{}^".contains(c);
            let (address, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
            out.push_str(address);
            rest = after;
            continue;
        }
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c if "\\`*_{}[]()#+-.!>~|$%=:^@".contains(c) && risky(c, &out) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

/// Whether Markdown might take this character for its own, after what is before it on its line.
fn risky(c: char, before: &str) -> bool {
    match c {
        // Lists, headings, quotes and rules begin a line; so may a number and a point.
        '+' | '-' | '>' | '=' | ':' => before.is_empty() || before.ends_with([c, '\\']),
        '.' | ')' => !before.is_empty() && before.bytes().all(|b| b.is_ascii_digit()),
        '(' => before.ends_with(']'),
        '!' | '@' | '^' | '{' | '}' => c == '!' || c == '^',
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_does_not_take_stands_by_its_number() {
        assert_eq!(
            quoted("a\u{7f}\u{85}\u{9f}\u{a0}\"\u{2028}é"),
            "\"a\\u007f\\u0085\\u009f\u{a0}\\\"\\u2028é\""
        );
    }

    #[test]
    fn what_markdown_would_take_for_its_own_is_escaped() {
        for (text, expected) in [
            ("# no heading", "\\# no heading"),
            ("- no list", "\\- no list"),
            ("1. no list", "1\\. no list"),
            ("> no quote", "\\> no quote"),
            ("[x](javascript:y)", "\\[x\\]\\(javascript:y)"),
            ("*a* _b_ `c` <b>", "\\*a\\* \\_b\\_ \\`c\\` &lt;b>"),
            ("---", "\\-\\-\\-"),
            ("see https://e.org/a_b-c.", "see https://e.org/a_b-c."),
            ("    no code", "&nbsp;no code"),
            ("a\nb", "a  \nb"),
            ("3.5 - 2 = 1.5 (so)", "3\\.5 - 2 = 1.5 (so)"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }
}
