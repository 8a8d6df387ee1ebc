//! The change feed: messages in the order of their latest changes, without a look at what did not change.

use std::ops::ControlFlow;

use rusqlite::Row;

use crate::core::Ms;
use crate::core::model::ids::MessageId;
use crate::store::ids::last_change;
use crate::store::query::Statements as _;
use crate::store::read::message::{COLUMNS, JOINS, MessageRow};
use crate::store::{Queries, Result};

/// A message and its latest change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// The number of the change.
    pub seq: i64,
    /// `new`, `edited`, `gone`, `back` or `erased`.
    pub kind: String,
    /// When it was stored (ms).
    pub changed_ms: Ms,
    /// Whether it brought history rather than news: see [`crate::core::timeline::history`].
    pub history: bool,
    /// The message as it is now.
    pub message: FeedMessage,
}

/// A changed message as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedMessage {
    /// It is stored.
    Stored(Box<MessageRow>),
    /// It was erased on purpose: nothing but where it stood is known.
    Erased {
        /// The archive's id of the message.
        id: MessageId,
        /// The account's name.
        account: String,
        /// The conversation's URN, once known.
        conversation_id: Option<String>,
    },
}

impl FeedMessage {
    /// The message, unless it was erased.
    #[must_use]
    pub fn stored(self) -> Option<MessageRow> {
        match self {
            Self::Stored(row) => Some(*row),
            Self::Erased { .. } => None,
        }
    }
}

const ERASED: &str = "
SELECT x.change, b.kind, b.at_ms, b.history, x.id, a.name, coalesce(c.urn, c.thread, c.profile_url)
FROM change b INDEXED BY change_erased CROSS JOIN erased x INDEXED BY erased_by_time ON x.conversation = b.conversation
  AND x.sent_at_ms BETWEEN b.oldest_ms AND b.newest_ms AND x.change BETWEEN b.seq - b.messages + 1 AND b.seq
JOIN conversation c ON c.id = x.conversation JOIN account a ON a.id = c.account
WHERE b.seq > ?1 AND b.kind = 'erased' AND x.change > ?1 ORDER BY b.seq, x.change";

impl Queries<'_> {
    /// Shows the messages that were changed after this number, each at its latest change and in that order, at most so
    /// many, until `visit` breaks off: what it breaks off with is returned.
    pub fn changes<B>(
        &self,
        since: i64,
        limit: Option<u64>,
        mut visit: impl FnMut(ChangeRow) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        let limit = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let mut statement = self.db().prepare_cached(&format!(
            "SELECT {COLUMNS}, b.kind, b.at_ms, b.history
             FROM change b CROSS JOIN message m INDEXED BY message_by_time ON m.conversation = b.conversation
               AND m.sent_at_ms BETWEEN b.oldest_ms AND b.newest_ms AND m.change BETWEEN b.seq - b.messages + 1 AND b.seq
             {JOINS} WHERE b.seq > ?1 AND m.change > ?1 ORDER BY b.seq, m.change LIMIT ?2"
        ))?;
        let mut rows = statement.query([since, limit])?;
        // Two lists in the order of the numbers, which become one.
        let mut erased = self.db().prepare_cached(ERASED)?;
        let mut erased = erased.query([since])?;
        let mut next_erased = erased.next()?.map(erased_change).transpose()?;
        let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
        while left > 0 {
            let stored = rows.next()?.map(stored_change).transpose()?;
            let until = stored.as_ref().map_or(i64::MAX, |change| change.seq);
            while let Some(change) = next_erased.take_if(|change| left > 0 && change.seq < until) {
                next_erased = erased.next()?.map(erased_change).transpose()?;
                left -= 1;
                if let ControlFlow::Break(value) = visit(change) {
                    return Ok(Some(value));
                }
            }
            let Some(change) = stored.filter(|_| left > 0) else { break };
            left -= 1;
            if let ControlFlow::Break(value) = visit(change) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The number of the last change; 0: there was none.
    pub fn last_change(&self) -> Result<i64> {
        last_change(self.db())
    }

    /// A number that changes whenever another connection has written to the archive.
    pub fn data_version(&self) -> Result<i64> {
        self.db().one("PRAGMA data_version", [])
    }
}

fn stored_change(row: &Row<'_>) -> rusqlite::Result<ChangeRow> {
    Ok(ChangeRow {
        seq: row.get(15)?,
        kind: row.get(30)?,
        changed_ms: row.get(31)?,
        history: row.get(32)?,
        message: FeedMessage::Stored(Box::new(MessageRow::read(row)?)),
    })
}

fn erased_change(row: &Row<'_>) -> rusqlite::Result<ChangeRow> {
    Ok(ChangeRow {
        seq: row.get(0)?,
        kind: row.get(1)?,
        changed_ms: row.get(2)?,
        history: row.get(3)?,
        message: FeedMessage::Erased { id: row.get(4)?, account: row.get(5)?, conversation_id: row.get(6)? },
    })
}
