//! Messages to take along: a conversation, or what a search finds, as a file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, PreEscaped, html};
use ring::digest;

use super::asked::WebRequest;
use super::reply::Refused;
use crate::core::Ms;
use crate::export::html::STYLE;
use crate::export::html::message::{Dress, Gaps, MessageList};
use crate::export::text::{Text, slug};
use crate::export::{csv, markdown};
use crate::look::Glance;
use crate::store::{
    ConversationRow, ExcerptAt, ExcerptSize, ExportRow, FormerVersion, MessagePlace, MessageRow, Scope,
    Search,
};
use crate::view;
use crate::view::message::message_json;
use crate::view::search::search_of;

/// A form in which messages are taken along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TakeFormat {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    kind: &'static str,
    ending: &'static str,
}

pub(super) const FORMATS: [TakeFormat; 4] = [
    TakeFormat { name: "html", title: "HTML", kind: "text/html; charset=utf-8", ending: "html" },
    TakeFormat { name: "markdown", title: "Markdown", kind: "text/markdown; charset=utf-8", ending: "md" },
    TakeFormat { name: "csv", title: "CSV", kind: "text/csv; charset=utf-8", ending: "csv" },
    TakeFormat { name: "json", title: "JSON", kind: "application/json", ending: "json" },
];

/// What is read at once.
const PIECE: ExcerptSize = ExcerptSize { messages: 500, bytes: 512 * 1024 };
/// Messages of a search that are taken at most, and how many of them at once.
const FOUND: usize = 10_000;
const FOUND_PIECE: usize = 200;

/// Messages on their way into a file.
pub(super) struct Take {
    pub(super) kind: &'static str,
    /// The file's name.
    pub(super) name: String,
    format: TakeFormat,
    title: String,
    from: Taken,
    stage: Stage,
    /// The day of the last message, of a note.
    day: String,
    /// The conversation of the last message, of a search.
    conversation: Option<String>,
}

enum Taken {
    Conversation { row: Box<ConversationRow>, gaps: Gaps, after: MessagePlace },
    Search { search: Box<Search>, left: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    First,
    Rest,
    Done,
}

fn format_of(asked: &WebRequest) -> Result<TakeFormat, Refused> {
    let name = asked.path.last().map(String::as_str).unwrap_or_default();
    FORMATS.into_iter().find(|format| format.name == name).ok_or(Refused::NotFound("such format"))
}

/// A conversation as a whole.
pub(super) fn conversation(look: &Glance<'_>, asked: &WebRequest) -> Result<Take, Refused> {
    let format = format_of(asked)?;
    let found = look.queries.conversation(asked.conversation()?)?;
    let (row, _) = found.ok_or(Refused::NotFound("such conversation"))?;
    let (title, gaps) = (view::label(&row), Gaps::of(&row, &Scope::default()));
    let after = MessagePlace::start_of(Ms::MIN);
    let file = format!("conversation-{}", row.id);
    Ok(Take::new(format, title, &file, Taken::Conversation { row: Box::new(row), gaps, after }))
}

/// What a search finds, newest first.
pub(super) fn search(look: &Glance<'_>, asked: &WebRequest) -> Result<Take, Refused> {
    let format = format_of(asked)?;
    let query = asked.text("q").unwrap_or_default();
    let search = search_of::<Refused>(&look.queries, query, look.now, &look.times().0)?;
    let title = format!("Search: {query}");
    Ok(Take::new(format, title, "search", Taken::Search { search: Box::new(search), left: FOUND }))
}

impl Take {
    fn new(format: TakeFormat, title: String, fallback: &str, from: Taken) -> Self {
        // What a header can carry as it is.
        let name: String = slug(&title).chars().filter(char::is_ascii).collect();
        let name = if name.trim_matches('-').is_empty() { fallback } else { name.trim_matches('-') };
        Self {
            kind: format.kind,
            name: format!("{name}.{}", format.ending),
            format,
            title,
            from,
            stage: Stage::Head,
            day: String::new(),
            conversation: None,
        }
    }

    /// The next piece; `None` after the last.
    pub(super) fn next(&mut self, look: &Glance<'_>) -> Result<Option<Vec<u8>>, Refused> {
        match self.stage {
            Stage::Head => {
                self.stage = Stage::First;
                Ok(Some(self.head(look)?))
            }
            Stage::First | Stage::Rest => {
                let piece = match self.format.name {
                    "html" => self.pages(look)?,
                    "markdown" => self.notes(look)?,
                    "csv" => self.rows(look)?,
                    _ => self.objects(look)?,
                };
                self.stage = match &piece {
                    None => Stage::Done,
                    // A part of the archive in which nothing was found.
                    Some(empty) if empty.is_empty() => self.stage,
                    Some(_) => Stage::Rest,
                };
                Ok(Some(piece.unwrap_or_else(|| self.tail())))
            }
            Stage::Done => Ok(None),
        }
    }

    fn head(&self, look: &Glance<'_>) -> Result<Vec<u8>, Refused> {
        let text = match (self.format.name, &self.from) {
            ("html", _) => page_head(&self.title),
            ("markdown", Taken::Conversation { row, .. }) => {
                markdown::front_matter(row, u64::try_from(row.timeline.messages).unwrap_or(0), look.times())
            }
            ("markdown", Taken::Search { .. }) => format!("# {}\n\n", markdown::heading(&self.title)),
            ("csv", _) => {
                let mut rows = csv::writer(Vec::new());
                csv::head(&mut rows).map_err(|_| Refused::Internal)?;
                return rows.into_inner().map_err(|_| Refused::Internal);
            }
            _ => "[".to_owned(),
        };
        Ok(text.into_bytes())
    }

    fn tail(&mut self) -> Vec<u8> {
        match self.format.name {
            "html" => b"</main></body></html>\n".to_vec(),
            "json" => b"\n]\n".to_vec(),
            _ => Vec::new(),
        }
    }

    /// Shows the next messages, each with its former versions where they are wanted; false when there are none left.
    fn each(
        &mut self,
        look: &Glance<'_>,
        mut visit: impl FnMut(&ExportRow<'_>, &[FormerVersion]) -> Result<(), Refused>,
    ) -> Result<bool, Refused> {
        let mut visit = |row: &ExportRow<'_>| {
            let former = if row.versions > 1 { look.queries.former_versions(row.id)? } else { Vec::new() };
            visit(row, &former)
        };
        match &mut self.from {
            Taken::Conversation { row, after, .. } => {
                let Some(excerpt) = look.queries.excerpt(row.id, ExcerptAt::After(*after), PIECE)? else {
                    return Ok(false);
                };
                *after = excerpt.last;
                look.queries.messages_of_excerpt(row.id, &excerpt, visit)?;
            }
            Taken::Search { search, left } => {
                let found = look.queries.search(search, FOUND_PIECE.min(*left))?;
                let last = found.ended.map(|end| end.id).or(found.messages.last().map(|last| last.id));
                let Some(last) = last else { return Ok(false) };
                search.below = Some(last);
                *left = left.saturating_sub(found.messages.len());
                for message in &found.messages {
                    look.queries.message_row(message.id, &mut visit)?;
                }
            }
        }
        Ok(true)
    }

    /// Whether a message of a search is of another conversation than the last one; then that is remembered.
    fn enters(is_search: bool, last: &mut Option<String>, row: &ExportRow<'_>) -> bool {
        let name = row.conversation.unwrap_or("unnamed conversation");
        is_search && last.replace(name.to_owned()).as_deref() != Some(name)
    }

    fn objects(&mut self, look: &Glance<'_>) -> Result<Option<Vec<u8>>, Refused> {
        let mut first = self.stage == Stage::First;
        let mut out = Vec::new();
        let some = self.each(look, |row, _| {
            out.extend_from_slice(if std::mem::take(&mut first) { b"\n" } else { b",\n" });
            let object = message_json(&MessageRow::from(row));
            serde_json::to_writer(&mut out, &object).map_err(|_| Refused::Internal)
        })?;
        Ok(some.then_some(out))
    }

    fn rows(&mut self, look: &Glance<'_>) -> Result<Option<Vec<u8>>, Refused> {
        let mut rows = csv::writer(Vec::new());
        let (mut raw, mut guarded) = (Vec::new(), String::new());
        let some = self.each(look, |row, _| {
            csv::row(&mut rows, row, look.times(), &mut raw, &mut guarded).map_err(|_| Refused::Internal)
        })?;
        let out = rows.into_inner().map_err(|_| Refused::Internal)?;
        Ok(some.then_some(out))
    }

    fn notes(&mut self, look: &Glance<'_>) -> Result<Option<Vec<u8>>, Refused> {
        let (mut day, mut last) = (std::mem::take(&mut self.day), self.conversation.take());
        let is_search = matches!(self.from, Taken::Search { .. });
        let mut out = String::new();
        let some = self.each(look, |row, former| {
            if Self::enters(is_search, &mut last, row) {
                let name = row.conversation.unwrap_or("unnamed conversation");
                out.push_str(&format!("# {}\n\n", markdown::heading(name)));
                day.clear();
            }
            out.push_str(&markdown::note(row, former, &mut day, look.times()));
            Ok(())
        })?;
        (self.day, self.conversation) = (day, last);
        Ok(some.then(|| out.into_bytes()))
    }

    fn pages(&mut self, look: &Glance<'_>) -> Result<Option<Vec<u8>>, Refused> {
        let mut list = MessageList::new(Dress::new(look.times()));
        let is_search = matches!(self.from, Taken::Search { .. });
        let mut last = self.conversation.take();
        let mut gaps = match &mut self.from {
            Taken::Conversation { gaps, .. } => gaps.take(),
            Taken::Search { .. } => Gaps::none(),
        };
        let mut out = String::new();
        let some = self.each(look, |row, former| {
            if Self::enters(is_search, &mut last, row) {
                out.push_str(&list.take().into_string());
                let name = row.conversation.unwrap_or("unnamed conversation");
                out.push_str(&html! { h2 dir="auto" { (Text(name)) } }.into_string());
            }
            list.gaps(gaps.before(row.sent_at_ms));
            list.message(row, former);
            Ok(())
        })?;
        self.conversation = last;
        if !some {
            list.gaps(gaps.rest());
        }
        if let Taken::Conversation { gaps: rest, .. } = &mut self.from {
            *rest = gaps;
        }
        out.push_str(&list.take().into_string());
        Ok((some || !out.is_empty()).then(|| out.into_bytes()))
    }
}

fn page_head(title: &str) -> String {
    let style = format!("'sha256-{}'", STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes())));
    let policy = format!("default-src 'none'; style-src {style}; base-uri 'none'; form-action 'none'");
    let head = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="referrer" content="no-referrer";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (Text(title)) }
                style { (PreEscaped(STYLE)) }
            }
            body.talk { main { h1 dir="auto" { (Text(title)) } } }
        }
    };
    // The end comes after the messages.
    head.into_string().replace("</main></body></html>", "")
}
