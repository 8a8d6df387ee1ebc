//! Writes gaps of conversations and inboxes.

use rusqlite::{Connection, params};

use crate::core::model::cursor::Cursor;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::planner::backoff;
use crate::core::timeline::gap::Gap;
use crate::core::timeline::stall::{self, Stall};
use crate::store::Result;
use crate::store::ledger::Failed;
use crate::store::query::Statements as _;

/// Marks what a failed request was about as stalled, if the failure says something about it.
pub(crate) fn fail(
    tx: &Connection,
    account: AccountId,
    conversation: Option<ConversationId>,
    before: &[Gap],
    failed: &Failed<'_>,
) -> Result<()> {
    if !failed.stalls {
        return Ok(());
    }
    let error = failed.settlement.error.unwrap_or("the request failed");
    let after = stall::after_failure(before, failed.asked, error, failed.now);
    write(tx, account, conversation, before, &after)
}

/// The place of a gap: see [`GapClass`](crate::core::planner::queue::GapClass); 3 is not asked for.
const RANK: &str = "CASE WHEN c.asked = 0 THEN 3 WHEN g.stalls > 0 THEN 2 ELSE c.last_error IS NOT NULL END";

/// Brings the ranks of a conversation's gaps up to date, after something has changed that they depend on.
pub(crate) fn rank(tx: &Connection, conversation: ConversationId) -> Result<()> {
    let sql = format!(
        "UPDATE gap SET rank = r.rank
         FROM (SELECT g.id, {RANK} AS rank FROM gap g JOIN conversation c ON c.id = g.conversation WHERE g.conversation = ?1) AS r
         WHERE gap.id = r.id AND gap.rank <> r.rank"
    );
    tx.run(&sql, [conversation])
}

/// The same of all conversations.
pub(crate) fn rank_all(tx: &Connection) -> Result<()> {
    let sql = format!(
        "UPDATE gap SET rank = r.rank
         FROM (SELECT g.id, {RANK} AS rank FROM gap g JOIN conversation c ON c.id = g.conversation) AS r
         WHERE gap.id = r.id AND gap.rank <> r.rank"
    );
    tx.run(&sql, [])
}

/// Brings the rows of a conversation's gaps (`None`: the inbox's) from one list to the other.
pub(crate) fn write(
    tx: &Connection,
    account: AccountId,
    conversation: Option<ConversationId>,
    before: &[Gap],
    after: &[Gap],
) -> Result<()> {
    for gone in before.iter().filter(|b| !after.iter().any(|a| a.id == b.id)) {
        tx.run("DELETE FROM gap WHERE id = ?1", [gone.id])?;
    }
    for gap in after.iter().filter(|a| !before.contains(a)) {
        let id = (gap.id != 0).then_some(gap.id);
        let cursor = gap.cursor.as_ref().map(Cursor::text);
        let (code, detail) =
            (gap.stalled.as_ref().map(Stall::code), gap.stalled.as_ref().and_then(Stall::detail));
        tx.run(
            "INSERT INTO gap (id, account, conversation, newer_ms, older_ms, cursor, opened_ms, stall_code, stall_detail, stalls,
               stalled_run, due_run, ask_at_least, filled)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT (id) DO UPDATE SET newer_ms = excluded.newer_ms, older_ms = excluded.older_ms, cursor = excluded.cursor,
               stall_code = excluded.stall_code, stall_detail = excluded.stall_detail, stalls = excluded.stalls,
               stalled_run = excluded.stalled_run, due_run = excluded.due_run,
               ask_at_least = excluded.ask_at_least, filled = excluded.filled",
            params![
                id, account, conversation, gap.newer_ms, gap.older_ms, cursor, gap.opened_ms, code, detail, gap.stalls,
                gap.stalled_run, backoff::due_run(gap.stalls, gap.stalled_run), gap.ask_at_least, gap.filled
            ],
        )?;
    }
    if let Some(conversation) = conversation.filter(|_| after.iter().any(|gap| gap.older_ms.is_none())) {
        // One that was empty to its beginning has begun anew.
        let sql = "UPDATE conversation SET beginning_seen_ms = NULL WHERE id = ?1 AND beginning_seen_ms IS NOT NULL";
        tx.run(sql, [conversation])?;
    }
    match conversation {
        Some(conversation) if after.iter().any(|gap| !before.contains(gap)) => rank(tx, conversation),
        _ => Ok(()),
    }
}
