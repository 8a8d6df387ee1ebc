//! Keeps a table's log short: checkpoints when they are due, and the files before them deleted when they are old.

use super::super::storage::Storage;
use super::checkpoint_write::write_checkpoint;
use super::table::{CheckpointHint, DeltaTable, read_hint};
use crate::core::Ms;
use crate::lake::LakeError;

/// How long what is past stays in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRetention {
    /// Commits and checkpoints (ms).
    pub log_ms: Ms,
    /// Files that were removed (ms).
    pub removed_files_ms: Ms,
}

impl LogRetention {
    /// Seven days, as archiver's tables say in their properties.
    pub const WEEK: Self =
        Self { log_ms: 7 * 24 * 60 * 60 * 1_000, removed_files_ms: 7 * 24 * 60 * 60 * 1_000 };
}

/// Whether a checkpoint is due: the more files there are, the more it costs, and the more commits it is worth.
#[must_use]
pub fn is_checkpoint_due(version: u64, last: Option<u64>, files: usize) -> bool {
    let commits = match last {
        Some(last) => version.saturating_sub(last),
        None => version.saturating_add(1),
    };
    commits >= u64::try_from(files / 500).unwrap_or(u64::MAX).max(10)
}

impl DeltaTable {
    /// Writes a checkpoint if one is due, and cleans up behind it.
    ///
    /// # Errors
    /// When the storage cannot be reached. Nothing is lost by it but time.
    pub(super) fn checkpoint_if_due(
        &mut self,
        storage: &dyn Storage,
        now: Ms,
        retention: LogRetention,
    ) -> Result<bool, LakeError> {
        let is_due = |table: &Self| {
            is_checkpoint_due(table.state.version(), table.checkpoint, table.state.files().len())
        };
        if !is_due(self) {
            return Ok(false);
        }
        // Another may have written it meanwhile.
        self.note_checkpoint(read_hint(storage, &self.log)?.as_ref());
        if !is_due(self) {
            return Ok(false);
        }
        self.write_checkpoint(storage, now, retention)?;
        self.clean_log(storage, now, retention)?;
        Ok(true)
    }

    /// Writes a checkpoint of the version that is loaded, unless there is a newer one.
    ///
    /// # Errors
    /// When the storage cannot be reached, or the checkpoint not be made.
    pub fn write_checkpoint(
        &mut self,
        storage: &dyn Storage,
        now: Ms,
        retention: LogRetention,
    ) -> Result<(), LakeError> {
        let version = self.state.version();
        if read_hint(storage, &self.log)?.is_some_and(|hint| hint.version > version) {
            return Ok(());
        }
        let since = now.saturating_sub(retention.removed_files_ms);
        let key = self.log.checkpoint(version);
        let written = write_checkpoint(&self.state, since).map_err(|error| LakeError::broken(&key, error))?;
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let hint = CheckpointHint {
            version,
            size: count(written.actions),
            parts: None,
            num_of_add_files: Some(count(written.files)),
        };
        let last = self.log.last_checkpoint();
        let hint = serde_json::to_vec(&hint).map_err(|error| LakeError::broken(&last, error))?;
        storage.put(&key, written.bytes.into())?;
        storage.put(&last, hint.into())?;
        self.checkpoint = Some(version);
        self.state.forget_tombstones(since);
        Ok(())
    }

    /// Deletes the log's files that are older than the retention and not needed: the newest checkpoint that is known
    /// stays, the one before it, and everything since.
    ///
    /// # Errors
    /// When the storage cannot be reached.
    pub fn clean_log(
        &self,
        storage: &dyn Storage,
        now: Ms,
        retention: LogRetention,
    ) -> Result<(), LakeError> {
        let Some(newest) = self.checkpoint else { return Ok(()) };
        let listed = storage.list(self.log.key())?;
        let expired = self.log.expired(&listed, newest, now.saturating_sub(retention.log_ms));
        if expired.is_empty() { Ok(()) } else { storage.delete(&expired) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_due_after_ten_commits_or_one_for_500_files() {
        assert!(!is_checkpoint_due(8, None, 0));
        assert!(is_checkpoint_due(9, None, 0), "versions 0 to 9 are ten commits");
        assert!(!is_checkpoint_due(18, Some(9), 5_499));
        assert!(is_checkpoint_due(19, Some(9), 5_499));
        assert!(!is_checkpoint_due(19, Some(9), 5_500));
        assert!(is_checkpoint_due(20, Some(9), 5_500));
        assert!(!is_checkpoint_due(208, Some(9), 100_000));
        assert!(is_checkpoint_due(209, Some(9), 100_000));
        assert!(!is_checkpoint_due(3, Some(9), 0), "another's checkpoint is newer");
    }
}
