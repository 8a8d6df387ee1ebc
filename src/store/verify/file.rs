//! The file itself: who may read it, SQLite's structures, the schema, and references between rows.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;

use super::{Check, Depth, FROM_BACKUP, questions};
use crate::store::Result;
use crate::store::query::Statements as _;
use crate::store::schema::open;
use crate::store::{SCHEMA, SCHEMA_VERSION};

/// Nobody but the owner may read the archive or what lies beside it.
pub(super) fn modes(path: &Path, check: &mut Check<'_>) -> Result<u64> {
    let mut files = 0;
    for ending in ["", "-wal", "-shm", ".lock"] {
        let file = open::beside(path, ending);
        let Ok(metadata) = std::fs::metadata(&file) else { continue };
        files += 1;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let what = format!("others than its owner may open it: its mode is {mode:04o}, not 0600");
            check.broken(file.display().to_string(), what, "chmod 600 that file");
        }
    }
    Ok(files)
}

/// What SQLite says of its own structures, full-text tables included.
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

/// The schema is the one that this version makes.
pub(super) fn schema(db: &Connection, check: &mut Check<'_>) -> Result<u64> {
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != SCHEMA_VERSION {
        let what = format!("is {version}, this program's is {SCHEMA_VERSION}");
        check.broken("the schema's version".to_owned(), what, AS_MADE);
    }
    let fresh = Connection::open_in_memory()?;
    fresh.execute_batch(SCHEMA)?;
    let (wanted, there) = (objects(&fresh)?, objects(db)?);
    let missing = wanted.difference(&there).map(|object| (object, "is missing"));
    let foreign = there.difference(&wanted).map(|object| (object, "is not this program's"));
    for (object, what) in missing.chain(foreign) {
        check.broken(object.clone(), what, AS_MADE);
    }
    for table in wanted.intersection(&there) {
        let Some((kind, name)) = table.split_once(' ') else { continue };
        let differs = |sql: &str| -> Result<bool> {
            let one = |db: &Connection| db.one::<Option<String>>(sql, [name]);
            Ok(one(&fresh)? != one(db)?)
        };
        let what = match kind {
            "view" | "trigger" if differs("SELECT sql FROM sqlite_schema WHERE name = ?1")? => {
                "is not as this version makes it"
            }
            "index" if differs("SELECT group_concat(ifnull(name, '?')) FROM pragma_index_info(?1)")? => {
                "is of other columns"
            }
            "table" if shape(&fresh, name)? != shape(db, name)? => "has other columns or references",
            _ => continue,
        };
        check.broken(table.clone(), what, AS_MADE);
    }
    Ok(u64::try_from(wanted.len()).unwrap_or_default())
}

fn objects(db: &Connection) -> Result<BTreeSet<String>> {
    // What SQLite keeps for itself comes and goes with ANALYZE and autoincrement.
    let own = "SELECT type || ' ' || name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    db.all(own, [])
}

/// Columns, indexes and references of a table, by SQLite's reading of them: a migrated table is worded otherwise.
fn shape(db: &Connection, table: &str) -> Result<BTreeSet<String>> {
    let mut shape = BTreeSet::new();
    for sql in [
        "SELECT concat_ws(' ', name, type, \"notnull\", ifnull(dflt_value, '-'), pk) FROM pragma_table_xinfo(?1)",
        "SELECT concat_ws(' ', i.name, i.\"unique\", i.partial, (SELECT group_concat(ifnull(name, '?')) FROM pragma_index_info(i.name)))
         FROM pragma_index_list(?1) i WHERE i.origin <> 'c'",
        "SELECT concat_ws(' ', \"table\", \"from\", ifnull(\"to\", '')) FROM pragma_foreign_key_list(?1)",
    ] {
        shape.append(&mut db.all(sql, [table])?);
    }
    Ok(shape)
}

/// Every reference leads somewhere.
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
