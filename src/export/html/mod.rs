//! Pages to read and search offline: one folder that asks nothing of any network, with as little script as search takes.

mod index;
mod message;
mod search;

use std::io::Write as _;

use self::message::{Gaps, Writer};
use self::search::Index;
use super::text::{self, html};
use super::{Export, ExportError, Summary, Watch};
use crate::core::Ms;
use crate::core::format::plural;
use crate::core::model::urn;
use crate::export::destination::Folder;
use crate::store::{ConversationRow, Scope};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("app.js");

/// A page is full with so many messages,
const PAGE_MESSAGES: u32 = 500;
/// or so many bytes of text, whichever comes first.
const PAGE_BYTES: u64 = 256 * 1024;

/// A conversation with its pages.
struct Conversation {
    id: i64,
    name: String,
    account: String,
    messages: u64,
    gaps: usize,
    pages: Vec<Page>,
}

/// A page: its first and last moment, and how many messages it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Page {
    first_ms: Ms,
    last_ms: Ms,
    messages: u32,
}

impl Conversation {
    /// The file of a page, counted from 0, relative to the folder.
    fn file(&self, page: usize) -> String {
        format!("conversations/{}", page_file(self.id, page))
    }
}

fn page_file(id: i64, page: usize) -> String {
    if page == 0 { format!("{id}.html") } else { format!("{id}-{}.html", page.saturating_add(1)) }
}

pub(super) fn write(export: &Export<'_>, watch: &mut dyn Watch) -> Result<Summary, ExportError> {
    // A reader wants the whole, whatever has changed of it.
    let scope = Scope { changed_after: None, ..export.job.scope };
    let messages = export.announce(&scope, watch)?;
    let mut folder = Folder::begin(export)?;
    folder.file("style.css", STYLE.as_bytes())?;
    folder.file("app.js", SCRIPT.as_bytes())?;
    let mut conversations = Vec::new();
    for row in export.snapshot.queries().conversations()? {
        if scope.conversation.is_some_and(|wanted| wanted != row.id) {
            continue;
        }
        let pages = plan(export, &Scope { conversation: Some(row.id), ..scope })?;
        if pages.is_empty() && row.timeline.gaps.is_empty() {
            continue;
        }
        let conversation = Conversation {
            id: row.id,
            name: name(&row),
            account: row.account.clone(),
            messages: pages.iter().map(|p| u64::from(p.messages)).sum(),
            gaps: row.timeline.gaps.len(),
            pages: if pages.is_empty() { vec![Page { first_ms: 0, last_ms: 0, messages: 0 }] } else { pages },
        };
        write_conversation(export, &scope, &row, &conversation, &mut folder, watch)?;
        conversations.push(conversation);
    }
    watch.closing("building the search index");
    Index::write(export, &scope, &conversations, &mut folder, messages, watch)?;
    folder.file("index.html", index::page(export, &conversations, messages).as_bytes())?;
    folder.finish(export, |_| false, messages)
}

/// What to call a conversation.
pub(super) fn name(row: &ConversationRow) -> String {
    let by = row.profile_url.as_deref().or(row.conversation_id.as_deref());
    row.name
        .clone()
        .filter(|name| !name.trim().is_empty())
        .unwrap_or_else(|| by.map_or_else(|| format!("Conversation {}", row.id), urn::label))
}

/// Cuts a conversation into pages.
fn plan(export: &Export<'_>, scope: &Scope) -> Result<Vec<Page>, ExportError> {
    let mut pages: Vec<Page> = Vec::new();
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
                pages.push(Page { first_ms: at, last_ms: at, messages: 1 });
            }
        }
    })?;
    Ok(pages)
}

fn write_conversation(
    export: &Export<'_>,
    scope: &Scope,
    row: &ConversationRow,
    conversation: &Conversation,
    folder: &mut Folder,
    watch: &mut dyn Watch,
) -> Result<(), ExportError> {
    let mut gaps = Gaps::of(row, scope);
    let mut number = 0;
    let failed = |error| ExportError::file(&export.job.out)(error);
    let mut file = folder.create(&conversation.file(0))?;
    file.write_all(head(conversation, 0).as_bytes()).map_err(failed)?;
    let mut writer = Writer::default();
    let mut left = conversation.pages.first().map_or(0, |p| p.messages);
    let scope = Scope { conversation: Some(conversation.id), ..*scope };
    export.snapshot.messages(&scope, |message| {
        watch.step()?;
        if left == 0 {
            writer.end();
            file.write_all(writer.take().as_bytes()).map_err(failed)?;
            file.write_all(foot(conversation, number).as_bytes()).map_err(failed)?;
            file.flush().map_err(failed)?;
            number = number.saturating_add(1);
            file = folder.create(&conversation.file(number))?;
            file.write_all(head(conversation, number).as_bytes()).map_err(failed)?;
            left = conversation.pages.get(number).map_or(u32::MAX, |p| p.messages);
        }
        left = left.saturating_sub(1);
        writer.gaps(gaps.before(message.sent_at_ms));
        let former =
            if message.versions > 1 { export.snapshot.former_versions(message.id)? } else { Vec::new() };
        writer.message(message, &former);
        file.write_all(writer.take().as_bytes()).map_err(failed)
    })?;
    writer.gaps(gaps.rest());
    writer.end();
    file.write_all(writer.take().as_bytes()).map_err(failed)?;
    file.write_all(foot(conversation, number).as_bytes()).map_err(failed)?;
    file.flush().map_err(failed)
}

/// What all pages begin with. `up` leads from the page to the folder; only the index runs a script.
fn begin(title: &str, up: &str, script: bool) -> String {
    let scripts = if script { "'self' file:" } else { "'none'" };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src {scripts}; \
         style-src 'self' file:; base-uri 'none'; form-action 'self' file:\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n\
         <link rel=\"stylesheet\" href=\"{up}style.css\">\n</head>\n",
        html(title)
    )
}

fn head(conversation: &Conversation, page: usize) -> String {
    let name = html(&conversation.name);
    let of = if conversation.pages.len() > 1 {
        format!(", page {} of {}", page.saturating_add(1), conversation.pages.len())
    } else {
        String::new()
    };
    let count = conversation.messages;
    let span = match (conversation.pages.first(), conversation.pages.last()) {
        (Some(first), Some(last)) if count > 0 => {
            let (first, last) = (text::long_day(first.first_ms), text::long_day(last.last_ms));
            if first == last { format!(" · {first}") } else { format!(" · {first} – {last}") }
        }
        _ => String::new(),
    };
    format!(
        "{}<body class=\"talk\">\n<a class=\"skip\" href=\"#messages\">Skip to the messages</a>\n<header class=\"bar\">\n\
         <nav aria-label=\"Archive\"><a href=\"../index.html\">All conversations</a></nav>\n\
         <form role=\"search\" action=\"../index.html\" method=\"get\"><label class=\"hidden\" for=\"q\">Search all \
         conversations</label><input id=\"q\" name=\"q\" type=\"search\" placeholder=\"Search all\" autocomplete=\"off\"></form>\n\
         </header>\n<main id=\"messages\">\n<h1 dir=\"auto\">{name}</h1>\n<p class=\"sub\">{}{span}{of}</p>\n{}",
        begin(&format!("{}{of}", conversation.name), "../", false),
        plural(count, "message"),
        pager(conversation, page),
    )
}

fn foot(conversation: &Conversation, page: usize) -> String {
    format!(
        "{}</main>\n<footer class=\"end\">All times are UTC.</footer>\n</body>\n</html>\n",
        pager(conversation, page)
    )
}

/// Links to the other pages: the neighbours, and all by their dates.
fn pager(conversation: &Conversation, page: usize) -> String {
    if conversation.pages.len() < 2 {
        return String::new();
    }
    let link = |to: usize, words: &str, rel: &str| {
        format!("<a rel=\"{rel}\" href=\"{}\">{words}</a>", page_file(conversation.id, to))
    };
    let mut out = String::from("<nav class=\"pager\" aria-label=\"Pages\">");
    if let Some(before) = page.checked_sub(1) {
        out.push_str(&link(before, "← Older", "prev"));
    }
    out.push_str("<details><summary>All pages</summary><ol>");
    for (at, p) in conversation.pages.iter().enumerate() {
        let words = format!("{} – {}", text::day(p.first_ms), text::day(p.last_ms));
        let current = if at == page { " aria-current=\"page\"" } else { "" };
        let file = page_file(conversation.id, at);
        out.push_str(&format!("<li><a{current} href=\"{file}\">{words}</a></li>"));
    }
    out.push_str("</ol></details>");
    let after = page.saturating_add(1);
    if after < conversation.pages.len() {
        out.push_str(&link(after, "Newer →", "next"));
    }
    out.push_str("</nav>\n");
    out
}
