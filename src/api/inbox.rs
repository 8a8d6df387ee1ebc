//! Reads a page of the inbox out of an answer's body; v1 and v2 have the same rows.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::reply::Object;
use crate::api::conversation::{below, count, data, items, oddity};
use crate::api::lenient;
use crate::api::outcome::{Seen, Unusable};
use crate::core::inbox::{InboxPage, InboxRow};
use crate::core::model::page::{Below, Oddity};
use crate::core::raw::{read_string, read_time};

/// The most rows to ask for: v1 was seen to answer more with an empty `data`.
pub(super) const MOST_ROWS: u32 = 25;

/// Reads a page of the inbox and how many items it held.
pub(super) fn read_inbox(
    body: &Object<'_>,
    rows: u32,
    asked: Option<&str>,
) -> Result<(InboxPage, Seen), Unusable> {
    let data = data(body)?;
    let items = items(&data, "conversations", rows)?;
    let mut page = InboxPage { returned: count(items.len()), ..InboxPage::default() };
    for item in items {
        match read_row(item) {
            Ok(row) => page.rows.push(row),
            Err(oddity) => page.oddities.push(oddity),
        }
    }
    match below(body, &data, asked) {
        Below::End => {}
        Below::More(cursor) => page.next_cursor = Some(cursor.text().to_owned()),
        Below::MoreWithoutCursor => page.more_without_cursor = true,
    }
    let returned = page.returned;
    Ok((page, Seen::List(returned)))
}

fn read_row(item: &RawValue) -> Result<InboxRow, Oddity> {
    let sound = Object::parse(item.get()).filter(|_| lenient::original(item).is_none());
    let Some(members) = sound else { return Err(oddity(item)) };
    let Some(conversation_urn) = members.string("conversation_id") else {
        let reason = "an object without a `conversation_id`".to_owned();
        return Err(Oddity { json: item.get().to_owned(), reason, of_other_thread: false });
    };
    let kind = members.string("type");
    let others = participants(&members);
    let named_group = kind.as_ref().is_some_and(|k| k.to_ascii_lowercase().contains("group"));
    let group = others.len() > 1 || named_group || members.flag("is_group") == Some(true);
    // Headline, page and picture are a person's; of a group, nobody's.
    let person = others.first().filter(|_| others.len() == 1).cloned().unwrap_or_default();
    let (last_text, last_at_ms) = members.get("last_message").map(last_message).unwrap_or_default();
    Ok(InboxRow {
        name: name(&members, &others),
        headline: person.headline,
        profile_url: person.profile_url,
        picture_url: person.picture_url,
        group,
        last_at_ms,
        last_text,
        unread: members.integer("unread").or_else(|| members.integer("unread_count")),
        kind,
        raw: item.get().to_owned(),
        conversation_urn,
    })
}

/// A participant or a sender.
#[derive(Debug, Clone, Default)]
struct Participant {
    name: Option<String>,
    headline: Option<String>,
    profile_url: Option<String>,
    picture_url: Option<String>,
}

impl Participant {
    /// Reads an object, or a bare name.
    fn read(value: &RawValue) -> Option<Self> {
        if let Some(name) = read_string(value) {
            let name = Some(name.into_owned()).filter(|n| !n.is_empty());
            return name.is_some().then(|| Self { name, ..Self::default() });
        }
        let members = Object::parse(value.get())?;
        Some(Self {
            name: members.string("name").or_else(|| full_name(&members)),
            headline: members.string("headline"),
            profile_url: members.string("profile_url"),
            picture_url: members.string("profile_picture"),
        })
    }
}

fn full_name(members: &Object<'_>) -> Option<String> {
    let parts = [members.string("first_name"), members.string("last_name")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The other sides: one, several, or none where the answer does not say.
fn participants(members: &Object<'_>) -> Vec<Participant> {
    let Some(value) = members.get("participant").or_else(|| members.get("participants")) else {
        return Vec::new();
    };
    match serde_json::from_str::<Vec<&RawValue>>(value.get()) {
        // A list may count the mailbox's owner among them.
        Ok(list) => list.into_iter().filter(|p| !is_me(p)).filter_map(Participant::read).collect(),
        Err(_) => Participant::read(value).into_iter().collect(),
    }
}

fn is_me(person: &RawValue) -> bool {
    Object::parse(person.get()).and_then(|p| p.flag("is_me")) == Some(true)
}

/// The other side's name; of a group its title, or else its members' names.
fn name(members: &Object<'_>, others: &[Participant]) -> Option<String> {
    let names: Vec<&str> = others.iter().filter_map(|p| p.name.as_deref()).collect();
    let title = || ["title", "conversation_name", "name"].into_iter().find_map(|n| members.string(n));
    match names.as_slice() {
        [only] if others.len() == 1 => Some((*only).to_owned()),
        [] => title(),
        names => title().or_else(|| Some(names.join(", "))),
    }
}

/// The text and the time of the last message.
fn last_message(value: &RawValue) -> (Option<String>, Option<i64>) {
    let Some(members) = Object::parse(value.get()) else { return (text(value), None) };
    let time = members.get("time").or_else(|| members.get("timestamp"));
    (members.get("text").and_then(text), time.and_then(read_time))
}

fn text(value: &RawValue) -> Option<String> {
    read_string(value).map(Cow::into_owned)
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
