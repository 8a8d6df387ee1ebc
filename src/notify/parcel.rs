//! What is sent: an event as JSON, and the same as a letter.

use serde_json::{Value, json};

use crate::core::Ms;
use crate::core::format::{IsoTime, plural};
use crate::core::model::change_kind::ChangeKind;
use crate::core::notify::batch::{BatchForm, PendingChange};
use crate::core::notify::event_id::{EventSubject, event_id};
use crate::core::printable::{one_line, printable};
use crate::store::{MessageRow, NoticeRow};
use crate::view::local_time::local_minute;
use crate::view::message::change_json;

/// Bytes of a message's text that are sent, and of what else it has.
const LONGEST_TEXT: usize = 12_000;
const MOST_ATTACHMENTS: usize = 20;

/// Letters of a message that a digest shows.
const EXCERPT: usize = 500;

/// An event, ready to be sent.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// What it is called: the same whenever it is sent.
    pub id: String,
    /// How many alerts or changes it stands for.
    pub events: i64,
    /// The event as the Standard Webhooks specification has it: type, timestamp and data.
    pub json: Value,
    /// The subject of the letter.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// A change and its message.
pub(super) type ChangedMessage = (PendingChange, MessageRow);

impl Parcel {
    /// The JSON on one line.
    #[must_use]
    pub fn body(&self) -> String {
        self.json.to_string()
    }

    /// The same with the id in it, for those who see no headers.
    #[must_use]
    pub fn body_with_id(&self) -> String {
        let mut json = self.json.clone();
        if let Value::Object(members) = &mut json {
            members.insert("id".to_owned(), self.id.clone().into());
        }
        json.to_string()
    }

    /// One change.
    pub(super) fn of_change(archive: &str, (change, message): &ChangedMessage) -> Self {
        let kind = change.kind.as_str();
        let subject = EventSubject::Change { seq: change.seq, at_ms: change.at_ms };
        Self {
            id: event_id(archive, &subject),
            events: 1,
            json: event(&format!("message.{kind}"), change.at_ms, data(change, message)),
            subject: format!("{}: {}", place(message), words(change.kind)),
            text: paragraph(change, message, LONGEST_TEXT),
        }
    }

    /// An alert.
    pub(super) fn of_notice(archive: &str, notice: &NoticeRow) -> Self {
        let NoticeRow { id, at_ms, kind, account, message } = notice;
        let kind = kind.as_str();
        let whose = account.as_ref().map_or_else(String::new, |account| format!("account {account}: "));
        Self {
            id: event_id(archive, &EventSubject::Notice { id: *id, at_ms: *at_ms }),
            events: 1,
            json: event("alert", *at_ms, json!({ "kind": kind, "account": account, "message": message })),
            subject: format!("archiver needs attention: {kind}"),
            text: format!(
                "Since {}: {whose}{message}\n\nRun `archiver status` for details.\n",
                local_minute(*at_ms)
            ),
        }
    }

    /// Several changes after a number, each with what it says. The last was stored at `at_ms`.
    pub(super) fn of_digest(
        archive: &str,
        sink: &str,
        (after, to): (i64, i64),
        at_ms: Ms,
        contents: &[ChangedMessage],
    ) -> Self {
        let subject = EventSubject::Batch { sink, form: BatchForm::Digest, after, to, at_ms };
        let text: Vec<String> =
            contents.iter().map(|(change, message)| paragraph(change, message, EXCERPT)).collect();
        Self {
            id: event_id(archive, &subject),
            events: count(contents.len()),
            // Only mail has digests, and that sends the text.
            json: event("digest", at_ms, json!({ "since": after, "until": to })),
            subject: format!("{}: {}", places(contents), plural(contents.len(), "message")),
            text: text.join("\n"),
        }
    }

    /// A test.
    #[must_use]
    pub fn of_test(archive: &str, sink: &str, now: Ms) -> Self {
        Self {
            id: event_id(archive, &EventSubject::Test { at_ms: now }),
            events: 0,
            json: event("test", now, json!({ "sink": sink })),
            subject: "archiver: test".to_owned(),
            text: format!("This is a test event for the sink {sink:?}, sent by `archiver notify test`.\n"),
        }
    }
}

/// The changes of a conversation in a summary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ConversationShare {
    pub(super) account: String,
    pub(super) conversation_id: Option<String>,
    pub(super) conversation: Option<String>,
    pub(super) counts: ChangeCounts,
}

/// Changes by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ChangeCounts {
    new: i64,
    edited: i64,
    gone: i64,
    back: i64,
}

impl ChangeCounts {
    pub(super) fn add(&mut self, kind: ChangeKind) {
        match kind {
            ChangeKind::New => self.new += 1,
            ChangeKind::Edited => self.edited += 1,
            ChangeKind::Gone => self.gone += 1,
            ChangeKind::Back => self.back += 1,
            // Nobody is notified of these.
            ChangeKind::Erased => {}
        }
    }

    pub(super) fn all(&self) -> i64 {
        self.new + self.edited + self.gone + self.back
    }

    fn json(&self) -> Value {
        json!({ "new": self.new, "edited": self.edited, "gone": self.gone, "back": self.back })
    }

    fn words(&self) -> String {
        let each = [(self.new, "new"), (self.edited, "edited"), (self.gone, "gone"), (self.back, "back")];
        let some: Vec<String> =
            each.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        some.join(", ")
    }
}

/// A summary of the changes after a number. `shares` are the conversations, those with the most changes first, of which
/// it names some, and `conversations` counts all.
pub(super) fn summary(
    archive: &str,
    sink: &str,
    (after, to): (i64, i64),
    at_ms: Ms,
    (counts, shares, conversations): (&ChangeCounts, &[ConversationShare], usize),
) -> Parcel {
    let subject = EventSubject::Batch { sink, form: BatchForm::Summary, after, to, at_ms };
    let of_share = |share: &ConversationShare| {
        let mut of = json!({
            "account": share.account,
            "conversation_id": share.conversation_id,
            "conversation": share.conversation,
        });
        if let (Value::Object(of), Value::Object(counts)) = (&mut of, share.counts.json()) {
            of.extend(counts);
        }
        of
    };
    let mut data = json!({
        "since": after,
        "until": to,
        "conversations": conversations,
        "busiest": shares.iter().map(of_share).collect::<Vec<_>>(),
    });
    if let (Value::Object(data), Value::Object(counts)) = (&mut data, counts.json()) {
        data.extend(counts);
    }
    let lines: Vec<String> = shares
        .iter()
        .map(|share| {
            let name = share.conversation.as_deref().unwrap_or("a conversation without a name");
            format!("{}: {}\n", one_line(name), share.counts.words())
        })
        .collect();
    let more = conversations.saturating_sub(lines.len());
    let more = if more > 0 { format!("and {} more\n", plural(more, "conversation")) } else { String::new() };
    Parcel {
        id: event_id(archive, &subject),
        events: counts.all(),
        json: event("summary", at_ms, data),
        subject: format!(
            "archiver: {} messages in {}",
            counts.words(),
            plural(conversations, "conversation")
        ),
        text: format!(
            "Too many changes to list one by one: {}.\n\n{}{more}\n`archiver changes --since {after}` prints them.\n",
            counts.words(),
            lines.concat()
        ),
    }
}

fn event(kind: &str, at_ms: Ms, data: Value) -> Value {
    json!({ "type": kind, "timestamp": IsoTime(at_ms), "data": data })
}

/// The message as `archiver changes` prints it, bounded.
fn data(change: &PendingChange, message: &MessageRow) -> Value {
    let mut json = change_json(message, (change.seq, change.kind.as_str()), change.at_ms, false);
    if let Value::Object(members) = &mut json {
        let text = &message.message.text;
        let cut = cut(text, LONGEST_TEXT);
        if cut.len() < text.len() {
            members.insert("text".to_owned(), cut.into());
        }
        members.insert("text_cut".to_owned(), (cut.len() < text.len()).into());
        if let Some(Value::Array(attachments)) = members.get_mut("attachments") {
            attachments.truncate(MOST_ATTACHMENTS);
        }
    }
    json
}

/// The beginning of a text, of at most so many bytes.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    text.get(..end).unwrap_or_default()
}

fn words(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::New => "new message",
        ChangeKind::Edited => "message edited",
        ChangeKind::Gone => "message gone",
        ChangeKind::Back => "message back",
        ChangeKind::Erased => "message erased",
    }
}

/// Where a message is, on one line.
fn place(message: &MessageRow) -> String {
    let name = message.conversation_name.as_deref().unwrap_or(&message.message.sender.name);
    one_line(if name.is_empty() { "LinkedIn" } else { name })
}

fn places(contents: &[ChangedMessage]) -> String {
    let first = contents.first().map_or_else(String::new, |(_, message)| place(message));
    match contents.iter().any(|(_, message)| place(message) != first) {
        true => "archiver".to_owned(),
        false => first,
    }
}

/// A change as a mail shows it.
fn paragraph(change: &PendingChange, message: &MessageRow, most: usize) -> String {
    let sender = match message.from_me {
        Some(true) => "you".to_owned(),
        _ => one_line(&message.message.sender.name),
    };
    let (shown, at) = (message.shown(), local_minute(message.message.at_ms));
    let text = printable(cut(&shown, most));
    let more = if text.len() < shown.len() && cut(&shown, most).len() < shown.len() { "…" } else { "" };
    format!("{}, {}, {at}, by {sender}:\n{text}{more}\n", place(message), words(change.kind))
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
