//! Which backups were made of an archive, noted in a file beside it: a backup itself only reads the archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use chrono::DateTime;

use crate::app::replace;
use crate::core::Ms;
use crate::core::format::iso_utc;
use crate::store::siblings;

/// Backups that are remembered; the oldest are forgotten first.
const REMEMBERED: usize = 1000;

fn list(archive: &Path) -> PathBuf {
    archive.with_added_extension("backups")
}

/// Each backup with when it was made.
fn read(archive: &Path) -> Vec<(Ms, PathBuf)> {
    let text = fs::read_to_string(list(archive)).unwrap_or_default();
    let backup = |line: &str| {
        let (at, path) = line.split_once('\t')?;
        Some((DateTime::parse_from_rfc3339(at).ok()?.timestamp_millis(), PathBuf::from(path)))
    };
    text.lines().filter_map(backup).collect()
}

/// Notes that a backup was made at this place. Where that cannot be written, `status` cannot name it later.
pub(crate) fn note(archive: &Path, backup: &Path, now: Ms) {
    let backup = std::path::absolute(backup).unwrap_or_else(|_| backup.to_owned());
    let Some(shown) = backup.to_str().filter(|path| !path.contains('\n')) else { return };
    let mut all: Vec<(Ms, PathBuf)> =
        read(archive).into_iter().filter(|(_, path)| *path != backup && path.exists()).collect();
    all.drain(..all.len().saturating_sub(REMEMBERED - 1));
    let line = |(at, path): &(Ms, PathBuf)| format!("{}\t{}\n", iso_utc(*at), path.display());
    let mut text: String = all.iter().map(line).collect();
    text.push_str(&format!("{}\t{shown}\n", iso_utc(now)));
    if let Err(error) = replace::beside(archive, &list(archive), &text) {
        tracing::debug!(%error, "cannot note where the backup is");
    }
}

/// The backups that are still there and were made before a moment, and what former archives have left beside this one.
pub(crate) fn made_before(archive: &Path, moment: Ms) -> Vec<PathBuf> {
    let older = read(archive).into_iter().filter(|(at, path)| *at < moment && path.exists());
    let changed_ms = |path: &PathBuf| {
        let changed = fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
        Ms::try_from(changed.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
    };
    let former = siblings(archive).into_iter().filter(|path| changed_ms(path).is_some_and(|at| at < moment));
    older.map(|(_, path)| path).chain(former).collect()
}
