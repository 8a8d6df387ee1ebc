//! What an erasure is to take, and what that comes to.

use rusqlite::Connection;

use crate::core::Ms;
use crate::core::model::ids::{ConversationId, MessageId, PersonId};
use crate::store::erase::undated::{self, Undated};
use crate::store::query::{Statements as _, struct_rows};
use crate::store::{Queries, Result};

/// Which messages are to be erased: those that meet every condition that is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Those of these conversations; `None`: of all.
    pub conversations: Option<Vec<ConversationId>>,
    /// Those that these senders wrote, in the present or a former version; `None`: whoever wrote them.
    pub people: Option<Vec<PersonId>>,
    /// These.
    pub messages: Option<Vec<MessageId>>,
    /// Those sent before this (ms).
    pub before_ms: Option<Ms>,
    /// Whether the conversations are never archived again.
    pub and_future: bool,
    /// Conversations that nothing is erased of, by their thread ids.
    pub hold: Vec<String>,
    /// Whether retention asks for it: then the archive as a whole, and no single conversation, begins where it ends.
    pub retention: bool,
}

/// What an erasure would remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct ErasurePreview {
    /// Messages.
    pub messages: i64,
    /// Their former versions.
    pub versions: i64,
    /// Conversations that they are in.
    pub conversations: i64,
    /// Time of the oldest of them (ms).
    pub oldest_ms: Option<Ms>,
    /// Time of the newest of them (ms).
    pub newest_ms: Option<Ms>,
    /// Messages that would go as well, were their conversations not on hold.
    pub on_hold: i64,
}

struct_rows!(ErasurePreview { messages, versions, conversations, oldest_ms, newest_ms, on_hold });

impl Selection {
    /// Whether everything of a stretch of time is meant, whoever wrote it: nothing older is archived from then on.
    #[must_use]
    pub fn is_stretch(&self) -> bool {
        self.people.is_none() && self.messages.is_none()
    }

    /// In words that name nobody, as `erasure_log` has them.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        match self.conversations.as_deref() {
            Some([_]) => words.push("one conversation".to_owned()),
            Some(several) => words.push(format!("{} conversations", several.len())),
            None => {}
        }
        words.extend(self.people.as_ref().map(|_| "one person".to_owned()));
        words.extend(self.messages.as_deref().map(|ids| match ids {
            [_] => "one message".to_owned(),
            several => format!("{} messages", several.len()),
        }));
        let day = |ms| chrono::DateTime::from_timestamp_millis(ms).map(|at| at.format("%Y-%m-%dT%H:%MZ"));
        words.extend(self.before_ms.and_then(day).map(|day| format!("before {day}")));
        words.extend(self.and_future.then(|| "and the future".to_owned()));
        words.extend(self.retention.then(|| "by retention".to_owned()));
        words.join(", ")
    }

    /// Whether the conversation `c` is on hold, as SQL.
    pub(super) fn on_hold(&self) -> String {
        let quoted = |thread: &String| format!("'{}'", thread.replace('\'', "''"));
        let threads: Vec<String> = self.hold.iter().map(quoted).collect();
        format!("(c.thread IS NOT NULL AND c.thread IN ({}))", threads.join(","))
    }

    /// The conversations that are meant, as a condition on `conversation c`.
    pub(super) fn within(&self) -> String {
        match &self.conversations {
            Some(ids) => format!("c.id IN ({})", list(ids.iter().map(|id| id.0))),
            None => "1".to_owned(),
        }
    }

    /// The messages that are meant and may go, as a query of their ids and conversations. Of those that stand before its
    /// date, these stay.
    pub(super) fn chosen(&self, undated: &[Undated]) -> String {
        format!("SELECT m.id, m.conversation {} AND NOT {}", self.from(undated), self.on_hold())
    }

    fn from(&self, undated: &[Undated]) -> String {
        let mut condition = self.within();
        if !undated.is_empty() {
            let ids = list(undated.iter().map(|message| message.id.0));
            condition = format!("{condition} AND m.id NOT IN ({ids})");
        }
        if let Some(messages) = &self.messages {
            condition = format!("{condition} AND m.id IN ({})", list(messages.iter().map(|id| id.0)));
        }
        if let Some(before) = self.before_ms {
            // The oldest message of a conversation tells whether it has any.
            condition = format!("{condition} AND m.sent_at_ms < {before} AND c.oldest_ms < {before}");
        }
        let Some(people) = &self.people else {
            // A message that is named is found by its id; all others by their conversations' index.
            let by = if self.messages.is_some() { "" } else { " INDEXED BY message_by_time" };
            let order = if self.messages.is_some() {
                "message m JOIN conversation c"
            } else {
                "conversation c CROSS JOIN message m"
            };
            return format!("FROM {order}{by} ON m.conversation = c.id WHERE {condition}");
        };
        let people = list(people.iter().map(|id| id.0));
        format!(
            "FROM (SELECT w.id FROM participant x CROSS JOIN message w ON w.conversation = x.conversation AND w.sender = x.person
               WHERE x.person IN ({people})
               UNION SELECT v.message FROM message_version v WHERE v.sender IN ({people})) AS o
             CROSS JOIN message m ON m.id = o.id JOIN conversation c ON c.id = m.conversation WHERE {condition}"
        )
    }
}

/// Numbers, as SQL lists them.
pub(super) fn list(numbers: impl Iterator<Item = i64>) -> String {
    numbers.map(|n| n.to_string()).collect::<Vec<_>>().join(",")
}

impl Queries<'_> {
    /// What an erasure would remove.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn erasure_preview(&self, selection: &Selection) -> Result<ErasurePreview> {
        preview(self.db(), selection)
    }

    /// The messages of this id of the archive's, or with this URN: one in each account that has it.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn messages_called(&self, given: &str) -> Result<Vec<MessageId>> {
        if let Ok(id) = given.parse::<i64>() {
            return self.db().all("SELECT id FROM message WHERE id = ?1", [id]);
        }
        self.db().all(
            "SELECT m.id FROM conversation c CROSS JOIN message m ON m.conversation = c.id AND m.urn_probe = ?2
             JOIN urn_shape u ON u.id = m.urn_shape WHERE u.prefix || m.urn_key || u.suffix = ?1",
            rusqlite::params![given, crate::store::ids::probe(given)],
        )
    }
}

pub(super) fn preview(db: &Connection, selection: &Selection) -> Result<ErasurePreview> {
    let undated = undated::of(db, selection)?;
    let (from, on_hold) = (selection.from(&undated), selection.on_hold());
    db.one(
        &format!(
            "SELECT count(*) FILTER (WHERE NOT {on_hold}),
               coalesce(sum((SELECT count(*) FROM message_version v WHERE v.message = m.id)) FILTER (WHERE NOT {on_hold}), 0),
               count(DISTINCT m.conversation) FILTER (WHERE NOT {on_hold}), min(m.sent_at_ms) FILTER (WHERE NOT {on_hold}),
               max(m.sent_at_ms) FILTER (WHERE NOT {on_hold}), count(*) FILTER (WHERE {on_hold}) {from}"
        ),
        [],
    )
}
