//! How far an account's events have been read, and what watching it costs.

use rusqlite::params;

use crate::core::Ms;
use crate::core::model::ids::AccountId;
use crate::store::Result;
use crate::store::ledger::settle;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::read::targets;
use crate::store::{Settlement, Store};

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

struct_rows!(Feed { watch, position, polled_ms });

impl Store {
    /// The feed of an account, by its configured name, and the archive's id of it.
    pub fn feed(&self, account: &str) -> Result<Option<(AccountId, Option<Feed>)>> {
        let Some(id) = targets::account_id(&self.db, account)? else { return Ok(None) };
        let sql = "SELECT webhook, position, polled_ms FROM event_feed WHERE account = ?1";
        Ok(Some((id, self.db.first(sql, [id])?)))
    }

    /// All feeds: the account of each, by the archive's id and by the name it was configured under. An account need not be
    /// configured any more.
    pub fn feeds(&self) -> Result<Vec<(AccountId, String, Feed)>> {
        let sql = "SELECT account, name, webhook, position, polled_ms
                   FROM event_feed JOIN account ON id = account ORDER BY account";
        self.db.all_by(sql, [], |row| {
            let feed = Feed { watch: row.get(2)?, position: row.get(3)?, polled_ms: row.get(4)? };
            Ok((row.get(0)?, row.get(1)?, feed))
        })
    }

    /// Whether any account is watched.
    pub fn watches_any(&self) -> Result<bool> {
        self.db.one("SELECT EXISTS (SELECT 1 FROM event_feed)", [])
    }

    /// Forgets a watch that has ended.
    pub fn forget_watch(&mut self, account: AccountId) -> Result<()> {
        self.checked()?.run("DELETE FROM event_feed WHERE account = ?1", [account])
    }

    /// Settles the request that began a watch, and notes its name, if it got one, in the same transaction.
    pub fn commit_watch(
        &mut self,
        account: AccountId,
        watch: Option<&str>,
        settlement: &Settlement<'_>,
        now: Ms,
    ) -> Result<()> {
        self.transact(|tx, ids| {
            settle(tx, &ids.tally, settlement)?;
            if let Some(watch) = watch {
                tx.run(
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
    pub fn note_events(&mut self, account: AccountId, last: Option<&str>, now: Ms) -> Result<()> {
        self.checked()?.run(
            "UPDATE event_feed SET position = ifnull(?2, position), polled_ms = ?3 WHERE account = ?1",
            params![account, last, now],
        )
    }

    /// When a request at one of these endpoints last cost an account something, if that was since a moment (ms).
    pub fn last_watched(&self, account: AccountId, endpoints: [&str; 2], since: Ms) -> Result<Option<Ms>> {
        self.db.one(
            "SELECT max(at_ms) FROM request WHERE at_ms >= ?2 AND account = ?1 AND endpoint IN (?3, ?4)
               AND ifnull(credits_spent, credits_reserved) > 0",
            params![account, since, endpoints[0], endpoints[1]],
        )
    }

    /// Whether a request at this endpoint has succeeded for an account since a moment (ms), at whatever price.
    pub fn watch_begun(&self, account: AccountId, endpoint: &str, since: Ms) -> Result<bool> {
        self.db.one(
            "SELECT EXISTS (SELECT 1 FROM request WHERE at_ms >= ?2 AND account = ?1 AND endpoint = ?3 AND error IS NULL)",
            params![account, since, endpoint],
        )
    }

    /// Whether a request at one of these endpoints has cost an account so much or more since a moment (ms).
    pub fn watching_booked(
        &self,
        account: AccountId,
        endpoints: [&str; 2],
        since: Ms,
        at_least: u32,
    ) -> Result<bool> {
        self.db.one(
            "SELECT EXISTS (SELECT 1 FROM request WHERE at_ms >= ?2 AND account = ?1 AND endpoint IN (?3, ?4)
               AND ifnull(credits_spent, credits_reserved) >= ?5)",
            params![account, since, endpoints[0], endpoints[1], at_least],
        )
    }
}
