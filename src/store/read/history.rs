//! Messages as a person reads them: streamed in order, however many there are.

use std::ops::ControlFlow;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

use crate::core::Ms;
use crate::core::model::ids::{ConversationId, MessageId};
use crate::store::Result;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::read::message::{COLUMNS, JOINS, MessageRow, Scope};
use crate::store::{Queries, ids};

/// A former version of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerVersion {
    /// When the newer one was first seen.
    pub replaced_ms: Ms,
    /// Its text.
    pub text: String,
}

struct_rows!(FormerVersion { replaced_ms, text });

impl Queries<'_> {
    /// Shows the messages one by one, conversation by conversation and oldest first, at most so many, until `visit`
    /// breaks off: what it breaks off with is returned. Nothing is kept in memory, and the first comes at once.
    pub fn messages<B>(
        &self,
        scope: &Scope,
        limit: Option<u32>,
        mut visit: impl FnMut(MessageRow) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        let (condition, mut values) = scope.conditions();
        values.push(Value::from(limit.map_or(-1, i64::from)));
        let mut statement = self.db().prepare(&format!(
            "SELECT {COLUMNS} FROM message m INDEXED BY message_by_time {JOINS} WHERE {condition}
             ORDER BY m.conversation, m.sent_at_ms, m.id LIMIT ?"
        ))?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            if let ControlFlow::Break(value) = visit(MessageRow::read(row)?) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The scope narrowed to its newest so many messages.
    pub fn newest_of(&self, scope: Scope, count: u32) -> Result<Scope> {
        let (condition, mut values) = scope.conditions();
        values.push(Value::from(i64::from(count.saturating_sub(1))));
        let from = self.db().first(
            &format!(
                "SELECT m.sent_at_ms, m.id FROM message m WHERE {condition}
                 ORDER BY m.sent_at_ms DESC, m.id DESC LIMIT 1 OFFSET ?"
            ),
            params_from_iter(values),
        )?;
        Ok(Scope { from: from.or(scope.from), ..scope })
    }

    /// The time and id of the message so many before this one of its conversation, or of the first there is.
    pub fn before(&self, message: &MessageRow, count: u32) -> Result<(Ms, MessageId)> {
        let here = (message.message.at_ms, message.id);
        let found = self.db().first(
            "SELECT sent_at_ms, id FROM (
               SELECT sent_at_ms, id FROM message WHERE conversation = ?1 AND (sent_at_ms, id) < (?2, ?3)
               ORDER BY sent_at_ms DESC, id DESC LIMIT ?4) ORDER BY 1, 2 LIMIT 1",
            (message.conversation, here.0, here.1, count),
        )?;
        Ok(found.unwrap_or(here))
    }

    /// One message by the archive's id.
    pub fn message(&self, id: MessageId) -> Result<Option<MessageRow>> {
        by_id(self.db(), id)
    }

    /// One message by its URN or, as a number, by the archive's id.
    pub fn message_called(&self, word: &str, conversation: ConversationId) -> Result<Option<MessageRow>> {
        if let Ok(id) = word.parse().map(MessageId) {
            return Ok(by_id(self.db(), id)?.filter(|m| m.conversation == conversation));
        }
        let same_probe: Vec<MessageId> = self.db().all(
            "SELECT id FROM message WHERE conversation = ?1 AND urn_probe = ?2 ORDER BY id",
            (conversation, ids::probe(word)),
        )?;
        for id in same_probe {
            if let Some(row) = by_id(self.db(), id)?.filter(|m| m.message.urn.as_deref() == Some(word)) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// What a message was before its edits, oldest first.
    pub fn former_versions(&self, message: MessageId) -> Result<Vec<FormerVersion>> {
        self.db().all(
            "SELECT replaced_ms, text FROM message_version WHERE message = ?1 AND edited = 1 ORDER BY id",
            [message],
        )
    }
}

pub(crate) fn by_id(db: &Connection, id: MessageId) -> Result<Option<MessageRow>> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM message m {JOINS} WHERE m.id = ?1"))?;
    Ok(statement.query_row([id], MessageRow::read).optional()?)
}
