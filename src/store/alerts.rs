//! What needs a person: remembered until its cause is seen to be gone, so that it is told once and asked no more.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::core::Ms;
pub use crate::core::alert::Cause;
use crate::store::{Store, StoreError};

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttentionRow {
    /// Whose account; `None` is what all share.
    pub account: Option<String>,
    /// What was refused.
    pub cause: Cause,
    /// Since when (ms).
    pub since_ms: Ms,
    /// The API's words.
    pub message: String,
    /// Tells a new credential from the refused one; holds no secret.
    pub credential: String,
}

impl Store {
    /// Remembers that something needs a person. `true` when that is news: it was well before, or was refused with
    /// another credential.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn need_attention(&mut self, row: &AttentionRow) -> Result<bool, StoreError> {
        self.transact(|tx, _| {
            let account = account_id(tx, row.account.as_deref())?;
            let known: Option<String> = tx
                .query_row(
                    "SELECT credential FROM attention WHERE ifnull(account, 0) = ?1 AND kind = ?2",
                    params![account.unwrap_or(0), row.cause.as_str()],
                    |found| found.get(0),
                )
                .optional()?;
            tx.execute(
                "INSERT INTO attention (account, kind, since_ms, message, credential) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (ifnull(account, 0), kind) DO UPDATE SET message = ?4, credential = ?5",
                params![account, row.cause.as_str(), row.since_ms, row.message, row.credential],
            )?;
            Ok(known.as_deref() != Some(row.credential.as_str()))
        })
    }

    /// Notes that nobody was told of this, so that the next refusal is news again.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn untold(&mut self, row: &AttentionRow) -> Result<(), StoreError> {
        self.transact(|tx, _| {
            let account = account_id(tx, row.account.as_deref())?;
            tx.execute(
                "UPDATE attention SET credential = 'untold' WHERE ifnull(account, 0) = ?1 AND kind = ?2",
                params![account.unwrap_or(0), row.cause.as_str()],
            )?;
            Ok(())
        })
    }

    /// Forgets what is well again. `true` when it was not.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn is_well(&mut self, account: Option<&str>, cause: Cause) -> Result<bool, StoreError> {
        self.transact(|tx, _| {
            let account = account_id(tx, account)?;
            let gone = tx.execute(
                "DELETE FROM attention WHERE ifnull(account, 0) = ?1 AND kind = ?2",
                params![account.unwrap_or(0), cause.as_str()],
            )?;
            Ok(gone > 0)
        })
    }

    /// Adds to the count of failed requests of this kind.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn count_failures(&mut self, kind: &str, count: u32) -> Result<(), StoreError> {
        self.transact(|tx, _| {
            tx.execute(
                "INSERT INTO failure (kind, count) VALUES (?1, ?2) ON CONFLICT (kind) DO UPDATE SET count = count + ?2",
                params![kind, count],
            )?;
            Ok(())
        })
    }
}

fn account_id(db: &Connection, account: Option<&str>) -> Result<Option<i64>, StoreError> {
    let Some(name) = account else { return Ok(None) };
    let id = db.query_row("SELECT id FROM account WHERE name = ?1", [name], |row| row.get(0));
    id.optional()?.map(Some).ok_or_else(|| StoreError::Broken(format!("there is no account {name:?} in it")))
}

/// All that needs a person, oldest first.
pub(super) fn rows(db: &Connection) -> Result<Vec<AttentionRow>, StoreError> {
    let mut statement = db.prepare(
        "SELECT a.name, t.kind, t.since_ms, t.message, t.credential FROM attention t
         LEFT JOIN account a ON a.id = t.account ORDER BY t.since_ms, t.id",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(AttentionRow {
            account: row.get(0)?,
            cause: Cause::from_name(&row.get::<_, String>(1)?).unwrap_or(Cause::Credits),
            since_ms: row.get(2)?,
            message: row.get(3)?,
            credential: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
