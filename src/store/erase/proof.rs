//! Rewrites the file after an erasure, so that nothing of it is left in free pages, and looks whether that is so.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::params;

use crate::core::Ms;
use crate::store::erase::traces::{Proof, Traces};
use crate::store::query::Statements as _;
use crate::store::schema::file::beside;
use crate::store::schema::open::BUSY_TIMEOUT;
use crate::store::text_index;
use crate::store::{Result, Store, StoreError};

/// How long readers are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

impl Store {
    /// Whether an erasure is done whose file was not rewritten yet.
    pub fn erasures_unfinished(&self) -> Result<bool> {
        self.db.one("SELECT EXISTS (SELECT 1 FROM erasure WHERE finished_ms IS NULL)", [])
    }

    /// Rewrites the archive's file without what was erased, and searches it for the traces. It takes as long as the
    /// archive is large, and on the way as much room again.
    ///
    /// # Errors
    /// When the file cannot be rewritten, for want of room or because another program reads it without an end. What was
    /// erased is gone from the archive all the same, and the file is rewritten when it is opened next.
    pub fn finish_erasures(&mut self, traces: Traces, now: Option<Ms>) -> Result<Proof> {
        self.transact(|tx, _| {
            // FTS5 keeps words that were deleted, with a mark: to merge all pieces into one takes them out only where that
            // ends on the lowest level, which it does not always.
            text_index::make_anew(tx)
        })?;
        self.check()?;
        self.db.flush_prepared_statement_cache();
        // The journal is to hold the rewritten file and not the indexes as well, unless somebody is reading.
        self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        // In a file, as the archive may be larger than the memory; what is left of it is what stays.
        self.db.execute_batch("PRAGMA temp_store = FILE")?;
        if let Some(guard) = &mut self.guard {
            guard.pages_move();
        }
        let rewritten = self.db.execute_batch("VACUUM");
        self.db.execute_batch("PRAGMA temp_store = MEMORY")?;
        rewritten?;
        // Most readers are done in a moment; whoever is not keeps the service waiting for nothing.
        self.db.busy_timeout(PATIENCE)?;
        let emptied = self.try_to_empty_journal();
        self.db.busy_timeout(BUSY_TIMEOUT)?;
        if !emptied? {
            return Err(StoreError::StillRead);
        }
        self.transact(|tx, _| {
            let sql = "UPDATE erasure SET finished_ms = ifnull(?1, at_ms) WHERE finished_ms IS NULL";
            tx.run(sql, params![now])
        })?;
        self.drop_unfinished_restore()?;
        let archive = self.db.path().filter(|path| !path.is_empty()).map(std::path::PathBuf::from);
        traces.search(&self.db, archive.as_deref())
    }

    /// What a restore left that was killed: whoever holds the archive's lock knows that none is under way.
    fn drop_unfinished_restore(&self) -> Result<()> {
        let Some(path) = self.db.path().filter(|path| !path.is_empty() && self.lock.is_some()) else {
            return Ok(());
        };
        for ending in [".restoring", ".restoring-wal", ".restoring-shm", ".restoring-journal", ".decrypting"]
        {
            let left = beside(Path::new(path), ending);
            match std::fs::remove_file(&left) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::create(&left)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
