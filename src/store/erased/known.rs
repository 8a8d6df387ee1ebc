//! Erased messages as the timeline and imports see them: what stands in for those that matter for a page.

use rusqlite::{Connection, Params, Row, params};

use crate::core::Ms;
use crate::core::erasure::twin::{Tombstone, is_shown, twins};
use crate::core::erasure::{MarkKey, Marks};
use crate::core::model::ids::{ConversationId, MessageId};
use crate::core::model::message::Message;
use crate::core::timeline::identity::{Known, Stored, Window};
use crate::core::timeline::pairing::NEAR_MS;
use crate::store::Result;
use crate::store::query::Statements as _;

/// The secrets that marks were made with, usually one.
pub(crate) struct Keys(Vec<(i64, MarkKey)>);

impl Keys {
    pub(crate) fn load(db: &Connection) -> Result<Self> {
        let key = |row: &Row<'_>| Ok((row.get(0)?, MarkKey::new(row.get_ref(1)?.as_str()?)));
        Ok(Self(db.all_by("SELECT id, key FROM erasure_key ORDER BY id", [], key)?))
    }

    /// Each with its id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &MarkKey)> {
        self.0.iter().map(|(id, key)| (*id, key))
    }

    fn get(&self, id: i64) -> Option<&MarkKey> {
        self.iter().find(|(key, _)| *key == id).map(|(_, key)| key)
    }
}

const COLUMNS: &str =
    "id, key, sent_at_ms, source, gone_since_ms IS NOT NULL, urn_mark, text_mark, place_mark FROM erased";

fn tombstones(db: &Connection, keys: &Keys, condition: &str, values: impl Params) -> Result<Vec<Tombstone>> {
    let sql = format!("SELECT {COLUMNS} WHERE conversation = ?1 AND {condition}");
    let rows: Vec<Option<Tombstone>> = db.all_by(&sql, values, |row| {
        let source = row.get_ref(3)?.as_str_or_null()?;
        let Some(key) = keys.get(row.get(1)?) else { return Ok(None) };
        Ok(Some(Tombstone {
            id: row.get(0)?,
            key: key.clone(),
            at_ms: row.get(2)?,
            marks: Marks { urn: row.get(5)?, text: row.get(6)?, place: row.get(7)? },
            gone: row.get(4)?,
            exported: source.is_some(),
            outside: source == Some("outside"),
        }))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// Whether anything of a conversation was erased.
pub(crate) fn any(db: &Connection, conversation: ConversationId) -> Result<bool> {
    let mut statement = db.prepare_cached("SELECT 1 FROM erased WHERE conversation = ?1")?;
    Ok(statement.exists([conversation])?)
}

/// Adds what stands in for erased messages to the stored ones that a page is compared with.
pub(crate) fn add(
    db: &Connection,
    conversation: ConversationId,
    messages: &[Message],
    window: Window,
    known: &mut Known,
) -> Result<()> {
    if !any(db, conversation)? {
        return Ok(());
    }
    let keys = Keys::load(db)?;
    let Window { lo, hi, below } = window;
    let floor = floor(db, conversation)?;
    let (from, to) = (lo.saturating_sub(NEAR_MS), hi.saturating_add(NEAR_MS));
    let within = "sent_at_ms BETWEEN ?2 AND ?3 AND (source IS NOT NULL OR sent_at_ms BETWEEN ?4 AND ?5) ORDER BY sent_at_ms DESC, id DESC";
    let mut near = tombstones(db, &keys, within, params![conversation, from, to, lo, hi])?;
    // Wherever it stood, what the page shows is known by its id.
    for (_, key) in keys.iter() {
        for urn in messages.iter().filter_map(|m| m.urn.as_deref()) {
            let same = tombstones(db, &keys, "urn_mark = ?2", params![conversation, key.of_urn(urn)])?;
            near.extend(same.into_iter().filter(|s| near.iter().all(|n| n.id != s.id)).collect::<Vec<_>>());
        }
    }
    // Below the floor, nothing is missing from a page.
    known.near.extend(twins(&near, messages).into_iter().filter(|t| t.message.at_ms >= floor || is_shown(t)));
    newest_first(&mut known.near);
    if below > 0 {
        let next = "sent_at_ms < ?2 AND sent_at_ms >= ?4 ORDER BY sent_at_ms DESC, id DESC LIMIT ?3";
        let next = tombstones(db, &keys, next, params![conversation, lo, below, floor])?;
        known.below.extend(twins(&next, &[]));
        newest_first(&mut known.below);
        known.below.truncate(usize::try_from(below).unwrap_or(usize::MAX));
    }
    Ok(())
}

/// What stands in for the erased messages between two moments, both included, among these.
pub(crate) fn between(
    db: &Connection,
    conversation: ConversationId,
    messages: &[Message],
    (lo, hi): (Ms, Ms),
) -> Result<Vec<Stored>> {
    if !any(db, conversation)? {
        return Ok(Vec::new());
    }
    let within = "sent_at_ms BETWEEN ?2 AND ?3 ORDER BY sent_at_ms DESC, id DESC";
    let near = tombstones(db, &Keys::load(db)?, within, params![conversation, lo, hi])?;
    Ok(twins(&near, messages))
}

fn newest_first(stored: &mut [Stored]) {
    stored.sort_by_key(|s| std::cmp::Reverse((s.message.at_ms, s.id)));
}

/// What SQL takes for the floor of the conversation `c`: null where it has none.
pub(crate) const FLOOR: &str = "CASE WHEN c.stopped THEN 9223372036854775807 ELSE (
  SELECT max(ms) FROM (SELECT c.floor_ms AS ms UNION ALL SELECT s.floor_ms FROM configuration s
    WHERE NOT EXISTS (SELECT 1 FROM hold h WHERE h.thread = c.thread))) END";

/// The time from which on a conversation is archived: after what was erased of it as a whole, and not before what
/// retention leaves.
pub(crate) fn floor(db: &Connection, conversation: ConversationId) -> Result<Ms> {
    let sql = format!("SELECT {FLOOR} FROM conversation c WHERE c.id = ?1");
    Ok(db.one::<Option<Ms>>(&sql, [conversation])?.unwrap_or(Ms::MIN))
}

/// Works out anew what a conversation says of its erased messages.
pub(crate) fn count(db: &Connection, conversation: ConversationId) -> Result<()> {
    let floor = floor(db, conversation)?;
    db.run(
        "UPDATE conversation SET (erased, erased_gone, erased_oldest_ms, erased_newest_ms) = (
           SELECT count(*), count(gone_since_ms), min(sent_at_ms) FILTER (WHERE source IS NOT 'outside'),
             max(sent_at_ms) FILTER (WHERE source IS NOT 'outside') FROM erased
           WHERE conversation = ?1 AND sent_at_ms >= ?2) WHERE id = ?1",
        params![conversation, floor],
    )
}

/// Notes what a page has shown of an erased message that is known by its id or place: its time and its id. Returns
/// whether its time has changed.
pub(crate) fn shown(db: &Connection, stored: &Stored, message: &Message) -> Result<bool> {
    let moved = !message.derived_time && message.at_ms != stored.message.at_ms;
    if moved {
        let change: i64 = db.one("SELECT change FROM erased WHERE id = ?1", [stored.id])?;
        db.run("UPDATE erased SET sent_at_ms = ?2 WHERE id = ?1", params![stored.id, message.at_ms])?;
        // Whoever reads the changes finds it by its time.
        db.run(
            "UPDATE change SET oldest_ms = min(oldest_ms, ?2), newest_ms = max(newest_ms, ?2)
             WHERE seq = (SELECT min(seq) FROM change WHERE seq >= ?1)",
            params![change, message.at_ms],
        )?;
    }
    if let (None, Some(urn)) = (&stored.message.urn, &message.urn) {
        let keys = Keys::load(db)?;
        let key: i64 = db.one("SELECT key FROM erased WHERE id = ?1", [stored.id])?;
        let mark = keys.get(key).map(|key| key.of_urn(urn));
        db.run("UPDATE erased SET urn_mark = ?2, source = NULL WHERE id = ?1", params![stored.id, mark])?;
    }
    Ok(moved)
}

/// Marks erased messages as gone, or as back: of a whole conversation, those that were marked last. Returns whether any
/// was not yet.
pub(crate) fn set_gone(db: &Connection, which: Which, gone_since: Option<Ms>) -> Result<bool> {
    let (condition, id) = match which {
        Which::One(id) => ("id = ?1", id.0),
        Which::All(conversation) if gone_since.is_some() => ("conversation = ?1", conversation.0),
        Which::All(conversation) => (
            "conversation = ?1 AND gone_since_ms = (SELECT max(gone_since_ms) FROM erased WHERE conversation = ?1)",
            conversation.0,
        ),
    };
    // Below the floor nobody looks, and nothing is counted.
    let sql = format!(
        "UPDATE erased SET gone_since_ms = ?2 WHERE {condition} AND (gone_since_ms IS NULL) <> (?2 IS NULL)
           AND sent_at_ms >= (SELECT ifnull({FLOOR}, erased.sent_at_ms) FROM conversation c WHERE c.id = erased.conversation)"
    );
    Ok(db.changed(&sql, params![id, gone_since])? > 0)
}

/// Which erased messages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    One(MessageId),
    All(ConversationId),
}
