//! The ledger by itself: credits that are spent on logging in, also while another process syncs.
//!
//! The lock beside the archive keeps two runs from fetching the same pages. A login fetches none: it adds rows to
//! the ledger, in transactions of its own, so that it needs no lock and disturbs no run.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::core::Ms;
use crate::core::budget::{self, Purse, Receipt, Reservation, Spent};
use crate::core::model::ids::{AccountId, RunId};
use crate::store::Result;
use crate::store::StoreError;
use crate::store::guard;
use crate::store::ledger::entry::{self, LedgerEntry};
use crate::store::ledger::memory::{self, Memory};
use crate::store::ledger::spent::SpentCache;
use crate::store::ledger::{
    Outcome, Purpose, RunKind, Settlement, Trigger, end_run, insert_run, settle, spent_by_account,
};
use crate::store::query::Statements as _;
use crate::store::read::targets;
use crate::store::schema::lock::{self, Lock};
use crate::store::schema::open;

/// A connection to the ledger of an archive that another process may be writing to.
#[derive(Debug)]
pub struct Ledger {
    db: Connection,
    path: PathBuf,
}

/// A login under way, as the ledger has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginRun {
    run: RunId,
    account: AccountId,
}

impl Ledger {
    /// Opens the archive's ledger, and creates the archive where there is none.
    ///
    /// # Errors
    /// When the file cannot be written or is no archive.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { db: open::open_beside(path)?, path: path.to_owned() })
    }

    /// What all and this account may still spend, the tighter of both; `None` is without limit.
    pub fn left(&self, purse: &Purse, account: &str, now: Ms) -> Result<Option<u32>> {
        let account = targets::account_id(&self.db, account)?;
        let (all, own) = spent(&self.db, RunId::default(), account.unwrap_or_default(), now)?;
        let lefts = [budget::left(&purse.all, &all).least(), budget::left(&purse.account, &own).least()];
        Ok(lefts.into_iter().flatten().min())
    }

    /// Begins a login to this account.
    pub fn begin(&mut self, account: &str, now: Ms) -> Result<LoginRun> {
        let memory = Memory::read(&lock::memory_of(&self.path));
        let tx = self.immediate()?;
        memory.map_or(Ok(0), |memory| memory::recall(&tx, &memory, now))?;
        tx.run("INSERT INTO account (name) VALUES (?1) ON CONFLICT (name) DO NOTHING", [account])?;
        let account = tx.one("SELECT id FROM account WHERE name = ?1", [account])?;
        let run = insert_run(&tx, RunKind::Login, Trigger::Once, now)?;
        tx.commit()?;
        Ok(LoginRun { run, account })
    }

    /// Sets a credit aside for one request, on disk when this returns; `None` when the caps leave none.
    pub fn reserve(
        &mut self,
        login: LoginRun,
        purse: &Purse,
        endpoint: &str,
        now: Ms,
    ) -> Result<Option<Reservation>> {
        guard::room(&self.path, guard::NEEDED_MIB)?;
        let tx = self.immediate()?;
        let (all, own) = spent(&tx, login.run, login.account, now)?;
        let Some(grant) = budget::grant(&[(purse.all, all), (purse.account, own)], 1) else {
            return Ok(None);
        };
        let (purpose, spent) = (Purpose::Login, None);
        let (LoginRun { run, account }, reserved) = (login, grant.credits());
        let entry = LedgerEntry { run, at_ms: now, account, endpoint, purpose, asked: 0, reserved, spent };
        let id = entry::insert(&tx, None, &entry)?;
        tx.commit()?;
        Ok(Some(grant.recorded(id)))
    }

    /// Writes what became of a request.
    pub fn settle(&mut self, receipt: &Receipt, http_status: Option<u16>, error: Option<&str>) -> Result<()> {
        let tx = self.immediate()?;
        settle(&tx, &SpentCache::default(), &Settlement::bare(receipt, http_status, error))?;
        tx.commit()?;
        Ok(())
    }

    /// Ends a login.
    pub fn finish(&mut self, login: LoginRun, outcome: Outcome, now: Ms) -> Result<()> {
        end_run(&self.db, login.run, outcome, now)?;
        // Whoever holds the lock keeps what is spent with the next request.
        if let Ok(lock) = Lock::take(&self.path) {
            let known = Memory::read(&lock.memory()).and_then(|memory| memory.main_file);
            let memory = Memory::of(
                &self.db,
                &SpentCache::default(),
                &spent_by_account(&self.db, login.run, now)?,
                known,
                now,
            )?;
            lock.remember_if_possible(&memory.line());
        }
        Ok(())
    }

    /// Closes the file.
    pub fn close(self) -> Result<()> {
        self.db.close().map_err(|(_, e)| StoreError::from(e))
    }

    fn immediate(&mut self) -> Result<Transaction<'_>> {
        Ok(self.db.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }
}

/// What all accounts and this one have spent.
fn spent(db: &Connection, run: RunId, account: AccountId, now: Ms) -> Result<(Spent, Spent)> {
    let by_account = spent_by_account(db, run, now)?;
    let own = by_account.get(&account).copied().unwrap_or_default();
    Ok((by_account.into_values().fold(Spent::default(), Spent::plus), own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::budget::{Caps, Charge};
    use crate::store::{Reader, Store};

    const NOW: Ms = 1_800_000_000_000;

    fn purse(day: u32) -> Purse {
        let all = Caps { day: Some(day), ..Caps::default() };
        Purse { all, account: Caps::default() }
    }

    #[test]
    fn a_login_spends_within_the_caps_and_is_no_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.db");
        let mut ledger = Ledger::open(&path).unwrap();
        let login = ledger.begin("me", NOW).unwrap();
        for spent in 0..2 {
            assert_eq!(ledger.left(&purse(2), "me", NOW).unwrap(), Some(2 - spent));
            let reservation = ledger.reserve(login, &purse(2), "v1/auth/login", NOW).unwrap().unwrap();
            let receipt = reservation.spend(Charge::Unknown);
            ledger.settle(&receipt, Some(200), None).unwrap();
        }
        assert!(ledger.reserve(login, &purse(2), "v1/auth/login", NOW).unwrap().is_none());
        ledger.finish(login, Outcome::Complete, NOW).unwrap();
        let reader = Reader::open(&path).unwrap();
        assert_eq!(
            (reader.queries().spent(NOW).unwrap().day, reader.queries().last_run().unwrap()),
            (2, None)
        );
    }

    #[test]
    fn a_login_leaves_a_run_that_is_going_on_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.db");
        let mut store = Store::open(&path).unwrap();
        let run = store.begin_run(Trigger::Once, NOW).unwrap();
        let mut ledger = Ledger::open(&path).unwrap();
        let login = ledger.begin("me", NOW).unwrap();
        ledger.finish(login, Outcome::Failed, NOW).unwrap();
        ledger.close().unwrap();
        let row = Reader::open(&path).unwrap().queries().run(run).unwrap().unwrap();
        assert_eq!((row.outcome, row.finished_ms), (None, None));
    }

    #[test]
    fn what_a_login_spends_beside_a_run_counts_for_its_caps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.db");
        let mut store = Store::open(&path).unwrap();
        let run = store.begin_run(Trigger::Once, NOW).unwrap();
        assert_eq!(store.spent(run, NOW).unwrap().day, 0);
        let mut ledger = Ledger::open(&path).unwrap();
        let login = ledger.begin("me", NOW).unwrap();
        let reserved = ledger.reserve(login, &Purse::default(), "v1/auth/login", NOW).unwrap().unwrap();
        assert_eq!(store.spent(run, NOW).unwrap(), Spent { run: 0, day: 1, month: 1 });
        ledger.settle(&reserved.spend(Charge::Known(0)), Some(200), None).unwrap();
        assert_eq!(store.spent(run, NOW).unwrap().day, 0);
        ledger.finish(login, Outcome::Complete, NOW).unwrap();
        ledger.close().unwrap();
    }
}
