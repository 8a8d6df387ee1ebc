//! The list of conversations, the most recent first.

use maud::{Markup, html};

use crate::core::format::{plural, thousands};
use crate::core::search::tokenize;
use crate::export::text::Text;
use crate::store::{ConversationHead, StoreError};
use crate::view;
use crate::view::status::Facts;
use crate::web::asked::{WebRequest, url};
use crate::web::look::Glance;
use crate::web::reply::{Refused, SiteReply};
use crate::web::shell::{Shell, pager};

/// Conversations on a page.
const SHOWN: usize = 50;

/// Some conversations, and what is around them.
pub(in crate::web) struct Listed {
    pub(in crate::web) heads: Vec<ConversationHead>,
    /// How many there are in all.
    pub(in crate::web) count: usize,
    /// Whether they are of several accounts.
    pub(in crate::web) several: bool,
    /// Whether there are more after these.
    pub(in crate::web) more: bool,
}

impl Listed {
    /// The newest ones.
    pub(in crate::web) fn newest(look: &Glance<'_>, facts: &Facts, limit: usize) -> Result<Self, Refused> {
        let heads = look.queries.newest_conversation_heads(limit)?;
        let count = facts.census.conversations;
        let several = facts.metrics.figures.accounts.iter().filter(|a| a.conversations > 0).count() > 1;
        Ok(Self { more: count > heads.len(), heads, count, several })
    }

    /// Those after one, whose names contain a part.
    pub(in crate::web) fn after(
        look: &Glance<'_>,
        account: Option<&str>,
        part: &str,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Self, Refused> {
        let all = look.heads()?;
        if account.is_some_and(|account| all.iter().all(|head| head.account != account)) {
            return Err(Refused::NotFound("such account"));
        }
        let several = all.iter().any(|c| Some(&c.account) != all.first().map(|c| &c.account));
        let part = tokenize::fold(part);
        let fits = |head: &&ConversationHead| {
            account.is_none_or(|account| head.account == account)
                && (part.is_empty() || tokenize::fold(&label(head)).contains(&part))
        };
        let fitting: Vec<&ConversationHead> = all.iter().filter(fits).collect();
        let count = fitting.len();
        let start = after.and_then(|after| fitting.iter().position(|head| head.id.0 == after));
        let rest = fitting.iter().skip(start.map_or(0, |at| at + 1));
        let mut heads: Vec<ConversationHead> =
            rest.take(limit.saturating_add(1)).map(|head| (*head).clone()).collect();
        let more = heads.len() > limit;
        heads.truncate(limit);
        Ok(Self { heads, count, several, more })
    }
}

/// What a conversation is called.
pub(in crate::web) fn label(head: &ConversationHead) -> String {
    let named = head.name.as_deref().filter(|name| !name.trim().is_empty());
    view::name(named, head.profile_url.as_deref(), head.conversation_id.as_deref(), head.id)
}

pub(in crate::web) fn page(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let (part, account) = (asked.text("q").unwrap_or_default(), asked.text("account").unwrap_or_default());
    let after = asked.number("after")?;
    let only = Some(account).filter(|account| !account.is_empty());
    let listed = Listed::after(look, only, part, after, SHOWN)?;
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
