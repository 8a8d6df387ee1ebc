//! Creating, recognising and locking the archive file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Gid, Uid, fchown};
use rustix::process::geteuid;

use crate::store::Result;
use crate::store::query::Statements as _;
use crate::store::schema::migrate::migrate;
use crate::store::{SCHEMA, SCHEMA_VERSION, StoreError};

/// "ARCH", as in `schema.sql`.
pub(crate) const APPLICATION_ID: i64 = 0x4152_4348;

/// How long a statement waits for a reader's or a backup's lock.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What follows the process id of the service in the lock's file.
const SERVICE: &str = " service";

/// The exclusive lock beside an archive, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Writes down who holds it, for those who find it taken.
    fn sign(&self, role: &str) -> std::io::Result<()> {
        self.0.set_len(0)?;
        self.0.write_all_at(format!("{}{role}\n", std::process::id()).as_bytes(), 0)
    }

    /// Writes down that this process is the service.
    pub(crate) fn sign_as_service(&self) -> std::io::Result<()> {
        self.sign(SERVICE)
    }
}

/// Who holds the lock beside an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// A process that makes one run, or writes to the archive otherwise.
    Other,
    /// The service: its process id.
    Service(i32),
}

/// Who holds the lock beside this archive just now.
///
/// # Errors
/// When the lock's file cannot be read.
pub fn holder(archive: &Path) -> std::io::Result<Holder> {
    let mut file = match File::open(beside(archive, ".lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(error) => return Err(error),
    };
    // What the file says counts only as long as somebody holds the lock.
    match file.try_lock_shared() {
        Ok(()) => {
            file.unlock()?;
            return Ok(Holder::Nobody);
        }
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let pid = text.trim_end().strip_suffix(SERVICE).and_then(|pid| pid.parse().ok());
    Ok(pid.filter(|pid| has_open(*pid, archive)).map_or(Holder::Other, Holder::Service))
}

/// Whether a process has the lock's file open, where the system tells: a process id that was left by a crash may be
/// another program's by now.
fn has_open(pid: i32, archive: &Path) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return !Path::new("/proc/self/fd").exists();
    };
    let lock = std::fs::canonicalize(beside(archive, ".lock")).ok();
    files.flatten().any(|file| std::fs::read_link(file.path()).ok() == lock)
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Nobody is to signal a process that is no more.
        if let Err(error) = self.0.set_len(0) {
            tracing::debug!(%error, "the archive's lock keeps the name of its last holder");
        }
        // Closing the file would do, but for a process that is being started just now by another thread: until it
        // has become another program, it has the file open too.
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "the archive's lock ends with its file only");
        }
    }
}

/// Takes the exclusive lock beside the archive.
pub(crate) fn lock(archive: &Path) -> Result<Lock> {
    let path = beside(archive, ".lock");
    let file = open_private(&path).map_err(StoreError::create(&path))?;
    let mut locked = file.try_lock();
    // Whoever asks for the holder's name touches the lock for a moment.
    for _ in 0..5 {
        if matches!(locked, Err(TryLockError::WouldBlock)) {
            std::thread::sleep(Duration::from_millis(5));
            locked = file.try_lock();
        }
    }
    match locked {
        Ok(()) => {
            let lock = Lock(file);
            lock.sign("").map_err(StoreError::create(&path))?;
            Ok(lock)
        }
        Err(TryLockError::WouldBlock) => Err(StoreError::Busy(archive.to_owned())),
        Err(TryLockError::Error(error)) => Err(StoreError::create(&path)(error)),
    }
}

/// Opens the archive for reading and writing, creating it where there is none (or an empty file).
pub(crate) fn open_or_create(path: &Path) -> Result<Connection> {
    // SQLite gives `-wal` and `-shm` the mode of the main file, so creating that one privately is enough.
    open_private(path).map_err(StoreError::create(path))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
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

/// Opens the archive for writing beside the process that may hold its lock. Only where it has to be created or brought
/// up to date is the lock taken, for that moment.
pub(crate) fn open_beside(path: &Path) -> Result<Connection> {
    if path.exists() {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags)?;
        if recognise(&db, path)? == FileState::Archive {
            configure(&db)?;
            return Ok(db);
        }
    }
    let _lock = lock(path)?;
    open_or_create(path)
}

/// Opens the archive so that nothing can be written through the connection.
pub(crate) fn open_read_only(path: &Path) -> Result<Connection> {
    if !path.exists() {
        return Err(StoreError::Missing(path.to_owned()));
    }
    // WAL needs its shared-memory file even to read, so the file is opened writable and then closed to writes; a
    // reader without the right to write falls back to what it may do.
    let writable = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let readable = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, writable)
        .or_else(|_| Connection::open_with_flags(path, readable))?;
    db.pragma_update(None, "query_only", true)?;
    match recognise(&db, path)? {
        FileState::Archive => {}
        // Views are read as they are now, so a reader brings the file up to date first, unless someone writes to it.
        FileState::Older(found) => {
            drop(db);
            let Ok(_lock) = lock(path) else {
                return Err(StoreError::Older { path: path.to_owned(), found });
            };
            drop(open_or_create(path)?);
            return open_read_only(path);
        }
        FileState::Empty => {
            return Err(StoreError::NotAnArchive {
                path: path.to_owned(),
                found: "an empty file".to_owned(),
            });
        }
    }
    configure(&db)?;
    Ok(db)
}

/// Settings of every connection.
pub(crate) fn configure(db: &Connection) -> Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
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

fn recognise(db: &Connection, path: &Path) -> Result<FileState> {
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

/// Opens a file beside or of an archive, creating it for its owner alone.
pub(crate) fn open_private(path: &Path) -> std::io::Result<File> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    leave_to_the_folders_user(path, &file);
    Ok(file)
}

/// What the superuser makes in another user's folder is that user's: the service must be able to open the archive that
/// `sudo archiver login` has made, and systemd changes owners only where the folder itself is another's.
fn leave_to_the_folders_user(path: &Path, file: &File) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Ok(now), Ok(folder)) = (file.metadata(), std::fs::metadata(folder)) else { return };
    if now.len() > 0 || now.uid() != 0 || folder.uid() == 0 || !geteuid().is_root() {
        return;
    }
    let (uid, gid) = (Uid::from_raw(folder.uid()), Gid::from_raw(folder.gid()));
    if let Err(error) = fchown(file, Some(uid), Some(gid)) {
        tracing::warn!(path = %path.display(), %error, "the file cannot be left to the user of its folder");
    }
}

pub(crate) fn beside(archive: &Path, ending: &str) -> PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// What speaks against a file that [`leftover`] finds.
pub(crate) const LEFT: &str = "is left of an archive that is no longer there and would be taken for the new one's: \
                               move it away; it may hold that archive's last changes";

/// A file of SQLite's beside a place where no archive is. SQLite would put what it holds into whatever comes there.
pub(crate) fn leftover(archive: &Path) -> Option<PathBuf> {
    let beside = ["-wal", "-shm", "-journal"].map(|ending| beside(archive, ending));
    beside.into_iter().find(|file| file.symlink_metadata().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_root_makes_in_anothers_folder_is_that_users() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.db");
        let owner = |path: &Path| std::fs::metadata(path).unwrap().uid();
        // Only root may give a folder away; everybody else keeps what is made.
        let user = if geteuid().is_root() { 12_345 } else { geteuid().as_raw() };
        std::os::unix::fs::chown(folder.path(), Some(user), None).unwrap();
        drop(lock(&path).unwrap());
        drop(open_or_create(&path).unwrap());
        for file in std::fs::read_dir(folder.path()).unwrap() {
            assert_eq!(owner(&file.unwrap().path()), user);
        }
        assert_eq!(owner(&path), user);
    }
}
