//! Gaps as rows: of conversations and of inboxes.

use std::collections::BTreeMap;

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, Row, params};

use crate::core::model::page::Cursor;
use crate::core::timeline::apply::Gap;
use crate::core::planner::backoff;
use crate::core::timeline::stall::{self, Stall};
use crate::store::StoreError;
use crate::store::ledger::Failed;

const COLUMNS: &str = "id, newer_ms, older_ms, cursor, opened_ms, stall_code, stall_detail, stalls, stalled_run, ask_at_least, filled, conversation FROM gap";
const ORDER: &str = "ORDER BY newer_ms IS NOT NULL, newer_ms DESC, older_ms DESC";

/// A conversation's gaps, newest first.
pub(in crate::store) fn of_conversation(db: &Connection, conversation: i64) -> Result<Vec<Gap>, StoreError> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} WHERE conversation = ?1 {ORDER}"))?;
    let rows = statement.query_map([conversation], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The gaps of all conversations, each one's newest first.
pub(in crate::store) fn of_all_conversations(db: &Connection) -> Result<BTreeMap<i64, Vec<Gap>>, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE conversation IS NOT NULL {ORDER}");
    let mut statement = db.prepare_cached(&sql)?;
    let mut all: BTreeMap<i64, Vec<Gap>> = BTreeMap::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        all.entry(row.get(11)?).or_default().push(read(row)?);
    }
    Ok(all)
}

/// An inbox's gaps, newest first.
pub(in crate::store) fn of_inbox(db: &Connection, account: i64) -> Result<Vec<Gap>, StoreError> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} WHERE account = ?1 AND conversation IS NULL {ORDER}"))?;
    let rows = statement.query_map([account], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Gap> {
    Ok(Gap {
        id: row.get(0)?,
        newer_ms: row.get(1)?,
        older_ms: row.get(2)?,
        cursor: row.get::<_, Option<String>>(3)?.map(Cursor),
        opened_ms: row.get(4)?,
        stalled: stall_of(row, 5)?,
        stalls: row.get(7)?,
        stalled_run: row.get(8)?,
        ask_at_least: row.get(9)?,
        filled: row.get(10)?,
    })
}

/// The stall whose code is in this column, its detail in the next.
pub(in crate::store) fn stall_of(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Stall>> {
    let Some(code) = row.get_ref(at)?.as_str_or_null()? else { return Ok(None) };
    let detail = row.get_ref(at.saturating_add(1))?.as_str_or_null()?;
    let unknown = || FromSqlError::Other(format!("unknown stall code {code:?}").into());
    Ok(Some(Stall::from_code(code, detail).ok_or_else(unknown)?))
}

/// Marks what a failed request was about as stalled, if the failure says something about it.
pub(in crate::store) fn fail(
    tx: &Connection,
    account: i64,
    conversation: Option<i64>,
    before: &[Gap],
    failed: &Failed<'_>,
) -> Result<(), StoreError> {
    if !failed.stalls {
        return Ok(());
    }
    let error = failed.settlement.error.unwrap_or("the request failed");
    let after = stall::after_failure(before, failed.asked, error, failed.now);
    write(tx, account, conversation, before, &after)
}

/// Brings the rows of a conversation's gaps (`None`: the inbox's) from one list to the other.
pub(in crate::store) fn write(
    tx: &Connection,
    account: i64,
    conversation: Option<i64>,
    before: &[Gap],
    after: &[Gap],
) -> Result<(), StoreError> {
    for gone in before.iter().filter(|b| !after.iter().any(|a| a.id == b.id)) {
        tx.prepare_cached("DELETE FROM gap WHERE id = ?1")?.execute([gone.id])?;
    }
    for gap in after.iter().filter(|a| !before.contains(a)) {
        let id = (gap.id != 0).then_some(gap.id);
        let cursor = gap.cursor.as_ref().map(|c| c.0.as_str());
        tx.prepare_cached(
            "INSERT INTO gap (id, account, conversation, newer_ms, older_ms, cursor, opened_ms, stall_code, stall_detail, stalls,
               stalled_run, due_run, ask_at_least, filled)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT (id) DO UPDATE SET newer_ms = excluded.newer_ms, older_ms = excluded.older_ms, cursor = excluded.cursor,
               stall_code = excluded.stall_code, stall_detail = excluded.stall_detail, stalls = excluded.stalls,
               stalled_run = excluded.stalled_run, due_run = excluded.due_run,
               ask_at_least = excluded.ask_at_least, filled = excluded.filled",
        )?
        .execute(params![
            id,
            account,
            conversation,
            gap.newer_ms,
            gap.older_ms,
            cursor,
            gap.opened_ms,
            gap.stalled.as_ref().map(Stall::code),
            gap.stalled.as_ref().and_then(Stall::detail),
            gap.stalls,
            gap.stalled_run,
            backoff::due_run(gap.stalls, gap.stalled_run),
            gap.ask_at_least,
            gap.filled
        ])?;
    }
    Ok(())
}
