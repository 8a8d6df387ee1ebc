//! Recognising, creating and opening the archive file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::store::query::Statements as _;
use crate::store::schema::file::{beside, canonical, existing, open_private};
use crate::store::schema::lock::{Lock, memory_of};
use crate::store::schema::main_file::{SET_ASIDE, has_foreign_log, log_waits, set_log_aside};
use crate::store::schema::migrate::migrate;
use crate::store::schema::shape;
use crate::store::{Result, SCHEMA, SCHEMA_VERSION, StoreError};

/// "ARCH", as in `schema.sql`.
pub(crate) const APPLICATION_ID: i64 = 0x4152_4348;

/// How long a statement waits for a reader's or a backup's lock.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the archive for reading and writing, creating it where there is none (or an empty file). The lock is on the
/// file from then on, and must outlive the connection.
pub(crate) fn open_or_create(path: &Path, lock: &mut Lock) -> Result<Connection> {
    let real = canonical(path).map_err(StoreError::create(path))?;
    may_begin(&real, path, &lock.memory())?;
    if has_foreign_log(&real, &lock.memory()) {
        let log = set_log_aside(&real).map_err(StoreError::create(path))?;
        tracing::warn!(log = %log.display(), "{SET_ASIDE}");
    }
    // SQLite gives `-wal` and `-shm` the mode of the main file, so creating that one privately is enough.
    lock.hold(path, open_private(&real).map_err(StoreError::create(path))?)?;
    let mut db = connect(&real, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Looked at before anything is changed: a file that is not ours stays as it was.
    let found = recognise(&db, path)?;
    configure(&db)?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    if found == FileState::Empty {
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        if recognise(&tx, path)? == FileState::Empty {
            tx.execute_batch(SCHEMA)?;
        }
        tx.commit()?;
    }
    if let FileState::Older(_) = found {
        let from = migrate(&mut db)?;
        tracing::info!(archive = %path.display(), from, to = SCHEMA_VERSION, "brought the archive to the present schema");
    }
    Ok(db)
}

/// An archive is there, or none was. Where one has disappeared, a new one would be paid for from its beginning, and
/// SQLite would delete the log that the other one needs.
fn may_begin(real: &Path, path: &Path, memory: &str) -> Result<()> {
    if fs::metadata(real).is_ok_and(|there| there.len() > 0) {
        return Ok(());
    }
    let left = [("-wal", log_waits(real)), (".lock", !memory.is_empty())];
    let left = left.into_iter().filter(|(_, is_left)| *is_left);
    let left: Vec<_> = left.map(|(ending, _)| beside(real, ending).display().to_string()).collect();
    match left.is_empty() {
        true => Ok(()),
        false => Err(StoreError::Gone { path: path.to_owned(), left: left.join(" and ") }),
    }
}

/// Opens the archive for writing beside the process that may hold its lock. Only where it has to be created or brought
/// up to date is the lock taken, for that moment.
pub(crate) fn open_beside(path: &Path) -> Result<Connection> {
    let ready = match existing(path) {
        Ok(real) if has_foreign_log(&real, &memory_of(path)) => None,
        Ok(real) => Some(connect(&real, OpenFlags::SQLITE_OPEN_READ_WRITE)?),
        Err(StoreError::Missing(_)) => None,
        Err(error) => return Err(error),
    };
    if let Some(db) = ready
        && recognise(&db, path)? == FileState::Archive
    {
        configure(&db)?;
        return Ok(db);
    }
    let mut lock = Lock::take(path)?;
    drop(open_or_create(path, &mut lock)?);
    drop(lock);
    open_beside(path)
}

/// Kibibytes of pages that a reader remembers: with half as much, reading all messages together with their conversations
/// and senders takes twice as long.
const READ_CACHE_KIB: i64 = 4096;

/// Opens the archive so that nothing can be written through the connection.
pub(crate) fn open_read_only(path: &Path) -> Result<Connection> {
    let (db, differences) = open_suspect(path)?;
    match differences.into_iter().next() {
        Some((object, what)) => Err(StoreError::Altered { path: path.to_owned(), object, what }),
        None => {
            db.pragma_update(None, "cache_size", -READ_CACHE_KIB)?;
            Ok(db)
        }
    }
}

/// The same, whatever its tables and views are: how they differ from this program's is returned.
pub(crate) fn open_suspect(path: &Path) -> Result<(Connection, Vec<shape::Difference>)> {
    let real = existing(path)?;
    if has_foreign_log(&real, &memory_of(path)) {
        return Err(StoreError::ForeignLog { path: path.to_owned(), log: beside(&real, "-wal") });
    }
    let (db, found) = match read_only(&real, path) {
        Err(StoreError::Sqlite(error)) if lacks_a_folder(&error) => immutable(&real, path)?,
        opened => opened?,
    };
    match found {
        FileState::Archive => {}
        // Views are read as they are now, so a reader brings the file up to date first, unless someone writes to it.
        FileState::Older(found) => {
            drop(db);
            let Ok(mut lock) = Lock::take(path) else {
                return Err(StoreError::Older { path: path.to_owned(), found });
            };
            drop(open_or_create(path, &mut lock)?);
            drop(lock);
            return open_suspect(path);
        }
        FileState::Empty => {
            return Err(StoreError::NotAnArchive {
                path: path.to_owned(),
                found: "an empty file".to_owned(),
            });
        }
    }
    configure(&db)?;
    let differences = shape::differences(&db, SCHEMA_VERSION)?;
    Ok((db, differences))
}

/// Connects to a file in which nothing acts by itself.
pub(crate) fn connect(real: &Path, flags: OpenFlags) -> Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let db = Connection::open_with_flags(real, flags)?;
    // Nothing of a file that somebody else has made is to act by itself.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    Ok(db)
}

fn read_only(real: &Path, path: &Path) -> Result<(Connection, FileState)> {
    // WAL needs its shared-memory file even to read, so the file is opened writable and then closed to writes; a
    // reader without the right to write falls back to what it may do.
    let db = connect(real, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .or_else(|_| connect(real, OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    db.pragma_update(None, "query_only", true)?;
    let found = state(&db, path)?;
    Ok((db, found))
}

/// Whether SQLite could not put its files beside the archive.
fn lacks_a_folder(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// Opens an archive on a medium or in a folder that cannot be written: as it is, since nobody can have it open. Whoever
/// had would have left a write-ahead log.
fn immutable(real: &Path, path: &Path) -> Result<(Connection, FileState)> {
    if beside(real, "-wal").symlink_metadata().is_ok() {
        return Err(StoreError::FolderNotWritable(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let db = connect(&immutable_uri(real), flags)?;
    db.pragma_update(None, "query_only", true)?;
    let found = state(&db, path)?;
    Ok((db, found))
}

/// Whether a connection that reads sees what others write. One that takes the file for [`immutable`] does not; before a
/// writer changes anything, it makes a write-ahead log.
pub(crate) fn sees_writes(db: &Connection) -> bool {
    let in_wal_mode = db.one("PRAGMA journal_mode", []).is_ok_and(|mode: String| mode == "wal");
    let log = db.path().map(|real| beside(Path::new(real), "-wal"));
    in_wal_mode || log.is_none_or(|log| log.symlink_metadata().is_err())
}

fn immutable_uri(real: &Path) -> PathBuf {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut uri = b"file:".to_vec();
    for byte in real.as_os_str().as_bytes() {
        match byte {
            b'?' | b'#' | b'%' => uri.extend(format!("%{byte:02X}").bytes()),
            plain => uri.push(*plain),
        }
    }
    uri.extend(b"?immutable=1");
    PathBuf::from(std::ffi::OsString::from_vec(uri))
}

/// Settings of every connection.
pub(crate) fn configure(db: &Connection) -> Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Plans depend on no bound value: otherwise SQLite prepares some statements anew for each one.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(64);
    // A reservation must survive a power cut before its request leaves, so every commit reaches the disk.
    db.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -24576;
         PRAGMA temp_store = MEMORY;
         PRAGMA wal_autocheckpoint = 8000;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileState {
    Empty,
    Archive,
    Older(i64),
}

/// What a file is. An archive whose schema is not this program's is refused.
fn recognise(db: &Connection, path: &Path) -> Result<FileState> {
    let found = state(db, path)?;
    let version = match found {
        FileState::Empty => return Ok(found),
        FileState::Archive => SCHEMA_VERSION,
        FileState::Older(version) => version,
    };
    match shape::differences(db, version)?.into_iter().next() {
        Some((object, what)) => Err(StoreError::Altered { path: path.to_owned(), object, what }),
        None => Ok(found),
    }
}

fn state(db: &Connection, path: &Path) -> Result<FileState> {
    let not_ours = |found: &str| StoreError::NotAnArchive { path: path.to_owned(), found: found.to_owned() };
    let number = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let application = number("application_id").map_err(|e| match e.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => not_ours("the file is not an SQLite database"),
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => not_ours("the SQLite file is damaged"),
        _ => StoreError::Sqlite(e),
    })?;
    let version = number("user_version")?;
    let objects: i64 = db.one("SELECT count(*) FROM sqlite_schema", [])?;
    match (application, objects) {
        (0, 0) => Ok(FileState::Empty),
        (APPLICATION_ID, _) if version > SCHEMA_VERSION => {
            Err(StoreError::Newer { path: path.to_owned(), found: version, known: SCHEMA_VERSION })
        }
        (APPLICATION_ID, _) if version < SCHEMA_VERSION => Ok(FileState::Older(version)),
        (APPLICATION_ID, _) => Ok(FileState::Archive),
        _ => Err(not_ours("an SQLite database of another program")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_file_that_nobody_can_have_open_is_read_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("an archive #1?.db");
        Store::open(&path).unwrap().close().unwrap();
        let (db, found) = immutable(&path, &path).unwrap();
        assert_eq!(
            (db.one::<i64>("SELECT count(*) FROM account", []).unwrap(), found),
            (0, FileState::Archive)
        );
        assert!(!beside(&path, "-wal").exists() && !beside(&path, "-shm").exists());
        assert!(sees_writes(&db), "there are none");
        let _writer = Store::open(&path).unwrap();
        assert!(!sees_writes(&db));
        assert!(sees_writes(&open_read_only(&path).unwrap()));
        assert!(matches!(immutable(&path, &path), Err(StoreError::FolderNotWritable(_))));
    }
}
