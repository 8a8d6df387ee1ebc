//! What is spent in each window, remembered between requests so that no request has to add up the ledger again.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::core::Ms;
use crate::core::budget::Spent;
use crate::core::budget::calendar::day_and_month;
use crate::core::model::ids::{AccountId, RunId};
use crate::store::ledger::spent_by_account;
use crate::store::query::Statements as _;
use crate::store::{Result, StoreError};

/// Sums of the ledger for one run, day and month. They stay true until another process
/// writes, as a login does beside a run.
#[derive(Debug, Default)]
pub(crate) struct SpentCache {
    sums: RefCell<Option<Sums>>,
    /// What the accounts are called, as far as that was asked.
    names: RefCell<BTreeMap<AccountId, String>>,
}

#[derive(Debug, Clone)]
struct Sums {
    /// Of the database, as this connection sees it: another one's writing changes it.
    version: i64,
    run: RunId,
    day: Ms,
    month: Ms,
    /// By the archive's id of the account.
    accounts: BTreeMap<AccountId, Spent>,
}

/// A request that was settled: when it was made, and what it was thought to cost and did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled {
    pub(crate) account: AccountId,
    pub(crate) run: RunId,
    pub(crate) at_ms: Ms,
    pub(crate) counted: u32,
    pub(crate) credits: u32,
}

impl SpentCache {
    /// What counts as spent in the windows of this run and moment, by one account or by all: added up where the
    /// windows have changed.
    pub(crate) fn spent(
        &self,
        db: &Connection,
        account: Option<AccountId>,
        run: RunId,
        now: Ms,
    ) -> Result<Spent> {
        let accounts = self.by_account(db, run, now)?;
        Ok(match account {
            Some(account) => accounts.get(&account).copied().unwrap_or_default(),
            None => accounts.values().fold(Spent::default(), |sum, spent| sum.plus(*spent)),
        })
    }

    /// The same by account.
    pub(crate) fn by_account(
        &self,
        db: &Connection,
        run: RunId,
        now: Ms,
    ) -> Result<Ref<'_, BTreeMap<AccountId, Spent>>> {
        let (day, month) = day_and_month(now);
        let version = db.one("PRAGMA data_version", [])?;
        let windows = (version, run, day, month);
        let current = |s: &Sums| (s.version, s.run, s.day, s.month) == windows;
        if !self.sums.borrow().as_ref().is_some_and(current) {
            let accounts = spent_by_account(db, run, now)?;
            self.sums.replace(Some(Sums { version, run, day, month, accounts }));
        }
        let sums = Ref::filter_map(self.sums.borrow(), |sums| sums.as_ref().map(|s| &s.accounts));
        sums.map_err(|_| StoreError::Broken("the ledger has no sums".to_owned()))
    }

    /// What an account is called: accounts keep their names.
    pub(crate) fn name(&self, db: &Connection, account: AccountId) -> Result<String> {
        if let Some(name) = self.names.borrow().get(&account) {
            return Ok(name.clone());
        }
        let name: String = db.one("SELECT name FROM account WHERE id = ?1", [account])?;
        self.names.borrow_mut().insert(account, name.clone());
        Ok(name)
    }

    /// Forgets the sums: the ledger was written otherwise.
    pub(crate) fn forget(&self) {
        *self.sums.borrow_mut() = None;
    }

    /// Counts a reservation that was made now, in the windows that were asked for last.
    pub(crate) fn reserved(&self, account: AccountId, credits: u32) {
        if let Some(sums) = self.sums.borrow_mut().as_mut() {
            let spent = sums.accounts.entry(account).or_default();
            *spent = spent.plus(Spent { run: credits, day: credits, month: credits });
        }
    }

    /// Counts what a request cost instead of what was reserved for it, in the windows that it falls into.
    pub(crate) fn settled(&self, settled: Settled) {
        let mut sums = self.sums.borrow_mut();
        let Some(sums) = sums.as_mut() else { return };
        let change = |n: u32, within: bool| match within {
            true => n.saturating_sub(settled.counted).saturating_add(settled.credits),
            false => n,
        };
        let spent = sums.accounts.entry(settled.account).or_default();
        *spent = Spent {
            run: change(spent.run, settled.run == sums.run),
            day: change(spent.day, settled.at_ms >= sums.day),
            month: change(spent.month, settled.at_ms >= sums.month),
        };
    }
}
