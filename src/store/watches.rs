//! How far an account's events have been read, and what watching it costs.

use rusqlite::{OptionalExtension as _, params};

use crate::core::Ms;
use crate::core::model::ids::AccountId;
use crate::store::ledger::settle;
use crate::store::{Settlement, Store, StoreError};

/// Where an account's events are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The name of the watch.
    pub watch: String,
    /// The last event that was read.
    pub position: Option<String>,
    /// When events were last asked for (ms).
    pub polled_ms: Option<Ms>,
}

impl Store {
    /// The feed of an account, by its configured name, and the archive's id of it.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn feed(&self, account: &str) -> Result<Option<(AccountId, Option<Feed>)>, StoreError> {
        let id: Option<AccountId> = self
            .db
            .query_row("SELECT id FROM account WHERE name = ?1", [account], |row| row.get(0))
            .optional()?;
        let Some(id) = id else { return Ok(None) };
        let feed = self
            .db
            .query_row(
                "SELECT webhook, position, polled_ms FROM event_feed WHERE account = ?1",
                [id],
                |row| Ok(Feed { watch: row.get(0)?, position: row.get(1)?, polled_ms: row.get(2)? }),
            )
            .optional()?;
        Ok(Some((id, feed)))
    }

    /// Settles the request that began a watch, and notes its name, if it got one, in the same transaction.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn commit_watch(
        &mut self,
        account: AccountId,
        watch: Option<&str>,
        settlement: &Settlement<'_>,
        now: Ms,
    ) -> Result<(), StoreError> {
        self.transact(|tx, ids| {
            settle(tx, &ids.tally, settlement)?;
            if let Some(watch) = watch {
                tx.execute(
                    "INSERT INTO event_feed (account, webhook, polled_ms) VALUES (?1, ?2, ?3)
                     ON CONFLICT (account) DO UPDATE SET webhook = excluded.webhook, position = NULL,
                       polled_ms = excluded.polled_ms",
                    params![account, watch, now],
                )?;
            }
            Ok(())
        })
    }

    /// Notes how far an account's events have been read.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn note_events(&mut self, account: AccountId, last: Option<&str>, now: Ms) -> Result<(), StoreError> {
        self.db.execute(
            "UPDATE event_feed SET position = ifnull(?2, position), polled_ms = ?3 WHERE account = ?1",
            params![account, last, now],
        )?;
        Ok(())
    }

    /// Whether a request at one of these endpoints has cost an account so much or more since a moment (ms).
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn watching_booked(
        &self,
        account: AccountId,
        endpoints: [&str; 2],
        since: Ms,
        at_least: u32,
    ) -> Result<bool, StoreError> {
        Ok(self.db.query_row(
            "SELECT EXISTS (SELECT 1 FROM request WHERE at_ms >= ?2 AND account = ?1 AND endpoint IN (?3, ?4)
               AND ifnull(credits_spent, credits_reserved) >= ?5)",
            params![account, since, endpoints[0], endpoints[1], at_least],
            |row| row.get(0),
        )?)
    }
}
