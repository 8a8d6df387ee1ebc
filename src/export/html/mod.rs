//! The archive as a folder of HTML pages to read and search offline. Nothing is loaded from the network, and only search
//! needs a script.

mod index;
pub(crate) mod message;
mod search;

use maud::{DOCTYPE, Markup, html};

use self::message::{Dress, Gaps, MessageList};
use self::search::SearchIndex;
use super::text::{Text, Times};
use super::{Export, ExportError, Summary, Watch};
use crate::core::Ms;
use crate::core::format::plural;
use crate::core::model::ids::ConversationId;
use crate::core::planner::target;
use crate::export::destination::Place;
use crate::store::{ConversationRow, Scope};

pub(crate) const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("app.js");

/// Messages on a page, at most.
const PAGE_MESSAGES: u32 = 500;
/// Bytes of text on a page, at most.
const PAGE_BYTES: u64 = 256 * 1024;

/// A conversation with its pages.
struct ConversationPages {
    id: ConversationId,
    name: String,
    account: String,
    messages: u64,
    gaps: usize,
    pages: Vec<PageSpan>,
}

/// The messages of a page: the first and last time, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PageSpan {
    first_ms: Ms,
    last_ms: Ms,
    messages: u32,
}

impl ConversationPages {
    /// The file of a page, counted from 0, relative to the folder.
    fn file(&self, page: usize) -> String {
        format!("conversations/{}", page_file(self.id, page))
    }
}

fn page_file(id: ConversationId, page: usize) -> String {
    if page == 0 { format!("{id}.html") } else { format!("{id}-{}.html", page.saturating_add(1)) }
}

pub(super) fn write(export: &Export<'_>, watch: &mut dyn Watch) -> Result<Summary, ExportError> {
    // All pages are written, whatever has changed.
    let scope = Scope { changed_after: None, ..export.job.scope };
    let messages = export.announce(&scope, watch)?;
    let mut folder = Place::begin(export)?;
    folder.file("style.css", STYLE.as_bytes())?;
    folder.file("app.js", SCRIPT.as_bytes())?;
    let mut conversations = Vec::new();
    for row in export.conversations(&scope)? {
        let pages = plan(export, &Scope { conversation: Some(row.id), ..scope })?;
        if pages.is_empty() && (row.timeline.gaps.is_empty() || scope.chosen_people) {
            continue;
        }
        let conversation = ConversationPages {
            id: row.id,
            name: name(&row),
            account: row.account.clone(),
            messages: pages.iter().map(|p| u64::from(p.messages)).sum(),
            gaps: row.timeline.gaps.len(),
            pages: if pages.is_empty() {
                vec![PageSpan { first_ms: 0, last_ms: 0, messages: 0 }]
            } else {
                pages
            },
        };
        write_conversation(export, &scope, &row, &conversation, &mut folder, watch)?;
        conversations.push(conversation);
    }
    watch.closing("building the search index");
    SearchIndex::write(export, &scope, &conversations, &mut folder, messages, watch)?;
    folder.file("index.html", index::page(export, &conversations, messages).into_string().as_bytes())?;
    folder.finish(export, |_| false, messages)
}

/// What a conversation is called.
pub(crate) fn name(row: &ConversationRow) -> String {
    let named = row.name.as_deref().filter(|name| !name.trim().is_empty());
    target::label(named, row.profile_url.as_deref(), row.conversation_id.as_deref(), row.id)
}

/// Divides a conversation into pages.
fn plan(export: &Export<'_>, scope: &Scope) -> Result<Vec<PageSpan>, ExportError> {
    let mut pages: Vec<PageSpan> = Vec::new();
    let mut bytes = 0_u64;
    export.snapshot.lengths(scope, |at, length| {
        bytes = bytes.saturating_add(length);
        match pages.last_mut() {
            Some(page) if page.messages < PAGE_MESSAGES && bytes <= PAGE_BYTES => {
                page.messages = page.messages.saturating_add(1);
                page.last_ms = at;
            }
            _ => {
                bytes = length;
                pages.push(PageSpan { first_ms: at, last_ms: at, messages: 1 });
            }
        }
    })?;
    Ok(pages)
}

fn write_conversation(
    export: &Export<'_>,
    scope: &Scope,
    row: &ConversationRow,
    conversation: &ConversationPages,
    folder: &mut Place,
    watch: &mut dyn Watch,
) -> Result<(), ExportError> {
    let mut gaps = Gaps::of(row, scope);
    let mut messages = MessageList::new(Dress::new(export.job.times()));
    let mut number = 0;
    let mut left = conversation.pages.first().map_or(0, |p| p.messages);
    let mut save = |number: usize, messages: Markup| {
        let page = page(conversation, number, export.job.times(), &messages).into_string();
        folder.file(&conversation.file(number), page.as_bytes())
    };
    let scope = Scope { conversation: Some(conversation.id), ..*scope };
    export.snapshot.messages(&scope, |message| {
        watch.step()?;
        if left == 0 {
            save(number, messages.take())?;
            number = number.saturating_add(1);
            left = conversation.pages.get(number).map_or(u32::MAX, |p| p.messages);
        }
        left = left.saturating_sub(1);
        messages.gaps(gaps.before(message.sent_at_ms));
        let former = if message.versions > 1 {
            export.snapshot.queries().former_versions(message.id)?
        } else {
            Vec::new()
        };
        messages.message(message, &former);
        Ok::<(), ExportError>(())
    })?;
    messages.gaps(gaps.rest());
    save(number, messages.take())
}

/// A whole page. `up` leads from it to the folder; only the index runs a script.
fn document(title: &str, up: &str, script: bool, body: &Markup) -> Markup {
    let scripts = if script { "'self' file:" } else { "'none'" };
    let policy = format!(
        "default-src 'none'; script-src {scripts}; style-src 'self' file:; base-uri 'none'; form-action 'self' file:"
    );
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="referrer" content="no-referrer";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (Text(title)) }
                link rel="stylesheet" href={ (up) "style.css" };
            }
            (body)
        }
    }
}

/// A page of a conversation.
fn page(conversation: &ConversationPages, number: usize, times: Times, messages: &Markup) -> Markup {
    let part = match conversation.pages.len() {
        0 | 1 => String::new(),
        count => format!(", page {} of {count}", number.saturating_add(1)),
    };
    let title = format!("{}{part}", conversation.name);
    document(
        &title,
        "../",
        false,
        &html! {
            body.talk {
                a.skip href="#messages" { "Skip to the messages" }
                header.bar {
                    nav aria-label="Archive" { a href="../index.html" { "All conversations" } }
                    form role="search" action="../index.html" method="get" {
                        label.hidden for="q" { "Search all conversations" }
                        input #q name="q" type="search" placeholder="Search all" autocomplete="off";
                    }
                }
                main #messages {
                    h1 dir="auto" { (Text(&conversation.name)) }
                    p.sub { (plural(conversation.messages, "message")) (span(conversation, times)) (part) }
                    (pager(conversation, number, times))
                    (messages)
                    (pager(conversation, number, times))
                }
                footer.end { "All times are " (times.0.name()) "." }
            }
        },
    )
}

/// From when to when a conversation goes.
fn span(conversation: &ConversationPages, times: Times) -> String {
    match (conversation.pages.first(), conversation.pages.last()) {
        (Some(first), Some(last)) if conversation.messages > 0 => {
            let (first, last) = (times.long_day(first.first_ms), times.long_day(last.last_ms));
            if first == last { format!(" · {first}") } else { format!(" · {first} – {last}") }
        }
        _ => String::new(),
    }
}

/// Links to the neighbouring pages, and to all of them by date.
fn pager(conversation: &ConversationPages, number: usize, times: Times) -> Markup {
    let count = conversation.pages.len();
    if count < 2 {
        return html! {};
    }
    let after = number.saturating_add(1);
    html! {
        nav.pager aria-label="Pages" {
            @if let Some(before) = number.checked_sub(1) {
                a rel="prev" href=(page_file(conversation.id, before)) { "← Older" }
            }
            details {
                summary { "All pages" }
                ol {
                    @for (at, page) in conversation.pages.iter().enumerate() {
                        li {
                            a aria-current=[(at == number).then_some("page")] href=(page_file(conversation.id, at)) {
                                (times.day(page.first_ms)) " – " (times.day(page.last_ms))
                            }
                        }
                    }
                }
            }
            @if after < count {
                a rel="next" href=(page_file(conversation.id, after)) { "Newer →" }
            }
        }
    }
}
