//! The list of conversations, the most recent first.

use maud::{Markup, html};

use crate::core::format::{plural, thousands};
use crate::export::text::Text;
use crate::look::{Glance, Listed, label};
use crate::store::{ConversationHead, StoreError};
use crate::web::asked::{WebRequest, url};
use crate::web::reply::{Refused, SiteReply};
use crate::web::shell::{Shell, pager};

/// Conversations on a page.
const SHOWN: usize = 50;

pub(in crate::web) fn page(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let (part, account) = (asked.text("q").unwrap_or_default(), asked.text("account").unwrap_or_default());
    let after = asked.number("after")?;
    let only = Some(account).filter(|account| !account.is_empty());
    let listed = Listed::after(look, only, part, after, SHOWN)?.ok_or(Refused::NotFound("such account"))?;
    let next = listed.heads.last().filter(|_| listed.more).map(|last| last.id.to_string());
    let next =
        next.map(|id| (url("/conversations", &[("q", part), ("account", account), ("after", &id)]), "Older"));
    let first =
        after.is_some().then(|| (url("/conversations", &[("q", part), ("account", account)]), "Newest"));
    let main = html! {
        h1 { "Conversations" }
        form.filter action="/conversations" method="get" data-typing {
            label.hidden for="filter" { "Only names with" }
            input #filter name="q" type="search" value=(Text(part)) placeholder="Filter by name" autocomplete="off";
            @if !account.is_empty() { input type="hidden" name="account" value=(Text(account)); }
            button type="submit" { "Filter" }
        }
        div #results {
            p.sub { (plural(listed.count, "conversation")) @if !part.is_empty() { " with “" bdi { (Text(part)) } "” in the name" } }
            (list(look, &listed)?)
            (pager(first, next))
        }
    };
    Ok(SiteReply::page(Shell::live("Conversations", "/conversations").around(look, "wide", &main)))
}

/// The conversations of a list, each with its last message.
pub(in crate::web) fn list(look: &Glance<'_>, listed: &Listed) -> Result<Markup, StoreError> {
    let mut items = Vec::with_capacity(listed.heads.len());
    for head in &listed.heads {
        items.push(item(look, head, listed.several)?);
    }
    Ok(html! { ul.list { @for item in &items { (item) } } })
}

fn item(look: &Glance<'_>, head: &ConversationHead, several: bool) -> Result<Markup, StoreError> {
    let (name, times) = (label(head), look.times());
    let mut last = html! {};
    look.queries.newest_message(head.id, |row| {
        let text = row
            .parts()
            .shown(row.fields.text.get(..row.fields.text.ceil_char_boundary(400)).unwrap_or_default());
        let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(140).collect();
        let sender = if row.from_me == Some(1) { "You" } else { row.fields.name };
        last = html! {
            @if !sender.trim().is_empty() && sender != name { bdi { (Text(sender)) } ": " }
            bdi { (Text(&line)) }
        };
        Ok::<_, StoreError>(())
    })?;
    let unread = head.unread.filter(|unread| *unread > 0);
    Ok(html! {
        li data-item {
            // People open a conversation where it ended.
            a href={ "/c/" (head.id) "#end" } {
                span.initial aria-hidden="true" data-tone=(head.id.0.rem_euclid(6)) { (Text(&initial(&name))) }
                span.name dir="auto" { (Text(&name)) }
                @if let Some(at) = head.newest_ms { time datetime=(times.day(at)) { (times.long_day(at)) } }
                span.last { (last) }
                span.sub {
                    (plural(head.messages, "message"))
                    @if several { " · " bdi { (Text(&head.account)) } }
                    @if let Some(unread) = unread { " · " strong { (thousands(unread)) " unread" } }
                    @if head.gaps > 0 { " · " span.missing { (plural(head.gaps, "gap")) } }
                }
            }
        }
    })
}

/// The first letter of a name.
fn initial(name: &str) -> String {
    name.chars().find(|c| c.is_alphanumeric()).map_or_else(|| "?".to_owned(), |c| c.to_uppercase().collect())
}
