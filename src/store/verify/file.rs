//! Checks the file: permissions, SQLite's structures, the schema, and references between rows.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;

use super::{Check, Depth, FROM_BACKUP, questions};
use crate::store::Result;
use crate::store::query::Statements as _;
use crate::store::schema::file::beside;
use crate::store::schema::shape::Difference;

/// Only the owner may read the archive and the files beside it, and its group where it has been let in: then the file
/// beside it that only this program makes is open to it as well.
pub(super) fn modes(path: &Path, check: &mut Check<'_>) -> Result<u64> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode_of = |file: &Path| Some(std::fs::metadata(file).ok()?.permissions().mode() & 0o777);
    let group_is_let_in = mode_of(&beside(&path, ".lock")).is_some_and(|mode| mode & 0o040 != 0);
    let (closed, wanted) = if group_is_let_in { (0o037, "0640") } else { (0o077, "0600") };
    let mut files = 0;
    for ending in ["", "-wal", "-shm", ".lock"] {
        let file = beside(&path, ending);
        let Some(mode) = mode_of(&file) else { continue };
        files += 1;
        if mode & closed != 0 {
            let what = format!("others than its owner may open it: its mode is {mode:04o}, not {wanted}");
            let mend = if group_is_let_in { "chmod 640 that file" } else { "chmod 600 that file" };
            check.broken(file.display().to_string(), what, mend);
        }
    }
    Ok(files)
}

/// SQLite's own integrity check, full-text tables included.
pub(super) fn integrity(db: &Connection, depth: Depth, check: &mut Check<'_>) -> Result<u64> {
    let pragma = match depth {
        Depth::Quick => "PRAGMA quick_check(50)",
        Depth::Full => "PRAGMA integrity_check(50)",
    };
    db.each(pragma, [], |line: String| {
        if line != "ok" {
            check.broken("the archive".to_owned(), line, FROM_BACKUP);
        }
        Ok(())
    })?;
    let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
    Ok(u64::try_from(pages).unwrap_or_default())
}

const AS_MADE: &str = "undo what another program changed, or restore a backup";

/// The schema is the one that this version creates.
pub(super) fn schema(db: &Connection, differences: &[Difference], check: &mut Check<'_>) -> Result<u64> {
    for (object, what) in differences {
        check.broken(object.clone(), *what, AS_MADE);
    }
    let objects: i64 = db.one("SELECT count(*) FROM sqlite_schema", [])?;
    Ok(u64::try_from(objects).unwrap_or_default())
}

/// Every reference points to an existing row.
pub(super) fn references(db: &Connection, check: &mut Check<'_>) -> Result<u64> {
    let sql = "PRAGMA foreign_key_check";
    db.each(sql, [], |(table, id, to): (String, Option<i64>, String)| {
        let place = id.map_or_else(|| format!("a row of {table}"), |id| format!("row {id} of {table}"));
        check.broken(place, format!("points to a row of {to} that is not there"), FROM_BACKUP);
        Ok(())
    })?;
    questions::accounts(db, check)?;
    Ok(4)
}
