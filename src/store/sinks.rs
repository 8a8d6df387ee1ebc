//! The sinks of notifications: how far each has got, written beside the process that syncs, in transactions of their
//! own.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use crate::core::Ms;
use crate::core::notify::batch::BatchForm;
use crate::store::ids::last_change;
use crate::store::notices::last_notice;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::schema::open;
use crate::store::{Queries, Result, Store, StoreError};

/// A sink, as the archive has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkRow {
    /// Its name in the configuration.
    pub name: String,
    /// A hash of where it leads.
    pub target: i64,
    /// The last change that was delivered, or was none of its.
    pub change: i64,
    /// Likewise of alerts.
    pub notice: i64,
    /// The last change of what is being sent to it.
    pub batch_to: Option<i64>,
    /// How that is sent.
    pub batch_form: Option<String>,
    /// Consecutive attempts that failed.
    pub attempts: u32,
    /// When the first of these was made (ms).
    pub failing_since_ms: Option<Ms>,
    /// When the next one is due (ms).
    pub next_try_ms: Option<Ms>,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// When the receiver said that it is gone for good (ms).
    pub ended_ms: Option<Ms>,
    /// Events that waited at the last attempt.
    pub waiting: i64,
    /// Events that were delivered.
    pub delivered: i64,
    /// When the last of them was (ms).
    pub delivered_ms: Option<Ms>,
}

struct_rows!(SinkRow {
    name,
    target,
    change,
    notice,
    batch_to,
    batch_form,
    attempts,
    failing_since_ms,
    next_try_ms,
    last_error,
    ended_ms,
    waiting,
    delivered,
    delivered_ms
});

const COLUMNS: &str = "name, target, change, notice, batch_to, batch_form, attempts, failing_since_ms, next_try_ms, last_error, ended_ms, waiting, delivered, delivered_ms";

impl SinkRow {
    /// What is being sent to it: the last change of that, and how.
    #[must_use]
    pub fn open(&self) -> Option<(i64, BatchForm)> {
        self.batch_to.zip(self.batch_form.as_deref().and_then(BatchForm::from_name))
    }

    /// Notes what is sent to it from now on.
    pub fn set_open(&mut self, open: Option<(i64, BatchForm)>) {
        self.batch_to = open.map(|(to, _)| to);
        self.batch_form = open.map(|(_, form)| form.as_str().to_owned());
    }

    /// Forgets that attempts have failed: the next one is due at once.
    pub fn forgive(&mut self) {
        (self.attempts, self.failing_since_ms, self.next_try_ms) = (0, None, None);
        (self.last_error, self.ended_ms) = (None, None);
    }
}

/// A connection by which sinks are kept.
#[derive(Debug)]
pub struct Outbox {
    db: Connection,
}

impl Store {
    /// The sinks of this archive, over a connection of their own.
    ///
    /// # Errors
    /// When it cannot be opened; one in memory has none.
    pub fn outbox(&self) -> Result<Outbox> {
        // The file was looked at when the store was opened. It must not be opened otherwise than by SQLite again: closing
        // it would take this process's locks on it away.
        let path = self.db.path().filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| StoreError::Broken("it is in memory".to_owned()))?;
        let db = open::connect(Path::new(path), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        open::configure(&db)?;
        Outbox::over(db)
    }
}

impl Outbox {
    /// Opens those of an archive that another process may be writing to.
    ///
    /// # Errors
    /// When the file cannot be written or is no archive.
    pub fn open(path: &Path) -> Result<Self> {
        Self::over(open::open_beside(path)?)
    }

    fn over(db: Connection) -> Result<Self> {
        // It reads little, and what it holds in memory is for others to use.
        db.pragma_update(None, "cache_size", -1024)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(Self { db })
    }

    /// What can be asked.
    #[must_use]
    pub fn queries(&self) -> Queries<'_> {
        Queries::new(&self.db)
    }

    /// A sink of this name, which leads there. One that is new gets what happens from now on; one that leads
    /// elsewhere than before has not failed yet.
    pub fn register(&mut self, name: &str, target: i64) -> Result<SinkRow> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let ends = (last_change(&tx)?, last_notice(&tx)?);
        tx.run(
            "INSERT INTO identity (id, archive) VALUES (1, lower(hex(randomblob(16)))) ON CONFLICT (id) DO NOTHING",
            [],
        )?;
        tx.run(
            "INSERT INTO sink (name, target, change, notice) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO NOTHING",
            params![name, target, ends.0, ends.1],
        )?;
        let mut row = one(&tx, name)?;
        // An older copy of the archive may have taken the place of the one that events came from.
        let known = (row.change.min(ends.0), row.notice.min(ends.1));
        let is_shorter = row.change > ends.0 || row.batch_to.is_some_and(|to| to > ends.0);
        if row.target != target || (row.change, row.notice) != known || is_shorter {
            if row.target != target {
                row.forgive();
                row.target = target;
            }
            (row.change, row.notice) = known;
            if is_shorter {
                // What was begun does not exist any more; what comes under its numbers is something else.
                row.set_open(None);
            }
            write(&tx, &row)?;
        }
        tx.commit()?;
        Ok(row)
    }

    /// Changes a sink. Returns how it is then.
    ///
    /// # Errors
    /// When there is no sink of this name, or the archive cannot be written.
    pub fn update(&mut self, name: &str, change: impl FnOnce(&mut SinkRow)) -> Result<SinkRow> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut row = one(&tx, name)?;
        change(&mut row);
        write(&tx, &row)?;
        tx.commit()?;
        Ok(row)
    }

    /// A sink as it is.
    pub fn sink(&self, name: &str) -> Result<SinkRow> {
        one(&self.db, name)
    }

    /// What the archive is called in the ids of events.
    pub fn identity(&self) -> Result<String> {
        self.db.one("SELECT archive FROM identity WHERE id = 1", [])
    }
}

fn one(db: &Connection, name: &str) -> Result<SinkRow> {
    db.one(&format!("SELECT {COLUMNS} FROM sink WHERE name = ?1"), [name])
}

fn write(db: &Connection, row: &SinkRow) -> Result<()> {
    db.run(
        "UPDATE sink SET target = ?2, change = ?3, notice = ?4, batch_to = ?5, batch_form = ?6, attempts = ?7,
           failing_since_ms = ?8, next_try_ms = ?9, last_error = ?10, ended_ms = ?11, waiting = ?12, delivered = ?13,
           delivered_ms = ?14 WHERE name = ?1",
        params![
            row.name,
            row.target,
            row.change,
            row.notice,
            row.batch_to,
            row.batch_form,
            row.attempts,
            row.failing_since_ms,
            row.next_try_ms,
            row.last_error,
            row.ended_ms,
            row.waiting,
            row.delivered,
            row.delivered_ms
        ],
    )
}

impl Queries<'_> {
    /// The sinks, by name, those that are configured no more included.
    pub fn sinks(&self) -> Result<Vec<SinkRow>> {
        self.db().all(&format!("SELECT {COLUMNS} FROM sink ORDER BY name"), [])
    }
}
