//! What can go wrong with the archive file, and what the reader should do about it.

use crate::core::model::ids::ConversationId;
use std::fmt;
use std::path::{Path, PathBuf};

/// What the archive returns.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A failure of the archive.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process is syncing this archive.
    #[error("another process is syncing {0}")]
    Busy(PathBuf),
    /// The file cannot be created.
    #[error("cannot create {path}: {source}")]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is at this place cannot be opened.
    #[error("{path}: {source}")]
    Unreachable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite needs to write beside the archive to read it.
    #[error(
        "{0} has a write-ahead log, and its folder cannot be written to: copy both into a folder of your own, or have its owner run `archiver backup`"
    )]
    FolderNotWritable(PathBuf),
    /// Tables or views of the archive are not this program's.
    #[error(
        "{path} is not as this program makes it: {object} {what}; nothing in it was read. `archiver verify` lists what differs"
    )]
    Altered {
        /// The file.
        path: PathBuf,
        /// The table, index, view or trigger.
        object: String,
        /// How it differs.
        what: &'static str,
    },
    /// The file is not the one that was opened, or went back in time.
    #[error("the archive {path} {what} while it was in use; nothing more is spent or written")]
    Replaced {
        /// The file.
        path: PathBuf,
        /// What happened to it.
        what: ArchiveChange,
    },
    /// There is no archive at this place any more, but files of one are.
    #[error("the archive {path} is gone, but {left} of it is still there")]
    Gone {
        /// The file.
        path: PathBuf,
        /// What is still there.
        left: String,
    },
    /// The write-ahead log beside the archive was written for another file.
    #[error("{log} is not the log of this {path} but of the archive that was there before; nothing was read")]
    ForeignLog {
        /// The archive.
        path: PathBuf,
        /// The log.
        log: PathBuf,
    },
    /// A reader keeps SQLite from emptying the archive's journal.
    #[error(
        "what was erased is gone from the archive, but another program is reading it and so keeps the old pages in its journal"
    )]
    StillRead,
    /// A page that is paid for might not fit on the disk.
    #[error("there is too little room: {free} MiB are free, and a page may need {needed}")]
    NoRoom {
        /// MiB that are free.
        free: u64,
        /// MiB that are needed.
        needed: u64,
    },
    /// There is no archive at this place.
    #[error("there is no archive at {0}")]
    Missing(PathBuf),
    /// There is one already where a new one was to be made.
    #[error("there is an archive at {0} already")]
    Exists(PathBuf),
    /// The file is something else.
    #[error("{path} is not an archive of this program: {found}")]
    NotAnArchive {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// The archive was written by a newer version.
    #[error(
        "{path} has schema version {found}, and this program knows up to {known}: a newer archiver wrote it; it was left untouched"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// The archive was written by an older version, and cannot be brought up to date just now.
    #[error(
        "{path} has schema version {found} and is being written to, so that it cannot be brought up to date now"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// SQLite failed.
    #[error("the archive cannot be read or written: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The gap that was asked for is not as it was: another writer, or a fault of this program.
    #[error(
        "conversation {conversation} changed while one of its pages was being fetched; the page was not stored"
    )]
    Changed {
        /// The archive's id of the conversation.
        conversation: ConversationId,
    },
    /// A row contradicts the schema's promises.
    #[error("the archive contradicts itself: {0}")]
    Broken(String),
}

/// What happened to an archive that was in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveChange {
    /// Nothing is at its place.
    Gone,
    /// Another file is.
    Replaced,
    /// The file is the same, its content is not.
    Overwritten,
    /// The log of its last changes is not the one that was written.
    LogLost,
}

impl fmt::Display for ArchiveChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "was moved or deleted",
            Self::Replaced => "was replaced by another file",
            Self::Overwritten => "was overwritten with an older or another copy",
            Self::LogLost => "lost its write-ahead log",
        })
    }
}

impl StoreError {
    /// Whether the statement was stopped from outside.
    #[must_use]
    pub fn was_stopped(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted)
    }

    /// What to do, where another file than the expected one is at the archive's place, or none.
    #[must_use]
    pub fn help_if_lost(&self) -> Option<&'static str> {
        match self {
            Self::Replaced { what: ArchiveChange::Gone, .. } => Some(
                "put it back, or restore a backup, then start again; credits spent meanwhile stay counted",
            ),
            Self::Replaced { what: ArchiveChange::Replaced | ArchiveChange::Overwritten, .. } => Some(
                "start again to go on with the file that is there now, or put the former one back first; credits spent meanwhile stay counted",
            ),
            Self::Replaced { what: ArchiveChange::LogLost, .. } => {
                Some("start again, then run `archiver verify`; credits spent meanwhile stay counted")
            }
            Self::Gone { .. } => Some(
                "put it back, or restore a backup; to begin a new archive, move what is left of the old one away",
            ),
            Self::ForeignLog { .. } => Some(
                "run `archiver sync --once`, which sets the log aside and goes on with the archive that is there now",
            ),
            Self::StillRead => Some("close that program, then run `archiver erase --finish`"),
            _ => None,
        }
    }

    /// Whether another program has locked the archive for the moment.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        matches!(self, Self::Sqlite(error) if matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked)))
    }

    /// Whether SQLite found the file damaged.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        matches!(self, Self::Sqlite(error) if matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)))
    }

    /// From why a file cannot be created or written.
    pub(super) fn create(path: &Path) -> impl Fn(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Create { path: path.clone(), source }
    }
}
