//! What past runs say about when the next one may be made: failures in a row, and a pause that the API asked for.

use rusqlite::OptionalExtension as _;

use crate::core::Ms;
use crate::store::{Store, StoreError};

/// Failures in a row are looked at so far back.
const MOST_RUNS: u32 = 200;

/// A run that brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRun {
    /// When it began (ms).
    pub started_ms: Ms,
    /// When it ended (ms).
    pub finished_ms: Ms,
    /// What it cost.
    pub credits: i64,
}

impl Store {
    /// Notes that the API wants no request before this moment, as the run that was made last was told.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn hold_until(&mut self, moment: Ms) -> Result<(), StoreError> {
        self.transact(|tx, _| {
            let last =
                "UPDATE run SET retry_at_ms = ?1 WHERE id = (SELECT max(id) FROM run WHERE kind = 'sync')";
            tx.execute(last, [moment])?;
            Ok(())
        })
    }

    /// Until when the API wants no request (ms), as the last run was told; `None` once that has passed.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn held_until(&self, now: Ms) -> Result<Option<Ms>, StoreError> {
        let last = "SELECT retry_at_ms FROM run WHERE kind = 'sync' ORDER BY id DESC LIMIT 1";
        let until: Option<Option<Ms>> = self.db.query_row(last, [], |row| row.get(0)).optional()?;
        Ok(until.flatten().filter(|until| *until > now))
    }

    /// The runs that failed in a row up to now, newest first. One that was interrupted says nothing.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn failed_runs(&self) -> Result<Vec<FailedRun>, StoreError> {
        let mut statement = self.db.prepare(
            "SELECT started_ms, finished_ms, outcome,
               (SELECT ifnull(sum(ifnull(credits_spent, credits_reserved)), 0) FROM request WHERE run = run.id)
             FROM run WHERE kind = 'sync' AND outcome <> 'interrupted' AND finished_ms IS NOT NULL
             ORDER BY id DESC LIMIT ?1",
        )?;
        let mut failed = Vec::new();
        let mut rows = statement.query([MOST_RUNS])?;
        while let Some(row) = rows.next()? {
            if row.get::<_, String>(2)? != "failed" {
                break;
            }
            failed.push(FailedRun {
                started_ms: row.get(0)?,
                finished_ms: row.get(1)?,
                credits: row.get(3)?,
            });
        }
        Ok(failed)
    }

    /// When the last run began (ms), if it was a good one: nothing is to be made up for at once.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn last_good_run(&self) -> Result<Option<Ms>, StoreError> {
        let last = "SELECT started_ms, outcome FROM run WHERE kind = 'sync' ORDER BY id DESC LIMIT 1";
        let last = self.db.query_row(last, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let good =
            |outcome: &Option<String>| !matches!(outcome.as_deref(), None | Some("failed" | "interrupted"));
        Ok(last.filter(|(_, outcome): &(Ms, _)| good(outcome)).map(|(started, _)| started))
    }

    /// When the newest request of the ledger was made (ms).
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn newest_request(&self) -> Result<Option<Ms>, StoreError> {
        let newest = "SELECT at_ms FROM request ORDER BY id DESC LIMIT 1";
        Ok(self.db.query_row(newest, [], |row| row.get(0)).optional()?)
    }

    /// The error of the last request that failed.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn last_error(&self) -> Result<Option<String>, StoreError> {
        let last = "SELECT error FROM request WHERE error IS NOT NULL ORDER BY id DESC LIMIT 1";
        Ok(self.db.query_row(last, [], |row| row.get(0)).optional()?)
    }
}
