//! Numbers the changes of messages: each gets the next number, and what a transaction changed in one way is noted in one
//! row, by which the messages are found again.

use rusqlite::types::{ToSql, ToSqlOutput};
use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::model::change_kind::ChangeKind;
use crate::core::model::ids::{ConversationId, RunId};
use crate::store::Result;
use crate::store::ids::last_change;
use crate::store::query::Statements as _;

impl ToSql for ChangeKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.as_str().to_sql()
    }
}

/// Keeps the numbers that these messages have, which are about to get new ones, with the version that holds what they
/// say until then, where that changes.
pub(crate) fn keep(db: &Connection, which: &str, value: &dyn ToSql, version: Option<i64>) -> Result<()> {
    let sql = format!(
        "INSERT OR IGNORE INTO change_before (seq, message, version) SELECT change, id, ?2 FROM message
         WHERE change IS NOT NULL AND {which}"
    );
    db.run(&sql, params![value, version])
}

/// Consecutive numbers, and where in time their messages are.
#[derive(Debug)]
struct Block {
    kind: ChangeKind,
    history: bool,
    last: i64,
    messages: i64,
    oldest_ms: Ms,
    newest_ms: Ms,
}

/// The changes of one conversation in one transaction.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// The last number given.
    last: Option<i64>,
    blocks: Vec<Block>,
    /// Unchanged messages that were passed by since the last change.
    passed: u32,
}

/// Unchanged messages that may stand among those of one row: looking for what changed passes them by, too.
const MOST_PASSED: u32 = 100;

impl Changes {
    /// Notes that an unchanged message stands here.
    pub(crate) fn pass(&mut self) {
        self.passed = self.passed.saturating_add(1);
    }

    /// Numbers a change of one message.
    pub(crate) fn next(
        &mut self,
        db: &Connection,
        kind: ChangeKind,
        history: bool,
        at_ms: Ms,
    ) -> Result<i64> {
        Ok(self.take(db, (kind, history), 1, (at_ms, at_ms))?.saturating_add(1))
    }

    /// Numbers changes of so many messages; returns the number before the first.
    pub(crate) fn take(
        &mut self,
        db: &Connection,
        (kind, history): (ChangeKind, bool),
        messages: i64,
        (oldest_ms, newest_ms): (Ms, Ms),
    ) -> Result<i64> {
        let before = match self.last {
            Some(last) => last,
            None => last_change(db)?,
        };
        let last = before.saturating_add(messages);
        self.last = Some(last);
        let near = std::mem::take(&mut self.passed) <= MOST_PASSED;
        match self.blocks.last_mut().filter(|b| near && (b.kind, b.history) == (kind, history)) {
            Some(block) => {
                block.last = last;
                block.messages = block.messages.saturating_add(messages);
                block.oldest_ms = block.oldest_ms.min(oldest_ms);
                block.newest_ms = block.newest_ms.max(newest_ms);
            }
            None => self.blocks.push(Block { kind, history, last, messages, oldest_ms, newest_ms }),
        }
        Ok(before)
    }

    /// Writes down which numbers were given.
    pub(crate) fn write(
        &self,
        db: &Connection,
        conversation: ConversationId,
        run: RunId,
        now: Ms,
    ) -> Result<()> {
        self.blocks.iter().try_for_each(|block| {
            db.run(
                "INSERT INTO change (seq, messages, kind, history, run, at_ms, conversation, oldest_ms, newest_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    block.last,
                    block.messages,
                    block.kind,
                    block.history,
                    run,
                    now,
                    conversation,
                    block.oldest_ms,
                    block.newest_ms
                ],
            )
        })
    }
}
