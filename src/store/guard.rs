//! Whether the archive's file is still the one that was opened, in the state that this process left it in, and whether
//! there is room for more.
//!
//! A file that was deleted, moved or replaced shows by its inode. One that was overwritten in place does not, and SQLite
//! goes on with the pages that it remembers. So whenever the file has changed on disk, its last id of a request is read
//! past SQLite: it must lie between the one of the last look and the one of now. Whatever changed in between is in the
//! write-ahead log as well.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::store::query::Statements as _;
use crate::store::schema::file::{beside, folder_of};
use crate::store::schema::main_file::{self, MainFile};
use crate::store::{ArchiveChange, Result, StoreError};

/// What a page and its place in the indexes and the log take at the most: an answer has up to 8 MiB.
pub(crate) const NEEDED_MIB: u64 = 32;

#[derive(Debug)]
pub(crate) struct Guard {
    path: PathBuf,
    /// As the user calls it.
    called: PathBuf,
    file: File,
    wal: Option<Inode>,
    /// When the file was last looked into, and what it held.
    looked: Option<(Stamp, MainFile)>,
    /// What happened to the file, once that was seen: it does not become the archive again.
    changed: Option<ArchiveChange>,
    /// The pages have been arranged anew, and some of them are still in the log: until that is empty, the main file says
    /// nothing.
    rewritten: bool,
}

type Inode = (u64, u64);

/// Changes whenever the file is written to.
type Stamp = (i64, i64, u64);

impl Guard {
    /// Of an archive that was just opened through this file.
    pub(crate) fn new(path: PathBuf, called: &Path, file: &File, db: &Connection) -> Result<Self> {
        // What a crash left in the log belongs into the file now.
        db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        let file = file.try_clone().map_err(StoreError::create(called))?;
        let wal = inode(&beside(&path, "-wal")).map(|(id, _)| id);
        // A reader may have kept an earlier process from moving the pages that it arranged anew out of the log.
        let cookie: i64 = db.pragma_query_value(None, "schema_version", |row| row.get(0))?;
        let rewritten = MainFile::schema_cookie(&file).map(i64::from) != Some(cookie);
        let called = called.to_owned();
        let mut guard = Self { path, called, file, wal, looked: None, changed: None, rewritten };
        guard.check(db)?;
        Ok(guard)
    }

    /// The file is the one that was opened, and did not go back in time.
    pub(crate) fn check(&mut self, db: &Connection) -> Result<()> {
        if self.changed.is_none() {
            self.changed = self.change(db)?;
            if matches!(self.changed, Some(ArchiveChange::Replaced | ArchiveChange::Overwritten)) {
                // What is in the log is not of the file that is there.
                db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            }
        }
        match self.changed {
            None => Ok(()),
            Some(what) => Err(StoreError::Replaced { path: self.called.clone(), what }),
        }
    }

    fn change(&mut self, db: &Connection) -> Result<Option<ArchiveChange>> {
        let Some((id, there)) = inode(&self.path) else { return Ok(Some(ArchiveChange::Gone)) };
        let opened = self.file.metadata().map_err(StoreError::create(&self.called))?;
        if id != id_of(&opened) {
            return Ok(Some(ArchiveChange::Replaced));
        }
        if !self.has_own_log() {
            return Ok(Some(ArchiveChange::LogLost));
        }
        if self.rewritten {
            return Ok(None);
        }
        let stamp = (there.ctime(), there.ctime_nsec(), there.len());
        if self.looked.is_none_or(|(then, _)| then != stamp) {
            let Some(main) = self.look(db)? else { return Ok(Some(ArchiveChange::Overwritten)) };
            self.looked = Some((stamp, main));
        }
        Ok(None)
    }

    /// The log at its place is the one that this process writes.
    fn has_own_log(&self) -> bool {
        self.wal.is_none_or(|wal| inode(&beside(&self.path, "-wal")).is_some_and(|(id, _)| id == wal))
    }

    /// This process has arranged all pages anew.
    pub(crate) fn pages_move(&mut self) {
        (self.rewritten, self.looked) = (true, None);
    }

    /// The log is empty: everything is in the main file.
    pub(crate) fn log_is_empty(&mut self) {
        self.rewritten = false;
    }

    /// There is room for one more page.
    pub(crate) fn room(&self) -> Result<()> {
        room(&self.path, NEEDED_MIB)
    }

    /// What the main file held when it was last looked into.
    pub(crate) fn main_file(&self) -> Option<MainFile> {
        self.looked.map(|(_, main)| main)
    }

    /// What the main file holds, unless it cannot be what this archive's log goes with.
    fn look(&self, db: &Connection) -> Result<Option<MainFile>> {
        let root = match self.main_file() {
            Some(then) => then.root,
            None => {
                let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_sequence'";
                u32::try_from(db.one::<i64>(sql, [])?).unwrap_or_default()
            }
        };
        // Another process may be moving pages out of the log just now.
        for _ in 0..5 {
            // SQLite is asked last: of another file it may say that it is damaged, and no more.
            if let Some(main) = MainFile::read(&self.file, root)
                && self.main_file().is_none_or(|then| main.may_follow(then))
                && main.last_request <= last_request(db)?
            {
                return Ok(Some(main));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(None)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The connection is closed. Whoever opens the file that is there now would put the log into it.
        let other_file = matches!(self.changed, Some(ArchiveChange::Replaced | ArchiveChange::Overwritten));
        if !other_file || !self.has_own_log() || !main_file::log_waits(&self.path) {
            return;
        }
        match main_file::set_log_aside(&self.path) {
            Ok(log) => tracing::warn!(log = %log.display(), "{}", main_file::SET_ASIDE),
            Err(error) => tracing::error!(%error, "the log of the former archive cannot be set aside"),
        }
    }
}

/// The last id that a request was given.
pub(crate) fn last_request(db: &Connection) -> Result<i64> {
    Ok(db.first("SELECT seq FROM sqlite_sequence WHERE name = 'request'", [])?.unwrap_or_default())
}

/// There is room for one more page of an archive.
pub(crate) fn room(path: &Path, needed: u64) -> Result<()> {
    let Ok(disk) = rustix::fs::statvfs(folder_of(path)) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
    if free < needed {
        return Err(StoreError::NoRoom { free, needed });
    }
    Ok(())
}

fn inode(path: &Path) -> Option<(Inode, Metadata)> {
    let there = fs::symlink_metadata(path).ok()?;
    Some((id_of(&there), there))
}

fn id_of(file: &Metadata) -> Inode {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_room_for_a_page_nothing_is_spent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.db");
        room(&path, 0).unwrap();
        let refused = room(&path, u64::MAX).unwrap_err();
        assert!(matches!(refused, StoreError::NoRoom { .. }), "{refused}");
    }
}
