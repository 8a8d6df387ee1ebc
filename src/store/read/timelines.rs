//! The timelines of conversations and inboxes, from their rows.

use std::collections::BTreeMap;

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, Row};

use crate::core::Ms;
use crate::core::model::cursor::Cursor;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::planner::state::Recheck;
use crate::core::timeline::gap::{Announced, Gap, ServerCount, Timeline};
use crate::core::timeline::stall::Stall;
use crate::store::erased::known::FLOOR;
use crate::store::query::Statements as _;
use crate::store::{Queries, Result};

/// Of the rows of `message`: drafts and advertisements that only an export has shown. They stand in no timeline, and
/// nobody has sent them.
pub(crate) const OUTSIDE: &str =
    "source IS NOT NULL AND kind IN (SELECT id FROM kind WHERE name IN ('DRAFT', 'SPONSORED'))";

const COLUMNS: &str = "id, newer_ms, older_ms, cursor, opened_ms, stall_code, stall_detail, stalls, stalled_run, ask_at_least, filled, conversation FROM gap";
const ORDER: &str = "ORDER BY newer_ms IS NOT NULL, newer_ms DESC, older_ms DESC";

impl Queries<'_> {
    /// The gaps of a conversation, newest first.
    pub fn gaps_of(&self, conversation: ConversationId) -> Result<Vec<Gap>> {
        of_conversation(self.db(), conversation)
    }
}

/// A conversation's gaps, newest first.
pub(crate) fn of_conversation(db: &Connection, conversation: ConversationId) -> Result<Vec<Gap>> {
    let sql = format!("SELECT {COLUMNS} WHERE conversation = ?1 {ORDER}");
    db.all_by(&sql, [conversation], |row| gap(row, Cursor::served))
}

/// The gaps of all conversations, each one's newest first.
pub(crate) fn of_all_conversations(db: &Connection) -> Result<BTreeMap<ConversationId, Vec<Gap>>> {
    let sql = format!("SELECT {COLUMNS} WHERE conversation IS NOT NULL {ORDER}");
    let gaps: Vec<(ConversationId, Gap)> =
        db.all_by(&sql, [], |row| Ok((row.get(11)?, gap(row, Cursor::served)?)))?;
    let mut all: BTreeMap<ConversationId, Vec<Gap>> = BTreeMap::new();
    gaps.into_iter().for_each(|(conversation, gap)| all.entry(conversation).or_default().push(gap));
    Ok(all)
}

/// An inbox's gaps, newest first.
pub(crate) fn of_inbox(db: &Connection, account: AccountId) -> Result<Vec<Gap>> {
    let sql = format!("SELECT {COLUMNS} WHERE account = ?1 AND conversation IS NULL {ORDER}");
    db.all_by(&sql, [account], |row| gap(row, Cursor::opaque))
}

/// An inbox's cursor is opaque even where it looks like a number.
fn gap(row: &Row<'_>, cursor: fn(String) -> Cursor) -> rusqlite::Result<Gap> {
    Ok(Gap {
        id: row.get(0)?,
        newer_ms: row.get(1)?,
        older_ms: row.get(2)?,
        cursor: row.get::<_, Option<String>>(3)?.map(cursor),
        opened_ms: row.get(4)?,
        stalled: stall_of(row, 5)?,
        stalls: row.get(7)?,
        stalled_run: row.get(8)?,
        ask_at_least: row.get(9)?,
        filled: row.get(10)?,
    })
}

/// The stall whose code is in this column, its detail in the next.
pub(crate) fn stall_of(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Stall>> {
    let Some(code) = row.get_ref(at)?.as_str_or_null()? else { return Ok(None) };
    let detail = row.get_ref(at.saturating_add(1))?.as_str_or_null()?;
    let unknown = || FromSqlError::Other(format!("unknown stall code {code:?}").into());
    Ok(Some(Stall::from_code(code, detail).ok_or_else(unknown)?))
}

/// The timeline of a conversation.
pub(crate) fn conversation(db: &Connection, id: ConversationId) -> Result<Timeline> {
    let gaps = of_conversation(db, id)?;
    let mut statement = db.prepare_cached(&format!(
        // Erased messages have their places, too: what pages cover does not change by an erasure.
        "SELECT ifnull(max(newest_ms, erased_newest_ms), ifnull(newest_ms, erased_newest_ms)),
           ifnull(min(oldest_ms, erased_oldest_ms), ifnull(oldest_ms, erased_oldest_ms)),
           messages + erased, beginning_seen_ms IS NOT NULL, gone + erased_gone, count_extra, counts_gone,
           CASE WHEN newest_ms IS NULL AND erased_newest_ms IS NULL AND beginning_seen_ms IS NOT NULL THEN {FLOOR} - 1 END,
           CASE WHEN inbox_last_message_ms > ifnull(newest_ms, 0) AND inbox_last_message_ms >= ifnull({FLOOR}, 0) THEN inbox_last_message_ms END,
           inbox_last_text_hash
         FROM conversation c WHERE id = ?1"
    ))?;
    let timeline = statement.query_row([id], |row| {
        let (announced_ms, text_hash): (Option<Ms>, _) = (row.get(8)?, row.get(9)?);
        let announced = announced_ms.map(|at_ms| Announced { at_ms, text_hash });
        Ok(Timeline { nothing_until_ms: row.get(7)?, announced, ..read(row, 0, gaps)? })
    })?;
    Ok(timeline)
}

/// A conversation's timeline, from the column of its newest message on.
pub(super) fn read(row: &Row<'_>, at: usize, gaps: Vec<Gap>) -> rusqlite::Result<Timeline> {
    Ok(Timeline {
        gaps,
        newest_ms: row.get(at)?,
        oldest_ms: row.get(at + 1)?,
        messages: row.get(at + 2)?,
        beginning_seen: row.get(at + 3)?,
        gone: row.get(at + 4)?,
        count: ServerCount { extra: row.get(at + 5)?, with_gone: row.get(at + 6)? },
        nothing_until_ms: None,
        announced: None,
    })
}

/// The timeline of an account's inbox.
pub(crate) fn inbox(db: &Connection, account: AccountId) -> Result<Timeline> {
    let gaps = of_inbox(db, account)?;
    let (newest_ms, oldest_ms, beginning_seen) = db.one(
        // Of one that is read again, it is known when it was last read to its end.
        "SELECT newest_ms, oldest_ms, beginning_seen_ms IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM gap WHERE account = ?1 AND conversation IS NULL AND older_ms IS NULL)
         FROM inbox WHERE account = ?1",
        [account],
    )?;
    Ok(Timeline { gaps, newest_ms, oldest_ms, beginning_seen, ..Timeline::default() })
}

/// How far the recheck of a conversation has come.
pub(crate) fn recheck(db: &Connection, conversation: ConversationId) -> Result<Recheck> {
    let (at_ms, done_ms) = db.one(
        "SELECT recheck_at_ms, ifnull(rechecked_ms, beginning_seen_ms) FROM conversation WHERE id = ?1",
        [conversation],
    )?;
    Ok(Recheck { at_ms, done_ms })
}

/// The id to request a conversation by, once known.
pub(crate) fn urn(db: &Connection, conversation: ConversationId) -> Result<Option<String>> {
    db.one("SELECT urn FROM conversation WHERE id = ?1", [conversation])
}

pub(crate) fn account_of(db: &Connection, conversation: ConversationId) -> Result<AccountId> {
    db.one("SELECT account FROM conversation WHERE id = ?1", [conversation])
}
