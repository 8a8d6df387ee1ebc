//! The full-text index, kept up in batches.
//!
//! FTS5 is quick when rows come in rising order of their ids and writes out a segment whenever they do not. Pages
//! come newest first and from many conversations, so indexing them one by one costs several times as much. Instead a
//! page's ids go to `messages_unindexed` in the page's own transaction, and are indexed together, in order, every few
//! thousand rows, at the end of a run and when the archive is opened after a crash.
//!
//! Its tokenizer takes a run of Chinese or Thai for one word, cuts Hindi at its vowel signs, and knows neither ё nor ł nor
//! 𝗯𝗼𝗹𝗱 letters for what they are. Messages that it reads otherwise than [`tokenize::words`] are therefore indexed a second
//! time, as words made here (`messages_cjk_fts`): only they, so that other mailboxes pay nothing for it. For them the
//! second index decides.

use rusqlite::{Connection, params};

use crate::core::model::ids::MessageId;
use crate::core::search::tokenize;
use crate::store::Result;
use crate::store::Store;
use crate::store::query::Statements as _;

/// Messages that wait at most before they are indexed.
const BATCH: u32 = 16_384;

impl Store {
    /// Notes that so many messages wait to be indexed, and indexes them when they are many.
    pub(crate) fn texts_waiting(&mut self, fresh: u32) -> Result<()> {
        self.unindexed = self.unindexed.saturating_add(fresh);
        if self.unindexed >= BATCH { self.index_texts() } else { Ok(()) }
    }

    /// Brings the full-text index up to date.
    pub fn index_texts(&mut self) -> Result<()> {
        let waiting: bool = self.db.one("SELECT EXISTS (SELECT 1 FROM messages_unindexed)", [])?;
        if waiting {
            self.transact(|tx, _| {
                // Each text is read once, for both indexes: a batch's rows lie all over the file.
                let mut words = tx.prepare("INSERT INTO messages_fts (rowid, text) VALUES (?1, ?2)")?;
                index_second(
                    tx,
                    "SELECT m.id, m.text FROM messages_unindexed u JOIN message_searched m ON m.id = u.id ORDER BY u.id",
                    |id, text| words.execute(params![id, text]),
                )?;
                tx.run("DELETE FROM messages_unindexed", [])
            })?;
        }
        self.unindexed = 0;
        Ok(())
    }
}

/// Notes that a message's text is new.
pub(crate) const UNINDEXED: &str = "INSERT OR IGNORE INTO messages_unindexed (id) VALUES (?1)";

/// Takes a message out of the index before it changes, unless it never was in there.
pub(crate) fn forget(db: &Connection, id: MessageId) -> Result<()> {
    let waiting = "SELECT EXISTS (SELECT 1 FROM messages_unindexed WHERE id = ?1)";
    if !db.one::<bool>(waiting, [id])? {
        let text: String = db.one("SELECT text FROM message_searched WHERE id = ?1", [id])?;
        db.run(
            "INSERT INTO messages_fts (messages_fts, rowid, text) VALUES ('delete', ?1, ?2)",
            params![id, text],
        )?;
        if !tokenize::is_plain(&text) {
            // Older SQLite libraries, which others read the file with, know no option to delete without the text.
            db.run(
                "INSERT INTO messages_cjk_fts (messages_cjk_fts, rowid, text) VALUES ('delete', ?1, ?2)",
                params![id, tokenize::indexed(&text)],
            )?;
        }
    }
    Ok(())
}

/// Makes both indexes anew, with no trace of what is not in any message any more.
pub(crate) fn make_anew(db: &Connection) -> Result<()> {
    db.execute_batch(
        "INSERT INTO messages_fts (messages_fts) VALUES ('delete-all');
         INSERT INTO messages_cjk_fts (messages_cjk_fts) VALUES ('delete-all');",
    )?;
    index_everything(db)
}

/// Indexes all messages but those that wait for it, where neither index has any.
pub(crate) fn index_everything(db: &Connection) -> Result<()> {
    let mut words = db.prepare("INSERT INTO messages_fts (rowid, text) VALUES (?1, ?2)")?;
    index_second(
        db,
        "SELECT id, text FROM message_searched m
         WHERE NOT EXISTS (SELECT 1 FROM messages_unindexed u WHERE u.id = m.id) ORDER BY id",
        |id, text| words.execute(params![id, text]),
    )
}

/// Adds those of the selected messages to the second index that it is for, and shows each to `also`.
fn index_second(
    db: &Connection,
    select: &str,
    mut also: impl FnMut(MessageId, &str) -> rusqlite::Result<usize>,
) -> Result<()> {
    let mut texts = db.prepare(select)?;
    let mut add = db.prepare("INSERT INTO messages_cjk_fts (rowid, text) VALUES (?1, ?2)")?;
    let mut rows = texts.query([])?;
    while let Some(row) = rows.next()? {
        let (id, text) = (row.get(0)?, row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?);
        also(id, text)?;
        if !tokenize::is_plain(text) {
            add.execute(params![id, tokenize::indexed(text)])?;
        }
    }
    Ok(())
}

/// Creates temporary tables that list the words of the indexes. SQLite counts that as writing. They have a row for each
/// occurrence, because one row for each word would count all occurrences first.
pub(super) fn list_words(db: &Connection) -> Result<()> {
    let there =
        "SELECT count(*) = 2 FROM temp.sqlite_schema WHERE name IN ('indexed_places', 'folded_places')";
    if db.one(there, [])? {
        return Ok(());
    }
    db.pragma_update(None, "query_only", false)?;
    let made = db.execute_batch(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.indexed_places USING fts5vocab(main, messages_fts, instance);
         CREATE VIRTUAL TABLE IF NOT EXISTS temp.folded_places USING fts5vocab(main, messages_cjk_fts, instance);",
    );
    db.pragma_update(None, "query_only", true)?;
    Ok(made?)
}
