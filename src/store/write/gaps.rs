//! Gaps as rows: of conversations and of inboxes.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};

use crate::core::model::cursor::Cursor;
use crate::core::timeline::gap::Gap;
use crate::core::timeline::stall::Stall;
use crate::store::StoreError;
use crate::store::ledger::Failed;

const COLUMNS: &str = "id, newer_ms, older_ms, cursor, opened_ms, stalled, stalls, stalled_run, ask_at_least, filled, conversation FROM gap";
const ORDER: &str = "ORDER BY newer_ms IS NOT NULL, newer_ms DESC, older_ms DESC";

/// A conversation's gaps, newest first.
pub(in crate::store) fn of_conversation(db: &Connection, conversation: i64) -> Result<Vec<Gap>, StoreError> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} WHERE conversation = ?1 {ORDER}"))?;
    let rows = statement.query_map([conversation], |row| read(row, Cursor::served))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The gaps of all conversations, each one's newest first.
pub(in crate::store) fn of_all_conversations(db: &Connection) -> Result<BTreeMap<i64, Vec<Gap>>, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE conversation IS NOT NULL {ORDER}");
    let mut statement = db.prepare_cached(&sql)?;
    let mut all: BTreeMap<i64, Vec<Gap>> = BTreeMap::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        all.entry(row.get(10)?).or_default().push(read(row, Cursor::served)?);
    }
    Ok(all)
}

/// An inbox's gaps, newest first.
pub(in crate::store) fn of_inbox(db: &Connection, account: i64) -> Result<Vec<Gap>, StoreError> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} WHERE account = ?1 AND conversation IS NULL {ORDER}"))?;
    let rows = statement.query_map([account], |row| read(row, Cursor::opaque))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// An inbox's cursor is opaque even where it looks like a number.
fn read(row: &Row<'_>, cursor: fn(String) -> Cursor) -> rusqlite::Result<Gap> {
    Ok(Gap {
        id: row.get(0)?,
        newer_ms: row.get(1)?,
        older_ms: row.get(2)?,
        cursor: row.get::<_, Option<String>>(3)?.map(cursor),
        opened_ms: row.get(4)?,
        stalled: row.get(5)?,
        stalls: row.get(6)?,
        stalled_run: row.get(7)?,
        ask_at_least: row.get(8)?,
        filled: row.get(9)?,
    })
}

/// The gaps after a request that brought no page. Where that says something about what was asked for, its gap is
/// marked with the reason; a look at the head leaves a gap up to now.
pub(in crate::store) fn after_failure(before: &[Gap], failed: &Failed<'_>) -> Vec<Gap> {
    let mut after = before.to_vec();
    if !failed.stalls {
        return after;
    }
    let (asked, now) = (failed.asked, failed.now);
    let why = Stall::Failed(failed.settlement.error.unwrap_or("the request failed").to_owned());
    if let Some(gap) = after.iter_mut().find(|g| g.id == asked.gap.id && g.id != 0) {
        *gap = gap.clone().stalled(&why, asked.run);
    } else if asked.gap.id == 0 && after.first().is_none_or(|g| g.newer_ms.is_some()) {
        after.insert(0, Gap { opened_ms: now, ..asked.gap.clone() }.stalled(&why, asked.run));
    }
    after
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
        let cursor = gap.cursor.as_ref().map(Cursor::text);
        tx.prepare_cached(
            "INSERT INTO gap (id, account, conversation, newer_ms, older_ms, cursor, opened_ms, stalled, stalls, stalled_run, ask_at_least, filled)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (id) DO UPDATE SET newer_ms = excluded.newer_ms, older_ms = excluded.older_ms, cursor = excluded.cursor,
               stalled = excluded.stalled, stalls = excluded.stalls, stalled_run = excluded.stalled_run,
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
            gap.stalled,
            gap.stalls,
            gap.stalled_run,
            gap.ask_at_least,
            gap.filled
        ])?;
    }
    Ok(())
}
