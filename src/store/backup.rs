//! Copies the archive consistently while another process writes to it.
//!
//! It uses SQLite's online backup within one read transaction: the copy shows the moment it began, never blocks a writer
//! and never starts over. Meanwhile the write-ahead log cannot be truncated. `VACUUM INTO` would make a smaller copy, but
//! rewrites every row and reports no progress.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde::Serialize;
use tempfile::TempDir;

use super::StoreError;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::schema::file::folder_of;
use crate::store::schema::lock::Lock;
use crate::store::schema::{file, open};
use crate::store::sealed::{self, Recipients};

/// Pages per step, which takes milliseconds; a stop is noticed between steps.
const STEP: i32 = 512;
/// SQLite instructions between checks for a stop while the copy is verified.
const INSTRUCTIONS: i32 = 100_000;

/// How much an archive or a copy of it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// Messages.
    pub messages: i64,
    /// Earlier versions of messages.
    pub versions: i64,
    /// Conversations.
    pub conversations: i64,
    /// Gaps.
    pub gaps: i64,
    /// Runs.
    pub runs: i64,
    /// Requests.
    pub requests: i64,
}

struct_rows!(Contents { messages, versions, conversations, gaps, runs, requests });

impl Contents {
    pub(super) fn of(db: &Connection) -> Result<Self, StoreError> {
        db.one(
            "SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM message_version), (SELECT count(*) FROM conversation),
               (SELECT count(*) FROM gap), (SELECT count(*) FROM run), (SELECT count(*) FROM request)",
            [],
        )
    }
}

/// A copy that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Its size.
    pub bytes: u64,
    /// What it holds, counted in the copy and equal to the archive's.
    #[serde(flatten)]
    pub contents: Contents,
}

/// Why no copy was made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] StoreError),
    /// The place of the copy cannot be written.
    #[error("{path}: {source}")]
    File {
        /// What could not be written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The existing file is not an earlier backup.
    #[error("{path} {why}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why it is not replaced.
        why: &'static str,
    },
    /// The copy is damaged.
    #[error("the copy is not sound: {0}")]
    Unsound(String),
    /// It was asked to stop.
    #[error("stopped before it was done; nothing was left behind")]
    Stopped,
}

impl BackupError {
    fn file(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path: path.clone(), source }
    }
}

/// Whether a backup is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CopyKind {
    Plain,
    Sealed,
}

impl CopyKind {
    /// That which the name stands for.
    fn of(copy: &Path) -> Self {
        if sealed::has_ending(copy) { Self::Sealed } else { Self::Plain }
    }
}

/// Receives the pages copied and their total; returns whether to go on.
pub type GoOn<'a> = dyn FnMut(u64, u64) -> bool + 'a;

/// Copies the archive to a file, completely or not at all. While the copy is verified, `stop` says whether to give up.
///
/// # Errors
/// If the archive cannot be read, the copy cannot be written, or the existing file is not an archive.
pub fn backup(
    archive: &Path,
    to: &Path,
    go_on: &mut GoOn<'_>,
    stop: impl Fn() -> bool + Send + 'static,
) -> Result<Copied, BackupError> {
    let source = open::open_read_only(archive)?;
    drop(replaceable(archive, to, CopyKind::Plain)?);
    let scratch = scratch(folder_of(to))?;
    let unfinished = scratch.path().join("copy.db");
    let contents = copy(source, &unfinished, go_on, stop)?;
    let bytes = put(archive, &unfinished, to, CopyKind::Plain)?;
    Ok(Copied { bytes, contents })
}

/// Copies the archive to an age file, completely or not at all. The copy is verified before it is encrypted, beside the
/// archive: where the age file goes to, nothing is ever in the clear.
///
/// # Errors
/// As of [`backup`].
pub fn backup_sealed(
    archive: &Path,
    to: &Path,
    keys: &Recipients,
    go_on: &mut GoOn<'_>,
    stop: impl Fn() -> bool + Clone + Send + 'static,
) -> Result<Copied, BackupError> {
    let source = open::open_read_only(archive)?;
    drop(replaceable(archive, to, CopyKind::Sealed)?);
    let there = scratch(folder_of(to))?;
    let sealed = there.path().join("copy.db.age");
    let real = file::canonical(archive).map_err(BackupError::file(archive))?;
    let here = scratch(folder_of(&real))?;
    let plain = here.path().join("copy.db");
    let contents = copy(source, &plain, go_on, stop.clone())?;
    if !sealed::seal(&plain, &sealed, keys, &stop).map_err(BackupError::file(&sealed))? {
        return Err(BackupError::Stopped);
    }
    here.close().map_err(BackupError::file(&plain))?;
    let bytes = put(archive, &sealed, to, CopyKind::Sealed)?;
    Ok(Copied { bytes, contents })
}

/// A folder of mode 0700 that is removed with any files that SQLite creates beside the copy.
fn scratch(folder: &Path) -> Result<TempDir, BackupError> {
    let made = tempfile::Builder::new().prefix(".archiver-backup-").tempdir_in(folder);
    made.map_err(BackupError::file(folder))
}

/// Gives a finished copy its name, and returns its size.
fn put(archive: &Path, unfinished: &Path, to: &Path, kind: CopyKind) -> Result<u64, BackupError> {
    let folder = folder_of(to);
    let file = File::open(unfinished).map_err(BackupError::file(unfinished))?;
    file.sync_all().map_err(BackupError::file(unfinished))?;
    let bytes = file.metadata().map_err(BackupError::file(unfinished))?.len();
    // Checked again, since copying took a while. The lock keeps others out until the file is replaced.
    let _lock = replaceable(archive, to, kind)?;
    fs::rename(unfinished, to).map_err(BackupError::file(to))?;
    File::open(folder).and_then(|f| f.sync_all()).map_err(BackupError::file(folder))?;
    Ok(bytes)
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

/// Copies into a new file and checks the copy.
fn copy(
    source: Connection,
    to: &Path,
    go_on: &mut GoOn<'_>,
    stop: impl Fn() -> bool + Send + 'static,
) -> Result<Contents, BackupError> {
    private().open(to).map_err(BackupError::file(to))?;
    let sqlite = |e: rusqlite::Error| BackupError::Archive(StoreError::Sqlite(e));
    let snapshot = source.unchecked_transaction().map_err(sqlite)?;
    let expected = Contents::of(&snapshot)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let written = |e: rusqlite::Error| BackupError::file(to)(io::Error::other(e));
    let mut copy = Connection::open_with_flags(to, flags).map_err(written)?;
    // Nobody uses the copy before it is renamed, so it need not survive a crash.
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;").map_err(written)?;
    {
        let backup = Backup::new(&snapshot, &mut copy).map_err(written)?;
        loop {
            let step = backup.step(STEP).map_err(written)?;
            let progress = backup.progress();
            let pages = |n: i32| u64::try_from(n).unwrap_or_default();
            if !go_on(pages(progress.pagecount - progress.remaining), pages(progress.pagecount)) {
                return Err(BackupError::Stopped);
            }
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
    drop(snapshot);
    drop(source);
    if stop() {
        return Err(BackupError::Stopped);
    }
    // A single file, which can be read on read-only media.
    copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(written)?;
    copy.progress_handler(INSTRUCTIONS, Some(stop)).map_err(written)?;
    let checked = check(&copy, &expected);
    copy.close().map_err(|(_, e)| written(e))?;
    checked.map(|()| expected)
}

/// The copy is sound and holds what the archive held.
fn check(copy: &Connection, expected: &Contents) -> Result<(), BackupError> {
    let failed = |error: StoreError| match error {
        StoreError::Sqlite(e) if e.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            BackupError::Stopped
        }
        StoreError::Sqlite(e) => BackupError::Unsound(e.to_string()),
        other => BackupError::Unsound(other.to_string()),
    };
    let said: String = copy.one("PRAGMA quick_check(1)", []).map_err(failed)?;
    if said != "ok" {
        return Err(BackupError::Unsound(said));
    }
    let found = Contents::of(copy).map_err(failed)?;
    if found != *expected {
        return Err(BackupError::Unsound(format!("it holds {found:?} and not {expected:?}")));
    }
    Ok(())
}

/// Checks that the copy may go here: there is nothing, or an unused earlier backup. Returns the lock if there is a lock file.
fn replaceable(archive: &Path, to: &Path, kind: CopyKind) -> Result<Option<Lock>, BackupError> {
    let refused = |path: &Path, why| BackupError::Refused { path: path.to_owned(), why };
    if fs::symlink_metadata(to).is_ok() {
        return unused(archive, to, kind).map_err(|why| refused(to, why));
    }
    let lock = lock_of(to).map_err(|why| refused(to, why))?;
    match file::leftover(to) {
        Some(left) => Err(refused(&left, file::LEFT)),
        None => Ok(lock),
    }
}

/// Takes the lock of a file that has a lock file.
fn lock_of(copy: &Path) -> Result<Option<Lock>, &'static str> {
    if !file::beside(copy, ".lock").exists() {
        return Ok(None);
    }
    Lock::take(copy).map(Some).map_err(|_| "is an archive that is being synced")
}

/// Deletes an earlier backup; `false` if it is the archive itself, in use, or not a backup.
///
/// # Errors
/// When it cannot be deleted.
pub fn delete(archive: &Path, copy: &Path) -> io::Result<bool> {
    // The lock keeps others out until the file is gone.
    let Ok(_lock) = unused(archive, copy, CopyKind::of(copy)) else { return Ok(false) };
    fs::remove_file(copy)?;
    Ok(true)
}

/// Whether a file is an earlier backup that nobody uses.
#[must_use]
pub fn is_spare(archive: &Path, copy: &Path) -> bool {
    unused(archive, copy, CopyKind::of(copy)).is_ok()
}

/// Why a file must not be replaced or deleted, or else its lock, as from [`lock_of`].
fn unused(archive: &Path, copy: &Path, kind: CopyKind) -> Result<Option<Lock>, &'static str> {
    if same_file(archive, copy) {
        return Err("is the archive itself");
    }
    if !fs::symlink_metadata(copy).is_ok_and(|there| there.is_file()) {
        return Err("is no plain file");
    }
    match kind {
        CopyKind::Plain if !is_archive(copy) => {
            return Err("is there already and is no archive of this program");
        }
        CopyKind::Sealed if !sealed::is_sealed(copy) => {
            return Err("is there already and is no encrypted backup");
        }
        _ => {}
    }
    let lock = lock_of(copy)?;
    // SQLite would apply its log to whatever file replaces it.
    let waits = |ending| fs::metadata(file::beside(copy, ending)).is_ok_and(|log| log.len() > 0);
    if waits("-wal") {
        return Err("is an archive in use: it has a write-ahead log");
    }
    if waits("-journal") {
        return Err("is an archive in use: it has a journal");
    }
    Ok(lock)
}

/// Whether two paths lead to the same file.
#[must_use]
pub fn same_file(one: &Path, other: &Path) -> bool {
    let of = |path| fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
    of(one).is_some_and(|file| of(other) == Some(file))
}

/// Whether a file's header is that of an archive. It is not opened as a database.
#[must_use]
pub fn is_archive(path: &Path) -> bool {
    let mut head = [0; 72];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    let id = head.get(68..72).and_then(|id| <[u8; 4]>::try_from(id).ok()).map(u32::from_be_bytes);
    read.is_ok() && head.starts_with(b"SQLite format 3\0") && id == u32::try_from(open::APPLICATION_ID).ok()
}
