//! The full-text index, kept up in batches.
//!
//! FTS5 is quick when rows come in rising order of their ids and writes out a segment whenever they do not. Pages
//! come newest first and from many conversations, so indexing them one by one costs several times as much. Instead a
//! page's ids go to `messages_unindexed` in the page's own transaction, and are indexed together, in order, every few
//! thousand rows, at the end of a run and when the archive is opened after a crash.

use rusqlite::{Connection, params};

use super::{Store, StoreError};

/// Messages that wait at most before they are indexed.
const BATCH: u32 = 16_384;

impl Store {
    /// Notes that so many messages wait to be indexed, and indexes them when they are many.
    pub(super) fn texts_waiting(&mut self, fresh: u32) -> Result<(), StoreError> {
        self.unindexed = self.unindexed.saturating_add(fresh);
        if self.unindexed >= BATCH { self.index_texts() } else { Ok(()) }
    }

    /// Brings the full-text index up to date.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn index_texts(&mut self) -> Result<(), StoreError> {
        let waiting: bool =
            self.db.query_row("SELECT EXISTS (SELECT 1 FROM messages_unindexed)", [], |row| row.get(0))?;
        if waiting {
            self.transact(|tx, _| {
                tx.execute(
                    "INSERT INTO messages_fts (rowid, text)
                     SELECT m.id, m.text FROM messages_unindexed u JOIN message m ON m.id = u.id ORDER BY u.id",
                    [],
                )?;
                tx.execute("DELETE FROM messages_unindexed", [])?;
                Ok(())
            })?;
        }
        self.unindexed = 0;
        Ok(())
    }
}

/// Notes that a message's text is new.
pub(super) fn unindexed(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.prepare_cached("INSERT OR IGNORE INTO messages_unindexed (id) VALUES (?1)")?.execute([id])?;
    Ok(())
}

/// Takes a message's former text out of the index, unless it never was in there.
pub(super) fn forget(db: &Connection, id: i64, text: &str) -> Result<(), StoreError> {
    let waiting = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM messages_unindexed WHERE id = ?1)")?
        .query_row([id], |row| row.get::<_, bool>(0))?;
    if !waiting {
        db.prepare_cached("INSERT INTO messages_fts (messages_fts, rowid, text) VALUES ('delete', ?1, ?2)")?
            .execute(params![id, text])?;
    }
    Ok(())
}
