//! Alerts: problems that need the user, kept until their cause is gone so that each is reported once.

use rusqlite::{Connection, params};

use crate::core::Ms;
use crate::core::alert::AlertKind;
pub use crate::core::alert::Cause;
use crate::core::model::ids::AccountId;
use crate::store::Result;
use crate::store::notices;
use crate::store::query::Statements as _;
use crate::store::read::targets;
use crate::store::{Queries, Store, StoreError};

/// In the place of the credential of an alert that did not reach the user.
const UNDELIVERED: &str = "undelivered";

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
    /// Stores an alert, and sends one that is new to the sinks, in these words. Returns whether it is: there was none, or
    /// it was about another credential.
    pub fn raise_alert(&mut self, row: &Alert, words: &str) -> Result<bool> {
        self.transact(|tx, _| {
            let account = account_id(tx, row.account.as_deref())?;
            let known: Option<String> = tx.first(
                "SELECT credential FROM alert WHERE ifnull(account, 0) = ifnull(?1, 0) AND cause = ?2",
                params![account, row.cause.as_str()],
            )?;
            tx.run(
                "INSERT INTO alert (account, cause, since_ms, message, credential) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (ifnull(account, 0), cause) DO UPDATE SET message = ?4, credential = ?5",
                params![account, row.cause.as_str(), row.since_ms, row.message, row.credential],
            )?;
            let is_new = known.as_deref() != Some(row.credential.as_str());
            // One that the alert command was cut short on is new to nobody else.
            if is_new && known.as_deref() != Some(UNDELIVERED) {
                let whose = (AlertKind::Refused(row.cause), row.account.as_deref());
                notices::insert(tx, whose, words, None, row.since_ms)?;
            }
            Ok(is_new)
        })
    }

    /// Notes that an alert did not reach the user, so that the next refusal counts as new again.
    pub fn mark_undelivered(&mut self, row: &Alert) -> Result<()> {
        let account = account_id(&self.db, row.account.as_deref())?;
        self.checked()?.run(
            "UPDATE alert SET credential = ?3 WHERE ifnull(account, 0) = ifnull(?1, 0) AND cause = ?2",
            params![account, row.cause.as_str(), UNDELIVERED],
        )
    }

    /// Deletes an alert whose cause is gone. Returns whether there was one.
    pub fn clear_alert(&mut self, account: Option<&str>, cause: Cause) -> Result<bool> {
        let account = account_id(&self.db, account)?;
        let gone = self.checked()?.changed(
            "DELETE FROM alert WHERE ifnull(account, 0) = ifnull(?1, 0) AND cause = ?2",
            params![account, cause.as_str()],
        )?;
        Ok(gone > 0)
    }

    /// Adds to the count of failed requests of this kind.
    pub fn count_failures(&mut self, kind: &str, count: u32) -> Result<()> {
        self.checked()?.run(
            "INSERT INTO failure (kind, count) VALUES (?1, ?2) ON CONFLICT (kind) DO UPDATE SET count = count + ?2",
            params![kind, count],
        )
    }
}

fn account_id(db: &Connection, account: Option<&str>) -> Result<Option<AccountId>> {
    let Some(name) = account else { return Ok(None) };
    let id = targets::account_id(db, name)?;
    id.map(Some).ok_or_else(|| StoreError::Broken(format!("there is no account {name:?} in it")))
}

impl Queries<'_> {
    /// The alerts, oldest first.
    pub fn alerts(&self) -> Result<Vec<Alert>> {
        self.db().all_by(
            "SELECT a.name, t.cause, t.since_ms, t.message, t.credential FROM alert t
         LEFT JOIN account a ON a.id = t.account ORDER BY t.since_ms, t.id",
            [],
            |row| {
                Ok(Alert {
                    account: row.get(0)?,
                    cause: Cause::from_name(&row.get::<_, String>(1)?).unwrap_or(Cause::Credits),
                    since_ms: row.get(2)?,
                    message: row.get(3)?,
                    credential: row.get(4)?,
                })
            },
        )
    }
}
