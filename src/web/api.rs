//! The same as JSON: objects as `--json` prints them, lists as `{"items", "next"}`. `openapi.json` describes it.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::asked::{WebRequest, cursor};
use super::reply::{Refused, SiteReply};
use crate::core::format::iso_utc;
use crate::core::model::ids::{ConversationId, MessageId};
use crate::core::model::urn;
use crate::core::search::tokenize;
use crate::look::Glance;
use crate::store::{
    ConversationHead, ConversationRow, ExcerptAt, ExcerptSize, MessageRow, Search, StoreError,
};
use crate::view::message::{Piece, message_json, snippet};
use crate::view::people::person;
use crate::view::search::search_of;
use crate::view::status::{ConversationStatus, Facts, Status};

/// The description of the API.
pub(super) const OPENAPI: &str = include_str!("openapi.json");

/// Items of a list that are given unless fewer are wanted, and at most.
const LIMIT: usize = 50;
const MOST: usize = 500;
/// Bytes of messages in one answer.
const BYTES: u64 = 4 * 1024 * 1024;
/// Letters of a message that are shown around a hit.
const SNIPPET: usize = 240;

#[derive(Serialize)]
struct Items<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> Items<T> {
    fn reply(self) -> Result<SiteReply, Refused>
    where
        T: Serialize,
    {
        SiteReply::json(&self)
    }
}

/// A conversation as `status --json` has it, with the number by which this server knows it.
#[derive(Serialize)]
struct NumberedConversation<'a> {
    id: ConversationId,
    #[serde(flatten)]
    status: ConversationStatus<'a>,
}

/// Whether the archive can be read: all that is told to whoever has no key.
pub(super) fn health(look: &Glance<'_>, _: &WebRequest) -> Result<SiteReply, Refused> {
    look.queries.next_run()?;
    Ok(SiteReply::new("text/plain; charset=utf-8", "ok\n"))
}

pub(super) fn openapi(_: &Glance<'_>, _: &WebRequest) -> Result<SiteReply, Refused> {
    Ok(SiteReply::new("application/json", OPENAPI))
}

pub(super) fn status(look: &Glance<'_>, _: &WebRequest) -> Result<SiteReply, Refused> {
    let write = |facts: &Facts| {
        let text = serde_json::to_vec(&Status::of(facts, &look.shared.config, iso_utc));
        text.map(Bytes::from).map_err(|_| Refused::Internal)
    };
    Ok(SiteReply::new("application/json", look.status(write)?))
}

pub(super) fn conversations(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let (limit, after) = (asked.limit(LIMIT, MOST)?, asked.number("after")?);
    let facts = look.facts()?;
    let rows = &facts.census.rows;
    let start = match after {
        Some(after) => match rows.iter().position(|row| row.id.0 == after) {
            Some(at) => at + 1,
            None => return Err(Refused::bad(format!("\"{after}\" is no cursor"))),
        },
        None => 0,
    };
    let shown: Vec<&ConversationRow> = rows.iter().skip(start).take(limit).collect();
    let more = start.saturating_add(limit) < rows.len();
    let next = shown.last().filter(|_| more).map(|row| row.id.to_string());
    Items { items: shown.into_iter().map(|row| numbered(row, &facts)).collect(), next }.reply()
}

fn numbered<'a>(row: &'a ConversationRow, facts: &Facts) -> NumberedConversation<'a> {
    NumberedConversation { id: row.id, status: ConversationStatus::of(row, facts) }
}

/// The conversation that a URL names: by its number here, its URN or its thread id.
fn named(look: &Glance<'_>, asked: &WebRequest) -> Result<ConversationId, Refused> {
    let none = Refused::NotFound("such conversation");
    let Some(word) = asked.path.first() else { return Err(none) };
    let heads = look.heads()?;
    let key = urn::thread_key(word);
    let number = word.parse::<i64>().ok();
    let is_it = |head: &&ConversationHead| match number {
        Some(number) => head.id.0 == number,
        None => head.conversation_id.as_deref().is_some_and(|id| urn::thread_key(id) == key),
    };
    let account = asked.text("account");
    let found = heads.iter().filter(|head| account.is_none_or(|account| head.account == account)).find(is_it);
    found.map(|head| head.id).ok_or(none)
}

pub(super) fn conversation(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let id = named(look, asked)?;
    let (row, _) = look.queries.conversation(id)?.ok_or(Refused::NotFound("such conversation"))?;
    let facts = look.overview()?;
    SiteReply::json(&numbered(&row, &facts))
}

pub(super) fn messages(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let id = named(look, asked)?;
    let size = ExcerptSize { messages: asked.limit(LIMIT, MOST)?, bytes: BYTES };
    let (before, after) = (asked.place("before")?, asked.place("after")?);
    let around = asked.text("around");
    let at = match (before, after, around) {
        (None, None, None) => ExcerptAt::Newest,
        (Some(place), None, None) => ExcerptAt::Before(place),
        (None, Some(place), None) => ExcerptAt::After(place),
        (None, None, Some(word)) => {
            let found = look.queries.message_called(word, id)?;
            let found = found.ok_or(Refused::NotFound("such message in this conversation"))?;
            let place = look.queries.place_of(found.id)?;
            ExcerptAt::Around(place.ok_or(Refused::NotFound("such message"))?.1)
        }
        _ => return Err(Refused::bad("only one of before, after and around can be given")),
    };
    let Some(excerpt) = look.queries.excerpt(id, at, size)? else {
        return SiteReply::json(&json!({"items": [], "next": null, "before": null, "after": null}));
    };
    let mut items: Vec<Value> = Vec::new();
    look.queries.messages_of_excerpt(id, &excerpt, |row| {
        items.push(message_json(&MessageRow::from(row)));
        Ok::<_, StoreError>(())
    })?;
    let older = excerpt.older.map(|_| cursor(excerpt.first));
    let newer = excerpt.newer.map(|_| cursor(excerpt.last));
    // `next` goes on in the direction that was asked for.
    let next = if matches!(at, ExcerptAt::After(_)) { &newer } else { &older };
    SiteReply::json(&json!({"items": items, "next": next, "before": older, "after": newer}))
}

pub(super) fn search(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let query = asked.text("q").ok_or_else(|| Refused::bad("q is missing"))?;
    let limit = asked.limit(LIMIT, MOST)?;
    let search = Search {
        below: asked.number("after")?.map(MessageId),
        ..search_of::<Refused>(&look.queries, query, look.now, &look.times().0)?
    };
    let found = look.queries.search(&search, limit)?;
    let last = found.messages.last().filter(|_| found.messages.len() == limit).map(|last| last.id);
    // Where the search looked at its most before the page was full, the next one goes on below.
    let next = last.or(found.ended.map(|end| end.id)).map(|id| id.to_string());
    let wanted = search.wanted();
    let item = |row: &MessageRow| {
        let shown = row.shown();
        let hits = tokenize::hits(&shown, &wanted).0;
        let pieces = snippet(&shown, &hits, SNIPPET).into_iter().map(|piece| match piece {
            Piece::Plain(text) => text,
            Piece::Hit(text) => format!("[{text}]"),
        });
        let text = pieces.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
        let mut value = message_json(row);
        if let Some(object) = value.as_object_mut() {
            object.insert("snippet".to_owned(), text.into());
        }
        value
    };
    Items { items: found.messages.iter().map(item).collect(), next }.reply()
}

pub(super) fn people(look: &Glance<'_>, asked: &WebRequest) -> Result<SiteReply, Refused> {
    let limit = asked.limit(LIMIT, MOST)?;
    let start = usize::try_from(asked.number("after")?.unwrap_or(0)).unwrap_or(0);
    let figures = look.figures()?;
    let people = &figures.people;
    let end = start.saturating_add(limit);
    let next = (end < people.contacts.len()).then(|| end.to_string());
    let shown = people.contacts.iter().skip(start).take(limit);
    Items { items: shown.filter_map(|contact| person(&people.everybody, contact)).collect(), next }.reply()
}
