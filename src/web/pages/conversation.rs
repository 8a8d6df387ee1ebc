//! A conversation as a chat: a part of it, with the gaps where they lie.

use maud::{Markup, html};

use crate::core::Ms;
use crate::core::format::plural;
use crate::core::model::ids::{ConversationId, MessageId};
use crate::core::planner::forecast;
use crate::core::planner::state::Hints;
use crate::core::timeline::gap::Gap;
use crate::export::html::message::{Dress, Gaps, MessageList};
use crate::export::text::Text;
use crate::look::Glance;
use crate::store::{ConversationRow, Excerpt, ExcerptAt, ExcerptSize, MessagePlace, Scope, StoreError};
use crate::view::{self, dates};
use crate::web::asked::{WebRequest, cursor, url};
use crate::web::reply::{Refused, SiteReply};
use crate::web::shell::{Shell, pager, upper_pager};

/// What a page holds.
const SIZE: ExcerptSize = ExcerptSize { messages: 100, bytes: 256 * 1024 };
/// Letters of a message that are shown here at most.
pub(super) const CUT: usize = 8_000;

pub(in crate::web) fn page(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let id = asked.conversation()?;
    let found = look.queries.conversation(id)?;
    let (row, hints) = found.ok_or(Refused::NotFound("such conversation"))?;
    let (at, note) = which(look, asked, id)?;
    let mut excerpt = look.queries.excerpt(id, at, SIZE)?;
    let mut note = note;
    if excerpt.is_none() && row.timeline.messages > 0 {
        // Beyond either end there is nothing; the end itself is what comes closest.
        excerpt = match at {
            ExcerptAt::After(_) => look.queries.excerpt(id, ExcerptAt::Newest, SIZE)?,
            _ => look.queries.excerpt(id, ExcerptAt::After(MessagePlace::start_of(Ms::MIN)), SIZE)?,
        };
        note = note.or(Some("There is nothing there; this is what comes closest.".to_owned()));
    }
    let name = view::label(&row);
    let messages = messages(look, &row, &hints, excerpt.as_ref())?;
    let path = format!("/c/{id}");
    let older = excerpt.and_then(|e| e.older.map(|_| url(&path, &[("before", &cursor(e.first))]) + "#end"));
    let newer = excerpt.and_then(|e| e.newer.map(|_| url(&path, &[("after", &cursor(e.last))])));
    let is_newest = excerpt.is_none_or(|e| e.newer.is_none());
    let older_link = older.clone().map(|href| (href, "Older"));
    let newer_link = newer.map(|href| (href, "Newer"));
    let main = html! {
        h1 dir="auto" { (Text(&name)) }
        p.sub { (plural(row.timeline.messages, "message")) (span(look, &row)) (state(&row)) }
        @if let Some(error) = &row.last_error { p.missing { "The last request for it failed: " bdi { (Text(error)) } } }
        (tools(look, id, asked, is_newest))
        @if let Some(note) = &note { p.sub role="status" { (note) } }
        (upper_pager(older_link.clone(), newer_link.clone()))
        @if older.is_none() && excerpt.is_some() { p.edge { (beginning(&row)) } }
        div #messages { (messages) }
        (pager(older_link, newer_link))
        p #end tabindex="-1" {}
    };
    let shell = Shell { title: &name, at: "/conversations", live: is_newest, query: "" };
    Ok(SiteReply::page(shell.around(look, "talk", &main)))
}

/// Which part is asked for, and what there is to say of it.
fn which(
    look: &Glance<'_>,
    asked: &WebRequest,
    id: ConversationId,
) -> Result<(ExcerptAt, Option<String>), Refused> {
    if let Some(place) = asked.place("before")? {
        return Ok((ExcerptAt::Before(place), None));
    }
    if let Some(place) = asked.place("after")? {
        return Ok((ExcerptAt::After(place), None));
    }
    if let Some(message) = asked.number("around")? {
        let found =
            look.queries.place_of(MessageId(message))?.filter(|(conversation, _)| *conversation == id);
        let (_, place) = found.ok_or(Refused::NotFound("such message in this conversation"))?;
        return Ok((ExcerptAt::Around(place), None));
    }
    if let Some(date) = asked.text("date") {
        let (from, _) = dates::parse(date, look.now, &look.times().0)?;
        let just_before = MessagePlace::start_of(from);
        return Ok((
            ExcerptAt::After(just_before),
            Some(format!("From {} on.", look.times().long_day(from))),
        ));
    }
    Ok((ExcerptAt::Newest, None))
}

fn messages(
    look: &Glance<'_>,
    row: &ConversationRow,
    hints: &Hints,
    excerpt: Option<&Excerpt>,
) -> Result<Markup, StoreError> {
    let page_size = look.shared.config.sync.page_size;
    let price = |gap: &Gap| Some(price(row, hints, gap, page_size));
    let mut list = MessageList::new(Dress { cut: Some((CUT, whole)), of_gap: &price, ..dress(look) });
    let mut gaps = Gaps::of(row, &Scope::default());
    let Some(excerpt) = excerpt else {
        list.gaps(gaps.rest());
        return Ok(list.take());
    };
    // Gaps that end before the message before this part are shown where they lie.
    if let Some(older) = excerpt.older {
        drop(gaps.before(older.at_ms));
    }
    look.queries.messages_of_excerpt(row.id, excerpt, |message| {
        list.gaps(gaps.before(message.sent_at_ms));
        let edited = message.versions > 1;
        let former = if edited { look.queries.former_versions(message.id)? } else { Vec::new() };
        list.message(message, &former);
        Ok::<_, StoreError>(())
    })?;
    if excerpt.newer.is_none() {
        list.gaps(gaps.rest());
    }
    Ok(list.take())
}

/// How messages look here.
pub(super) fn dress<'a>(look: &Glance<'_>) -> Dress<'a> {
    Dress { permalink: |id| format!("/m/{id}"), ..Dress::new(look.times()) }
}

pub(super) fn whole(id: MessageId) -> String {
    format!("/m/{id}/whole")
}

/// What filling a gap costs.
fn price(row: &ConversationRow, hints: &Hints, gap: &Gap, page_size: u32) -> String {
    let (messages, credits) = forecast::of_gap(&row.timeline, hints, gap, None, page_size);
    let price = match credits.likely {
        Some(likely) => format!("about {}", plural(likely, "credit")),
        None => format!("at least {}", plural(credits.min, "credit")),
    };
    match messages {
        Some(messages) => format!("About {}, which cost {price}", plural(messages, "message")),
        None => format!("Filling it costs {price}"),
    }
}

/// The date to go to, and the conversation to take along.
fn tools(look: &Glance<'_>, id: ConversationId, asked: &WebRequest, is_newest: bool) -> Markup {
    let path = format!("/c/{id}");
    html! {
        div.tools {
            form action=(path) method="get" {
                label for="date" { "Go to" }
                input #date name="date" type="date" value=[asked.text("date")] max=(look.times().day(look.now));
                button type="submit" { "Go" }
            }
            @if !is_newest { a href={ (path) "#end" } { "Newest" } }
            a href=(url("/coverage", &[("c", &id.to_string())])) { "Coverage" }
            details.take {
                summary { "Download" }
                ul {
                    @for format in crate::web::take::FORMATS { li { a href={ (path) "/take/" (format.name) } download { (format.title) } } }
                }
            }
        }
    }
}

fn span(look: &Glance<'_>, row: &ConversationRow) -> String {
    let day = |ms: Ms| look.times().long_day(ms);
    match row.timeline.oldest_ms.zip(row.timeline.newest_ms).map(|(first, last)| (day(first), day(last))) {
        Some((first, last)) if first == last => format!(" · {first}"),
        Some((first, last)) => format!(" · {first} – {last}"),
        None => String::new(),
    }
}

fn state(row: &ConversationRow) -> Markup {
    let gaps = row.timeline.gaps.len();
    html! {
        @if gaps > 0 { " · " span.missing { (plural(gaps, "gap")) } }
        @else if row.timeline.complete() { " · complete" }
        @if row.timeline.gone > 0 { " · " (row.timeline.gone) " vanished" }
    }
}

/// What is above the oldest message.
fn beginning(row: &ConversationRow) -> &'static str {
    if row.timeline.beginning_seen { "The conversation begins here." } else { "Nothing older is archived." }
}
