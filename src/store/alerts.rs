//! Alerts: problems that need the user, kept until their cause is gone so that each is reported once.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::core::Ms;
pub use crate::core::alert::Cause;
use crate::core::model::ids::AccountId;
use crate::store::{Store, StoreError};

/// A problem that needs the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
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
    /// Stores an alert. Returns whether it is new: there was none, or it was about another credential.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn raise_alert(&mut self, row: &Alert) -> Result<bool, StoreError> {
        self.transact(|tx, _| {
            let account = account_id(tx, row.account.as_deref())?;
            let known: Option<String> = tx
                .query_row(
                    "SELECT credential FROM alert WHERE ifnull(account, 0) = ?1 AND cause = ?2",
                    params![account.unwrap_or_default(), row.cause.as_str()],
                    |found| found.get(0),
                )
                .optional()?;
            tx.execute(
                "INSERT INTO alert (account, cause, since_ms, message, credential) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (ifnull(account, 0), cause) DO UPDATE SET message = ?4, credential = ?5",
                params![account, row.cause.as_str(), row.since_ms, row.message, row.credential],
            )?;
            Ok(known.as_deref() != Some(row.credential.as_str()))
        })
    }

    /// Notes that an alert did not reach the user, so that the next refusal counts as new again.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn mark_undelivered(&mut self, row: &Alert) -> Result<(), StoreError> {
        self.transact(|tx, _| {
            let account = account_id(tx, row.account.as_deref())?;
            tx.execute(
                "UPDATE alert SET credential = 'undelivered' WHERE ifnull(account, 0) = ?1 AND cause = ?2",
                params![account.unwrap_or_default(), row.cause.as_str()],
            )?;
            Ok(())
        })
    }

    /// Deletes an alert whose cause is gone. Returns whether there was one.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn clear_alert(&mut self, account: Option<&str>, cause: Cause) -> Result<bool, StoreError> {
        self.transact(|tx, _| {
            let account = account_id(tx, account)?;
            let gone = tx.execute(
                "DELETE FROM alert WHERE ifnull(account, 0) = ?1 AND cause = ?2",
                params![account.unwrap_or_default(), cause.as_str()],
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

fn account_id(db: &Connection, account: Option<&str>) -> Result<Option<AccountId>, StoreError> {
    let Some(name) = account else { return Ok(None) };
    let id = db.query_row("SELECT id FROM account WHERE name = ?1", [name], |row| row.get(0));
    id.optional()?.map(Some).ok_or_else(|| StoreError::Broken(format!("there is no account {name:?} in it")))
}

/// All alerts, oldest first.
pub(super) fn all(db: &Connection) -> Result<Vec<Alert>, StoreError> {
    let mut statement = db.prepare(
        "SELECT a.name, t.cause, t.since_ms, t.message, t.credential FROM alert t
         LEFT JOIN account a ON a.id = t.account ORDER BY t.since_ms, t.id",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Alert {
            account: row.get(0)?,
            cause: Cause::from_name(&row.get::<_, String>(1)?).unwrap_or(Cause::Credits),
            since_ms: row.get(2)?,
            message: row.get(3)?,
            credential: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
