//! A message in an answer: what the archive says of it, and apart from that what its sender wrote.

use super::answers::{AttachmentWords, MessageItem, MessageWords};
use super::cursor::Onward;
use super::fit::{AnswerRoom, cut, word};
use crate::core::format::iso_utc;
use crate::core::model::parts::Attachment;
use crate::core::printable::printable;
use crate::core::search::tokenize::{self, Phrase};
use crate::store::MessageRow;

/// Bytes of names, subjects and addresses.
const NAME: usize = 160;
const SUBJECT: usize = 240;
const ADDRESS: usize = 240;
/// Attachments that are named.
const ATTACHMENTS: usize = 5;
/// Bytes of a text in which hits are looked for.
const READ: usize = 64 * 1024;

/// Which part of a text is given.
#[derive(Debug, Clone, Copy)]
pub(super) enum TextPart<'a> {
    /// From this byte on.
    From(usize),
    /// Around the first of these.
    Around(&'a [Phrase]),
}

/// A text made harmless, and the first hit in it.
struct HarmlessText {
    whole: String,
    hit: usize,
}

/// The message with no more than so many bytes of its text.
fn item(row: &MessageRow, harmless: &HarmlessText, part: TextPart<'_>, bytes: usize) -> MessageItem {
    let HarmlessText { whole, hit } = harmless;
    let start = match part {
        TextPart::From(from) => whole.floor_char_boundary(from),
        TextPart::Around(_) if whole.len() <= bytes => 0,
        // A third of what is shown comes before the hit.
        TextPart::Around(_) => whole.floor_char_boundary(hit.saturating_sub(bytes / 3)),
    };
    let text = cut(whole.get(start..).unwrap_or_default(), bytes);
    let end = start.saturating_add(text.len());
    let truncated = text.len() < whole.len();
    let more = match part {
        TextPart::From(_) => (end < whole.len()).then_some(end),
        TextPart::Around(_) => truncated.then_some(0),
    };
    MessageItem {
        message_id: row.id.0,
        conversation_id: row.conversation.0,
        account: word(&row.account, 80),
        sent_at: iso_utc(row.message.at_ms),
        from_me: row.from_me,
        source: word(&row.source, 20),
        kind: kind(&row.message.kind),
        versions: row.versions,
        gone_since: row.gone_since_ms.map(iso_utc),
        attachments_total: row.parts.attachments.len(),
        text_bytes: whole.len(),
        text_from: start,
        text_truncated: truncated,
        text_cursor: more.map(|from| Onward::Within(row.id, from).cursor(0)),
        untrusted: MessageWords {
            sender: word(&row.message.sender.name, NAME),
            conversation: word(row.conversation_name.as_deref().unwrap_or_default(), NAME),
            subject: row.parts.subject.as_deref().map(|subject| word(subject, SUBJECT)),
            text: text.to_owned(),
            attachments: row.parts.attachments.iter().take(ATTACHMENTS).map(attachment).collect(),
        },
    }
}

/// The type, unless there is none. Types are words of LinkedIn; anything else is not repeated as one.
fn kind(kind: &str) -> Option<String> {
    let is_word = kind.len() <= 40 && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (!kind.is_empty()).then(|| if is_word { kind.to_owned() } else { "OTHER".to_owned() })
}

/// Where the first hit is in what is looked at of a text.
fn first_hit(whole: &str, part: TextPart<'_>) -> usize {
    match part {
        TextPart::From(_) => 0,
        TextPart::Around(wanted) => {
            tokenize::hits(cut(whole, READ), wanted).0.first().map_or(0, |hit| hit.start)
        }
    }
}

fn attachment(attachment: &Attachment) -> AttachmentWords {
    AttachmentWords {
        name: word(&attachment.name, NAME),
        url: attachment.url.as_deref().map(|url| word(url, ADDRESS)),
        kind: attachment.kind.as_deref().map(|kind| word(kind, 60)),
    }
}

/// The message if it fits. One that must, because an answer without any leads nowhere, is cut until it does.
pub(super) fn fitting(
    room: &mut AnswerRoom,
    row: &MessageRow,
    part: TextPart<'_>,
    bytes: usize,
    must: bool,
) -> Option<MessageItem> {
    let whole = printable(&row.message.text);
    let harmless = HarmlessText { hit: first_hit(&whole, part), whole };
    let mut bytes = bytes;
    loop {
        let mut item = item(row, &harmless, part, bytes);
        if bytes < 64 {
            item.untrusted.attachments.clear();
        }
        if room.takes(&item) {
            return Some(item);
        }
        if !must || bytes == 0 {
            return None;
        }
        bytes /= 2;
    }
}
