//! Reads `messages.csv` of LinkedIn's data export and imports it into the archive.

mod archive;
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
        help: &'static str,
    },
    /// The archive failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ImportError {
    fn read(path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }

    fn refused(message: String, help: &'static str) -> Self {
        Self::Refused { message, help }
    }
}
