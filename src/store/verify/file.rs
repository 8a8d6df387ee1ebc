//! The file itself: who may read it, SQLite's structures, the schema, and references between rows.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;

use super::{Check, Depth, FROM_BACKUP};
use crate::store::schema::open;
use crate::store::{SCHEMA, SCHEMA_VERSION, StoreError};

/// Nobody but the owner may read the archive or what lies beside it.
pub(super) fn modes(path: &Path, check: &mut Check<'_>) -> Result<u64, StoreError> {
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
pub(super) fn integrity(db: &Connection, depth: Depth, check: &mut Check<'_>) -> Result<u64, StoreError> {
    let pragma = match depth {
        Depth::Quick => "PRAGMA quick_check(50)",
        Depth::Full => "PRAGMA integrity_check(50)",
    };
    let mut statement = db.prepare(pragma)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let line: String = row.get(0)?;
        if line != "ok" {
            check.broken("the archive".to_owned(), line, FROM_BACKUP);
        }
    }
    let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
    Ok(u64::try_from(pages).unwrap_or_default())
}

const AS_MADE: &str = "undo what another program changed, or restore a backup";

/// The schema is the one that this version makes.
pub(super) fn schema(db: &Connection, check: &mut Check<'_>) -> Result<u64, StoreError> {
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != SCHEMA_VERSION {
        let what = format!("is {version}, this program's is {SCHEMA_VERSION}");
        check.broken("the schema's version".to_owned(), what, AS_MADE);
    }
    let fresh = Connection::open_in_memory()?;
    fresh.execute_batch(SCHEMA)?;
    let (wanted, there) = (objects(&fresh)?, objects(db)?);
    for (object, what) in wanted.difference(&there).map(|o| (o, "is missing")) {
        check.broken(object.clone(), what, AS_MADE);
    }
    for (object, what) in there.difference(&wanted).map(|o| (o, "is not this program's")) {
        check.broken(object.clone(), what, AS_MADE);
    }
    for table in wanted.intersection(&there) {
        let Some((kind, name)) = table.split_once(' ') else { continue };
        if kind == "view" || kind == "trigger" {
            let sql = |db: &Connection| text(db, "SELECT sql FROM sqlite_schema WHERE name = ?1", name);
            if sql(&fresh)? != sql(db)? {
                check.broken(table.clone(), "is not as this version makes it", AS_MADE);
            }
        } else if kind == "index" {
            let columns = |db: &Connection| {
                text(db, "SELECT group_concat(ifnull(name, '?')) FROM pragma_index_info(?1)", name)
            };
            if columns(&fresh)? != columns(db)? {
                check.broken(table.clone(), "is of other columns", AS_MADE);
            }
        } else if kind == "table" && shape(&fresh, name)? != shape(db, name)? {
            check.broken(table.clone(), "has other columns or references", AS_MADE);
        }
    }
    Ok(u64::try_from(wanted.len()).unwrap_or_default())
}

fn objects(db: &Connection) -> Result<BTreeSet<String>, StoreError> {
    // What SQLite keeps for itself comes and goes with ANALYZE and autoincrement.
    let mut statement = db.prepare(
        "SELECT type || ' ' || name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

fn text(db: &Connection, sql: &str, name: &str) -> Result<Option<String>, StoreError> {
    Ok(db.query_row(sql, [name], |row| row.get(0))?)
}

/// Columns, indexes and references of a table, by SQLite's reading of them: a migrated table is worded otherwise.
fn shape(db: &Connection, table: &str) -> Result<BTreeSet<String>, StoreError> {
    let mut shape = BTreeSet::new();
    for sql in [
        "SELECT concat_ws(' ', name, type, \"notnull\", ifnull(dflt_value, '-'), pk) FROM pragma_table_xinfo(?1)",
        "SELECT concat_ws(' ', i.name, i.\"unique\", i.partial, (SELECT group_concat(ifnull(name, '?')) FROM pragma_index_info(i.name)))
         FROM pragma_index_list(?1) i WHERE i.origin <> 'c'",
        "SELECT concat_ws(' ', \"table\", \"from\", ifnull(\"to\", '')) FROM pragma_foreign_key_list(?1)",
    ] {
        let mut statement = db.prepare(sql)?;
        for line in statement.query_map([table], |row| row.get::<_, String>(0))? {
            shape.insert(line?);
        }
    }
    Ok(shape)
}

/// Every reference leads somewhere.
pub(super) fn references(db: &Connection, check: &mut Check<'_>) -> Result<u64, StoreError> {
    let mut statement = db.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, id, to): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let place = id.map_or_else(|| format!("a row of {table}"), |id| format!("row {id} of {table}"));
        check.broken(place, format!("points to a row of {to} that is not there"), FROM_BACKUP);
    }
    drop(rows);
    Ok(accounts(db, check)? + 1)
}

/// What belongs together belongs to one account.
fn accounts(db: &Connection, check: &mut Check<'_>) -> Result<u64, StoreError> {
    let mixed = [
        (
            "gap",
            "SELECT g.id FROM gap g JOIN conversation c ON c.id = g.conversation WHERE c.account <> g.account",
        ),
        (
            "address",
            "SELECT c.id FROM address a JOIN conversation c ON c.id = a.conversation WHERE c.account <> a.account",
        ),
        (
            "participant",
            "SELECT c.id FROM participant x JOIN conversation c ON c.id = x.conversation JOIN person p ON p.id = x.person
             WHERE c.account <> p.account",
        ),
    ];
    for (table, sql) in mixed {
        let mut statement = db.prepare(sql)?;
        for id in statement.query_map([], |row| row.get::<_, i64>(0))? {
            let what = "joins a conversation of one account with something of another";
            check.broken(format!("{table}, id {}", id?), what, FROM_BACKUP);
        }
    }
    Ok(3)
}
