//! Repeats the erasures of another archive: of one that a backup replaces, or of one that was kept elsewhere.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::erasure::MarkKey;
use crate::core::model::ids::{AccountId, ConversationId, MessageId, RunId};
use crate::store::erase::selection::Selection;
use crate::store::erase::{Erased, Erasure, courses, erase, undated};
use crate::store::erased::items;
use crate::store::erased::known;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::read::message::{NAMELESS, stored};
use crate::store::{Queries, Result, Store};

/// What an archive has erased, as its tables have it: marks, and nothing that they were made of.
#[derive(Debug, Default)]
pub struct ErasureLog {
    erasures: Vec<LoggedErasure>,
    keys: BTreeMap<i64, String>,
    conversations: Vec<ErasedOf>,
    /// Mark, key, and erasure.
    items: Vec<(i64, i64, i64)>,
}

/// An erasure as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedErasure {
    id: i64,
    /// When it was done (ms).
    pub at_ms: Ms,
    /// What was chosen, in words that name nobody.
    pub selector: String,
    /// How many messages were erased.
    pub messages: i64,
    /// Why, as the user has put it.
    pub reason: Option<String>,
}

struct_rows!(LoggedErasure { id, at_ms, selector, messages, reason });

/// What the repetition of another archive's erasures has done.
#[derive(Debug, Default)]
pub struct Repeated {
    /// What was erased here.
    pub erased: Erased,
    /// Erasures of the log that this archive did not have yet.
    pub erasures: Vec<LoggedErasure>,
}

/// What was erased of one conversation.
#[derive(Debug)]
struct ErasedOf {
    account: String,
    /// In full, or as a mark where it was erased for good; `None`: the API never told.
    thread: Option<String>,
    /// The profiles that it was asked by, in the same form.
    profiles: Vec<String>,
    floor_ms: Option<Ms>,
    stopped: bool,
    messages: Vec<ErasedRow>,
}

/// A row of `erased`.
#[derive(Debug, Clone)]
struct ErasedRow {
    id: i64,
    erasure: i64,
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
        type Row = (ConversationId, String, Option<String>, Option<Ms>, bool);
        let conversations: Vec<Row> = db.all(
            "SELECT c.id, a.name, c.thread, c.floor_ms, c.stopped FROM conversation c JOIN account a ON a.id = c.account
             WHERE c.stopped = 1 OR c.floor_ms IS NOT NULL OR c.id IN (SELECT conversation FROM erased)",
            [],
        )?;
        let mut all = Vec::with_capacity(conversations.len());
        for (id, account, thread, floor_ms, stopped) in conversations {
            let messages = db.all_by(
                "SELECT id, key, sent_at_ms, source, gone_since_ms, urn_mark, text_mark, place_mark, erasure FROM erased
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
                        erasure: row.get(8)?,
                    })
                },
            )?;
            let sql = "SELECT profile_url FROM address WHERE conversation = ?1 ORDER BY profile_url";
            let profiles = db.all(sql, [id])?;
            all.push(ErasedOf { account, thread, profiles, floor_ms, stopped, messages });
        }
        let keys: Vec<(i64, String)> = db.all("SELECT id, key FROM erasure_key", [])?;
        let items = db.all("SELECT mark, key, erasure FROM erased_item", [])?;
        let erasures = db.all("SELECT id, at_ms, selector, messages, reason FROM erasure ORDER BY id", [])?;
        Ok(ErasureLog { erasures, keys: keys.into_iter().collect(), conversations: all, items })
    }

    /// The messages here that another archive has erased; those of conversations on hold stay.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn erased_elsewhere(&self, log: &ErasureLog, hold: &[String]) -> Result<Selection> {
        let ids = pairs(self.db(), log, &[])?.into_iter().map(|pair| pair.message).collect();
        Ok(Selection { messages: Some(ids), hold: hold.to_vec(), ..Selection::default() })
    }
}

impl ErasedOf {
    /// What stands below its floor in the conversation here.
    fn below_floor(&self, here: ConversationId) -> Selection {
        let before_ms = self.floor_ms.filter(|_| !self.stopped);
        Selection { conversations: Some(vec![here]), before_ms, ..Selection::default() }
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
    /// Erases here what another archive has erased, and knows it from then on, whether it was stored here or not. Its
    /// erasures are entered with their times and reasons; `here`: this one is entered as well, because backups of this
    /// archive from before it hold what it takes.
    ///
    /// # Errors
    /// When the archive cannot be written. Nothing is erased then.
    pub fn repeat_erasures(
        &mut self,
        erasure: &Erasure<'_>,
        log: &ErasureLog,
        here: bool,
    ) -> Result<Repeated> {
        self.erasing(|tx| {
            let pairs = pairs(tx, log, &erasure.selection.hold)?;
            let erased = erase(tx, erasure)?.unwrap_or_default();
            let erasures = adopt(tx, log, erasure, &pairs, here && erased.messages > 0)?;
            Ok(Repeated { erased, erasures })
        })
    }
}

/// A message here, and the row of the log that is of it; `None`: it stands below a floor of the log.
struct Pair {
    message: MessageId,
    row: Option<i64>,
}

/// The messages here that the log's archive has erased.
fn pairs(db: &Connection, log: &ErasureLog, hold: &[String]) -> Result<Vec<Pair>> {
    let mut all = Vec::new();
    for there in &log.conversations {
        if let Some(here) = find(db, log, there)?.filter(|here| !on_hold(db, *here, hold).unwrap_or(true)) {
            all.extend(matches(db, here, log, there)?);
        }
    }
    Ok(all)
}

fn on_hold(db: &Connection, here: ConversationId, hold: &[String]) -> Result<bool> {
    let thread: Option<String> = db.one("SELECT thread FROM conversation WHERE id = ?1", [here])?;
    Ok(thread.is_some_and(|thread| hold.contains(&thread)))
}

/// The conversation here that one of the log's is.
fn find(db: &Connection, log: &ErasureLog, there: &ErasedOf) -> Result<Option<ConversationId>> {
    let keys = log.mark_keys();
    let own: Vec<(ConversationId, Option<String>)> = db.all(
        "SELECT c.id, c.thread FROM conversation c JOIN account a ON a.id = c.account WHERE a.name = ?1
           AND (?2 IS NULL OR c.thread = ?2 OR ?2 LIKE 'erased:%')",
        params![there.account, there.thread],
    )?;
    if let Some(wanted) = &there.thread {
        let is_it = |thread: &str| {
            thread == wanted || keys.values().any(|key| items::hidden(key.of_name(thread)) == *wanted)
        };
        let found = own.iter().find(|(_, thread)| thread.as_deref().is_some_and(is_it));
        return Ok(found.map(|(id, _)| *id));
    }
    let addresses: Vec<(ConversationId, String)> = db.all(
        "SELECT d.conversation, d.profile_url FROM address d JOIN account a ON a.id = d.account WHERE a.name = ?1",
        [&there.account],
    )?;
    let is_it = |url: &str| {
        there.profiles.iter().any(|wanted| {
            url == wanted || keys.values().any(|key| items::hidden(key.of_profile(url)) == *wanted)
        })
    };
    Ok(addresses.into_iter().find(|(_, url)| is_it(url)).map(|(id, _)| id))
}

/// The messages of a conversation that the log's have erased: each row of the log is of one.
fn matches(db: &Connection, here: ConversationId, log: &ErasureLog, there: &ErasedOf) -> Result<Vec<Pair>> {
    let mut urns: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    let mut texts: BTreeMap<(i64, i64), Vec<&ErasedRow>> = BTreeMap::new();
    for row in &there.messages {
        urns.extend(row.urn.map(|urn| ((row.key, urn), row.id)));
        texts.entry((row.key, row.text)).or_default().push(row);
    }
    let floor = if there.stopped { Ms::MAX } else { there.floor_ms.unwrap_or(Ms::MIN) };
    let undated = undated::of(db, &there.below_floor(here))?;
    let is_undated = |id: MessageId| undated.iter().any(|message| message.id == id);
    let keys = log.mark_keys();
    let mut found = Vec::new();
    let all: Vec<_> = db.all_by(&format!("{NAMELESS} WHERE m.conversation = ?1"), [here], stored)?;
    for message in all {
        let mut row = None;
        for (id, key) in &keys {
            let marks = key.of_message(&message.message);
            row = row.or_else(|| urns.get(&(*id, marks.urn?)).copied());
            // A text tells who it is only where one side has no id.
            let open = texts.get_mut(&(*id, marks.text));
            let alike = |rows: &mut Vec<&ErasedRow>| {
                let at = rows.iter().position(|row| row.urn.is_none() || marks.urn.is_none())?;
                Some(rows.remove(at).id)
            };
            row = row.or_else(|| open.and_then(alike));
        }
        if row.is_some() || (message.message.at_ms < floor && !is_undated(message.id)) {
            found.push(Pair { message: message.id, row });
        }
    }
    Ok(found)
}

/// Takes over the log's erasures and marks, also of what was not stored here. Returns the erasures that were not known.
fn adopt(
    tx: &Connection,
    log: &ErasureLog,
    erasure: &Erasure<'_>,
    pairs: &[Pair],
    keep: bool,
) -> Result<Vec<LoggedErasure>> {
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
    let (erasures, new) = adopt_erasures(tx, log, id)?;
    let here_of: BTreeMap<i64, MessageId> =
        pairs.iter().filter_map(|pair| Some((pair.row?, pair.message))).collect();
    for there in &log.conversations {
        let here = match find(tx, log, there)? {
            Some(here) => here,
            None => begin(tx, there)?,
        };
        if on_hold(tx, here, &erasure.selection.hold)? {
            continue;
        }
        adopt_marks(tx, here, (&erasures, &keys), &there.messages, &here_of)?;
        if let Some(floor) = there.floor_ms {
            let sql = "UPDATE conversation SET floor_ms = max(ifnull(floor_ms, ?2), ?2), served_total = NULL WHERE id = ?1";
            tx.run(sql, params![here, floor])?;
            let run: RunId = tx.one("SELECT run FROM erasure WHERE id = ?1", [id])?;
            let undated = undated::of(tx, &there.below_floor(here))?;
            undated::date(tx, (run, erasure.now), &undated)?;
        }
        if there.stopped {
            courses::stop_as(tx, here, there.thread.as_deref(), &there.profiles)?;
        }
        courses::clip(tx, here)?;
        known::count(tx, here)?;
    }
    for (item, key, of) in &log.items {
        let key = keys.get(key).copied().unwrap_or_default();
        let sql = "INSERT INTO erased_item (mark, key, erasure) VALUES (?1, ?2, ?3)
             ON CONFLICT (mark) DO UPDATE SET erasure = excluded.erasure WHERE erasure = ?4";
        tx.run(sql, params![item, key, erasures.get(of), id])?;
    }
    items::drop_erased(tx)?;
    // What was repeated counts with the erasures that it repeats.
    tx.run(
        "UPDATE erasure SET messages = (SELECT count(*) FROM erased WHERE erasure = ?1) WHERE id = ?1",
        [id],
    )?;
    if !keep {
        let last = "UPDATE erased_item SET erasure = ?2 WHERE erasure = ?1 AND ?2 IS NOT NULL";
        tx.run(last, params![id, erasures.values().max()])?;
        tx.run(
            "DELETE FROM erasure WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM erased WHERE erasure = ?1)
               AND NOT EXISTS (SELECT 1 FROM erased_item WHERE erasure = ?1)",
            [id],
        )?;
    }
    Ok(new)
}

/// Enters the log's erasures that are not known here. Returns the id of each, and those that are new.
fn adopt_erasures(
    tx: &Connection,
    log: &ErasureLog,
    repetition: i64,
) -> Result<(BTreeMap<i64, i64>, Vec<LoggedErasure>)> {
    let (mut ids, mut new) = (BTreeMap::new(), Vec::new());
    for there in &log.erasures {
        let LoggedErasure { at_ms, selector, messages, reason, .. } = there;
        let same = "SELECT id FROM erasure WHERE at_ms = ?1 AND selector = ?2 AND id <> ?3";
        let known: Option<i64> = tx.first(same, params![at_ms, selector, repetition])?;
        let id = match known {
            Some(id) => id,
            None => {
                new.push(there.clone());
                let sql = "INSERT INTO erasure (run, at_ms, selector, messages, reason)
                     SELECT run, ?2, ?3, ?4, ?5 FROM erasure WHERE id = ?1";
                tx.insert(sql, params![repetition, at_ms, selector, messages, reason])?
            }
        };
        ids.insert(there.id, id);
    }
    Ok((ids, new))
}

/// A conversation that is not known here yet.
fn begin(tx: &Connection, there: &ErasedOf) -> Result<ConversationId> {
    tx.run("INSERT OR IGNORE INTO account (name) VALUES (?1)", [&there.account])?;
    let account: AccountId = tx.one("SELECT id FROM account WHERE name = ?1", [&there.account])?;
    let sql = "INSERT INTO conversation (account, thread) VALUES (?1, ?2)";
    let values = params![account, there.thread];
    let id = crate::store::write::configure::begin_conversation(tx, account, 0, sql, values)?;
    for profile in &there.profiles {
        let sql = "INSERT OR IGNORE INTO address (account, profile_url, conversation) VALUES (?1, ?2, ?3)";
        tx.run(sql, params![account, profile, id])?;
    }
    Ok(id)
}

/// Keeps the marks of a conversation's messages, each as often as the log has it.
fn adopt_marks(
    tx: &Connection,
    here: ConversationId,
    (erasures, keys): (&BTreeMap<i64, i64>, &BTreeMap<i64, i64>),
    rows: &[ErasedRow],
    here_of: &BTreeMap<i64, MessageId>,
) -> Result<()> {
    let key_of = |row: &ErasedRow| keys.get(&row.key).copied().unwrap_or_default();
    for row in rows {
        // What was erased here just now is known by the log's marks from then on, and so is not taken for another.
        if let Some(message) = here_of.get(&row.id) {
            tx.run(
                "UPDATE erased SET key = ?2, urn_mark = ?3, text_mark = ?4, place_mark = ?5, erasure = ?6 WHERE id = ?1",
                params![message, key_of(row), row.urn, row.text, row.place, erasures.get(&row.erasure)],
            )?;
        }
    }
    let mut there: BTreeMap<(i64, i64, Option<i64>), i64> = BTreeMap::new();
    for row in rows {
        let key = key_of(row);
        let of_log = there.entry((key, row.text, row.urn)).or_default();
        *of_log += 1;
        let count = "SELECT count(*) FROM erased WHERE conversation = ?1 AND key = ?2 AND text_mark = ?3 AND urn_mark IS ?4";
        if *of_log > tx.one::<i64>(count, params![here, key, row.text, row.urn])? {
            insert_mark(tx, here, (erasures.get(&row.erasure).copied().unwrap_or_default(), key), row)?;
        }
    }
    Ok(())
}

fn insert_mark(
    tx: &Connection,
    here: ConversationId,
    (erasure, key): (i64, i64),
    row: &ErasedRow,
) -> Result<()> {
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
