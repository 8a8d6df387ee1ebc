//! What may still be sent to a sink: every change after a number, those that another one has taken the place of included,
//! without history.

use rusqlite::params;

use crate::core::model::change_kind::ChangeKind;
use crate::core::model::parts::Parts;
use crate::core::notify::batch::PendingChange;
use crate::store::query::Statements as _;
use crate::store::read::history::by_id;
use crate::store::read::message::MessageRow;
use crate::store::{Queries, Result};

/// Changes after a number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PendingPart {
    /// The changes, in their order.
    pub changes: Vec<PendingChange>,
    /// The number up to which these are all.
    pub to: i64,
    /// Whether there may be more after it.
    pub more: bool,
}

/// Rows of the table that are looked at for one part: a first archive is a long row of history.
const MOST_ROWS: u32 = 20_000;

/// An edit is one of text or type. Other members that are served differently, such as a sender's new headline, make a
/// change as well, and nobody wants a notification of that.
const CHANGES: &str = "
SELECT seq, kind, at_ms, message, conversation FROM (
  SELECT m.change AS seq, b.kind AS kind, b.at_ms AS at_ms, m.id AS message, m.conversation AS conversation
  FROM change b CROSS JOIN message m INDEXED BY message_by_time ON m.conversation = b.conversation
    AND m.sent_at_ms BETWEEN b.oldest_ms AND b.newest_ms AND m.change BETWEEN b.seq - b.messages + 1 AND b.seq
  WHERE b.seq > ?1 AND b.seq <= ?2 AND b.history = 0 AND m.change > ?1 AND m.change <= ?2
  UNION ALL
  SELECT s.seq, b.kind, b.at_ms, s.message, b.conversation
  FROM change_before s CROSS JOIN change b ON b.seq = (SELECT x.seq FROM change x WHERE x.seq >= s.seq ORDER BY x.seq LIMIT 1)
  WHERE s.seq > ?1 AND s.seq <= ?2 AND b.history = 0
) AS c
WHERE kind <> 'edited' OR EXISTS (
  SELECT 1 FROM change_before p JOIN message_version v ON v.id = p.version WHERE v.edited = 1 AND p.seq = (
    SELECT max(q.seq) FROM change_before q WHERE q.message = c.message AND q.seq < c.seq))
ORDER BY seq";

impl Queries<'_> {
    /// The changes after `since`: about `most` of them, and a transaction's together.
    pub fn pending(&self, since: i64, most: i64) -> Result<PendingPart> {
        let mut part = PendingPart { to: since, ..PendingPart::default() };
        let mut changes = 0_i64;
        let mut statement = self
            .db()
            .prepare_cached("SELECT seq, messages, history FROM change WHERE seq > ?1 ORDER BY seq")?;
        let mut rows = statement.query([since])?;
        let mut looked_at = 0_u32;
        while let Some(row) = rows.next()? {
            let (seq, messages, history): (i64, i64, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if changes >= most || looked_at >= MOST_ROWS {
                part.more = true;
                break;
            }
            looked_at = looked_at.saturating_add(1);
            part.to = seq;
            changes = changes.saturating_add(if history { 0 } else { messages });
        }
        if changes > 0 {
            let rows: Vec<_> = self.db().all(CHANGES, params![since, part.to])?;
            let change = |(seq, kind, at_ms, message, conversation): (_, String, _, _, _)| {
                let kind = ChangeKind::from_name(&kind)?;
                Some(PendingChange { seq, kind, at_ms, message, conversation })
            };
            part.changes = rows.into_iter().filter_map(change).collect();
        }
        Ok(part)
    }

    /// The message of a change, with what it said then; `None`: it was erased since.
    pub fn message_at(&self, change: &PendingChange) -> Result<Option<MessageRow>> {
        let Some(mut row) = by_id(self.db(), change.message)? else { return Ok(None) };
        let then: Option<(String, Option<String>)> = self.db().first(
            "SELECT v.text, v.extra FROM change_before s JOIN message_version v ON v.id = s.version
             WHERE s.message = ?1 AND s.seq >= ?2 ORDER BY s.seq LIMIT 1",
            params![change.message, change.seq],
        )?;
        if let Some((text, extra)) = then {
            row.message.text = text;
            row.parts = Parts::of(extra.as_deref(), false);
        }
        Ok(Some(row))
    }

    /// Whether a run is under way, as far as its row says.
    pub fn run_under_way(&self) -> Result<bool> {
        let last: Option<bool> = self
            .db()
            .first("SELECT finished_ms IS NULL FROM run WHERE kind = 'sync' ORDER BY id DESC LIMIT 1", [])?;
        Ok(last.unwrap_or_default())
    }
}
