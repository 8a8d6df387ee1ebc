//! A backup put in the archive's place: prepared beside it, with what its ledger does not know of, and swapped in one step.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};
use serde::Serialize;

use crate::core::Ms;
use crate::store::backup::{self, BackupError, GoOn};
use crate::store::ledger::{Outcome, RunKind, Trigger, insert_run};
use crate::store::schema::open;
use crate::store::{Queries, SCHEMA_VERSION, StoreError};

/// Files that SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The future archive. Until it is put in place it has the archive's name with `.restoring` behind it; dropped before
/// that, it is gone and nothing has changed.
#[derive(Debug)]
pub struct Replacement {
    archive: PathBuf,
    unfinished: PathBuf,
    /// `None` once it is in place.
    db: Option<Connection>,
    _lock: open::Lock,
}

/// Entries of the replaced archive's ledger that the backup does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CarriedLedger {
    /// Requests.
    pub requests: i64,
    /// Credits that count as spent for them.
    pub credits: i64,
}

impl Replacement {
    /// Copies a backup beside the archive and brings the copy to the present schema. The archive is locked until the
    /// replacement is finished or dropped.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while another process writes to the archive; or when the backup cannot be read, is no
    /// archive, or cannot be copied.
    pub fn prepare(
        archive: &Path,
        backup: &Path,
        go_on: &mut GoOn<'_>,
        stop: impl Fn() -> bool + Send + 'static,
    ) -> Result<Self, BackupError> {
        let lock = open::lock(archive)?;
        if fs::symlink_metadata(archive).is_ok_and(|meta| !meta.is_file()) {
            let why = "is not a file: pass the archive's own path";
            return Err(BackupError::Refused { path: archive.to_owned(), why });
        }
        let unfinished = open::beside(archive, ".restoring");
        clear(&unfinished)?;
        copy(backup, &unfinished, go_on, stop)?;
        let mut replacement = Self { archive: archive.to_owned(), unfinished, db: None, _lock: lock };
        replacement.db = Some(open::open_or_create(&replacement.unfinished)?);
        Ok(replacement)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.unfinished
    }

    /// What can be asked of it.
    ///
    /// # Errors
    /// When it is not open.
    pub fn queries(&self) -> Result<Queries<'_>, StoreError> {
        Ok(Queries::new(self.db()?))
    }

    fn db(&self) -> Result<&Connection, StoreError> {
        self.db.as_ref().ok_or_else(|| StoreError::Broken("the restored archive is closed".to_owned()))
    }

    /// Adds what the ledger of the archive to be replaced has and the backup does not. `None` where that ledger cannot
    /// be read: there is no archive, it is damaged, or of another version.
    ///
    /// # Errors
    /// When the replacement cannot be written.
    pub fn carry_ledger(&mut self) -> Result<Option<CarriedLedger>, StoreError> {
        if !is_readable(&self.archive) {
            return Ok(None);
        }
        let archive = self.archive.to_string_lossy().into_owned();
        let Some(db) = &mut self.db else { return Ok(None) };
        db.execute("ATTACH ?1 AS replaced", [&archive])?;
        let carried = carry(db);
        db.execute_batch("DETACH replaced")?;
        match carried {
            Ok(carried) => Ok(Some(carried)),
            Err(error) => {
                tracing::warn!(%error, "the ledger of the replaced archive cannot be read");
                Ok(None)
            }
        }
    }

    /// The vendor's balance (credits) that the ledger expects; `None` if it has never been asked for.
    ///
    /// # Errors
    /// When the replacement cannot be read.
    pub fn expected_balance(&self) -> Result<Option<f64>, StoreError> {
        let expected = self.db()?.query_row(
            "SELECT b.credits - (SELECT ifnull(sum(ifnull(credits_spent, credits_reserved)), 0) FROM request WHERE at_ms > b.at_ms)
             FROM balance b ORDER BY b.id DESC LIMIT 1",
            [],
            |row| row.get(0),
        );
        Ok(expected.optional()?)
    }

    /// Books credits that were spent after the backup was made, as far as anybody knows.
    ///
    /// # Errors
    /// When the replacement cannot be written.
    pub fn book(&mut self, account: &str, credits: u32, why: &str, now: Ms) -> Result<(), StoreError> {
        let Some(db) = &mut self.db else { return Ok(()) };
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute("INSERT INTO account (name) VALUES (?1) ON CONFLICT (name) DO NOTHING", [account])?;
        let run = insert_run(&tx, RunKind::Sync, Trigger::Once, now)?;
        tx.execute(
            "UPDATE run SET finished_ms = ?2, outcome = ?3 WHERE id = ?1",
            params![run, now, Outcome::Interrupted.as_str()],
        )?;
        tx.execute(
            "INSERT INTO request (run, at_ms, account, endpoint, purpose, asked, credits_reserved, credits_spent, error)
             VALUES (?1, ?2, (SELECT id FROM account WHERE name = ?3), 'restore', 'head', 0, ?4, ?4, ?5)",
            params![run, now, account, credits, why],
        )?;
        Ok(tx.commit()?)
    }

    /// Puts it in the archive's place. What was there is kept at `aside`, which is returned if there was something.
    ///
    /// # Errors
    /// When a file cannot be written, linked or renamed; until the last step nothing has changed.
    pub fn finish(mut self, aside: &Path) -> Result<Option<PathBuf>, StoreError> {
        if let Some(db) = self.db.take() {
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            db.close().map_err(|(_, error)| error)?;
        }
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Create { path, source }
        };
        File::open(&self.unfinished).and_then(|file| file.sync_all()).map_err(at(&self.unfinished))?;
        settle(&self.archive);
        let was_there = self.archive.exists();
        if was_there {
            // Under both names until the next step, so that there is an archive at every moment.
            let kept = fs::hard_link(&self.archive, aside).or_else(|_| fs::rename(&self.archive, aside));
            kept.map_err(at(aside))?;
        }
        for ending in BESIDE {
            let left = open::beside(&self.archive, ending);
            if left.symlink_metadata().is_ok() {
                fs::rename(&left, open::beside(aside, ending)).map_err(at(&left))?;
            }
        }
        fs::rename(&self.unfinished, &self.archive).map_err(at(&self.archive))?;
        let folder = self.archive.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))?;
        Ok(was_there.then(|| aside.to_owned()))
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        self.db = None;
        if let Err(error) = clear(&self.unfinished) {
            tracing::debug!(%error, "cannot remove what was prepared");
        }
    }
}

/// Removes what an earlier attempt has left.
fn clear(unfinished: &Path) -> Result<(), StoreError> {
    for ending in [""].iter().chain(&BESIDE) {
        let path = open::beside(unfinished, ending);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::Create { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// A backup is one file and copied as it is; anything with a log beside it is read as an archive is.
fn copy(
    backup: &Path,
    to: &Path,
    go_on: &mut GoOn<'_>,
    stop: impl Fn() -> bool + Send + 'static,
) -> Result<(), BackupError> {
    let file_error = |source| BackupError::File { path: to.to_owned(), source };
    match fs::metadata(backup) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::Missing(backup.to_owned()).into());
        }
        Ok(meta) if meta.is_file() && meta.len() > 0 => {}
        _ => {
            let found = "no file, or an empty one".to_owned();
            return Err(StoreError::NotAnArchive { path: backup.to_owned(), found }.into());
        }
    }
    if open::leftover(backup).is_some() {
        return backup::backup(backup, to, go_on, stop).map(drop);
    }
    let read = |source| StoreError::Create { path: backup.to_owned(), source };
    let mut from = File::open(backup).map_err(read)?;
    let mut unfinished = open::open_private(to).map_err(file_error)?;
    io::copy(&mut from, &mut unfinished).map_err(file_error)?;
    if stop() { Err(BackupError::Stopped) } else { Ok(()) }
}

/// Whether a file is an archive of the present schema.
fn is_readable(archive: &Path) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let version = Connection::open_with_flags(archive, flags)
        .and_then(|db| db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)));
    version.is_ok_and(|version| version == SCHEMA_VERSION)
}

/// Moves an archive's log into it, as far as it can be opened: it then is one file, whatever its name.
fn settle(archive: &Path) {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let settled = Connection::open_with_flags(archive, flags)
        .and_then(|db| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    if let Err(error) = settled {
        tracing::debug!(%error, "the replaced archive keeps its log beside it");
    }
}

fn carry(db: &mut Connection) -> Result<CarriedLedger, StoreError> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // What was not settled when the backup was made may have been since.
    tx.execute(
        "UPDATE main.request AS r SET credits_spent = o.credits_spent, returned = o.returned, http_status = o.http_status,
           error = o.error
         FROM replaced.request AS o
         WHERE r.credits_spent IS NULL AND o.id = r.id AND o.at_ms = r.at_ms AND o.endpoint = r.endpoint",
        [],
    )?;
    let newest: Option<(Ms, i64)> = tx
        .query_row("SELECT at_ms, id FROM main.request ORDER BY at_ms DESC, id DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (at_ms, id) = newest.unwrap_or((Ms::MIN, 0));
    tx.execute(
        "INSERT INTO main.account (name, owner_name) SELECT name, owner_name FROM replaced.account WHERE true
         ON CONFLICT (name) DO NOTHING",
        [],
    )?;
    let runs: Vec<i64> = tx
        .prepare("SELECT DISTINCT run FROM replaced.request WHERE (at_ms, id) > (?1, ?2) ORDER BY run")?
        .query_map([at_ms, id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut carried = CarriedLedger::default();
    for run in runs {
        tx.execute(
            "INSERT INTO main.run (kind, started_ms, finished_ms, trigger, outcome)
             SELECT kind, started_ms, ifnull(finished_ms, started_ms), trigger, ifnull(outcome, 'interrupted')
             FROM replaced.run WHERE id = ?1",
            [run],
        )?;
        // Conversations may have other ids here, and the messages that these requests returned are not here.
        let added = tx.execute(
            "INSERT INTO main.request (run, at_ms, account, endpoint, purpose, asked, returned, credits_reserved, credits_spent,
               http_status, error)
             SELECT ?4, o.at_ms, a.id, o.endpoint, o.purpose, o.asked, o.returned, o.credits_reserved,
               o.credits_spent, o.http_status, o.error
             FROM replaced.request o JOIN replaced.account oa ON oa.id = o.account JOIN main.account a ON a.name = oa.name
             WHERE o.run = ?1 AND (o.at_ms, o.id) > (?2, ?3) ORDER BY o.id",
            [run, at_ms, id, tx.last_insert_rowid()],
        )?;
        carried.requests += i64::try_from(added).unwrap_or(i64::MAX);
    }
    carried.credits = tx.query_row(
        "SELECT ifnull(sum(ifnull(credits_spent, credits_reserved)), 0) FROM replaced.request WHERE (at_ms, id) > (?1, ?2)",
        [at_ms, id],
        |row| row.get(0),
    )?;
    tx.commit()?;
    Ok(carried)
}
