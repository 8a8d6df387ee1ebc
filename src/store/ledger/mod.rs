//! The ledger: runs, and every request with the credits set aside for it before it is sent.

pub(super) mod spent;

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use super::{Store, StoreError};
use crate::core::Ms;
use crate::core::budget::calendar::day_and_month;
use crate::core::budget::{self, Purse, Receipt, Reservation, Spent};
use crate::core::model::ids::{AccountId, ConversationId, RequestId, RunId};
use crate::core::timeline::gap::Asked;
use crate::core::timeline::stall::Stall;
use crate::store::ledger::spent::{Settled, SpentCache};

/// What started a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The user.
    Once,
    /// The schedule.
    Schedule,
    /// The start of the service.
    Start,
}

impl Trigger {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Schedule => "schedule",
            Self::Start => "start",
        }
    }
}

/// What a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// A synchronisation with the API.
    Sync,
    /// An import of a file.
    Import,
    /// `archiver login`.
    Login,
    /// A day of an account's hosted webhook.
    Watch,
}

impl RunKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Import => "import",
            Self::Login => "login",
            Self::Watch => "watch",
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing was left to ask.
    Complete,
    /// The budget ended it.
    Budget,
    /// Some targets failed, others did not.
    Partial,
    /// Nothing could be asked.
    Failed,
    /// The vendor says that the balance is used up.
    NoCredits,
    /// It was told to stop, or crashed.
    Interrupted,
}

impl Outcome {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 6] =
        [Self::Budget, Self::Complete, Self::Failed, Self::Interrupted, Self::NoCredits, Self::Partial];

    /// As reports and the archive name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Budget => "budget",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::NoCredits => "no_credits",
            Self::Interrupted => "interrupted",
        }
    }
}

/// When the vendor's balance was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the first request of a run.
    Before,
    /// After the last one.
    After,
}

impl Moment {
    fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The newest page of a conversation that is archived already.
    Head,
    /// A page of a gap.
    Gap,
    /// A page that is read again for edits and deletions.
    Recheck,
    /// The first page of an inbox.
    Inbox,
    /// A later page of an inbox.
    Walk,
    /// A hosted webhook.
    Watch,
    /// A new session.
    Login,
}

impl Purpose {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Gap => "gap",
            Self::Recheck => "recheck",
            Self::Inbox => "inbox",
            Self::Walk => "walk",
            Self::Watch => "watch",
            Self::Login => "login",
        }
    }
}

/// A request about to be made.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The run that makes it.
    pub run: RunId,
    /// The archive's id of the account.
    pub account: AccountId,
    /// The endpoint's name.
    pub endpoint: &'a str,
    /// The conversation it is about.
    pub conversation: Option<ConversationId>,
    /// What for.
    pub purpose: Purpose,
    /// Results wanted.
    pub wanted: u32,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub struct Settlement<'a> {
    /// What it cost.
    pub receipt: &'a Receipt,
    /// The conversation it turned out to be about, where that is news.
    pub conversation: Option<ConversationId>,
    /// Results that came.
    pub returned: Option<u32>,
    /// Messages that were new.
    pub new_messages: u32,
    /// Messages that had been edited.
    pub changed_messages: u32,
    /// The HTTP status, when an answer came.
    pub http_status: Option<u16>,
    /// What was wrong, if anything.
    pub error: Option<&'a str>,
    /// Why the page received got no further, if it did not.
    pub stall: Option<&'a Stall>,
}

impl<'a> Settlement<'a> {
    /// Of a request that brought no results.
    #[must_use]
    pub fn bare(receipt: &'a Receipt, http_status: Option<u16>, error: Option<&'a str>) -> Self {
        Self {
            receipt,
            conversation: None,
            returned: None,
            new_messages: 0,
            changed_messages: 0,
            http_status,
            error,
            stall: None,
        }
    }
}

/// A request that brought no page.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    /// The archive's id of the account.
    pub account: AccountId,
    /// The conversation that it asked a page of; `None` is the account's inbox.
    pub conversation: Option<ConversationId>,
    /// What was asked.
    pub asked: &'a Asked,
    /// What became of it.
    pub settlement: Settlement<'a>,
    /// Whether that says something about the gap, or about the head: then it is marked as stalled for that reason.
    pub stalls: bool,
    /// When.
    pub now: Ms,
}

impl Store {
    /// Begins a synchronisation. Runs that never ended were cut short: they are marked as interrupted, and what they
    /// had reserved and not settled counts as spent.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn begin_run(&mut self, trigger: Trigger, now: Ms) -> Result<RunId, StoreError> {
        self.begin_run_of(RunKind::Sync, trigger, now)
    }

    /// Begins a run of any kind, as [`Self::begin_run`] does.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn begin_run_of(&mut self, kind: RunKind, trigger: Trigger, now: Ms) -> Result<RunId, StoreError> {
        self.transact(|tx, _| {
            tx.execute(
                "UPDATE run SET outcome = 'interrupted',
                   finished_ms = (SELECT max(ifnull(max(q.at_ms), 0), run.started_ms) FROM request q WHERE q.run = run.id)
                 WHERE finished_ms IS NULL",
                [],
            )?;
            insert_run(tx, kind, trigger, now)
        })
    }

    /// Ends a run.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn finish_run(&mut self, run: RunId, outcome: Outcome, now: Ms) -> Result<(), StoreError> {
        self.name_people()?;
        self.index_texts()?;
        self.transact(|tx, _| {
            tx.execute(
                "UPDATE run SET outcome = ?2, finished_ms = ?3 WHERE id = ?1",
                params![run, outcome.as_str(), now],
            )?;
            Ok(())
        })
    }

    /// Sets credits aside for a request, in a transaction of its own that is on disk when this returns: for what is
    /// wanted, or for as much as the caps still allow; `None` when not even one credit is left.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn reserve(
        &mut self,
        purse: &Purse,
        request: &Request<'_>,
        now: Ms,
    ) -> Result<Option<Reservation>, StoreError> {
        self.transact(|tx, ids| {
            let all = ids.tally.spent(tx, None, request.run, now)?;
            let own = ids.tally.spent(tx, Some(request.account), request.run, now)?;
            let limits = [(purse.all, all), (purse.account, own)];
            let Some(grant) = budget::grant(&limits, request.wanted) else { return Ok(None) };
            tx.prepare_cached(
                "INSERT INTO request (run, at_ms, account, endpoint, conversation, purpose, asked, credits_reserved)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                request.run, now, request.account, request.endpoint, request.conversation, request.purpose.as_str(),
                grant.results(), grant.credits()
            ])?;
            ids.tally.reserved(request.account, grant.credits());
            Ok(Some(grant.recorded(RequestId(tx.last_insert_rowid()))))
        })
    }

    /// Counts a run's answers by what came, where they were counted by what was asked for.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn charge_by_answer(&mut self, run: RunId) -> Result<(), StoreError> {
        self.transact(|tx, ids| {
            tx.execute(
                "UPDATE request SET credits_spent = max(1, (returned + 9) / 10)
                 WHERE run = ?1 AND returned IS NOT NULL AND credits_spent = credits_reserved",
                [run],
            )?;
            ids.tally.forget();
            Ok(())
        })
    }

    /// Credits spent so far: unsettled reservations count in full.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn spent(&self, run: RunId, now: Ms) -> Result<Spent, StoreError> {
        self.interned.tally.spent(&self.db, None, run, now)
    }

    /// The same of one account, by the archive's id.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn spent_by(&self, account: AccountId, run: RunId, now: Ms) -> Result<Spent, StoreError> {
        self.interned.tally.spent(&self.db, Some(account), run, now)
    }

    /// Notes the vendor's balance (credits) before or after a run.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn note_balance(
        &mut self,
        run: RunId,
        moment: Moment,
        credits: f64,
        now: Ms,
    ) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT INTO balance (run, at_ms, moment, credits) VALUES (?1, ?2, ?3, ?4)",
            params![run, now, moment.as_str(), credits],
        )?;
        Ok(())
    }

    /// Whether the last request of all, or of one account, was a look at a head, an inbox's included.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn head_came_last(&self, account: Option<AccountId>) -> Result<bool, StoreError> {
        match account {
            Some(account) => head_of_account_came_last(&self.db, account),
            None => head_came_last(&self.db),
        }
    }
}

/// Adds a run and returns its number.
pub(super) fn insert_run(
    tx: &Connection,
    kind: RunKind,
    trigger: Trigger,
    now: Ms,
) -> Result<RunId, StoreError> {
    tx.prepare_cached("INSERT INTO run (kind, started_ms, trigger) VALUES (?1, ?2, ?3)")?
        .execute(params![kind.as_str(), now, trigger.as_str()])?;
    Ok(RunId(tx.last_insert_rowid()))
}

/// Whether the last request of all, logins and watches aside, was a look at a head, an inbox's included.
pub(super) fn head_came_last(db: &Connection) -> Result<bool, StoreError> {
    let last = "SELECT purpose FROM request WHERE purpose NOT IN ('login', 'watch') ORDER BY id DESC LIMIT 1";
    let purpose: Option<String> = db.query_row(last, [], |row| row.get(0)).optional()?;
    Ok(purpose.as_deref().is_some_and(is_head))
}

/// The same of one account.
pub(super) fn head_of_account_came_last(db: &Connection, account: AccountId) -> Result<bool, StoreError> {
    let last = "SELECT purpose FROM request WHERE account = ?1 AND purpose NOT IN ('login', 'watch') ORDER BY id DESC LIMIT 1";
    let purpose: Option<String> = db.query_row(last, [account], |row| row.get(0)).optional()?;
    Ok(purpose.as_deref().is_some_and(is_head))
}

fn is_head(purpose: &str) -> bool {
    matches!(purpose, "head" | "inbox")
}

/// Writes what became of a request into its row.
pub(super) fn settle(tx: &Connection, tally: &SpentCache, s: &Settlement<'_>) -> Result<(), StoreError> {
    let credits = s.receipt.credits();
    let counted = tx
        .prepare_cached(
            "SELECT run, at_ms, ifnull(credits_spent, credits_reserved), account FROM request WHERE id = ?1",
        )?
        .query_row([s.receipt.request_id()], |row| {
            Ok(Settled {
                run: row.get(0)?,
                at_ms: row.get(1)?,
                counted: row.get(2)?,
                account: row.get(3)?,
                credits,
            })
        })?;
    tx.prepare_cached(
        "UPDATE request SET credits_spent = ?2, conversation = ifnull(?3, conversation), returned = ?4, new_messages = ?5,
           changed_messages = ?6, http_status = ?7, error = ?8, stall_code = ?9
         WHERE id = ?1",
    )?
    .execute(params![
        s.receipt.request_id(),
        credits,
        s.conversation,
        s.returned,
        s.new_messages,
        s.changed_messages,
        s.http_status,
        s.error,
        s.stall.map(Stall::code)
    ])?;
    tally.settled(counted);
    Ok(())
}

/// What counts as spent in each window, by account. A row in the future, after the clock was set back, counts as well.
pub(super) fn spent_by_account(
    db: &Connection,
    run: RunId,
    now: Ms,
) -> Result<BTreeMap<AccountId, Spent>, StoreError> {
    let (day, month) = day_and_month(now);
    let mut all: BTreeMap<AccountId, Spent> = BTreeMap::new();
    let whole = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    // The plus keeps SQLite from reading the whole ledger account by account.
    let mut statement = db.prepare_cached(
        "SELECT account, sum(ifnull(credits_spent, credits_reserved)),
           sum(CASE WHEN at_ms >= ?1 THEN ifnull(credits_spent, credits_reserved) ELSE 0 END)
         FROM request WHERE at_ms >= ?2 GROUP BY +account",
    )?;
    let mut rows = statement.query([day, month])?;
    while let Some(row) = rows.next()? {
        let (month, day) = (whole(row.get(1)?), whole(row.get(2)?));
        all.insert(row.get(0)?, Spent { run: 0, day, month });
    }
    let mut statement = db.prepare_cached(
        "SELECT account, sum(ifnull(credits_spent, credits_reserved)) FROM request WHERE run = ?1 GROUP BY +account",
    )?;
    let mut rows = statement.query([run])?;
    while let Some(row) = rows.next()? {
        all.entry(row.get(0)?).or_default().run = whole(row.get(1)?);
    }
    Ok(all)
}
