//! Reads a page of messages, and what an answer says about paging, out of its body.

use serde_json::value::RawValue;

use crate::api::Ask;
use crate::api::lenient;
use crate::api::outcome::{Seen, Unusable};
use crate::api::reply::{Object, kind_of, read_flag, read_list};
use crate::core::Ms;
use crate::core::model::api_version::ApiVersion;
use crate::core::model::cursor::Cursor;
use crate::core::model::message::Message;
use crate::core::model::page::{Below, Oddity, Page};
use crate::core::model::urn;
use crate::core::raw::{self, Served, read_string};
use crate::core::timeline::timestamps;

/// Reads a page of a conversation and how many items it held.
pub(super) fn read_page(
    body: &Object<'_>,
    version: ApiVersion,
    ask: &Ask,
    results: u32,
    came_ms: Option<Ms>,
) -> Result<(Page, Seen), Unusable> {
    let data = data(body)?;
    let items = items(&data, "messages", results)?;
    let returned = count(items.len());
    let mut served: Vec<Served> = Vec::with_capacity(items.len());
    let mut oddities = Vec::new();
    for item in items {
        match raw::read(item) {
            Ok(message) if lenient::original(item).is_none() => served.push(message),
            _ => oddities.push(oddity(item)),
        }
    }
    let messages = timestamps::place(served, came_ms);
    let named = data.string("conversation_id");
    let derived = common_conversation(&messages);
    if let (Some(asked), Some(answered)) = (ask.conversation.id(), named.as_ref().or(derived.as_ref()))
        && other_thread(asked, answered)
    {
        let why = "the answer is for another conversation".to_owned();
        return Err(Unusable { why, returned: Some(returned) });
    }
    let page = Page {
        below: below(body, &data, ask.cursor.as_ref().map(Cursor::text)),
        returned,
        conversation_urn: named.filter(|n| urn::is_conversation_urn(n)).or(derived),
        // Only v2 documents this figure; in v1 a member of that name would be something unknown.
        total: data.integer("total_message_count").filter(|_| version == ApiVersion::V2),
        unread: data.integer("unread_count"),
        last_seen_ms: data.get("last_seen_at").and_then(raw::read_time),
        messages,
        oddities,
    };
    Ok((page, Seen::List(returned)))
}

/// The answer's `data`, which must be an object.
pub(super) fn data<'a>(body: &Object<'a>) -> Result<Object<'a>, Unusable> {
    let Some(data) = body.member("data") else { return Err(Unusable::new("it has no `data`")) };
    Object::parse(data.get())
        .ok_or_else(|| Unusable::new(format!("its `data` is {} instead of an object", kind_of(data))))
}

/// The list of that name, which must be one.
pub(super) fn items<'a>(data: &Object<'a>, name: &str, asked: u32) -> Result<Vec<&'a RawValue>, Unusable> {
    let Some(list) = data.member(name) else {
        return Err(Unusable::new(format!("its `data` has no `{name}`")));
    };
    match read_list(list, most_items(asked)) {
        Ok(Some(items)) => Ok(items),
        Ok(None) => {
            Err(Unusable::new(format!("its `{name}` is far longer than the {asked} that were asked for")))
        }
        Err(_) => Err(Unusable::new(format!("its `{name}` is {} instead of a list", kind_of(list)))),
    }
}

/// The most items of a list that are read: an honest server may send a few more than it was asked for.
fn most_items(asked: u32) -> usize {
    usize::try_from(asked).unwrap_or(usize::MAX).saturating_mul(4).saturating_add(100)
}

/// An item that is kept aside. Its content stays out of the reason, which may be logged.
pub(super) fn oddity(item: &RawValue) -> Oddity {
    if let Some(json) = lenient::original(item) {
        return Oddity { json, reason: "not JSON".to_owned(), of_other_thread: false };
    }
    let reason = match kind_of(item) {
        "an object" => "an object whose members cannot be read".to_owned(),
        kind => format!("{kind} instead of an object"),
    };
    Oddity { json: item.get().to_owned(), reason, of_other_thread: false }
}

pub(super) fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

/// What an answer says about what follows it, given the cursor that was asked with.
///
/// The end is only what is documented as one: `has_next_page` is false, or it is absent and there is no cursor.
pub(super) fn below(body: &Object<'_>, data: &Object<'_>, asked: Option<&str>) -> Below {
    let pagination = data.object("pagination").unwrap_or_default();
    let outer = body.object("pagination").unwrap_or_default();
    let places = [data, &pagination, body, &outer];
    let more = says_more(&places);
    match (more, next_cursor(&places, asked)) {
        (Some(false), _) => Below::End,
        (None, NextCursor::Nothing) => Below::End,
        (_, NextCursor::Given(cursor)) => Below::More(Cursor::served(cursor)),
        (_, NextCursor::Nothing | NextCursor::Unclear) => Below::MoreWithoutCursor,
    }
}

/// Whether `has_next_page` says that there is more. Where it is said twice or unclearly, "more" wins: nothing is
/// taken for the end that might not be it.
fn says_more(places: &[&Object<'_>]) -> Option<bool> {
    let said = places.iter().filter_map(|p| p.get("has_next_page"));
    said.map(|v| read_flag(v).unwrap_or(true)).reduce(|a, b| a || b)
}

enum NextCursor {
    Given(String),
    Nothing,
    /// Something that is no cursor.
    Unclear,
}

fn next_cursor(places: &[&Object<'_>], asked: Option<&str>) -> NextCursor {
    let all = |name: &'static str| places.iter().filter_map(move |p| p.member(name)).map(read_cursor);
    let given = |next: &NextCursor| !matches!(next, NextCursor::Nothing);
    let mut nothing_said = true;
    for next in all("next_cursor") {
        nothing_said = false;
        if given(&next) {
            return next;
        }
    }
    if !nothing_said {
        return NextCursor::Nothing;
    }
    match all("cursor").find(given) {
        // The cursor that was asked with, said back, tells nothing about the next one.
        Some(NextCursor::Given(cursor)) if Some(cursor.as_str()) == asked => NextCursor::Unclear,
        Some(next) => next,
        None => NextCursor::Nothing,
    }
}

/// A cursor goes back as it came: the digits of a number word for word.
fn read_cursor(value: &RawValue) -> NextCursor {
    if let Some(text) = read_string(value) {
        return if text.trim().is_empty() {
            NextCursor::Nothing
        } else {
            NextCursor::Given(text.into_owned())
        };
    }
    match kind_of(value) {
        "null" => NextCursor::Nothing,
        "a number" => NextCursor::Given(value.get().to_owned()),
        _ => NextCursor::Unclear,
    }
}

/// The conversation that all messages whose URN tells one agree on.
fn common_conversation(messages: &[Message]) -> Option<String> {
    let mut told = messages.iter().filter_map(|m| urn::conversation_of(m.urn.as_deref()?));
    let first = told.next()?;
    let key = urn::thread_key(&first);
    told.all(|other| urn::thread_key(&other) == key).then_some(first)
}

/// Whether two names are of two threads, as far as both have the known form.
fn other_thread(asked: &str, answered: &str) -> bool {
    let (asked, answered) = (urn::thread_key(asked), urn::thread_key(answered));
    asked.starts_with("2-") && answered.starts_with("2-") && asked != answered
}
