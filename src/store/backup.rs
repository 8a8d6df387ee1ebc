//! A consistent copy of the archive while another process writes to it.
//!
//! SQLite's online backup, page by page. Its steps share one read transaction, so the copy is of the moment it began:
//! a writer is never blocked and never makes it begin anew (without that, every commit of another process would). The
//! price is that the write-ahead log cannot be cut before the copy is done. `VACUUM INTO` would make a smaller copy,
//! but writes every row anew and tells nothing of how far it is.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde::Serialize;

use super::StoreError;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::schema::open;

/// Pages of one step: some milliseconds, after which it is seen whether to go on.
const STEP: i32 = 512;
/// SQLite instructions between two looks at whether to go on while the copy is checked.
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
    /// What it holds: counted in the copy and found equal to the archive's.
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
    /// What is there already is no earlier backup.
    #[error("{path} {why}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// What speaks against it.
        why: &'static str,
    },
    /// The copy is not what it should be.
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

/// Told how many of how many pages are copied; says whether to go on.
pub type GoOn<'a> = dyn FnMut(u64, u64) -> bool + 'a;

/// Copies the archive to a file, which is there in full or not at all. `stop` says, while the copy is checked, whether
/// to give up.
///
/// # Errors
/// When the archive cannot be read, the copy not written, or what stands in its place is no archive.
pub fn backup(
    archive: &Path,
    to: &Path,
    go_on: &mut GoOn<'_>,
    stop: impl Fn() -> bool + Send + 'static,
) -> Result<Copied, BackupError> {
    let source = open::open_read_only(archive)?;
    drop(replaceable(archive, to)?);
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // In a folder of its own, which goes with all that SQLite may put beside the file.
    let scratch = tempfile::Builder::new()
        .prefix(".archiver-backup-")
        .tempdir_in(folder)
        .map_err(BackupError::file(folder))?;
    let unfinished = scratch.path().join("copy.db");
    private().open(&unfinished).map_err(BackupError::file(&unfinished))?;
    let contents = copy(&source, &unfinished, go_on, stop)?;
    drop(source);
    let file = File::open(&unfinished).map_err(BackupError::file(&unfinished))?;
    file.sync_all().map_err(BackupError::file(&unfinished))?;
    let bytes = file.metadata().map_err(BackupError::file(&unfinished))?.len();
    // Once more: the copy took its time. Whoever would open what is there is kept out until it is replaced.
    let _lock = replaceable(archive, to)?;
    fs::rename(&unfinished, to).map_err(BackupError::file(to))?;
    File::open(folder).and_then(|f| f.sync_all()).map_err(BackupError::file(folder))?;
    Ok(Copied { bytes, contents })
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

fn copy(
    source: &Connection,
    to: &Path,
    go_on: &mut GoOn<'_>,
    stop: impl Fn() -> bool + Send + 'static,
) -> Result<Contents, BackupError> {
    let sqlite = |e: rusqlite::Error| BackupError::Archive(StoreError::Sqlite(e));
    let snapshot = source.unchecked_transaction().map_err(sqlite)?;
    let expected = Contents::of(&snapshot)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let written = |e: rusqlite::Error| BackupError::file(to)(io::Error::other(e));
    let mut copy = Connection::open_with_flags(to, flags).map_err(written)?;
    // Until it is renamed nobody needs it, so no step has to survive anything.
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
    if stop() {
        return Err(BackupError::Stopped);
    }
    // One file that any reader can open, on a medium that cannot be written to as well.
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

/// Whether a copy may take this place: nothing is there, or an earlier backup that nobody uses. Where an archive has
/// been synced there before, its lock is returned.
fn replaceable(archive: &Path, to: &Path) -> Result<Option<open::Lock>, BackupError> {
    let refused = |path: &Path, why| BackupError::Refused { path: path.to_owned(), why };
    if fs::symlink_metadata(to).is_ok() {
        return unused(archive, to).map_err(|why| refused(to, why));
    }
    let lock = lock_of(to).map_err(|why| refused(to, why))?;
    match open::leftover(to) {
        Some(file) => Err(refused(&file, open::LEFT)),
        None => Ok(lock),
    }
}

/// The lock beside a file, if it has ever had one.
fn lock_of(file: &Path) -> Result<Option<open::Lock>, &'static str> {
    if !open::beside(file, ".lock").exists() {
        return Ok(None);
    }
    open::lock(file).map(Some).map_err(|_| "is an archive that is being synced")
}

/// Deletes an earlier backup; `false` when it is the archive itself, in use, or no backup.
///
/// # Errors
/// When it cannot be deleted.
pub fn delete(archive: &Path, copy: &Path) -> io::Result<bool> {
    // Whoever would begin to sync it meanwhile is kept out until it is gone.
    let Ok(_lock) = unused(archive, copy) else { return Ok(false) };
    fs::remove_file(copy)?;
    Ok(true)
}

/// Whether a file that is there is an earlier backup that nobody uses.
#[must_use]
pub fn is_spare(archive: &Path, copy: &Path) -> bool {
    unused(archive, copy).is_ok()
}

/// What speaks against taking away a file that is there, and else its lock, as [`lock_of`] has it.
fn unused(archive: &Path, file: &Path) -> Result<Option<open::Lock>, &'static str> {
    if same_file(archive, file) {
        return Err("is the archive itself");
    }
    if !fs::symlink_metadata(file).is_ok_and(|there| there.is_file()) {
        return Err("is no plain file");
    }
    if !is_archive(file) {
        return Err("is there already and is no archive of this program");
    }
    let lock = lock_of(file)?;
    // With another file in its place, what waits in the log would be put into the wrong one.
    let waits = |ending| fs::metadata(open::beside(file, ending)).is_ok_and(|log| log.len() > 0);
    if waits("-wal") {
        return Err("is an archive in use: it has a write-ahead log");
    }
    if waits("-journal") {
        return Err("is an archive in use: it has a journal");
    }
    Ok(lock)
}

/// Whether two names are of one file.
#[must_use]
pub fn same_file(one: &Path, other: &Path) -> bool {
    let of = |path| fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
    of(one).is_some_and(|file| of(other) == Some(file))
}

/// Whether a file is an archive of this program, as far as its first bytes tell. It is not opened as a database.
#[must_use]
pub fn is_archive(path: &Path) -> bool {
    let mut head = [0; 72];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    let id = head.get(68..72).and_then(|id| <[u8; 4]>::try_from(id).ok()).map(u32::from_be_bytes);
    read.is_ok() && head.starts_with(b"SQLite format 3\0") && id == u32::try_from(open::APPLICATION_ID).ok()
}
