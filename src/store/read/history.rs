//! Messages as a person or a file reads them: streamed in order, every column of the view, however many there are.

use std::ops::ControlFlow;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

use crate::core::Ms;
use crate::core::model::message::{Message, Sender};
use crate::core::model::parts::Parts;
use crate::core::raw::Raw;
use crate::store::{Queries, StoreError, ids};

/// A message with all that the view `message_log` says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// The archive's id of the message.
    pub id: i64,
    /// The archive's id of the conversation.
    pub conversation: i64,
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

/// Which messages are wanted; the default is all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageRange {
    /// Of this conversation only.
    pub conversation: Option<i64>,
    /// Sent at this moment (ms) or later.
    pub since: Option<Ms>,
    /// Sent before this moment (ms).
    pub until: Option<Ms>,
    /// From this message on, by its time and id. Only of one conversation.
    pub from: Option<(Ms, i64)>,
    /// At most so many.
    pub limit: Option<u32>,
}

const COLUMNS: &str = "m.id, m.conversation, a.name, coalesce(c.urn, c.thread, c.profile_url), coalesce(c.alias, c.name), m.versions, m.gone_since_ms, p.is_me,
    ifnull(m.source, 'api'), u.prefix || m.urn_key || u.suffix, m.sent_at_ms, m.derived_time, p.name, p.first_name, p.last_name,
    p.profile_url, k.name, m.text, t.json, m.extra, m.subject, m.attachments";

// The order of these is the order in which they are looked up: the message first, then what it points to.
const JOINS: &str = "CROSS JOIN conversation c ON c.id = m.conversation CROSS JOIN account a ON a.id = c.account
    CROSS JOIN person p ON p.id = m.sender CROSS JOIN kind k ON k.id = m.kind CROSS JOIN template t ON t.id = m.template
    LEFT JOIN urn_shape u ON u.id = m.urn_shape";

impl MessageRange {
    /// The condition in SQL and its values.
    fn condition(&self) -> (String, Vec<Value>) {
        let mut condition = String::from("true");
        let mut values = Vec::new();
        let mut add = |sql: &str, value: i64| {
            condition.push_str(sql);
            values.push(Value::from(value));
        };
        if let Some(id) = self.conversation {
            add(" AND m.conversation = ?", id);
        }
        if let Some(since) = self.since {
            add(" AND m.sent_at_ms >= ?", since);
        }
        if let Some(until) = self.until {
            add(" AND m.sent_at_ms < ?", until);
        }
        if let Some((at, id)) = self.from {
            add(" AND (m.sent_at_ms, m.id) >= (?,", at);
            add(" ?)", id);
        }
        (condition, values)
    }
}

impl Queries<'_> {
    /// Shows the messages one by one, conversation by conversation and oldest first, until `visit` breaks off: what
    /// it breaks off with is returned. Nothing is kept in memory, and the first comes at once.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn messages<B>(
        &self,
        range: &MessageRange,
        mut visit: impl FnMut(MessageRow) -> ControlFlow<B>,
    ) -> Result<Option<B>, StoreError> {
        let (condition, mut values) = range.condition();
        values.push(Value::from(range.limit.map_or(-1, i64::from)));
        let mut statement = self.db().prepare(&format!(
            "SELECT {COLUMNS} FROM message m INDEXED BY message_by_time {JOINS} WHERE {condition}
             ORDER BY m.conversation, m.sent_at_ms, m.id LIMIT ?"
        ))?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            if let ControlFlow::Break(value) = visit(read(row)?) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The range narrowed to its newest so many.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn newest_of(&self, range: MessageRange, count: u32) -> Result<MessageRange, StoreError> {
        let from = self.step(&range, "DESC", count)?;
        Ok(MessageRange { from: from.or(range.from), ..range })
    }

    /// The time and id of the message so many before this one of its conversation, or of the first there is.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn before(&self, message: &MessageRow, count: u32) -> Result<(Ms, i64), StoreError> {
        let here = (message.message.at_ms, message.id);
        let found = self
            .db()
            .prepare_cached(
                "SELECT sent_at_ms, id FROM (
               SELECT sent_at_ms, id FROM message WHERE conversation = ?1 AND (sent_at_ms, id) < (?2, ?3)
               ORDER BY sent_at_ms DESC, id DESC LIMIT ?4) ORDER BY 1, 2 LIMIT 1",
            )?
            .query_row((message.conversation, here.0, here.1, count), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(found.unwrap_or(here))
    }

    fn step(&self, range: &MessageRange, order: &str, count: u32) -> Result<Option<(Ms, i64)>, StoreError> {
        let (condition, mut values) = range.condition();
        values.push(Value::from(i64::from(count.saturating_sub(1))));
        let mut statement = self.db().prepare(&format!(
            "SELECT m.sent_at_ms, m.id FROM message m WHERE {condition}
             ORDER BY m.sent_at_ms {order}, m.id {order} LIMIT 1 OFFSET ?"
        ))?;
        Ok(statement.query_row(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// One message by the archive's id.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn message(&self, id: i64) -> Result<Option<MessageRow>, StoreError> {
        by_id(self.db(), id)
    }

    /// One message by its URN or, as a number, by the archive's id.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn message_called(&self, word: &str, conversation: i64) -> Result<Option<MessageRow>, StoreError> {
        if let Ok(id) = word.parse() {
            return Ok(by_id(self.db(), id)?.filter(|m| m.conversation == conversation));
        }
        let mut ids = self.db().prepare_cached(
            "SELECT id FROM message WHERE conversation = ?1 AND urn_probe = ?2 ORDER BY id",
        )?;
        let ids: Vec<i64> =
            ids.query_map((conversation, ids::probe(word)), |row| row.get(0))?.collect::<Result<_, _>>()?;
        for id in ids {
            if let Some(row) = by_id(self.db(), id)?.filter(|m| m.message.urn.as_deref() == Some(word)) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// What a message was before its edits, oldest first, each with when it was replaced.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn former(&self, id: i64) -> Result<Vec<(Ms, String)>, StoreError> {
        let mut statement = self.db().prepare_cached(
            "SELECT replaced_ms, text FROM message_version WHERE message = ?1 AND edited = 1 ORDER BY id",
        )?;
        let rows = statement.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

pub(crate) fn by_id(db: &Connection, id: i64) -> Result<Option<MessageRow>, StoreError> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM message m {JOINS} WHERE m.id = ?1"))?;
    Ok(statement.query_row([id], read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    Ok(MessageRow {
        id: row.get(0)?,
        conversation: row.get(1)?,
        account: row.get(2)?,
        conversation_id: row.get(3)?,
        conversation_name: row.get(4)?,
        versions: row.get(5)?,
        gone_since_ms: row.get(6)?,
        from_me: row.get(7)?,
        source: row.get(8)?,
        parts: Parts::stored(row.get(20)?, row.get_ref(21)?.as_str_or_null()?),
        message: Message {
            urn: row.get(9)?,
            at_ms: row.get(10)?,
            derived_time: row.get::<_, Option<i64>>(11)?.is_some(),
            sender: Sender {
                name: row.get(12)?,
                first_name: row.get(13)?,
                last_name: row.get(14)?,
                profile_url: row.get(15)?,
            },
            kind: row.get(16)?,
            text: row.get(17)?,
            raw: Raw { template: row.get(18)?, extra: row.get(19)? },
        },
    })
}
