//! Reads `messages.csv` of LinkedIn's data export and imports it into the archive.

mod archive;
mod encoding;
mod import;
mod participants;
mod scan;

use std::path::{Path, PathBuf};

pub use import::{ImportReport, Options, ThreadReport, import, outlook};
pub use scan::{ExportFile, OddRow};

use crate::store::StoreError;

/// Why an export cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is no export of messages.
    #[error("{message}")]
    Refused {
        /// What is wrong.
        message: String,
        /// What to do instead.
        help: String,
    },
    /// The archive failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ImportError {
    fn read(path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }

    fn refused(message: String, help: impl Into<String>) -> Self {
        Self::Refused { message, help: help.into() }
    }
}

/// What is read of an export at most, so that a file made to do so cannot take all memory or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ImportLimits {
    /// Bytes of `messages.csv`.
    pub(crate) total: u64,
    /// Times that it may be as large unpacked as packed.
    pub(crate) ratio: u64,
    /// Bytes of a row.
    pub(crate) row: u64,
    pub(crate) columns: usize,
    pub(crate) rows: u64,
    pub(crate) conversations: usize,
    /// Rows that are no messages.
    pub(crate) odd_rows: usize,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImportLimit {
    Total,
    Ratio,
    Row,
    Columns,
    Rows,
    Conversations,
    OddRows,
}

impl ImportLimits {
    /// Far beyond every export: some two million messages.
    pub(crate) const DEFAULT: Self = Self {
        total: 1 << 30,
        ratio: 200,
        row: 4 << 20,
        columns: 256,
        rows: 5_000_000,
        conversations: 200_000,
        odd_rows: 100_000,
    };

    pub(crate) fn exceeded(&self, path: &Path, limit: ImportLimit) -> ImportError {
        let what = match limit {
            ImportLimit::Total => format!("{} MiB in total", self.total >> 20),
            ImportLimit::Ratio => format!("{} times as large unpacked as packed", self.ratio),
            ImportLimit::Row => format!("{} MiB in a row", self.row >> 20),
            ImportLimit::Columns => format!("{} columns", self.columns),
            ImportLimit::Rows => format!("{} rows", self.rows),
            ImportLimit::Conversations => format!("{} conversations", self.conversations),
            ImportLimit::OddRows => format!("{} rows that are no messages", self.odd_rows),
        };
        let message = format!("messages.csv in {} goes beyond the limit of {what}", path.display());
        ImportError::refused(message, "pass the zip file from LinkedIn, or the messages.csv in it")
    }
}
