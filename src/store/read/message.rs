//! Which messages are meant, and the one reader of their rows.

use rusqlite::Row;
use rusqlite::types::Value;

use crate::core::Ms;
use crate::core::model::ids::{AccountId, ConversationId, MessageId, PersonId};
use crate::core::model::message::{Message, Sender};
use crate::core::model::parts::Parts;
use crate::core::raw::Raw;
use crate::core::raw::render::{self, Fields};
use crate::core::timeline::identity::Stored;

/// Which messages are meant; everything that is `None` keeps all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope {
    /// Those of this conversation.
    pub conversation: Option<ConversationId>,
    /// Those of this account.
    pub account: Option<AccountId>,
    /// Sent at this time or later.
    pub since_ms: Option<Ms>,
    /// Sent before this time.
    pub until_ms: Option<Ms>,
    /// From this message on, by its time and id. Only of one conversation.
    pub from: Option<(Ms, MessageId)>,
    /// Stored or changed after the change of this number.
    pub changed_after: Option<i64>,
    /// With ids from the first to the last of these, which only makes finding them quicker. Only for
    /// [`Snapshot::messages`](crate::store::Snapshot::messages).
    pub ids: Option<(MessageId, MessageId)>,
    /// By the senders that [`Reader::choose_people`] was given.
    ///
    /// [`Reader::choose_people`]: crate::store::Reader::choose_people
    pub chosen_people: bool,
}

/// Whether the sender of `message m` was chosen.
pub(super) const CHOSEN: &str = "m.sender IN (SELECT id FROM temp.chosen_person)";

impl Scope {
    /// The conditions on `message m`, and their values.
    pub(super) fn conditions(&self) -> (String, Vec<Value>) {
        let mut words = vec!["1"];
        let mut values: Vec<Value> = Vec::new();
        let mut add = |condition, value: Option<Value>| {
            if let Some(value) = value {
                words.push(condition);
                values.push(value);
            }
        };
        add("m.conversation = ?", self.conversation.map(Value::from));
        // A range of ids is read for its own sake, and with it the row of each conversation.
        let of_account = match self.ids {
            Some(_) => "c.account = ?",
            None => "m.conversation IN (SELECT id FROM conversation WHERE account = ?)",
        };
        add(of_account, self.account.map(Value::from));
        add("m.sent_at_ms >= ?", self.since_ms.map(Value::from));
        add("m.sent_at_ms < ?", self.until_ms.map(Value::from));
        add("m.id >= ?", self.ids.map(|(first, _)| first.into()));
        add("m.id <= ?", self.ids.map(|(_, last)| last.into()));
        if self.chosen_people {
            words.push(CHOSEN);
        }
        if let Some(number) = self.changed_after {
            words.push(CHANGED_AFTER);
            values.extend([Value::from(number), Value::from(number)]);
        }
        if let Some((at, id)) = self.from {
            words.push("(m.sent_at_ms, m.id) >= (?, ?)");
            values.extend([Value::from(at), id.into()]);
        }
        (words.join(" AND "), values)
    }

    /// Whether messages of some conversations or times are left out.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.conversation.is_some()
            || self.since_ms.is_some()
            || self.until_ms.is_some()
            || self.chosen_people
    }
}

/// Messages that were changed after a number, twice told, without a look at what was not.
pub(super) const CHANGED_AFTER: &str = "m.id IN (
  SELECT x.id FROM change b CROSS JOIN message x INDEXED BY message_by_time
    ON x.conversation = b.conversation AND x.sent_at_ms BETWEEN b.oldest_ms AND b.newest_ms
  WHERE b.seq > ? AND x.change > ?)";

/// What a message's own row says, and those that it points to, but for its conversation.
macro_rules! own {
    () => {
        "m.id, m.conversation, m.sent_at_ms, m.sender, m.kind, m.template, m.urn_shape, m.urn_probe, m.urn_key, m.versions,
    m.gone_since_ms, m.derived_time, m.text, m.extra, m.source, m.change, p.name, p.first_name, p.last_name,
    p.profile_url, p.is_me, k.name, t.json, u.prefix, u.suffix, m.subject, m.attachments"
    };
}

// Tables are joined in the order in which they are looked up: the message first, then what it points to.
macro_rules! own_joins {
    () => {
        "CROSS JOIN person p ON p.id = m.sender CROSS JOIN kind k ON k.id = m.kind
  CROSS JOIN template t ON t.id = m.template LEFT JOIN urn_shape u ON u.id = m.urn_shape"
    };
}

/// A query of messages that leaves the names of account and conversation empty.
pub(crate) const NAMELESS: &str =
    concat!("SELECT ", own!(), ", '', NULL, NULL FROM message m ", own_joins!());

/// The columns that [`ExportRow`] reads.
pub(super) const COLUMNS: &str =
    concat!(own!(), ", a.name, coalesce(c.urn, c.thread, c.profile_url), coalesce(c.alias, c.name)");

/// What joins `message m` with the tables of [`COLUMNS`].
pub(super) const JOINS: &str = concat!(
    "CROSS JOIN conversation c ON c.id = m.conversation CROSS JOIN account a ON a.id = c.account ",
    own_joins!()
);

/// A message with all that its row and the rows it points to say of it, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct ExportRow<'a> {
    /// The archive's id.
    pub id: MessageId,
    /// The archive's id of the conversation.
    pub conversation_row: ConversationId,
    /// Whose mailbox.
    pub account: &'a str,
    /// The conversation's URN.
    pub conversation_id: Option<&'a str>,
    /// What the conversation is called.
    pub conversation: Option<&'a str>,
    /// When it was sent.
    pub sent_at_ms: Ms,
    /// What its JSON is made of: sender, type, URN, text.
    pub fields: Fields<'a>,
    /// Whether the account's owner wrote it.
    pub from_me: Option<i64>,
    /// 1 and the edits seen.
    pub versions: i64,
    /// Since when the API no longer returns it.
    pub gone_since_ms: Option<Ms>,
    /// `export` or null, as the table has it.
    pub source: Option<&'a str>,
    /// Its subject.
    pub subject: Option<&'a str>,
    /// Its attachments, as a JSON array.
    pub attachments: Option<&'a str>,
    /// The form of its JSON.
    pub template: &'a str,
    /// The id of the sender.
    pub sender_row: PersonId,
    /// The id of the type.
    pub kind_row: i64,
    /// The id of the template.
    pub template_row: i64,
    /// The id of the URN's shape.
    pub shape_row: Option<i64>,
    /// What the URN is found by.
    pub probe: Option<i64>,
    /// 1: the time is derived.
    pub derived_time: Option<i64>,
    /// The number of its latest change.
    pub change: Option<i64>,
}

impl<'a> ExportRow<'a> {
    /// Reads a row of [`COLUMNS`] or [`NAMELESS`].
    pub(crate) fn read(row: &'a Row<'_>) -> rusqlite::Result<Self> {
        let text = |at: usize| -> rusqlite::Result<&'a str> { Ok(row.get_ref(at)?.as_str()?) };
        let optional =
            |at: usize| -> rusqlite::Result<Option<&'a str>> { Ok(row.get_ref(at)?.as_str_or_null()?) };
        Ok(Self {
            id: row.get(0)?,
            conversation_row: row.get(1)?,
            sent_at_ms: row.get(2)?,
            sender_row: row.get(3)?,
            kind_row: row.get(4)?,
            template_row: row.get(5)?,
            shape_row: row.get(6)?,
            probe: row.get(7)?,
            versions: row.get(9)?,
            gone_since_ms: row.get(10)?,
            derived_time: row.get(11)?,
            source: optional(14)?,
            change: row.get(15)?,
            from_me: row.get(20)?,
            template: text(22)?,
            subject: optional(25)?,
            attachments: optional(26)?,
            account: text(27)?,
            conversation_id: optional(28)?,
            conversation: optional(29)?,
            fields: Fields {
                text: text(12)?,
                extra: optional(13)?,
                name: text(16)?,
                first_name: optional(17)?,
                last_name: optional(18)?,
                profile_url: optional(19)?,
                kind: text(21)?,
                urn: match (optional(23)?, optional(8)?, optional(24)?) {
                    (Some(prefix), Some(key), Some(suffix)) => Some([prefix, key, suffix]),
                    _ => None,
                },
            },
        })
    }

    /// The JSON as served, as the view `message_log` rebuilds it.
    pub fn raw_into(&self, out: &mut Vec<u8>) {
        render::render(self.template, self.sent_at_ms, &self.fields, out);
    }

    /// `export` or `api`, as `message_log` says.
    #[must_use]
    pub fn source_name(&self) -> &str {
        self.source.unwrap_or("api")
    }

    /// Subject and attachments.
    #[must_use]
    pub fn parts(&self) -> Parts {
        Parts::stored(self.subject.map(str::to_owned), self.attachments)
    }

    fn message(&self) -> Message {
        let fields = &self.fields;
        Message {
            urn: fields.urn.map(|parts| parts.concat()),
            at_ms: self.sent_at_ms,
            derived_time: self.derived_time.is_some(),
            untrusted_ms: None,
            sender: Sender {
                name: fields.name.to_owned(),
                first_name: fields.first_name.map(str::to_owned),
                last_name: fields.last_name.map(str::to_owned),
                profile_url: fields.profile_url.map(str::to_owned),
            },
            kind: fields.kind.to_owned(),
            text: fields.text.to_owned(),
            raw: Raw { template: self.template.to_owned(), extra: fields.extra.map(str::to_owned) },
        }
    }
}

/// A message with all that the view `message_log` says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// The archive's id of the message.
    pub id: MessageId,
    /// The archive's id of the conversation.
    pub conversation: ConversationId,
    /// The account's name.
    pub account: String,
    /// The conversation's URN, once known.
    pub conversation_id: Option<String>,
    /// What the conversation is called, if anything.
    pub conversation_name: Option<String>,
    /// How many versions were seen.
    pub versions: i64,
    /// When the API was first seen not to return it (ms).
    pub gone_since_ms: Option<Ms>,
    /// Whether the sender is the account's owner; `None` = unknown.
    pub from_me: Option<bool>,
    /// `api` or `export`.
    pub source: String,
    /// Subject and attachments.
    pub parts: Parts,
    /// Text, type, sender, time, URN and what rebuilds the served JSON.
    pub message: Message,
}

impl MessageRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self::from(&ExportRow::read(row)?))
    }

    /// The JSON as it was served, rebuilt.
    #[must_use]
    pub fn raw(&self) -> String {
        self.message.served_json()
    }

    /// Subject, text and attachments as one text.
    #[must_use]
    pub fn shown(&self) -> String {
        self.parts.shown(&self.message.text)
    }
}

impl From<&ExportRow<'_>> for MessageRow {
    fn from(row: &ExportRow<'_>) -> Self {
        Self {
            id: row.id,
            conversation: row.conversation_row,
            account: row.account.to_owned(),
            conversation_id: row.conversation_id.map(str::to_owned),
            conversation_name: row.conversation.map(str::to_owned),
            versions: row.versions,
            gone_since_ms: row.gone_since_ms,
            from_me: row.from_me.map(|is_me| is_me != 0),
            source: row.source_name().to_owned(),
            parts: row.parts(),
            message: row.message(),
        }
    }
}

/// Reads a row of [`NAMELESS`] as the timeline compares it with a page.
pub(crate) fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let row = ExportRow::read(row)?;
    let (gone, exported) = (row.gone_since_ms.is_some(), row.source.is_some());
    Ok(Stored { id: row.id, gone, exported, erased: false, message: row.message() })
}
