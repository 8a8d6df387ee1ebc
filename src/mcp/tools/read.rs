//! `read_conversation`: a part of a conversation, or of a long text in it.

use serde_json::Value;

use super::conversations::item;
use super::{ZONE, conversation_called, json};
use crate::core::Ms;
use crate::core::model::ids::{ConversationId, MessageId};
use crate::look::Glance;
use crate::mcp::answers::{MessageItem, NOTICE, ReadAnswer};
use crate::mcp::arguments::{Argument, ArgumentKind, Arguments, CURSOR, MAX_BYTES, MAX_TEXT_BYTES};
use crate::mcp::completeness::{self, LookedAt};
use crate::mcp::cursor::Onward;
use crate::mcp::failure::ToolFailure;
use crate::mcp::fit::AnswerRoom;
use crate::mcp::message::{TextPart, fitting};
use crate::store::{Excerpt, ExcerptAt, ExcerptSize, MessagePlace, MessageRow, StoreError};
use crate::view::dates;

pub(super) const ARGUMENTS: &[Argument] = &[
    Argument {
        name: "conversation",
        kind: ArgumentKind::Name,
        required: true,
        about: "The conversation: its number (best), LinkedIn's id, a profile's address, or a part of its name that only it \
            has.",
    },
    Argument {
        name: "start",
        kind: ArgumentKind::Choice(&["newest", "oldest"]),
        required: false,
        about: "Its newest messages, or its oldest ones.",
    },
    Argument {
        name: "date",
        kind: ArgumentKind::Text,
        required: false,
        about: "From this date (UTC) on instead: 2024, 2024-03, 2024-03-05, yesterday, 7d, 2w, 6mo or 1y.",
    },
    Argument {
        name: "around",
        kind: ArgumentKind::Id,
        required: false,
        about: "Around this message instead: a message_id of it.",
    },
    Argument {
        name: "limit",
        kind: ArgumentKind::Number { least: 1, most: 100, default: 30 },
        required: false,
        about: "Messages at most.",
    },
    MAX_TEXT_BYTES,
    MAX_BYTES,
    CURSOR,
];

/// Bytes of messages that are read for one answer; a single one may have more.
const READ: u64 = 1024 * 1024;

/// What is read, and which of it is wanted most.
struct ReadFrom {
    at: ExcerptAt,
    /// Where in a text to begin, if a single message is meant.
    within: Option<(MessageId, usize)>,
}

pub(super) fn call(look: &Glance<'_>, arguments: &Arguments) -> Result<Value, ToolFailure> {
    let id = conversation_called(look, arguments.text("conversation").unwrap_or_default())?;
    let none = || ToolFailure::new("the conversation is gone", "call list_conversations again");
    let (row, hints) = look.queries.conversation(id)?.ok_or_else(none)?;
    let wanted = wanted(look, arguments, id)?;
    let limit = if wanted.within.is_some() { 1 } else { arguments.number("limit") };
    let size = ExcerptSize { messages: limit, bytes: READ };
    let excerpt = look.queries.excerpt(id, wanted.at, size)?;
    let max_bytes = arguments.number("max_bytes");
    let longest = MessagePlace { at_ms: Ms::MIN, id: MessageId(i64::MIN) };
    let mut answer = ReadAnswer {
        notice: NOTICE,
        conversation: item(look, &row, &hints)?,
        total: row.timeline.messages,
        shown: 0,
        // As long as they can be.
        older_cursor: Some(Onward::Before(longest).cursor(i64::MAX)),
        newer_cursor: Some(Onward::After(longest).cursor(i64::MAX)),
        completeness: completeness::of(look, &looked_at(id, &wanted, excerpt.as_ref()), completeness::GAPS)?,
        messages: Vec::new(),
    };
    let mut room = AnswerRoom::around(&answer, max_bytes);
    let rows = rows(look, id, excerpt.as_ref())?;
    let question = arguments.question();
    let text_bytes = arguments.number("max_text_bytes");
    let from = wanted.within.map_or(0, |(_, from)| from);
    let chosen =
        choose(&rows, wanted.at, |row, must| fitting(&mut room, row, TextPart::From(from), text_bytes, must));
    let place = |row: &MessageRow| MessagePlace { at_ms: row.message.at_ms, id: row.id };
    let first = rows.get(chosen.from).map(place);
    let last = rows.get(chosen.from.saturating_add(chosen.items.len()).saturating_sub(1)).map(place);
    let has_older = chosen.from > 0 || excerpt.is_some_and(|excerpt| excerpt.older.is_some());
    let has_newer = chosen.from + chosen.items.len() < rows.len()
        || excerpt.is_some_and(|excerpt| excerpt.newer.is_some());
    if let Some(excerpt) = &excerpt {
        // What did not fit was not looked at.
        let part = Excerpt {
            older: chosen.from.checked_sub(1).and_then(|at| rows.get(at)).map(place).or(excerpt.older),
            newer: rows.get(chosen.from + chosen.items.len()).map(place).or(excerpt.newer),
            ..*excerpt
        };
        answer.completeness =
            completeness::of(look, &looked_at(id, &wanted, Some(&part)), completeness::GAPS)?;
    }
    let (older, newer) = match excerpt {
        Some(_) => (first.filter(|_| has_older), last.filter(|_| has_newer)),
        None => beside(look, id, wanted.at)?,
    };
    answer.older_cursor = older.map(|place| Onward::Before(place).cursor(question));
    answer.newer_cursor = newer.map(|place| Onward::After(place).cursor(question));
    answer.shown = chosen.items.len();
    answer.messages = chosen.items;
    json(&answer)
}

/// Before and after which place reading goes on where there is no message: beyond either end of the conversation.
fn beside(
    look: &Glance<'_>,
    id: ConversationId,
    at: ExcerptAt,
) -> Result<(Option<MessagePlace>, Option<MessagePlace>), ToolFailure> {
    let one = ExcerptSize { messages: 1, bytes: 0 };
    let is_any = |at| Ok::<_, ToolFailure>(look.queries.excerpt(id, at, one)?.is_some());
    Ok(match at {
        ExcerptAt::After(place) => (is_any(ExcerptAt::Before(place))?.then_some(place), None),
        ExcerptAt::Before(place) => {
            // What is at the place itself comes after what is before it.
            let just_before = MessagePlace { id: MessageId(place.id.0.saturating_sub(1)), ..place };
            (None, is_any(ExcerptAt::After(just_before))?.then_some(just_before))
        }
        ExcerptAt::Newest | ExcerptAt::Around(_) => (None, None),
    })
}

fn wanted(look: &Glance<'_>, arguments: &Arguments, id: ConversationId) -> Result<ReadFrom, ToolFailure> {
    let (cursor, date, around) = (arguments.text("cursor"), arguments.text("date"), arguments.id("around"));
    let plain = |at| Ok(ReadFrom { at, within: None });
    if let Some(cursor) = cursor {
        return match Onward::of(cursor, arguments.question())? {
            Onward::Before(place) => plain(ExcerptAt::Before(place)),
            Onward::After(place) => plain(ExcerptAt::After(place)),
            Onward::Within(message, from) => {
                let at = ExcerptAt::Around(place_of(look, message, id, "cursor")?);
                Ok(ReadFrom { at, within: Some((message, from)) })
            }
            Onward::Skip(_) | Onward::Head(..) | Onward::Below(_) => {
                Err(ToolFailure::argument("cursor", "it belongs to another tool; leave it out".to_owned()))
            }
        };
    }
    match (date, around, arguments.text("start")) {
        (Some(_), Some(_), _) => {
            Err(ToolFailure::argument("around", "only one of date and around can be given".to_owned()))
        }
        (Some(date), None, _) => {
            let (from, _) = dates::parse(date, look.now, &ZONE).map_err(|_| {
                let forms =
                    "use 2024, 2024-03, 2024-03-05, 2024-03-05T14:30, today, yesterday, 7d, 2w, 6mo or 1y";
                ToolFailure::argument("date", format!("it is no date; {forms}"))
            })?;
            plain(ExcerptAt::After(MessagePlace::start_of(from)))
        }
        (None, Some(message), _) => {
            plain(ExcerptAt::Around(place_of(look, MessageId(message), id, "around")?))
        }
        (None, None, Some("oldest")) => plain(ExcerptAt::After(MessagePlace::start_of(Ms::MIN))),
        (None, None, _) => plain(ExcerptAt::Newest),
    }
}

fn place_of(
    look: &Glance<'_>,
    message: MessageId,
    id: ConversationId,
    argument: &str,
) -> Result<MessagePlace, ToolFailure> {
    let found = look.queries.place_of(message)?.filter(|(conversation, _)| *conversation == id);
    found.map(|(_, place)| place).ok_or_else(|| {
        let why =
            "this conversation has no such message; search_messages gives the conversation_id with each";
        ToolFailure::argument(argument, why.to_owned())
    })
}

fn rows(
    look: &Glance<'_>,
    id: ConversationId,
    excerpt: Option<&Excerpt>,
) -> Result<Vec<MessageRow>, ToolFailure> {
    let mut rows = Vec::new();
    if let Some(excerpt) = excerpt {
        look.queries.messages_of_excerpt(id, excerpt, |row| {
            rows.push(MessageRow::from(row));
            Ok::<_, StoreError>(())
        })?;
    }
    Ok(rows)
}

/// What lies between the messages next to this part, or beyond it where there are none. A gap that ends at the message
/// before it lies below that.
fn looked_at(id: ConversationId, wanted: &ReadFrom, excerpt: Option<&Excerpt>) -> LookedAt {
    let (since, until) = match (excerpt, wanted.at) {
        (Some(excerpt), _) => {
            let older = excerpt.older.map(|older| older.at_ms.saturating_add(1));
            (older, excerpt.newer.map(|newer| newer.at_ms))
        }
        (None, ExcerptAt::After(place)) => (Some(place.at_ms), None),
        (None, ExcerptAt::Before(place)) => (None, Some(place.at_ms)),
        (None, ExcerptAt::Newest | ExcerptAt::Around(_)) => (None, None),
    };
    LookedAt { within: Some([id].into()), since, until, ..LookedAt::default() }
}

/// A run of messages that fits.
struct Chosen {
    /// The index of its first.
    from: usize,
    items: Vec<MessageItem>,
}

/// The messages that fit, without holes: from the side on that reading goes on from, or from the one that is meant.
fn choose(
    rows: &[MessageRow],
    at: ExcerptAt,
    mut fits: impl FnMut(&MessageRow, bool) -> Option<MessageItem>,
) -> Chosen {
    let start = match at {
        ExcerptAt::After(_) => 0,
        ExcerptAt::Newest | ExcerptAt::Before(_) => rows.len().saturating_sub(1),
        ExcerptAt::Around(place) => rows.iter().position(|row| row.id == place.id).unwrap_or(0),
    };
    let (mut older, mut newer) = (Vec::new(), Vec::new());
    let Some(first) = rows.get(start).and_then(|row| fits(row, true)) else {
        return Chosen { from: start, items: Vec::new() };
    };
    let (mut down, mut up) = (start.checked_sub(1), Some(start.saturating_add(1)));
    while down.is_some() || up.is_some() {
        let item = up.and_then(|at| rows.get(at)).and_then(|row| fits(row, false));
        up = up.filter(|_| item.is_some()).map(|at| at.saturating_add(1));
        newer.extend(item);
        let item = down.and_then(|at| rows.get(at)).and_then(|row| fits(row, false));
        down = down.filter(|_| item.is_some()).and_then(|at| at.checked_sub(1));
        older.extend(item);
    }
    let from = start.saturating_sub(older.len());
    older.reverse();
    Chosen { from, items: older.into_iter().chain([first]).chain(newer).collect() }
}
