//! A backup put in the archive's place: prepared beside it, with what its ledger does not know of, and swapped in one step.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use serde::Serialize;

use crate::core::Ms;
use crate::core::model::ids::RunId;
use crate::store::backup::{self, BackupError, GoOn};
use crate::store::erase::{Erasure, ErasureLog, LoggedErasure, Traces};
use crate::store::ledger::entry;
use crate::store::ledger::memory::{self, Memory};
use crate::store::ledger::spent::SpentCache;
use crate::store::ledger::{
    Outcome, RunKind, Trigger, end_run, insert_run, interrupt_runs, spent_by_account,
};
use crate::store::query::Statements as _;
use crate::store::schema::file::{beside, canonical, folder_of, leftover, open_private, open_regular};
use crate::store::schema::lock::Lock;
use crate::store::schema::main_file::{has_foreign_log, set_log_aside};
use crate::store::schema::open;
use crate::store::sealed::{self, UnsealError};
use crate::store::{Queries, Result, Store, StoreError, spent_days};

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
    /// Of the archive, and of both files. After the connection, whose file it has open.
    lock: Lock,
}

/// Entries of the replaced archive's ledger that the backup does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CarriedLedger {
    /// Requests.
    pub requests: i64,
    /// Credits that count as spent for them.
    pub credits: i64,
}

/// What of a backup was erased again.
#[derive(Debug, Default)]
pub struct ErasedAgain {
    /// Messages of the backup that went.
    pub messages: i64,
    /// Messages that had been erased since and stay, because their conversations are on hold.
    pub on_hold: i64,
    /// The erasures that the backup did not know of.
    pub erasures: Vec<LoggedErasure>,
    /// Whether there is an archive whose erasures cannot be read.
    pub is_unknown: bool,
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
        let mut lock = Lock::take(archive)?;
        let failed = StoreError::create(archive);
        let real = canonical(archive).map_err(&failed)?;
        match fs::symlink_metadata(&real) {
            // Somebody may hold the archive whose lock was deleted.
            Ok(there) if there.is_file() => {
                let file = open_regular(&real, OpenOptions::new().read(true)).map_err(failed)?;
                lock.hold(archive, file)?;
            }
            Ok(_) => return Err(BackupError::Refused { path: archive.to_owned(), why: "is not a file" }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error).into()),
        }
        let unfinished = beside(&real, ".restoring");
        clear(&unfinished)?;
        let mut replacement = Self { archive: real, unfinished, db: None, lock };
        copy(backup, &replacement.unfinished, go_on, stop)?;
        let opened = open::open_or_create(&replacement.unfinished, &mut replacement.lock);
        let db = opened.map_err(|error| of_backup(error, backup))?;
        // A run that was under way when the backup was made does not end in it any more.
        interrupt_runs(&db)?;
        replacement.db = Some(db);
        Ok(replacement)
    }

    /// Decrypts a backup beside the archive, which nobody may be writing to, into a file that goes when what is returned
    /// is dropped. What a crash has left of an earlier one is removed first.
    ///
    /// # Errors
    /// When the archive is in use, the identity is wrong, the backup is damaged, or a file cannot be written.
    pub fn unsealed(
        archive: &Path,
        backup: &Path,
        identity: &Path,
        stop: &dyn Fn() -> bool,
    ) -> std::result::Result<Decrypted, UnsealError> {
        let _lock = Lock::take(archive)?;
        let real = canonical(archive).map_err(StoreError::create(archive))?;
        let plain = Decrypted(beside(&real, ".decrypting"));
        clear(&plain.0)?;
        sealed::unseal(backup, identity, &plain.0, stop)?;
        Ok(plain)
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
    pub fn queries(&self) -> Result<Queries<'_>> {
        Ok(Queries::new(self.db()?))
    }

    fn db(&self) -> Result<&Connection> {
        self.db.as_ref().ok_or_else(closed)
    }

    fn db_mut(&mut self) -> Result<&mut Connection> {
        self.db.as_mut().ok_or_else(closed)
    }

    /// Adds what the ledger of the archive to be replaced has and the backup does not. `None` where that ledger cannot
    /// be read: there is no archive, it is damaged, or of another version.
    ///
    /// # Errors
    /// When the replacement cannot be written.
    pub fn carry_ledger(&mut self) -> Result<Option<CarriedLedger>> {
        // Nothing is read of an archive whose tables are not this program's.
        let readable = open::open_suspect(&self.archive).is_ok_and(|(_, differences)| differences.is_empty());
        let Some(archive) = self.archive.to_str().filter(|_| readable).map(str::to_owned) else {
            return Ok(None);
        };
        let db = self.db_mut()?;
        db.run("ATTACH ?1 AS replaced", [&archive])?;
        let carried = carry(db);
        db.flush_prepared_statement_cache();
        db.execute_batch("DETACH replaced")?;
        match carried {
            Ok(carried) => Ok(Some(carried)),
            Err(error) => {
                tracing::warn!(%error, "the ledger of the replaced archive cannot be read");
                Ok(None)
            }
        }
    }

    /// Repeats the erasures of the archive to be replaced, so that what was erased since the backup does not come back
    /// with it, but for conversations on hold, and finishes those of the backup.
    ///
    /// # Errors
    /// When the replacement cannot be written.
    pub fn repeat_erasures(&mut self, hold: &[String], now: Ms) -> Result<ErasedAgain> {
        let log = match open::open_suspect(&self.archive) {
            Ok((db, differences)) if differences.is_empty() => Queries::new(&db).erasure_log().ok(),
            Err(StoreError::Missing(_)) => Some(ErasureLog::default()),
            Ok(_) | Err(_) => None,
        };
        let (log, is_unknown) = (log.as_ref().filter(|log| !log.is_empty()), log.is_none());
        let mut store = Store::over(self.db.take().ok_or_else(closed)?);
        let done = match log {
            Some(log) => repeat(&mut store, log, hold, now),
            None => finish(&mut store, now).map(|()| ErasedAgain { is_unknown, ..ErasedAgain::default() }),
        };
        self.db = Some(store.into_connection());
        done
    }

    /// Books what the archive's lock remembers to be spent and no ledger here has. Returns the credits; `None` where it
    /// remembers nothing.
    ///
    /// # Errors
    /// When the replacement cannot be written.
    pub fn recall(&mut self, now: Ms) -> Result<Option<u32>> {
        let Some(memory) = Memory::read(&self.lock.memory()) else { return Ok(None) };
        let tx = self.db_mut()?.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let booked = memory::recall(&tx, &memory, now)?;
        tx.commit()?;
        Ok(Some(booked))
    }

    /// The vendor's balance (credits) that the ledger expects; `None` if it has never been asked for.
    ///
    /// # Errors
    /// When the replacement cannot be read.
    pub fn expected_balance(&self) -> Result<Option<f64>> {
        self.db()?.first(
            "SELECT b.credits - (SELECT ifnull(sum(ifnull(credits_spent, credits_reserved)), 0) FROM request WHERE at_ms > b.at_ms)
             FROM balance b ORDER BY b.id DESC LIMIT 1",
            [],
        )
    }

    /// Books credits that were spent after the backup was made, as far as anybody knows, by the account's name.
    ///
    /// # Errors
    /// When the replacement cannot be written.
    pub fn book(&mut self, credits: &[(&str, u32)], now: Ms) -> Result<()> {
        let tx = self.db_mut()?.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let run = insert_run(&tx, RunKind::Restore, Trigger::Once, now)?;
        for (account, credits) in credits {
            tx.run("INSERT INTO account (name) VALUES (?1) ON CONFLICT (name) DO NOTHING", [account])?;
            let id = tx.one("SELECT id FROM account WHERE name = ?1", [account])?;
            entry::insert(&tx, None, &memory::restored(run, now, id, *credits))?;
        }
        end_run(&tx, run, Outcome::Complete, now)?;
        Ok(tx.commit()?)
    }

    /// Puts it in the archive's place. What was there is kept beside it with this ending, and its path is returned.
    ///
    /// # Errors
    /// When a file cannot be written, linked or renamed; until the last step nothing has changed.
    pub fn finish(mut self, ending: &str, now: Ms) -> Result<Option<PathBuf>> {
        let db = self.db.take().ok_or_else(closed)?;
        Memory::read(&self.lock.memory()).map_or(Ok(()), |memory| memory.go_on_numbering(&db))?;
        // The ledger here is complete: the next run must not book again what the lock remembers of the replaced one.
        let memory = Memory::of(
            &db,
            &SpentCache::default(),
            &spent_by_account(&db, RunId::default(), now)?,
            None,
            now,
        )?;
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        db.close().map_err(|(_, error)| error)?;
        let synced = File::open(&self.unfinished).and_then(|file| file.sync_all());
        synced.map_err(StoreError::create(&self.unfinished))?;
        let replaced = self.keep(&beside(&self.archive, ending))?;
        fs::rename(&self.unfinished, &self.archive).map_err(StoreError::create(&self.archive))?;
        let folder = folder_of(&self.archive);
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::create(folder))?;
        self.lock.remember_if_possible(&memory.line());
        Ok(replaced)
    }

    /// Keeps what is at the archive's place.
    fn keep(&self, aside: &Path) -> Result<Option<PathBuf>> {
        let archive = &self.archive;
        let was_there = archive.exists();
        if was_there {
            settle(archive, &self.lock.memory())?;
            // Under both names until the next step, so that there is an archive at every moment.
            let kept = fs::hard_link(archive, aside).or_else(|_| fs::rename(archive, aside));
            kept.map_err(StoreError::create(aside))?;
        }
        for ending in BESIDE {
            let left = beside(archive, ending);
            if left.symlink_metadata().is_ok() {
                fs::rename(&left, beside(aside, ending)).map_err(StoreError::create(&left))?;
            }
        }
        Ok(was_there.then(|| aside.to_owned()))
    }
}

fn repeat(store: &mut Store, log: &ErasureLog, hold: &[String], now: Ms) -> Result<ErasedAgain> {
    let selection = store.queries().erased_elsewhere(log, hold)?;
    let on_hold = store.queries().erasure_preview(&selection)?.on_hold;
    let reason = Some("erased since the backup");
    let erasure = Erasure { selection: &selection, reason, trigger: Trigger::Once, now };
    let repeated = store.repeat_erasures(&erasure, log, false)?;
    store.finish_erasures(repeated.erased.traces, Some(now))?;
    Ok(ErasedAgain {
        messages: repeated.erased.messages,
        on_hold,
        erasures: repeated.erasures,
        is_unknown: false,
    })
}

/// Rewrites the file of a backup that was made before an erasure in it had come to that.
fn finish(store: &mut Store, now: Ms) -> Result<()> {
    if store.erasures_unfinished()? {
        store.finish_erasures(Traces::default(), Some(now))?;
    }
    Ok(())
}

/// A decrypted backup, which goes when this does.
#[derive(Debug)]
pub struct Decrypted(PathBuf);

impl Decrypted {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Decrypted {
    fn drop(&mut self) {
        if let Err(error) = clear(&self.0) {
            tracing::warn!(%error, "a decrypted backup is left beside the archive; delete it");
        }
    }
}

fn closed() -> StoreError {
    StoreError::Broken("the restored archive is closed".to_owned())
}

/// The error of the copy, told of the backup.
fn of_backup(error: StoreError, backup: &Path) -> StoreError {
    let path = backup.to_owned();
    match error {
        StoreError::NotAnArchive { found, .. } => StoreError::NotAnArchive { path, found },
        StoreError::Altered { object, what, .. } => StoreError::Altered { path, object, what },
        StoreError::Newer { found, known, .. } => StoreError::Newer { path, found, known },
        other => other,
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
fn clear(unfinished: &Path) -> Result<()> {
    for ending in [""].iter().chain(&BESIDE) {
        let path = beside(unfinished, ending);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::create(&path)(error));
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
    if leftover(backup).is_some() {
        return backup::backup(backup, to, go_on, stop).map(drop);
    }
    let read = |source| StoreError::Unreachable { path: backup.to_owned(), source };
    let mut from = File::open(backup).map_err(read)?;
    let mut unfinished = open_private(to).map_err(file_error)?;
    io::copy(&mut from, &mut unfinished).map_err(file_error)?;
    if stop() { Err(BackupError::Stopped) } else { Ok(()) }
}

/// Moves an archive's log into it, as far as it can be opened: it then is one file, whatever its name. A log that is
/// another archive's is set aside.
fn settle(archive: &Path, memory: &str) -> Result<()> {
    if has_foreign_log(archive, memory) {
        set_log_aside(archive).map_err(StoreError::create(archive))?;
        return Ok(());
    }
    let settled = open::connect(archive, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|db| Ok(db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?));
    if let Err(error) = settled {
        tracing::debug!(%error, "the replaced archive keeps its log beside it");
    }
    Ok(())
}

fn carry(db: &mut Connection) -> Result<CarriedLedger> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // What was not settled when the backup was made may have been since.
    tx.run(
        "UPDATE main.request AS r SET credits_spent = o.credits_spent, returned = o.returned, http_status = o.http_status,
           error = o.error
         FROM replaced.request AS o
         WHERE r.credits_spent IS NULL AND o.id = r.id AND o.at_ms = r.at_ms AND o.endpoint = r.endpoint",
        [],
    )?;
    // What the backup does not have is later than all that it has, or was entered after it by a clock that had been set
    // back since. A ledger that was carried before has the same requests under other ids.
    tx.run(
        "CREATE TEMP TABLE carried AS SELECT id FROM replaced.request o
         WHERE (at_ms, id) > (SELECT at_ms, id FROM main.request UNION ALL SELECT ?1, 0 ORDER BY at_ms DESC, id DESC LIMIT 1)
           OR (id > (SELECT ifnull(max(id), 0) FROM main.request) AND NOT EXISTS (
             SELECT 1 FROM main.request r WHERE r.at_ms = o.at_ms AND r.endpoint = o.endpoint))",
        [Ms::MIN],
    )?;
    tx.run(
        "INSERT INTO main.account (name, owner_name) SELECT name, owner_name FROM replaced.account WHERE true
         ON CONFLICT (name) DO NOTHING",
        [],
    )?;
    let later =
        "SELECT DISTINCT run FROM replaced.request WHERE id IN (SELECT id FROM temp.carried) ORDER BY run";
    let runs: Vec<i64> = tx.all(later, [])?;
    let mut carried = CarriedLedger::default();
    for run in runs {
        let copied = tx.insert(
            "INSERT INTO main.run (kind, started_ms, finished_ms, trigger, outcome)
             SELECT kind, started_ms, ifnull(finished_ms, started_ms), trigger, ifnull(outcome, 'interrupted')
             FROM replaced.run WHERE id = ?1",
            [run],
        )?;
        // Conversations may have other ids here, and the messages that these requests returned are not here.
        let added = tx.changed(
            "INSERT INTO main.request (run, at_ms, account, endpoint, purpose, asked, returned, credits_reserved, credits_spent,
               http_status, error)
             SELECT ?2, o.at_ms, a.id, o.endpoint, o.purpose, o.asked, o.returned, o.credits_reserved,
               o.credits_spent, o.http_status, o.error
             FROM replaced.request o JOIN replaced.account oa ON oa.id = o.account JOIN main.account a ON a.name = oa.name
             WHERE o.run = ?1 AND o.id IN (SELECT id FROM temp.carried) ORDER BY o.id",
            [run, copied],
        )?;
        carried.requests += i64::try_from(added).unwrap_or(i64::MAX);
    }
    carried.credits = tx.one(
        "SELECT ifnull(sum(ifnull(credits_spent, credits_reserved)), 0) FROM replaced.request
         WHERE id IN (SELECT id FROM temp.carried)",
        [],
    )?;
    tx.run("DROP TABLE temp.carried", [])?;
    // What was given a name since the backup keeps it: a lake knows the archive by it.
    tx.run(
        "INSERT INTO main.identity SELECT * FROM replaced.identity WHERE true ON CONFLICT (id) DO NOTHING",
        [],
    )?;
    spent_days::fill(&tx)?;
    tx.commit()?;
    Ok(carried)
}
