//! Searching: what is found, by whom, when and where, or why nothing is.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::core::Ms;
use crate::core::format::{plural, thousands};
use crate::core::model::ids::MessageId;
use crate::core::search::tokenize;
use crate::export::text::Text;
use crate::look::{Glance, label};
use crate::store::{FACETED, Facets, Found, MessageRow, Search};
use crate::view::message::{Piece, snippet};
use crate::view::search::{misread, search_of};
use crate::web::asked::{WebRequest, url};
use crate::web::reply::{Refused, SiteReply};
use crate::web::shell::{Shell, pager};
use crate::web::take;

/// Messages on a page.
const SHOWN: usize = 30;
/// Letters of a message that are shown.
const SNIPPET: usize = 300;
/// Bytes of a message in which hits are looked for to be shown.
const READ: usize = 64 * 1024;
/// Choices of a kind to narrow a search by.
const CHOICES: usize = 8;

pub(in crate::web) fn page(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let query = asked.text("q").unwrap_or_default();
    let found = match search_of::<Refused>(&look.queries, query, look.now, &look.times().0) {
        Ok(_) if query.is_empty() => {
            html! { p { "Words, phrases and filters: " a href="/help" { "how to search" } "." } }
        }
        Ok(search) => {
            results(look, query, Search { below: asked.number("after")?.map(MessageId), ..search })?
        }
        // A date or a conversation that is none: said here, so that it can be mended here.
        Err(Refused::Bad(why)) => html! { p.missing role="status" { (Text(&why)) } },
        Err(other) => return Err(other),
    };
    let title = if query.is_empty() { "Search".to_owned() } else { format!("Search: {query}") };
    let main = html! {
        h1 { "Search" }
        div #results { (found) }
    };
    let shell = Shell { title: &title, at: "/search", live: false, query };
    Ok(SiteReply::page(shell.around(look, "wide", &main)))
}

fn results(look: &Glance<'_>, query: &str, search: Search) -> Result<Markup, Refused> {
    // Counts are of the newest matches, and so of the first page.
    let (found, facets) = match search.below {
        None => look.queries.search_with_facets(&search, SHOWN)?,
        Some(_) => (look.queries.search(&search, SHOWN)?, Facets::default()),
    };
    let remarks = misread(&search.query);
    if found.messages.is_empty() {
        let why = if search.below.is_some() { Vec::new() } else { look.reasons(&search, look.times().0)? };
        return Ok(html! {
            p role="status" { strong { "Nothing was found." } }
            ul { @for line in remarks.iter().chain(&why) { li { (Text(line)) } } }
            (ended(look, &found))
        });
    }
    let wanted = search.wanted();
    let last =
        found.messages.last().filter(|_| found.messages.len() == SHOWN).map(|last| last.id.to_string());
    let next = last.map(|id| (url("/search", &[("q", query), ("after", &id)]), "Older"));
    let first = search.below.map(|_| (url("/search", &[("q", query)]), "Newest"));
    Ok(html! {
        p.sub role="status" { @if search.below.is_none() { (count(&facets)) ", newest first" } @else { "Older messages" } }
        @for remark in &remarks { p.sub { (Text(remark)) } }
        div.columns-2 {
            (narrow(query, &facets, look)?)
            div {
                ul.list.hits { @for message in &found.messages { (hit(look, message, &wanted)) } }
                (ended(look, &found))
                (pager(first, next))
                details.take {
                    summary { "Download" }
                    ul { @for format in take::FORMATS {
                        li { a href=(url(&format!("/search/take/{}", format.name), &[("q", query)])) download { (format.title) } }
                    } }
                }
            }
        }
    })
}

fn count(facets: &Facets) -> String {
    if facets.more {
        format!("More than {} messages", thousands(FACETED))
    } else {
        plural(facets.times.len(), "message")
    }
}

fn ended(look: &Glance<'_>, found: &Found) -> Markup {
    html! {
        @if let Some(at) = found.ended.map(|end| end.at_ms) {
            p.sub { "Searched back to " (look.times().minute(at)) " only: add before:" (look.times().day(at)) ", or narrow the search." }
        }
    }
}

fn hit(look: &Glance<'_>, message: &MessageRow, wanted: &[tokenize::Phrase]) -> Markup {
    let (times, at) = (look.times(), message.message.at_ms);
    let shown = message.shown();
    let text = shown.get(..shown.floor_char_boundary(READ)).unwrap_or_default();
    let (hits, _) = tokenize::hits(text, wanted);
    let sender = match message.message.sender.name.as_str() {
        _ if message.from_me == Some(true) => "You",
        "" => "Unknown sender",
        name => name,
    };
    html! {
        li data-item {
            a href={ "/c/" (message.conversation) "?around=" (message.id) "#m" (message.id) } {
                span.name dir="auto" { (Text(sender)) }
                time datetime=(times.iso(at).unwrap_or_default()) { (times.minute(at)) }
                span.t dir="auto" lang="" {
                    @for piece in snippet(text, &hits, SNIPPET) {
                        @match piece { Piece::Plain(text) => (Text(&text)), Piece::Hit(text) => mark { (Text(&text)) } }
                    }
                }
                span.sub {
                    "in " bdi { (Text(message.conversation_name.as_deref().unwrap_or("unnamed conversation"))) }
                    @if message.versions > 1 { " · edited" }
                    @if message.gone_since_ms.is_some() { " · vanished" }
                }
            }
        }
    }
}

/// The largest counts first, as many as are offered; those of one name together.
fn largest(counts: impl IntoIterator<Item = (String, u64)>) -> Vec<(String, u64)> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for (name, count) in counts.into_iter().filter(|(name, _)| !name.trim().is_empty()) {
        let sum = sums.entry(name).or_default();
        *sum = sum.saturating_add(count);
    }
    let mut all: Vec<_> = sums.into_iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all.truncate(CHOICES);
    all
}

/// Links that narrow a search down.
fn narrow(query: &str, facets: &Facets, look: &Glance<'_>) -> Result<Markup, Refused> {
    let with = |filter: String| url("/search", &[("q", &format!("{query} {filter}"))]);
    let mut names = look.queries.names_of(facets.senders.keys().copied())?;
    let senders = facets.senders.iter().map(|(id, count)| (names.remove(id).unwrap_or_default(), *count));
    let senders = largest(senders).into_iter().map(|(name, count)| {
        let value: String = name.chars().filter(|c| !"\"“”„".contains(*c)).collect();
        (name, with(format!("from:\"{value}\"")), count)
    });
    let year = |at: &Ms| (look.times().day(*at).split('-').next().unwrap_or_default().to_owned(), 1);
    let mut years = largest(facets.times.iter().map(year));
    years.sort_by(|a, b| b.0.cmp(&a.0));
    let years = years.into_iter().map(|(year, count)| (year.clone(), with(format!("on:{year}")), count));
    let mut conversations: Vec<_> = facets.conversations.iter().collect();
    conversations.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let heads = look.heads()?;
    let conversations = conversations.into_iter().take(CHOICES).filter_map(|(id, count)| {
        let head = heads.iter().find(|head| head.id == *id)?;
        Some((label(head), with(format!("in:{}", head.thread.as_deref()?)), *count))
    });
    Ok(html! {
        aside.narrow aria-label="Narrow the search" {
            (choices("People", senders.collect()))
            (choices("Years", years.collect()))
            (choices("Conversations", conversations.collect()))
        }
    })
}

fn choices(title: &str, choices: Vec<(String, String, u64)>) -> Markup {
    if choices.len() < 2 {
        return html! {};
    }
    html! {
        details open {
            summary { (title) }
            ul { @for (name, href, count) in &choices {
                li { a href=(href) { bdi { (Text(name)) } } " " span.sub { (thousands(*count)) } }
            } }
        }
    }
}
