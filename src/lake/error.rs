//! Why a lake could not be written or read.

use crate::store::StoreError;

/// Why a lake could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The archive failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object could not be read or written.
    #[error("{key}: {source}")]
    Storage {
        /// Which, within the lake.
        key: String,
        /// Why, without any secret.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What the lake holds cannot be understood.
    #[error("{key}: {what}")]
    Broken {
        /// Which object, within the lake.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// What was asked for makes no sense here.
    #[error("{message}")]
    Refused {
        /// What is wrong.
        message: String,
        /// What to do instead.
        help: String,
    },
    /// Another process pushes the same archive.
    #[error("another process is writing this archive into the lake")]
    Busy,
    /// It was stopped from outside.
    #[error("interrupted; what was not committed is written by the next push")]
    Stopped,
}

impl LakeError {
    pub(crate) fn storage(key: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Storage { key: key.to_owned(), source: source.into() }
    }

    pub(crate) fn broken(key: &str, what: impl ToString) -> Self {
        Self::Broken { key: key.to_owned(), what: what.to_string() }
    }

    pub(crate) fn refused(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), help: help.into() }
    }
}
