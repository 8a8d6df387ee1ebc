//! How the pushes of an archive to its lake went, noted in a file beside it, which is also the lock of a push.

use std::fs::{self, File};
#[cfg(feature = "lake")]
use std::io;
use std::io::Read as _;
#[cfg(feature = "lake")]
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::core::Ms;
#[cfg(feature = "lake")]
use crate::store::open_private;

/// What is longer was not written by this program (bytes).
const LONGEST: u64 = 64 * 1024;

/// How the pushes went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LakeNote {
    /// Where the lake is.
    pub(crate) place: String,
    /// When a push last ended well (ms).
    #[serde(default)]
    pub(crate) pushed_ms: Option<Ms>,
    /// The number of the last change that is in the lake.
    #[serde(default)]
    pub(crate) change: i64,
    /// When the first of the pushes failed that have failed since (ms).
    #[serde(default)]
    pub(crate) failing_since_ms: Option<Ms>,
    /// Why the last of them did.
    #[serde(default)]
    pub(crate) last_error: Option<String>,
}

impl LakeNote {
    /// Of an archive that was not pushed there yet.
    pub(crate) fn new(place: String) -> Self {
        Self { place, pushed_ms: None, change: 0, failing_since_ms: None, last_error: None }
    }

    /// What stands beside an archive.
    pub(crate) fn read(archive: &Path) -> Option<Self> {
        let mut text = String::new();
        File::open(path(archive)).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Writes it into the file that is locked. A push is no worse for it when that fails.
    #[cfg(feature = "lake")]
    pub(crate) fn write(&self, locked: &File) {
        let written = serde_json::to_vec(self).map_err(io::Error::other).and_then(|json| {
            locked.set_len(0)?;
            locked.write_all_at(&json, 0)
        });
        if let Err(error) = written {
            tracing::debug!(%error, "cannot note beside the archive how the push went");
        }
    }

    /// A push ended.
    #[cfg(feature = "lake")]
    pub(crate) fn ended(&mut self, now: Ms, outcome: Result<i64, String>) {
        match outcome {
            Ok(change) => {
                (self.pushed_ms, self.change) = (Some(now), change);
                (self.failing_since_ms, self.last_error) = (None, None);
            }
            Err(error) => {
                self.failing_since_ms.get_or_insert(now);
                self.last_error = Some(error);
            }
        }
    }
}

/// The file, made where there is none.
///
/// # Errors
/// When it cannot be opened for writing.
#[cfg(feature = "lake")]
pub(crate) fn open(archive: &Path) -> io::Result<File> {
    open_private(&path(archive))
}

/// Where it is.
pub(crate) fn path(archive: &Path) -> PathBuf {
    let archive = fs::canonicalize(archive).unwrap_or_else(|_| archive.to_owned());
    archive.with_added_extension("lake")
}
