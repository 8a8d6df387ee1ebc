//! Keeps the table `written` in step with the messages: who wrote when, for figures. A row holds some hundred messages of a
//! conversation, and the rows of one do not overlap.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};

use crate::core::Ms;
use crate::core::model::ids::{ConversationId, PersonId};
use crate::core::written::{Line, decode, encode};
use crate::store::query::Statements as _;
use crate::store::{Result, StoreError};

/// Bytes that a row has at most when more is added to it, and messages that a new row has.
const FULL: usize = 400;
const AT_ONCE: usize = 128;

/// Messages that count: what people wrote, not what the system noted, nor the drafts and advertisements of an export.
pub(crate) const COUNTED: &str = "kind NOT IN (SELECT id FROM kind WHERE name = 'SYSTEM')
    AND NOT (source IS NOT NULL AND kind IN (SELECT id FROM kind WHERE name IN ('DRAFT', 'SPONSORED')))";

/// Whether a message of this kind counts.
pub(crate) fn counts(kind: &str, exported: bool) -> bool {
    kind != "SYSTEM" && !(exported && crate::core::model::message::is_outside(kind))
}

/// A row of the table.
struct WrittenRow {
    oldest_ms: Ms,
    newest_ms: Ms,
    lines: Vec<u8>,
}

fn written_row(row: &Row<'_>) -> rusqlite::Result<WrittenRow> {
    Ok(WrittenRow { oldest_ms: row.get(0)?, newest_ms: row.get(1)?, lines: row.get(2)? })
}

/// Adds messages of a conversation.
pub(crate) fn add(db: &Connection, conversation: ConversationId, mut lines: Vec<Line>) -> Result<()> {
    lines.sort_unstable();
    let (Some(first), Some(last)) = (lines.first().map(|l| l.0), lines.last().map(|l| l.0)) else {
        return Ok(());
    };
    let has_room = |written_row: &WrittenRow| {
        written_row.lines.len().saturating_add(lines.len().saturating_mul(4)) <= FULL
    };
    let mut joined: Vec<WrittenRow> = Vec::new();
    {
        let mut below = db.prepare_cached(
            "SELECT oldest_ms, newest_ms, lines FROM written WHERE conversation = ?1 AND oldest_ms <= ?2 ORDER BY oldest_ms DESC",
        )?;
        let mut rows = below.query(params![conversation, last])?;
        while let Some(row) = rows.next()? {
            let written_row = written_row(row)?;
            let overlaps = written_row.newest_ms >= first;
            if overlaps || has_room(&written_row) {
                joined.push(written_row);
            }
            if !overlaps {
                break;
            }
        }
    }
    if joined.is_empty() {
        let above: Vec<WrittenRow> = db.all_by(
            "SELECT oldest_ms, newest_ms, lines FROM written WHERE conversation = ?1 AND oldest_ms > ?2 ORDER BY oldest_ms LIMIT 1",
            params![conversation, last],
            written_row,
        )?;
        joined.extend(above.into_iter().filter(has_room));
    }
    for written_row in joined {
        read(conversation, written_row.oldest_ms, &written_row.lines, |line| lines.push(line))?;
        let old = "DELETE FROM written WHERE conversation = ?1 AND oldest_ms = ?2";
        db.run(old, params![conversation, written_row.oldest_ms])?;
    }
    lines.sort_unstable();
    insert(db, conversation, &lines)
}

/// Takes a message out again.
pub(crate) fn remove(db: &Connection, conversation: ConversationId, line: Line) -> Result<()> {
    let found: Option<WrittenRow> = db
        .all_by::<_, Vec<WrittenRow>>(
            "SELECT oldest_ms, newest_ms, lines FROM written WHERE conversation = ?1 AND oldest_ms <= ?2 ORDER BY oldest_ms DESC LIMIT 1",
            params![conversation, line.0],
            written_row,
        )?
        .pop();
    let Some(written_row) = found else { return Ok(()) };
    let mut lines: Vec<Line> = Vec::new();
    read(conversation, written_row.oldest_ms, &written_row.lines, |line| lines.push(line))?;
    // What is not there is left to `verify`: it holds up no page.
    let Some(at) = lines.iter().position(|other| *other == line) else { return Ok(()) };
    lines.remove(at);
    db.run(
        "DELETE FROM written WHERE conversation = ?1 AND oldest_ms = ?2",
        params![conversation, written_row.oldest_ms],
    )?;
    insert(db, conversation, &lines)
}

/// Makes rows of lines that are in order and do not overlap others. Messages of one instant are in one row.
fn insert(db: &Connection, conversation: ConversationId, mut lines: &[Line]) -> Result<()> {
    while let (Some(first), Some(cut)) = (lines.first(), lines.get(..lines.len().min(AT_ONCE))) {
        let last = cut.last().map_or(first.0, |line| line.0);
        let end = lines.partition_point(|line| line.0 <= last);
        let (now, later) = lines.split_at(end);
        let sql = "INSERT INTO written (conversation, oldest_ms, newest_ms, lines) VALUES (?1, ?2, ?3, ?4)";
        db.run(sql, params![conversation, first.0, last, encode(now)])?;
        lines = later;
    }
    Ok(())
}

/// Shows the lines of a row.
pub(crate) fn read(
    conversation: ConversationId,
    oldest_ms: Ms,
    lines: &[u8],
    each: impl FnMut(Line),
) -> Result<()> {
    let broken = || StoreError::Broken(format!("the figures of conversation {conversation} cannot be read"));
    decode(oldest_ms, lines, each).ok_or_else(broken)
}

/// Fills the table anew from the messages.
pub(crate) fn fill(db: &Connection) -> Result<()> {
    db.run("DELETE FROM written", [])?;
    let mut all: BTreeMap<ConversationId, Vec<Line>> = BTreeMap::new();
    let sql = format!("SELECT conversation, sent_at_ms, sender FROM message WHERE {COUNTED}");
    db.each(&sql, [], |(conversation, at, sender): (ConversationId, Ms, PersonId)| {
        all.entry(conversation).or_default().push((at, sender));
        Ok(())
    })?;
    for (conversation, mut lines) in all {
        lines.sort_unstable();
        insert(db, conversation, &lines)?;
    }
    Ok(())
}
