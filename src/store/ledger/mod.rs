//! The ledger: runs, and every request with the credits set aside for it before it is sent.

pub(crate) mod entry;
pub(super) mod memory;
pub(super) mod spent;

use std::collections::BTreeMap;

use rusqlite::types::{ToSql, ToSqlOutput};
use rusqlite::{Connection, params};
use serde::Serialize;

use super::Store;
use crate::core::Ms;
use crate::core::budget::calendar::day_and_month;
use crate::core::budget::{self, Grant, Purse, Receipt, Reservation, Spent};
use crate::core::model::ids::{AccountId, ConversationId, RequestId, RunId};
use crate::core::timeline::gap::Asked;
use crate::core::timeline::stall::Stall;
use crate::store::guard::Guard;
use crate::store::ledger::entry::LedgerEntry;
use crate::store::ledger::memory::Memory;
use crate::store::ledger::spent::{Settled, SpentCache};
use crate::store::query::Statements as _;
use crate::store::{Result, spent_days};

/// A closed set of words. A CHECK of the schema has the same.
macro_rules! words {
    ($($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $word:literal,)+ })+) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $value,)+ }

        impl $name {
            /// As reports and the archive name it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word,)+ }
            }
        }

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.as_str().to_sql()
            }
        }
    )+};
}

words! {
    /// What started a run.
    Trigger {
        /// The user.
        Once = "once",
        /// The schedule.
        Schedule = "schedule",
        /// The start of the service.
        Start = "start",
    }

    /// What a run is.
    RunKind {
        /// A synchronisation with the API.
        Sync = "sync",
        /// An import of a file.
        Import = "import",
        /// `archiver login`.
        Login = "login",
        /// A day of an account's hosted webhook.
        Watch = "watch",
        /// What an older copy of the archive did not know to be spent.
        Restore = "restore",
        /// Messages erased on purpose.
        Erase = "erase",
    }

    /// How a run ended.
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    Outcome {
        /// Nothing was left to ask.
        Complete = "complete",
        /// The budget ended it.
        Budget = "budget",
        /// Some targets failed, others did not.
        Partial = "partial",
        /// Nothing could be asked.
        Failed = "failed",
        /// The vendor says that the balance is used up.
        NoCredits = "no_credits",
        /// It was told to stop, or crashed.
        Interrupted = "interrupted",
    }

    /// When the vendor's balance was asked for.
    Moment {
        /// Before the first request of a run.
        Before = "before",
        /// After the last one.
        After = "after",
    }

    /// What a request is for.
    Purpose {
        /// The newest page of a conversation that is archived already.
        Head = "head",
        /// A page of a gap.
        Gap = "gap",
        /// A page that is read again for edits and deletions.
        Recheck = "recheck",
        /// The first page of an inbox.
        Inbox = "inbox",
        /// A later page of an inbox.
        Walk = "walk",
        /// A hosted webhook.
        Watch = "watch",
        /// A new session.
        Login = "login",
        /// What an older copy of the archive did not know of.
        Restored = "restored",
    }
}

impl Outcome {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 6] =
        [Self::Budget, Self::Complete, Self::Failed, Self::Interrupted, Self::NoCredits, Self::Partial];
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
    /// How many runs at most pass between two looks at a conversation that the inbox never shows.
    pub longest_silence: u32,
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
    pub fn begin_run(&mut self, trigger: Trigger, now: Ms) -> Result<RunId> {
        self.begin_run_of(RunKind::Sync, trigger, now)
    }

    /// Begins a run of any kind, as [`Self::begin_run`] does.
    pub fn begin_run_of(&mut self, kind: RunKind, trigger: Trigger, now: Ms) -> Result<RunId> {
        let memory = self.lock.as_ref().and_then(|lock| Memory::read(&lock.memory()));
        let (run, is_older) = self.transact(|tx, ids| {
            let is_older = memory.as_ref().map_or(Ok(false), |memory| memory.is_ahead_of(tx))?;
            let forgotten = memory.map_or(Ok(0), |memory| memory::recall(tx, &memory, now))?;
            if forgotten > 0 {
                ids.tally.forget();
                tracing::warn!(
                    credits = forgotten,
                    "an older copy took the archive's place: what was spent since counts"
                );
            }
            interrupt_runs(tx)?;
            Ok((insert_run(tx, kind, trigger, now)?, is_older))
        })?;
        if is_older {
            // Otherwise readers would take what is written from here on for the log of the archive that was here before.
            self.remember_spent(run, now)?;
        }
        Ok(run)
    }

    /// Ends a run.
    pub fn finish_run(&mut self, run: RunId, outcome: Outcome, now: Ms) -> Result<()> {
        self.name_people()?;
        self.index_texts()?;
        end_run(self.checked()?, run, outcome, now)?;
        self.remember_spent(run, now)
    }

    /// Sets credits aside for a request, in a transaction of its own that is on disk when this returns: for what is
    /// wanted, or for as much as the caps still allow; `None` when not even one credit is left.
    pub fn reserve(&mut self, purse: &Purse, request: &Request<'_>, now: Ms) -> Result<Option<Reservation>> {
        self.guard.as_ref().map_or(Ok(()), Guard::room)?;
        let reserved = self.transact(|tx, ids| {
            let all = ids.tally.spent(tx, None, request.run, now)?;
            let own = ids.tally.spent(tx, Some(request.account), request.run, now)?;
            let limits = [(purse.all, all), (purse.account, own)];
            let Some(grant) = budget::grant(&limits, request.wanted) else { return Ok(None) };
            let reservation = insert_request(tx, request, grant, now)?;
            ids.tally.reserved(request.account, reservation.credits());
            Ok(Some(reservation))
        })?;
        self.remember_spent(request.run, now)?;
        Ok(reserved)
    }

    /// Keeps beside the archive what is spent, for the case that an older copy takes its place.
    fn remember_spent(&self, run: RunId, now: Ms) -> Result<()> {
        let Some(lock) = &self.lock else { return Ok(()) };
        let tally = &self.interned.tally;
        let spent = tally.by_account(&self.db, run, now)?;
        let seen = self.guard.as_ref().and_then(Guard::main_file);
        let memory = Memory::of(&self.db, tally, &spent, seen, now)?;
        lock.remember_if_possible(&memory.line());
        Ok(())
    }

    /// Counts a run's answers by what came, where they were counted by what was asked for.
    pub fn charge_by_answer(&mut self, run: RunId) -> Result<()> {
        self.transact(|tx, ids| {
            ids.tally.forget();
            let came: Vec<(AccountId, Ms, i64)> = tx.all(
                "SELECT account, at_ms, max(1, (returned + 9) / 10) - credits_spent FROM request
                 WHERE run = ?1 AND returned IS NOT NULL AND credits_spent = credits_reserved",
                [run],
            )?;
            for (account, at_ms, credits) in came {
                spent_days::change(tx, account, at_ms, credits)?;
            }
            tx.run(
                "UPDATE request SET credits_spent = max(1, (returned + 9) / 10)
                 WHERE run = ?1 AND returned IS NOT NULL AND credits_spent = credits_reserved",
                [run],
            )
        })
    }

    /// Charges so many credits for requests that were booked as free, each up to what was reserved for it.
    pub fn charge_failures(&mut self, failures: &[RequestId], credits: u32) -> Result<()> {
        self.transact(|tx, ids| {
            ids.tally.forget();
            let mut left = i64::from(credits);
            for id in failures {
                let sql = "SELECT account, at_ms, credits_reserved FROM request WHERE id = ?1";
                let (account, at_ms, reserved): (AccountId, Ms, i64) = tx.one(sql, [id])?;
                let credits = left.min(reserved);
                left = left.saturating_sub(credits);
                spent_days::change(tx, account, at_ms, credits)?;
                tx.run("UPDATE request SET credits_spent = ?2 WHERE id = ?1", params![id, credits])?;
            }
            Ok(())
        })
    }

    /// Credits spent so far: unsettled reservations count in full.
    pub fn spent(&self, run: RunId, now: Ms) -> Result<Spent> {
        self.interned.tally.spent(&self.db, None, run, now)
    }

    /// The same of one account, by the archive's id.
    pub fn spent_by(&self, account: AccountId, run: RunId, now: Ms) -> Result<Spent> {
        self.interned.tally.spent(&self.db, Some(account), run, now)
    }

    /// Notes the vendor's balance (credits) before or after a run.
    pub fn note_balance(&mut self, run: RunId, moment: Moment, credits: f64, now: Ms) -> Result<()> {
        self.checked()?.run(
            "INSERT INTO balance (run, at_ms, moment, credits) VALUES (?1, ?2, ?3, ?4)",
            params![run, now, moment, credits],
        )
    }

    /// Whether the last request of all, or of one account, was a look at a head, an inbox's included.
    pub fn head_came_last(&self, account: Option<AccountId>) -> Result<bool> {
        head_came_last(&self.db, account)
    }
}

/// Marks runs that never ended as interrupted: whoever holds the archive's lock knows that none is under way.
pub(super) fn interrupt_runs(tx: &Connection) -> Result<()> {
    tx.run(
        "UPDATE run SET outcome = 'interrupted',
           finished_ms = (SELECT max(ifnull(max(q.at_ms), 0), run.started_ms) FROM request q WHERE q.run = run.id)
         WHERE finished_ms IS NULL",
        [],
    )
}

/// Adds a run.
pub(super) fn insert_run(tx: &Connection, kind: RunKind, trigger: Trigger, now: Ms) -> Result<RunId> {
    let sql = "INSERT INTO run (kind, started_ms, trigger) VALUES (?1, ?2, ?3)";
    tx.insert(sql, params![kind, now, trigger]).map(RunId)
}

pub(super) fn end_run(tx: &Connection, run: RunId, outcome: Outcome, now: Ms) -> Result<()> {
    tx.run("UPDATE run SET outcome = ?2, finished_ms = ?3 WHERE id = ?1", params![run, outcome, now])
}

/// Writes a request that is about to be made into the ledger.
pub(super) fn insert_request(
    tx: &Connection,
    request: &Request<'_>,
    grant: Grant,
    now: Ms,
) -> Result<Reservation> {
    let entry = LedgerEntry {
        run: request.run,
        at_ms: now,
        account: request.account,
        endpoint: request.endpoint,
        purpose: request.purpose,
        asked: grant.results(),
        reserved: grant.credits(),
        spent: None,
    };
    let id = entry::insert(tx, request.conversation, &entry)?;
    Ok(grant.recorded(id))
}

/// Whether the last request of all or of one account, logins and the like aside, was a look at a head, an inbox's
/// included.
pub(super) fn head_came_last(db: &Connection, account: Option<AccountId>) -> Result<bool> {
    let purpose: Option<String> = match account {
        Some(account) => db.first(
            "SELECT purpose FROM request WHERE account = ?1 AND purpose NOT IN ('login', 'watch', 'restored') ORDER BY id DESC LIMIT 1",
            [account],
        )?,
        None => db.first(
            "SELECT purpose FROM request WHERE purpose NOT IN ('login', 'watch', 'restored') ORDER BY id DESC LIMIT 1",
            [],
        )?,
    };
    Ok(matches!(purpose.as_deref(), Some("head" | "inbox")))
}

/// Writes what became of a request into its row.
pub(super) fn settle(tx: &Connection, tally: &SpentCache, s: &Settlement<'_>) -> Result<()> {
    let credits = s.receipt.credits();
    let (run, at_ms, counted, account) = tx.one(
        "SELECT run, at_ms, ifnull(credits_spent, credits_reserved), account FROM request WHERE id = ?1",
        [s.receipt.request_id()],
    )?;
    tx.run(
        "UPDATE request SET credits_spent = ?2, conversation = ifnull(?3, conversation), returned = ?4, new_messages = ?5,
           changed_messages = ?6, http_status = ?7, error = ?8, stall_code = ?9
         WHERE id = ?1",
        params![
            s.receipt.request_id(), credits, s.conversation, s.returned, s.new_messages, s.changed_messages,
            s.http_status, s.error, s.stall.map(Stall::code)
        ],
    )?;
    spent_days::change(tx, account, at_ms, i64::from(credits) - i64::from(counted))?;
    tally.settled(Settled { account, run, at_ms, counted, credits });
    Ok(())
}

/// What counts as spent in each window, by account. A row in the future, after the clock was set back, counts as well.
pub(super) fn spent_by_account(db: &Connection, run: RunId, now: Ms) -> Result<BTreeMap<AccountId, Spent>> {
    let (day, month) = day_and_month(now);
    let mut all: BTreeMap<AccountId, Spent> = BTreeMap::new();
    let whole = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    db.each(
        "SELECT account, credits, day_ms >= ?1 FROM spent WHERE day_ms >= ?2",
        [day, month],
        |(account, credits, is_of_day)| {
            let credits = whole(credits);
            let spent = Spent { run: 0, day: if is_of_day { credits } else { 0 }, month: credits };
            let all = all.entry(account).or_default();
            *all = all.plus(spent);
            Ok(())
        },
    )?;
    db.each(
        "SELECT account, sum(ifnull(credits_spent, credits_reserved)) FROM request WHERE run = ?1 GROUP BY +account",
        [run],
        |(account, spent)| {
            all.entry(account).or_default().run = whole(spent);
            Ok(())
        },
    )?;
    Ok(all)
}
