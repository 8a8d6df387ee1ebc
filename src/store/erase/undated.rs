//! Messages of which only the place is known, when everything before a date is erased: those that may have been sent later
//! stay, and are dated by what is known of them.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, params};

use crate::core::Ms;
use crate::core::erasure::undated::sent_by;
use crate::core::model::change_kind::ChangeKind;
use crate::core::model::ids::{ConversationId, MessageId, PersonId, RunId};
use crate::core::model::urn;
use crate::store::Result;
use crate::store::erase::Selection;
use crate::store::query::Statements as _;
use crate::store::write::changes::{self, Changes};
use crate::store::write::page;
use crate::store::written;

/// A message that stands before the date of an erasure and may have been sent after it.
#[derive(Debug)]
pub(super) struct Undated {
    pub(super) id: MessageId,
    conversation: ConversationId,
    at_ms: Ms,
    sender: PersonId,
    kind: String,
    /// It was sent by then (ms).
    by_ms: Ms,
}

/// When the message `m` was first stored (ms).
const FIRST_STORED: &str = "(SELECT b.at_ms FROM change b WHERE b.seq >=
    (SELECT min(n.seq) FROM (SELECT m.change AS seq UNION ALL SELECT seq FROM change_before WHERE message = m.id) n)
  ORDER BY b.seq LIMIT 1)";

/// When a message was first stored (ms).
pub(super) fn first_stored(db: &Connection, id: MessageId) -> Result<Option<Ms>> {
    db.one(&format!("SELECT {FIRST_STORED} FROM message m WHERE m.id = ?1"), [id])
}

/// Those that a selection leaves out: a message dated ahead stands beside an older one until its time has come.
pub(super) fn of(db: &Connection, selection: &Selection) -> Result<Vec<Undated>> {
    let Some(before) = selection.before_ms else { return Ok(Vec::new()) };
    // Whatever stands below a message that has a time was sent before that.
    let sql = format!(
        "SELECT m.id, m.conversation, m.sent_at_ms, m.sender, k.name, u.prefix || m.urn_key || u.suffix,
           {FIRST_STORED},
           (SELECT n.sent_at_ms FROM message n INDEXED BY message_by_time WHERE n.conversation = c.id
              AND n.sent_at_ms >= ?1 AND n.derived_time IS NULL ORDER BY n.sent_at_ms LIMIT 1)
         FROM conversation c CROSS JOIN message m INDEXED BY message_by_time ON m.conversation = c.id
           AND m.sent_at_ms < ?1 AND m.sent_at_ms >= ifnull((SELECT n.sent_at_ms FROM message n INDEXED BY message_by_time
             WHERE n.conversation = c.id AND n.sent_at_ms < ?1 AND n.derived_time IS NULL
             ORDER BY n.sent_at_ms DESC LIMIT 1), -9223372036854775808)
         JOIN kind k ON k.id = m.kind LEFT JOIN urn_shape u ON u.id = m.urn_shape
         WHERE {} AND c.oldest_ms < ?1 AND m.derived_time = 1 AND m.source IS NULL AND NOT {}",
        selection.within(),
        selection.on_hold()
    );
    let read = |row: &Row<'_>| {
        let urn: Option<String> = row.get(5)?;
        let created = urn.as_deref().and_then(urn::created_ms);
        let first_stored: Option<Ms> = row.get(6)?;
        let by =
            first_stored.map(|at| Ok::<_, rusqlite::Error>(sent_by(created, at, row.get(7)?))).transpose()?;
        let Some(by_ms) = by.filter(|by| *by >= before) else { return Ok(None) };
        Ok(Some(Undated {
            id: row.get(0)?,
            conversation: row.get(1)?,
            at_ms: row.get(2)?,
            sender: row.get(3)?,
            kind: row.get(4)?,
            by_ms,
        }))
    };
    let rows: Vec<Option<Undated>> = db.all_by(&sql, [before], read)?;
    Ok(rows.into_iter().flatten().collect())
}

/// Dates them: below the date nothing of their conversations is archived any more.
pub(super) fn date(db: &Connection, (run, now): (RunId, Ms), undated: &[Undated]) -> Result<()> {
    for Undated { id, conversation, at_ms, sender, kind, by_ms } in undated {
        let mut changed = Changes::default();
        changes::keep(db, "id = ?1", id, None)?;
        let change = changed.next(db, ChangeKind::Edited, false, *by_ms)?;
        let sql = "UPDATE message SET sent_at_ms = ?2, change = ?3 WHERE id = ?1";
        db.run(sql, params![id, by_ms, change])?;
        changed.write(db, *conversation, run, now)?;
        if written::counts(kind, false) {
            written::remove(db, *conversation, (*at_ms, *sender))?;
            written::add(db, *conversation, vec![(*by_ms, *sender)])?;
        }
    }
    let conversations: BTreeSet<ConversationId> =
        undated.iter().map(|message| message.conversation).collect();
    conversations.into_iter().try_for_each(|conversation| page::measure(db, conversation))
}
