//! The change feed: messages in the order of their latest changes, without a look at what did not change.

use std::ops::ControlFlow;

use crate::core::Ms;
use crate::store::ids::last_change;
use crate::store::query::Statements as _;
use crate::store::read::message::{COLUMNS, JOINS, MessageRow};
use crate::store::{Queries, Result};

/// A message and its latest change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// The number of the change.
    pub seq: i64,
    /// `new`, `edited`, `gone` or `back`.
    pub kind: String,
    /// When it was stored (ms).
    pub changed_ms: Ms,
    /// Whether it brought history rather than news: see [`crate::core::timeline::history`].
    pub history: bool,
    /// The message as it is now.
    pub message: MessageRow,
}

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
        while let Some(row) = rows.next()? {
            let change = ChangeRow {
                seq: row.get(15)?,
                kind: row.get(30)?,
                changed_ms: row.get(31)?,
                history: row.get(32)?,
                message: MessageRow::read(row)?,
            };
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
