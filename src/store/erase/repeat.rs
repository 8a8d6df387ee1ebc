//! Repeats the erasures of another archive: of one that a backup replaces, or of one that was kept elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::erasure::MarkKey;
use crate::core::model::ids::{AccountId, ConversationId, MessageId};
use crate::store::erase::selection::Selection;
use crate::store::erase::{Erased, Erasure, courses, erase};
use crate::store::erased::items;
use crate::store::erased::known::{self, Keys};
use crate::store::query::Statements as _;
use crate::store::read::message::{NAMELESS, stored};
use crate::store::{Queries, Result, Store};

/// What an archive has erased, as its tables have it: marks, and nothing that they were made of.
#[derive(Debug, Default)]
pub struct ErasureLog {
    keys: BTreeMap<i64, String>,
    conversations: Vec<ErasedOf>,
    items: Vec<(i64, i64)>,
}

/// What was erased of one conversation.
#[derive(Debug)]
struct ErasedOf {
    account: String,
    /// In full, or as a mark where it was erased for good.
    thread: String,
    floor_ms: Option<Ms>,
    stopped: bool,
    messages: Vec<ErasedRow>,
}

/// A row of `erased`.
#[derive(Debug, Clone)]
struct ErasedRow {
    id: i64,
    key: i64,
    sent_at_ms: Ms,
    source: Option<String>,
    gone_since_ms: Option<Ms>,
    urn: Option<i64>,
    text: i64,
    place: i64,
}

impl Queries<'_> {
    /// What this archive has erased.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn erasure_log(&self) -> Result<ErasureLog> {
        let db = self.db();
        let conversations: Vec<(ConversationId, String, String, Option<Ms>, bool)> = db.all(
            "SELECT c.id, a.name, c.thread, c.floor_ms, c.stopped FROM conversation c JOIN account a ON a.id = c.account
             WHERE c.thread IS NOT NULL AND (c.stopped = 1 OR c.floor_ms IS NOT NULL OR c.id IN (SELECT conversation FROM erased))",
            [],
        )?;
        let mut all = Vec::with_capacity(conversations.len());
        for (id, account, thread, floor_ms, stopped) in conversations {
            let messages = db.all_by(
                "SELECT id, key, sent_at_ms, source, gone_since_ms, urn_mark, text_mark, place_mark FROM erased
                 WHERE conversation = ?1 ORDER BY sent_at_ms, id",
                [id],
                |row| {
                    Ok(ErasedRow {
                        id: row.get(0)?,
                        key: row.get(1)?,
                        sent_at_ms: row.get(2)?,
                        source: row.get(3)?,
                        gone_since_ms: row.get(4)?,
                        urn: row.get(5)?,
                        text: row.get(6)?,
                        place: row.get(7)?,
                    })
                },
            )?;
            all.push(ErasedOf { account, thread, floor_ms, stopped, messages });
        }
        let keys: Vec<(i64, String)> = db.all("SELECT id, key FROM erasure_key", [])?;
        let items = db.all("SELECT mark, key FROM erased_item", [])?;
        Ok(ErasureLog { keys: keys.into_iter().collect(), conversations: all, items })
    }

    /// The messages here that another archive has erased.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn erased_elsewhere(&self, log: &ErasureLog, hold: &[String]) -> Result<Selection> {
        let mut ids = Vec::new();
        for there in &log.conversations {
            if let Some(here) = find(self.db(), log, there)? {
                ids.extend(matches(self.db(), here, log, there)?);
            }
        }
        Ok(Selection { messages: Some(ids), hold: hold.to_vec(), ..Selection::default() })
    }
}

impl ErasureLog {
    /// Whether there is nothing to repeat.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conversations.is_empty() && self.items.is_empty()
    }

    fn mark_keys(&self) -> BTreeMap<i64, MarkKey> {
        self.keys.iter().map(|(id, digits)| (*id, MarkKey::new(digits))).collect()
    }
}

impl Store {
    /// Erases here what another archive has erased, and knows it from then on, whether it was stored here or not.
    ///
    /// # Errors
    /// When the archive cannot be written. Nothing is erased then.
    pub fn repeat_erasures(&mut self, erasure: &Erasure<'_>, log: &ErasureLog) -> Result<Erased> {
        self.index_texts()?;
        let erased = self.transact(|tx, ids| {
            let erased = erase(tx, erasure)?.unwrap_or_default();
            adopt(tx, log, erasure)?;
            ids.forget_rows();
            Ok(erased)
        })?;
        self.name_people()?;
        Ok(erased)
    }
}

/// The conversation here that one of the log's is.
fn find(db: &Connection, log: &ErasureLog, there: &ErasedOf) -> Result<Option<ConversationId>> {
    let same = "SELECT c.id FROM conversation c JOIN account a ON a.id = c.account WHERE a.name = ?1 AND c.thread = ?2";
    if let Some(id) = db.first(same, params![there.account, there.thread])? {
        return Ok(Some(id));
    }
    if !items::is_hidden(&there.thread) {
        return Ok(None);
    }
    let keys = log.mark_keys();
    let own: Vec<(ConversationId, String)> = db.all(
        "SELECT c.id, c.thread FROM conversation c JOIN account a ON a.id = c.account WHERE a.name = ?1 AND c.thread IS NOT NULL",
        [&there.account],
    )?;
    let is_it = |thread: &str| keys.values().any(|key| items::hidden(key.of_name(thread)) == there.thread);
    Ok(own.into_iter().find(|(_, thread)| is_it(thread)).map(|(id, _)| id))
}

/// The messages of a conversation that the log's have erased.
fn matches(
    db: &Connection,
    here: ConversationId,
    log: &ErasureLog,
    there: &ErasedOf,
) -> Result<Vec<MessageId>> {
    let urns: BTreeSet<(i64, i64)> = there.messages.iter().filter_map(|m| Some((m.key, m.urn?))).collect();
    let texts: BTreeSet<(i64, i64)> = there.messages.iter().map(|m| (m.key, m.text)).collect();
    let (keys, floor) =
        (log.mark_keys(), if there.stopped { Ms::MAX } else { there.floor_ms.unwrap_or(Ms::MIN) });
    let mut ids = Vec::new();
    let all: Vec<_> = db.all_by(&format!("{NAMELESS} WHERE m.conversation = ?1"), [here], stored)?;
    for row in all {
        let is_erased = keys.iter().any(|(id, key)| {
            let marks = key.of_message(&row.message);
            marks.urn.is_some_and(|urn| urns.contains(&(*id, urn))) || texts.contains(&(*id, marks.text))
        });
        if is_erased || row.message.at_ms < floor {
            ids.push(row.id);
        }
    }
    Ok(ids)
}

/// Takes over the marks of what was not stored here.
fn adopt(tx: &Connection, log: &ErasureLog, erasure: &Erasure<'_>) -> Result<()> {
    let mut keys: BTreeMap<i64, i64> = BTreeMap::new();
    for (theirs, digits) in &log.keys {
        tx.run("INSERT OR IGNORE INTO erasure_key (key) VALUES (?1)", [digits])?;
        keys.insert(*theirs, tx.one("SELECT id FROM erasure_key WHERE key = ?1", [digits])?);
    }
    let id: Option<i64> = tx.first("SELECT max(id) FROM erasure WHERE at_ms = ?1", [erasure.now])?.flatten();
    let id = match id {
        Some(id) => id,
        None => super::insert(tx, erasure, 0)?.0,
    };
    for there in &log.conversations {
        let here = match find(tx, log, there)? {
            Some(here) => here,
            None => begin(tx, there)?,
        };
        for row in &there.messages {
            let key = keys.get(&row.key).copied().unwrap_or_default();
            mark(tx, here, (id, key), row)?;
        }
        if let Some(floor) = there.floor_ms {
            tx.run(
                "UPDATE conversation SET floor_ms = max(ifnull(floor_ms, ?2), ?2) WHERE id = ?1",
                params![here, floor],
            )?;
        }
        if there.stopped {
            courses::stop_as(tx, here, &there.thread)?;
        }
        courses::clip(tx, here)?;
        known::count(tx, here)?;
    }
    for (item, key) in &log.items {
        let key = keys.get(key).copied().unwrap_or_default();
        let sql = "INSERT OR IGNORE INTO erased_item (mark, key, erasure) VALUES (?1, ?2, ?3)";
        tx.run(sql, params![item, key, id])?;
    }
    Ok(())
}

/// A conversation that is not known here yet.
fn begin(tx: &Connection, there: &ErasedOf) -> Result<ConversationId> {
    tx.run("INSERT OR IGNORE INTO account (name) VALUES (?1)", [&there.account])?;
    let account: AccountId = tx.one("SELECT id FROM account WHERE name = ?1", [&there.account])?;
    let sql = "INSERT INTO conversation (account, thread) VALUES (?1, ?2)";
    crate::store::write::configure::begin_conversation(tx, account, 0, sql, params![account, there.thread])
}

/// Keeps a mark, unless what it is of is known already.
fn mark(tx: &Connection, here: ConversationId, (erasure, key): (i64, i64), row: &ErasedRow) -> Result<()> {
    let there = "SELECT EXISTS (SELECT 1 FROM erased WHERE conversation = ?1 AND key = ?2 AND text_mark = ?3 AND urn_mark IS ?4)";
    if tx.one(there, params![here, key, row.text, row.urn])? {
        return Ok(());
    }
    if let Some(own) = Keys::load(tx)?.iter().next().filter(|(own, _)| *own != key).map(|(own, _)| own) {
        // The same message may be marked with this archive's own secret: what stood in its second was erased here.
        let same = "SELECT EXISTS (SELECT 1 FROM erased WHERE conversation = ?1 AND key = ?2 AND id = ?3)";
        if tx.one(same, params![here, own, row.id])? {
            return Ok(());
        }
    }
    let taken =
        "SELECT EXISTS (SELECT 1 FROM message WHERE id = ?1) OR EXISTS (SELECT 1 FROM erased WHERE id = ?1)";
    let mut id = row.id;
    while tx.one(taken, [id])? {
        id = id.saturating_add(1);
    }
    tx.run(
        "INSERT INTO erased (id, erasure, key, conversation, sent_at_ms, source, gone_since_ms, urn_mark, text_mark, place_mark, change)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0)",
        params![
            id, erasure, key, here, row.sent_at_ms, row.source, row.gone_since_ms, row.urn, row.text, row.place
        ],
    )
}
