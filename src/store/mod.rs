//! The archive: one SQLite file, one writer. The only place with SQL.
//!
//! [`Store`] owns the write connection and an exclusive lock beside the file; [`Reader`] cannot write. What must
//! happen together happens in one IMMEDIATE transaction: a page's rows, versions, gap change, resolved
//! conversation and settled cost.

mod alerts;
pub mod backup;
mod erase;
mod erased;
mod error;
mod guard;
mod ids;
mod ledger;
mod mailbox_owner;
mod notices;
mod outages;
mod query;
mod read;
mod replacement;
mod schema;
pub mod sealed;
mod search;
mod sinks;
mod spent_days;
mod text_index;
pub mod verify;
mod watches;
mod write;
mod written;

use crate::core::model::ids::ConversationId;
use crate::store::guard::Guard;
use crate::store::query::Statements as _;
use crate::store::read::status;
use crate::store::schema::file;
use crate::store::schema::lock::Lock;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

pub use alerts::{Alert, Cause};
pub(crate) use erase::siblings;
pub use erase::{
    Erased, Erasure, ErasureLog, ErasurePreview, LoggedErasure, Proof, Repeated, Selection, Traces,
};
pub use error::{ArchiveChange, Result, StoreError};
pub use ids::rowid_of;
pub use ledger::{Failed, Moment, Outcome, Purpose, Request, RunKind, Settlement, Trigger};
pub use notices::{NoticeRow, StuckGap};
pub use outages::FailedRun;
pub use read::browse::{AccountSpan, ConversationHead, LedgerRun, RequestRow};
pub use read::census::{Forgotten, LeftAlone, Tally};
pub use read::changes::{ChangeRow, FeedMessage};
pub use read::due::{ConversationGaps, Outstanding};
pub use read::excerpt::{Excerpt, ExcerptAt, ExcerptSize, MessagePlace};
pub use read::figures::{AccountFigures, Figures, is_blind};
pub use read::heads::HeadPlace;
pub use read::history::FormerVersion;
#[cfg(feature = "lake")]
pub use read::lake::{LakeRows, TouchedMessage, name_archive};
pub use read::message::{ExportRow, MessageRow, Scope};
pub use read::pending::PendingPart;
pub use read::people::{DayRow, MonthRow};
pub use read::snapshot::{AccountMonth, Snapshot};
pub use read::sql::{Sql, SqlError, SqlValue};
pub use read::status::{
    ArchiveSummary, ConversationRow, GapRow, InboxStatus, Queries, Reader, RunRow, RunStart,
};
pub use read::tables::{TABLES, TableValue};
pub use read::targets::{Configured, Target};
pub use read::untold::NeverFetched;
pub use replacement::{CarriedLedger, Replacement};
#[cfg(feature = "lake")]
pub(crate) use schema::file::open_private;
pub use schema::lock::{FileReaders, Holder, holder};
pub use search::{
    FACETED, Facets, Found, GapsWithin, LOOKED_AT, Matcher, Nothing, RANKED, Search, SearchEnd,
};
pub use sinks::{Outbox, SinkRow};
pub use watches::Feed;
pub use write::inbox::{InboxCommit, InboxCommitted};
pub use write::linkedin_export::{Batch, Import, ImportThread, Imported, KnownOddRows, PairedIds};
pub use write::login::{Ledger, LoginRun};
pub use write::owner::Owners;
pub use write::page::{Commit, Committed};
pub use write::restore::Restore;

use write::intern::Interned;

/// The version of the schema that this program writes.
pub const SCHEMA_VERSION: i64 = 3;

/// The schema that a new archive is created from.
pub const SCHEMA: &str = include_str!("../../schema.sql");

/// The archive, open for writing: only one process can hold it.
#[derive(Debug)]
pub struct Store {
    db: Connection,
    interned: Interned,
    unindexed: u32,
    /// Before the lock, whose file it looks into.
    guard: Option<Guard>,
    /// Held for as long as the store is: a second process is refused.
    lock: Option<Lock>,
}

impl Store {
    /// Opens the archive for writing, creating it where there is none.
    ///
    /// # Errors
    /// When another process holds it, when the file cannot be created or read, is no archive, or is of a newer
    /// version of this program.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_for(path, FileReaders::Owner)
    }

    /// The same for an archive that others may read.
    ///
    /// # Errors
    /// As for [`Self::open`], and when the files' mode cannot be changed.
    pub fn open_for(path: &Path, readers: FileReaders) -> Result<Self> {
        let mut lock = Lock::take_for(path, readers)?;
        let db = schema::open::open_or_create(path, &mut lock)?;
        let real = file::canonical(path).map_err(StoreError::create(path))?;
        let guard = lock.archive().map(|file| Guard::new(real, path, file, &db)).transpose()?;
        let mut store = Self { db, interned: Interned::default(), unindexed: 0, guard, lock: Some(lock) };
        // What a crash left unindexed, and what one left of an erasure.
        store.index_texts()?;
        if store.erasures_unfinished()? {
            tracing::info!(
                "an erasure was cut short: the archive's file is rewritten without what was erased"
            );
            if let Err(error) = store.finish_erasures(Traces::default(), None) {
                tracing::warn!(%error, "an erasure is not finished");
            }
        }
        Ok(store)
    }

    /// An archive in memory, for simulations.
    pub fn in_memory() -> Result<Self> {
        let db = Connection::open_in_memory()?;
        schema::open::configure(&db)?;
        db.execute_batch(SCHEMA)?;
        Ok(Self::over(db))
    }

    /// The store over a connection that somebody else keeps to itself.
    fn over(db: Connection) -> Self {
        Self { db, interned: Interned::default(), unindexed: 0, guard: None, lock: None }
    }

    /// The connection, for whoever has lent it.
    fn into_connection(self) -> Connection {
        self.db
    }

    /// Read-only queries over the same connection.
    #[must_use]
    pub fn queries(&self) -> status::Queries<'_> {
        status::Queries::new(&self.db)
    }

    /// Every message of a conversation as identity, time (ms), text and whether it is gone, oldest first.
    pub fn rows_for_comparison(
        &self,
        conversation: ConversationId,
    ) -> Result<Vec<(String, i64, String, bool)>> {
        self.db.all(
            "SELECT ifnull(u.prefix || m.urn_key || u.suffix, ''), m.sent_at_ms, m.text, m.gone_since_ms IS NOT NULL
             FROM message m LEFT JOIN urn_shape u ON u.id = m.urn_shape WHERE m.conversation = ?1
             ORDER BY m.sent_at_ms, m.id",
            [conversation],
        )
    }

    /// Calls `seen` with every statement that is executed, so that tests can look at its query plan.
    #[doc(hidden)]
    pub fn trace(&mut self, mut seen: impl FnMut(&str) + Send + 'static) -> Result<()> {
        let seen = move |event: TraceEvent<'_>| {
            if let TraceEvent::Stmt(_, sql) = event {
                seen(sql);
            }
        };
        Ok(self.db.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(seen))?)
    }

    /// Lets triggers act, so that tests can make statements fail.
    #[doc(hidden)]
    pub fn let_triggers_act(&mut self) -> Result<()> {
        self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true)?;
        Ok(())
    }

    /// Lets others know that this process is the service, which takes signals.
    ///
    /// # Errors
    /// When the lock's file cannot be written.
    pub fn sign_as_service(&self) -> Result<()> {
        let lock = self.lock.as_ref();
        lock.map_or(Ok(()), Lock::sign_as_service).map_err(|e| StoreError::Broken(format!("its lock: {e}")))
    }

    /// Moves the `-wal` file's content into the archive and frees memory.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.check()?;
        self.index_texts()?;
        self.check()?;
        self.interned = Interned::default();
        self.db.flush_prepared_statement_cache();
        self.empty_journal()?;
        self.db.execute_batch("PRAGMA shrink_memory")?;
        Ok(())
    }

    /// A reader keeps the journal from being emptied. The next checkpoint will do it, so this does not wait.
    fn empty_journal(&mut self) -> Result<()> {
        self.db.busy_timeout(Duration::ZERO)?;
        let emptied = self.try_to_empty_journal();
        self.db.busy_timeout(schema::open::BUSY_TIMEOUT)?;
        emptied.map(drop)
    }

    /// Returns whether it is empty now.
    fn try_to_empty_journal(&mut self) -> Result<bool> {
        let busy: bool = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if let Some(guard) = self.guard.as_mut().filter(|_| !busy) {
            guard.log_is_empty();
        }
        Ok(!busy)
    }

    /// Finishes pending work and closes the file, so that no `-wal` file is left behind.
    pub fn close(mut self) -> Result<()> {
        // Of another file SQLite may say that it is damaged, and no more.
        self.check()?;
        self.index_texts()?;
        self.check()?;
        // Closing tells nobody when there is no room for that.
        self.empty_journal()?;
        self.db.close().map_err(|(_, e)| StoreError::from(e))
    }

    /// The file is still the one that was opened.
    fn check(&mut self) -> Result<()> {
        self.guard.as_mut().map_or(Ok(()), |guard| guard.check(&self.db))
    }

    /// The connection, for one statement that writes.
    fn checked(&mut self) -> Result<&Connection> {
        self.check()?;
        Ok(&self.db)
    }

    /// Runs `work` in one IMMEDIATE transaction. When it fails nothing of it stays, in the file or in memory.
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction<'_>, &mut Interned) -> Result<T>,
    ) -> Result<T> {
        self.check()?;
        let tx = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let done = work(&tx, &mut self.interned).and_then(|value| Ok((value, tx.commit()?)));
        match done {
            Ok((value, ())) => Ok(value),
            Err(error) => {
                // Ids that were interned in the transaction went away with it.
                self.interned = Interned::default();
                // The file may have been overwritten meanwhile, of which SQLite says that it is damaged.
                self.check()?;
                Err(error)
            }
        }
    }

    /// The same for what is paid for. Whoever calls goes on trying while another program has the archive locked, and
    /// does other things meanwhile, so each attempt is short.
    fn paid<T>(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction<'_>, &mut Interned) -> Result<T>,
    ) -> Result<T> {
        self.db.busy_timeout(schema::open::BUSY_TIMEOUT / 20)?;
        let done = self.transact(work);
        self.db.busy_timeout(schema::open::BUSY_TIMEOUT)?;
        done
    }
}
