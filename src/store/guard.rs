//! Whether the archive's file is still the one that was opened, in the state that this process left it in, and whether
//! there is room for more.
//!
//! A file that was deleted, moved or replaced shows by its inode. One that was overwritten in place does not, and SQLite
//! goes on with the pages that it remembers. So whenever the file has changed on disk, its table of last ids is read
//! past SQLite: ids of requests only grow, so that it must be somewhere between the last look and now. Between these,
//! the write-ahead log still has all that differs.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::store::query::Statements as _;
use crate::store::schema::file::{beside, folder_of};
use crate::store::{Result, StoreError};

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
    overwritten: bool,
}

type Inode = (u64, u64);

/// Changes whenever the file is written to.
type Stamp = (i64, i64, u64);

/// What the main file says, without the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MainFile {
    /// Changes with the schema, and when the pages are arranged anew.
    schema_cookie: [u8; 4],
    last_request: i64,
}

impl Guard {
    /// Of an archive that was just opened through this file.
    pub(crate) fn new(path: PathBuf, called: &Path, file: &File, db: &Connection) -> Result<Self> {
        // What a crash left in the log belongs into the file now.
        db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        let file = file.try_clone().map_err(StoreError::create(called))?;
        let wal = inode(&beside(&path, "-wal")).map(|(id, _)| id);
        let mut guard = Self { path, called: called.to_owned(), file, wal, looked: None, overwritten: false };
        guard.check(db)?;
        Ok(guard)
    }

    /// The file is the one that was opened, and did not go back in time.
    pub(crate) fn check(&mut self, db: &Connection) -> Result<()> {
        let Some((id, there)) = inode(&self.path) else { return Err(self.replaced("was moved or deleted")) };
        let opened = self.file.metadata().map_err(StoreError::create(&self.called))?;
        if id != id_of(&opened) {
            return Err(self.replaced("was replaced by another file"));
        }
        if self.wal.is_some_and(|wal| inode(&beside(&self.path, "-wal")).is_none_or(|(id, _)| id != wal)) {
            return Err(self.replaced("lost its write-ahead log"));
        }
        let stamp = (there.ctime(), there.ctime_nsec(), there.len());
        if self.overwritten || self.looked.is_none_or(|(then, _)| then != stamp) {
            let main = self.look(db)?.filter(|_| !self.overwritten);
            let Some(main) = main else {
                self.overwritten = true;
                // What is in the log is not of this file.
                db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
                return Err(self.replaced("was overwritten with an older or another copy"));
            };
            self.looked = Some((stamp, main));
        }
        Ok(())
    }

    /// There is room for one more page.
    pub(crate) fn room(&self) -> Result<()> {
        room(&self.path, &self.called, NEEDED_MIB)
    }

    fn replaced(&self, what: &'static str) -> StoreError {
        StoreError::Replaced { path: self.called.clone(), what }
    }

    /// What the main file holds, unless it cannot be what this archive's log goes with.
    fn look(&self, db: &Connection) -> Result<Option<MainFile>> {
        let root: i64 = db.one("SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_sequence'", [])?;
        let size: i64 = db.one("PRAGMA page_size", [])?;
        let last: Option<i64> = db.first("SELECT seq FROM sqlite_sequence WHERE name = 'request'", [])?;
        // Another process may be moving pages out of the log just now.
        for _ in 0..5 {
            if let Some(main) = self.read(root, size)
                && main.last_request <= last.unwrap_or_default()
                && self.looked.is_none_or(|(_, then)| {
                    then.schema_cookie == main.schema_cookie && then.last_request <= main.last_request
                })
            {
                return Ok(Some(main));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(None)
    }

    fn read(&self, root: i64, size: i64) -> Option<MainFile> {
        let mut head = [0; 44];
        self.file.read_exact_at(&mut head, 0).ok()?;
        let [.., write_version, read_version] = *head.first_chunk::<20>()?;
        let mut page = vec![0; usize::try_from(size).ok()?];
        self.file.read_exact_at(&mut page, u64::try_from((root - 1) * size).ok()?).ok()?;
        let in_wal_mode = head.starts_with(b"SQLite format 3\0") && (write_version, read_version) == (2, 2);
        let last_request = last_id(&page, b"request")?;
        in_wal_mode.then_some(MainFile { schema_cookie: *head.last_chunk()?, last_request })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.overwritten {
            return;
        }
        // The connection is closed. SQLite would put the log into the copy that is there now.
        let aside = beside(&self.path, "-wal.overwritten");
        let moved = fs::rename(beside(&self.path, "-wal"), &aside);
        let gone = fs::remove_file(beside(&self.path, "-shm"));
        tracing::warn!(?moved, ?gone, log = %aside.display(), "the last changes of the former archive were set aside");
    }
}

/// There is room for one more page of an archive.
pub(crate) fn room(path: &Path, called: &Path, needed: u64) -> Result<()> {
    let Ok(disk) = rustix::fs::statvfs(folder_of(path)) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
    if free < needed {
        return Err(StoreError::NoRoom { path: called.to_owned(), free, needed });
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

/// The last id that a table gave, read from the page that holds all of `sqlite_sequence`: 0 before the first; `None`
/// when the page is something else. See "B-tree Pages" and "Record Format" of SQLite's file format.
fn last_id(page: &[u8], table: &[u8]) -> Option<i64> {
    let number = |at: usize| {
        let bytes = page.get(at..)?.first_chunk::<2>()?;
        Some(usize::from(u16::from_be_bytes(*bytes)))
    };
    if *page.first()? != 0x0d {
        return None;
    }
    let mut last = 0;
    for cell in 0..number(3)? {
        let mut rest = page.get(number(8 + 2 * cell)?..)?;
        let (_size, _rowid, _header) = (varint(&mut rest)?, varint(&mut rest)?, varint(&mut rest)?);
        let (name_type, id_type) = (varint(&mut rest)?, varint(&mut rest)?);
        let length = usize::try_from(name_type.checked_sub(13)? / 2).ok()?;
        let (name, id) = rest.split_at_checked(length)?;
        if name == table {
            let width = match id_type {
                8 => return Some(0),
                9 => return Some(1),
                1..=4 => id_type,
                5 => 6,
                6 => 8,
                _ => return None,
            };
            let bytes = id.get(..usize::try_from(width).ok()?)?;
            last = bytes.iter().fold(0_i64, |id, byte| (id << 8) | i64::from(*byte));
        }
    }
    Some(last)
}

/// SQLite's integers of one to nine bytes; what is longer than eight is not in these records.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for _ in 0..8 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value = (value << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_room_for_a_page_nothing_is_spent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.db");
        room(&path, &path, 0).unwrap();
        let refused = room(&path, &path, u64::MAX).unwrap_err();
        assert!(matches!(refused, StoreError::NoRoom { .. }), "{refused}");
    }

    #[test]
    fn last_ids_of_any_size_are_read_past_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE first (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE request (id INTEGER PRIMARY KEY AUTOINCREMENT)").unwrap();
        for last in [0, 1, 2, 127, 128, 40_000, 9_000_000, 3_000_000_000, 1 << 40, 1 << 50] {
            db.execute_batch(&format!(
                "INSERT INTO first DEFAULT VALUES; DELETE FROM sqlite_sequence WHERE name = 'request';
                INSERT INTO sqlite_sequence VALUES ('request', {last})"
            ))
            .unwrap();
            let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
            let (root, size) = (
                one("SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_sequence'"),
                one("PRAGMA page_size"),
            );
            let file = fs::read(&path).unwrap();
            let page =
                file.chunks(usize::try_from(size).unwrap()).nth(usize::try_from(root - 1).unwrap()).unwrap();
            assert_eq!((last_id(page, b"request"), last_id(page, b"nothing")), (Some(last), Some(0)));
        }
    }
}
