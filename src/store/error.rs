//! What can go wrong with the archive file, and what the reader should do about it.

use crate::core::model::ids::ConversationId;
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

impl StoreError {
    /// From why a file cannot be created or written.
    pub(super) fn create(path: &Path) -> impl Fn(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Create { path: path.clone(), source }
    }
}
