//! The archive's main file read past SQLite: without the write-ahead log, and without the pages that SQLite remembers.
//!
//! Ids of requests only grow, so the last one in the main file tells an older copy from the archive. A log that was
//! written for another file would damage the one that is there now, and SQLite cannot tell.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::store::schema::file::beside;

/// What the main file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MainFile {
    /// Changes with the schema, and when the pages are arranged anew.
    schema_cookie: u32,
    /// The page of `sqlite_sequence`.
    pub(crate) root: u32,
    pub(crate) last_request: i64,
}

impl MainFile {
    /// Reads it, given the page of `sqlite_sequence`; `None` unless it is a database in WAL mode and that page is there.
    pub(crate) fn read(file: &File, root: u32) -> Option<Self> {
        let head = header(file)?;
        if !in_wal_mode(&head) {
            return None;
        }
        let size = match number::<2>(&head, 16)? {
            // What two bytes cannot hold.
            1 => 65_536,
            size => size,
        };
        let mut page = vec![0; usize::try_from(size).ok()?];
        file.read_exact_at(&mut page, u64::from(root.checked_sub(1)?) * u64::from(size)).ok()?;
        Some(Self { schema_cookie: number::<4>(&head, 40)?, root, last_request: last_id(&page, b"request")? })
    }

    /// The schema cookie alone.
    pub(crate) fn schema_cookie(file: &File) -> Option<u32> {
        number::<4>(&header(file)?, 40)
    }

    /// Whether the file can be the same one as it was earlier.
    pub(crate) fn may_follow(self, earlier: Self) -> bool {
        self.schema_cookie == earlier.schema_cookie && self.last_request >= earlier.last_request
    }
}

/// The part of the lock's memory that is about the main file.
#[derive(Deserialize)]
struct Remembered {
    main_file: Option<MainFile>,
}

/// Whether the write-ahead log beside an archive holds changes of another file, of which this one is an older copy or
/// which it has replaced. `memory` is what the lock's last holder kept.
pub(crate) fn has_foreign_log(archive: &Path, memory: &str) -> bool {
    if !log_waits(archive) {
        return false;
    }
    let Ok(file) = File::open(archive) else { return false };
    let Some(head) = header(&file).filter(|head| head.starts_with(b"SQLite format 3\0")) else {
        return false;
    };
    // Copies that `backup` makes have no log, and say so until they are first opened for writing.
    if !in_wal_mode(&head) {
        return true;
    }
    let remembered = serde_json::from_str(memory).ok().and_then(|memory: Remembered| memory.main_file);
    let Some(then) = remembered else { return false };
    MainFile::read(&file, then.root)
        .is_some_and(|now| now.schema_cookie == then.schema_cookie && now.last_request < then.last_request)
}

/// What is said when a log is set aside.
pub(crate) const SET_ASIDE: &str = "the last changes of the former archive were set aside";

/// Whether a write-ahead log beside an archive holds anything.
pub(crate) fn log_waits(archive: &Path) -> bool {
    beside(archive, "-wal").symlink_metadata().is_ok_and(|log| log.len() > 0)
}

/// Renames the write-ahead log of an archive that is not there any more, so that SQLite does not put it into the one
/// that is. Nothing that was set aside before is replaced. Returns where it is now.
pub(crate) fn set_log_aside(archive: &Path) -> io::Result<PathBuf> {
    let numbered = (1..).map(|number| beside(archive, &format!("-wal.former-{number}")));
    let to = numbered.into_iter().find(|to| to.symlink_metadata().is_err()).unwrap_or_default();
    fs::rename(beside(archive, "-wal"), &to)?;
    match fs::remove_file(beside(archive, "-shm")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(to),
    }
}

/// The part of the file's header that is looked at. See "The Database Header" of SQLite's file format.
fn header(file: &File) -> Option<[u8; 44]> {
    let mut head = [0; 44];
    file.read_exact_at(&mut head, 0).ok()?;
    Some(head)
}

fn in_wal_mode(head: &[u8; 44]) -> bool {
    head.starts_with(b"SQLite format 3\0") && head.get(18..20) == Some(&[2, 2])
}

/// A big-endian number.
fn number<const BYTES: usize>(bytes: &[u8], at: usize) -> Option<u32> {
    let number = bytes.get(at..)?.first_chunk::<BYTES>()?;
    Some(number.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
}

/// The last id that a table gave, read from the page that holds all of `sqlite_sequence`: 0 before the first; `None`
/// when the page is something else. See "B-tree Pages" and "Record Format" of SQLite's file format.
fn last_id(page: &[u8], table: &[u8]) -> Option<i64> {
    let number = |at: usize| usize::try_from(number::<2>(page, at)?).ok();
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
    use rusqlite::Connection;

    use super::*;

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
