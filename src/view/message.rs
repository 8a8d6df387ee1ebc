//! Messages as JSON, and the part of a text around what was found in it.

use std::ops::Range;

use serde_json::{Value, json};

use crate::core::Ms;
use crate::core::format::{IsoTime, iso_utc};
use crate::core::printable::printable;
use crate::store::{ChangeRow, FeedMessage, MessageRow};

/// A message as JSON, with the columns of the view `message_log`.
pub(crate) fn message_json(row: &MessageRow) -> Value {
    json!({
        "message_id": row.id,
        "account": row.account,
        "conversation_id": row.conversation_id,
        "conversation": row.conversation_name,
        "entity_urn": row.message.urn,
        "sent_at": IsoTime(row.message.at_ms),
        "sent_at_ms": row.message.at_ms,
        "sender": row.message.sender.name,
        "from_me": row.from_me,
        "message_type": row.message.kind,
        "subject": row.parts.subject,
        "text": row.message.text,
        "attachments": row.parts.attachments,
        "versions": row.versions,
        "gone_since": row.gone_since_ms.map(IsoTime),
        "source": row.source,
    })
}

/// A change of a message as JSON: the message, and what happened to it.
pub(crate) fn change_json(
    row: &MessageRow,
    (seq, kind): (i64, &str),
    changed_ms: Ms,
    history: bool,
) -> Value {
    with_change(message_json(row), (seq, kind), changed_ms, history)
}

/// The same of any line of the change feed.
pub(crate) fn feed_line(change: &ChangeRow) -> Value {
    let line = match &change.message {
        FeedMessage::Stored(row) => message_json(row),
        FeedMessage::Erased { id, account, conversation_id } => {
            json!({"message_id": id, "account": account, "conversation_id": conversation_id})
        }
    };
    with_change(line, (change.seq, change.kind.as_str()), change.changed_ms, change.history)
}

fn with_change(mut line: Value, (seq, kind): (i64, &str), changed_ms: Ms, history: bool) -> Value {
    if let Value::Object(members) = &mut line {
        let of_change: [(&str, Value); 4] = [
            ("seq", seq.into()),
            ("kind", kind.into()),
            ("changed_at", iso_utc(changed_ms).into()),
            ("history", history.into()),
        ];
        members.extend(of_change.map(|(name, value)| (name.to_owned(), value)));
    }
    line
}

/// Whether nobody wrote it.
pub(crate) fn is_system(row: &MessageRow) -> bool {
    !matches!(row.message.kind.as_str(), "" | "TEXT")
}

/// The ends of a gap, in words, each time as `minute` writes it.
pub(crate) fn from_to(from: Option<Ms>, to: Option<Ms>, minute: impl Fn(Ms) -> String) -> (String, String) {
    let or = |time: Option<Ms>, none: &str| time.map_or_else(|| none.to_owned(), &minute);
    (or(from, "the beginning"), or(to, "now"))
}

/// A piece of a snippet, safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text around the hits.
    Plain(String),
    /// What was found.
    Hit(String),
}

/// The part of a text around its first hits, in pieces.
pub(crate) fn snippet(text: &str, hits: &[Range<usize>], length: usize) -> Vec<Piece> {
    let first = hits.first().map_or(0, |hit| hit.start);
    let before = text.get(..first).unwrap_or_default();
    // A third of the snippet comes before the hit.
    let start = before.char_indices().rev().nth(length / 3).map_or(0, |(at, _)| word_border(text, at, first));
    let rest = text.get(start..).unwrap_or_default();
    let end = rest.char_indices().nth(length).map_or(text.len(), |(at, _)| start.saturating_add(at));
    let plain = |range: Range<usize>| printable(text.get(range).unwrap_or_default());
    let mut pieces = Vec::new();
    let mut between = String::from(if start > 0 { "…" } else { "" });
    let mut at = start;
    for hit in hits.iter().filter(|hit| hit.start >= start && hit.end <= end) {
        between.push_str(&plain(at..hit.start));
        pieces.push(Piece::Plain(std::mem::take(&mut between)));
        pieces.push(Piece::Hit(plain(hit.clone())));
        at = hit.end;
    }
    between.push_str(&plain(at..end));
    if end < text.len() {
        between.push('…');
    }
    pieces.push(Piece::Plain(between));
    pieces
}

/// The beginning of the first word after `from`, if it lies before `to`.
fn word_border(text: &str, from: usize, to: usize) -> usize {
    let between = text.get(from..to).unwrap_or_default();
    between.find(char::is_whitespace).map_or(from, |space| from.saturating_add(space))
}
