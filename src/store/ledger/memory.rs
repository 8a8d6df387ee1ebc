//! What was spent, kept beside the archive: an older copy that is put in its place knows nothing of it.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::core::Ms;
use crate::core::budget::Spent;
use crate::core::budget::calendar::day_and_month;
use crate::core::model::ids::{AccountId, RunId};
use crate::store::Result;
use crate::store::guard::last_request;
use crate::store::ids::last_change;
use crate::store::ledger::entry::{self, LedgerEntry};
use crate::store::ledger::spent::SpentCache;
use crate::store::ledger::{Outcome, Purpose, RunKind, Trigger, end_run, insert_run, spent_by_account};
use crate::store::query::Statements as _;
use crate::store::schema::main_file::MainFile;

/// The sums of the day and the month in which credits were last reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// The last row of the ledger.
    request: i64,
    day_ms: Ms,
    month_ms: Ms,
    /// Credits of the day and of the month by the account's name.
    spent: BTreeMap<String, (u32, u32)>,
    /// The number of the last change; 0 where an older version of this program wrote it.
    #[serde(default)]
    change: i64,
    /// What was moved from the write-ahead log into the archive's file by then; `schema/main_file` reads it back.
    pub(crate) main_file: Option<MainFile>,
}

impl Memory {
    /// Of the ledger as it is, in the windows of this moment.
    pub(crate) fn of(
        db: &Connection,
        tally: &SpentCache,
        accounts: &BTreeMap<AccountId, Spent>,
        main_file: Option<MainFile>,
        now: Ms,
    ) -> Result<Self> {
        let (day_ms, month_ms) = day_and_month(now);
        let mut spent = BTreeMap::new();
        for (account, spent_by) in accounts.iter().filter(|(_, spent)| spent.month > 0) {
            spent.insert(tally.name(db, *account)?, (spent_by.day, spent_by.month));
        }
        let (request, change) = (last_request(db)?, last_change(db)?);
        Ok(Self { request, day_ms, month_ms, spent, change, main_file })
    }

    /// Numbers of changes that were given before are not given again: those who ask for changes go by them.
    pub(crate) fn go_on_numbering(&self, db: &Connection) -> Result<()> {
        if self.change > last_change(db)? {
            go_on_after(db, "change", self.change.saturating_add(CHANGES_SINCE))?;
        }
        Ok(())
    }

    /// Whether the archive is an older copy of the one that this is of.
    pub(crate) fn is_ahead_of(&self, db: &Connection) -> Result<bool> {
        Ok(self.request > last_request(db)?)
    }

    pub(crate) fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What the lock's file says; what cannot be read says nothing.
    pub(crate) fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

/// Changes that may have been made since they were last counted: not with each page.
const CHANGES_SINCE: i64 = 1_000_000;

/// Makes a table's next number come after this one.
fn go_on_after(tx: &Connection, table: &str, last: i64) -> Result<()> {
    let moved =
        tx.changed("UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1", params![table, last])?;
    if moved == 0 {
        tx.run("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", params![table, last])?;
    }
    Ok(())
}

/// Credits that were spent nobody knows what for.
pub(crate) fn restored(run: RunId, at_ms: Ms, account: AccountId, credits: u32) -> LedgerEntry<'static> {
    let (endpoint, purpose, spent) = ("unknown", Purpose::Restored, Some(credits));
    LedgerEntry { run, at_ms, account, endpoint, purpose, asked: 0, reserved: credits, spent }
}

/// Books what the archive does not know to be spent, where it is older than the memory. Returns the credits.
pub(crate) fn recall(tx: &Connection, memory: &Memory, now: Ms) -> Result<u32> {
    memory.go_on_numbering(tx)?;
    if !memory.is_ahead_of(tx)? {
        return Ok(0);
    }
    let (day, month) = day_and_month(now);
    let run = insert_run(tx, RunKind::Restore, Trigger::Once, now)?;
    let known = spent_by_account(tx, run, now)?;
    let mut booked = 0_u32;
    for (name, (of_day, of_month)) in &memory.spent {
        tx.run("INSERT INTO account (name) VALUES (?1) ON CONFLICT (name) DO NOTHING", [name])?;
        let account: AccountId = tx.one("SELECT id FROM account WHERE name = ?1", [name])?;
        let known = known.get(&account).copied().unwrap_or_default();
        // What a clock that was ahead has spent counts as of today, as it does in the ledger.
        let today = if memory.day_ms >= day { of_day.saturating_sub(known.day) } else { 0 };
        let earlier = if memory.month_ms >= month {
            of_month.saturating_sub(known.month).saturating_sub(today)
        } else {
            0
        };
        // On the first of a month, all of it is of the day.
        for (credits, at) in [(today, now), (earlier, month.max(day - 1))] {
            if credits > 0 {
                booked = booked.saturating_add(credits);
                entry::insert(tx, None, &restored(run, at, account, credits))?;
            }
        }
    }
    end_run(tx, run, Outcome::Complete, now)?;
    go_on_after(tx, "request", memory.request)?;
    Ok(booked)
}
