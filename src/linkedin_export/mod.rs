//! Reads `messages.csv` of LinkedIn's data export and imports it into the archive.

mod archive;
mod import;
mod participants;
mod scan;

use std::path::PathBuf;

pub use archive::LARGEST;
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
    /// The zip is damaged, or of a kind that is not understood.
    #[error("cannot unpack {}: {reason}", path.display())]
    Zip {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// There are no messages in the zip or folder.
    #[error("{} contains no messages.csv", .0.display())]
    NoMessages(PathBuf),
    /// The file is larger than any export.
    #[error("messages.csv in {} is larger than {largest} bytes, too large for an export of messages", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        largest: u64,
    },
    /// The file has other columns.
    #[error("{} has no header with the columns CONVERSATION ID and DATE; it starts with {found:?}", path.display())]
    NoHeader {
        /// The file.
        path: PathBuf,
        /// Its first row, shortened.
        found: String,
    },
    /// The archive failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
