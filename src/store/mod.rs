//! The archive: one SQLite file, one writer. The only place with SQL.
//!
//! [`Store`] owns the write connection and an exclusive lock beside the file; [`Reader`] cannot write. What must
//! happen together happens in one IMMEDIATE transaction: a page's rows, versions, gap change, resolved
//! conversation and settled cost.

mod alerts;
pub mod backup;
mod error;
mod ids;
mod ledger;
mod query;
mod read;
mod schema;
mod search;
mod text_index;
pub mod verify;
mod watches;
mod write;

use crate::core::model::ids::ConversationId;
use crate::store::query::Statements as _;
use crate::store::read::status;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

pub use alerts::{Alert, Cause};
pub use error::{Result, StoreError};
pub use ids::rowid_of;
pub use ledger::{Failed, Moment, Outcome, Purpose, Request, RunKind, Settlement, Trigger};
pub use read::figures::{AccountFigures, Figures};
pub use read::history::FormerVersion;
pub use read::message::{ExportRow, MessageRow, Scope};
pub use read::people::{DayRow, MonthRow};
pub use read::snapshot::{AccountMonth, Snapshot};
pub use read::sql::{Sql, SqlError, SqlValue};
pub use read::status::{
    ArchiveSummary, ConversationRow, GapRow, InboxStatus, Queries, Reader, RunRow, RunStart,
};
pub use read::tables::{TABLES, TableValue};
pub use read::targets::{Configured, Target};
pub use schema::open::{Holder, holder};
pub use search::{Found, GapsWithin, LOOKED_AT, Nothing, RANKED, Search};
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
    /// Held for as long as the store is: a second process is refused.
    lock: Option<schema::open::Lock>,
}

impl Store {
    /// Opens the archive for writing, creating it where there is none.
    ///
    /// # Errors
    /// When another process holds it, when the file cannot be created or read, is no archive, or is of a newer
    /// version of this program.
    pub fn open(path: &Path) -> Result<Self> {
        let lock = schema::open::lock(path)?;
        let db = schema::open::open_or_create(path)?;
        let mut store = Self { db, interned: Interned::default(), unindexed: 0, lock: Some(lock) };
        // What a crash left unindexed.
        store.index_texts()?;
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
        Self { db, interned: Interned::default(), unindexed: 0, lock: None }
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

    /// Lets others know that this process is the service, which takes signals.
    ///
    /// # Errors
    /// When the lock's file cannot be written.
    pub fn sign_as_service(&self) -> Result<()> {
        let lock = self.lock.as_ref();
        lock.map_or(Ok(()), schema::open::Lock::sign_as_service)
            .map_err(|e| StoreError::Broken(format!("its lock: {e}")))
    }

    /// Moves the `-wal` file's content into the archive and frees memory.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.index_texts()?;
        self.interned = Interned::default();
        self.db.flush_prepared_statement_cache();
        // A reader keeps the file from being emptied. The next checkpoint will do it, so do not wait.
        self.db.busy_timeout(Duration::ZERO)?;
        let emptied = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.db.busy_timeout(schema::open::BUSY_TIMEOUT)?;
        emptied?;
        self.db.execute_batch("PRAGMA shrink_memory")?;
        Ok(())
    }

    /// Finishes pending work and closes the file, so that no `-wal` file is left behind.
    pub fn close(mut self) -> Result<()> {
        self.index_texts()?;
        self.db.close().map_err(|(_, e)| StoreError::from(e))
    }

    /// Runs `work` in one IMMEDIATE transaction. When it fails nothing of it stays, in the file or in memory.
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction<'_>, &mut Interned) -> Result<T>,
    ) -> Result<T> {
        let tx = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let done = work(&tx, &mut self.interned).and_then(|value| Ok((value, tx.commit()?)));
        match done {
            Ok((value, ())) => Ok(value),
            Err(error) => {
                // Ids that were interned in the transaction went away with it.
                self.interned = Interned::default();
                Err(error)
            }
        }
    }
}
