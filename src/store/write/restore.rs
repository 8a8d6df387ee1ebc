//! A new archive made of the rows that an export holds. Until it is whole it has another name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::store::Result;
use crate::store::backup::Contents;
use crate::store::query::Statements as _;
use crate::store::schema::lock::Lock;
use crate::store::schema::{file, migrate, open};
use crate::store::spent_days;
use crate::store::written;
use crate::store::{Store, StoreError};

/// Rows in one transaction.
const BATCH: u32 = 20_000;

/// An archive that is being made of an export's rows. It has the name of the archive with `.importing` behind it until
/// it is whole; dropped before that, it is gone, and what a crash left of it the next one begins anew.
#[derive(Debug)]
pub struct Restore {
    db: Connection,
    archive: PathBuf,
    unfinished: Unfinished,
    /// The version of the schema that rows are inserted into.
    schema: i64,
    columns: BTreeMap<String, Vec<String>>,
    statements: BTreeMap<(String, Vec<String>), String>,
    waiting: u32,
    _lock: Lock,
}

/// A file that goes when this does.
#[derive(Debug)]
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            tracing::debug!(%error, "an unfinished import is left; the next one begins anew");
        }
    }
}

impl Restore {
    /// Begins an archive at this path, where there must be none, from rows of this schema version.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is one, [`StoreError::Busy`] if another process is creating one.
    pub fn begin(archive: &Path, schema: i64) -> Result<Self> {
        let lock = Lock::take(archive)?;
        if fs::metadata(archive).is_ok_and(|m| m.len() > 0) {
            return Err(StoreError::Exists(archive.to_owned()));
        }
        not_a_link(archive)?;
        nothing_left(archive)?;
        let unfinished = Unfinished(file::beside(archive, ".importing"));
        remove(&unfinished.0)?;
        file::open_private(&unfinished.0).map_err(StoreError::create(&unfinished.0))?;
        let mut db = Connection::open(&unfinished.0)?;
        open::configure(&db)?;
        // Nothing of it counts before it is renamed, and it reaches the disk before that.
        db.pragma_update(None, "synchronous", "OFF")?;
        db.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
        db.pragma_update(None, "foreign_keys", false)?;
        migrate::create(&mut db, schema)?;
        db.pragma_update(None, "foreign_keys", false)?;
        let columns = columns(&db)?;
        db.execute_batch("BEGIN IMMEDIATE")?;
        let (archive, statements) = (archive.to_owned(), BTreeMap::new());
        Ok(Self { db, archive, unfinished, schema, columns, statements, waiting: 0, _lock: lock })
    }

    /// Forgets the rows of every table but messages and their former versions: another file brings them anew.
    pub fn renew_tables(&mut self) -> Result<()> {
        for table in self.columns.keys().filter(|t| !["message", "message_version"].contains(&t.as_str())) {
            self.db.execute(&format!("DELETE FROM {table}"), [])?;
        }
        Ok(())
    }

    /// Prepares for rows of a later schema version: a newer version of this program may have continued an export.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if the rows so far contradict each other.
    pub fn continue_with(&mut self, schema: i64) -> Result<()> {
        if schema > self.schema {
            self.db.execute_batch("COMMIT")?;
            migrate::migrate_to(&mut self.db, schema)?;
            self.db.pragma_update(None, "foreign_keys", false)?;
            self.schema = schema;
            self.columns = columns(&self.db)?;
            self.statements.clear();
            self.db.execute_batch("BEGIN IMMEDIATE")?;
        }
        Ok(())
    }

    /// Whether rows of this kind are known.
    #[must_use]
    pub fn knows(&self, table: &str) -> bool {
        self.columns.contains_key(table)
    }

    /// Stores a row; one with the same key is replaced.
    ///
    /// # Errors
    /// When the table has no such column, a value does not fit, or the file cannot be written.
    pub fn insert(&mut self, table: &str, row: Vec<(&str, Value)>) -> Result<()> {
        let key = (table.to_owned(), row.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
        if !self.statements.contains_key(&key) {
            let sql = self.statement(table, &key.1)?;
            self.statements.insert(key.clone(), sql);
        }
        if table == "sqlite_sequence" {
            // It has no key, and SQLite has filled it already while the rows came.
            let name = row.iter().find(|(column, _)| *column == "name").map(|(_, name)| name.clone());
            self.db.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [name])?;
        }
        let sql = self.statements.get(&key).map(String::as_str).unwrap_or_default();
        let values = row.into_iter().map(|(_, value)| value);
        self.db.run(sql, rusqlite::params_from_iter(values))?;
        self.waiting = self.waiting.saturating_add(1);
        if self.waiting >= BATCH {
            self.waiting = 0;
            self.db.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        }
        Ok(())
    }

    /// The statement that stores a row with these columns, all of which the schema must know.
    fn statement(&self, table: &str, row: &[String]) -> Result<String> {
        let known = self.columns.get(table).map(Vec::as_slice).unwrap_or_default();
        if let Some(unknown) = row.iter().find(|name| !known.contains(name)) {
            return Err(StoreError::Broken(format!("{table} has no column {unknown}")));
        }
        let names: Vec<String> = row.iter().map(|name| format!("\"{name}\"")).collect();
        let places = vec!["?"; row.len()].join(", ");
        Ok(format!("INSERT OR REPLACE INTO \"{table}\" ({}) VALUES ({places})", names.join(", ")))
    }

    /// Completes the archive and gives it its name.
    ///
    /// # Errors
    /// When a row points to one that is not there, or the file cannot be written.
    pub fn finish(self) -> Result<Contents> {
        let Self { mut db, archive, unfinished, columns, _lock, .. } = self;
        if columns.contains_key("erased") {
            // An earlier part of the export may hold what a later one says was erased.
            db.execute_batch(
                "DELETE FROM message_version WHERE message IN (SELECT id FROM erased);
                 DELETE FROM message WHERE id IN (SELECT id FROM erased);",
            )?;
        }
        let dangling: Option<String> = db.first(
            "SELECT \"table\" || ' ' || ifnull(rowid, '') || ' points to a missing ' || parent FROM pragma_foreign_key_check LIMIT 1",
            [],
        )?;
        if let Some(dangling) = dangling {
            return Err(StoreError::Broken(dangling));
        }
        db.execute_batch("INSERT OR IGNORE INTO messages_unindexed (id) SELECT id FROM message; COMMIT")?;
        migrate::migrate(&mut db)?;
        db.execute_batch("BEGIN")?;
        written::fill(&db)?;
        spent_days::fill(&db)?;
        db.execute_batch("COMMIT")?;
        if db.one("SELECT EXISTS (SELECT 1 FROM erasure)", [])? {
            // What earlier parts of the export still had stays in free pages until then.
            db.execute_batch("PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY")?;
        }
        let mut store = Store::over(db);
        store.index_texts()?;
        let contents = Contents::of(&store.db)?;
        store.close()?;
        nothing_left(&archive)?;
        let synced = |path: &Path| File::open(path)?.sync_all();
        let folder = archive.parent().filter(|p| !p.as_os_str().is_empty());
        synced(&unfinished.0)
            .and_then(|()| fs::rename(&unfinished.0, &archive))
            .and_then(|()| folder.map_or(Ok(()), synced))
            .map_err(StoreError::create(&archive))?;
        Ok(contents)
    }
}

/// The columns of every table that an export has rows of.
fn columns(db: &Connection) -> Result<BTreeMap<String, Vec<String>>> {
    let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    db.each(
        "SELECT t.name, c.name FROM pragma_table_list t JOIN pragma_table_info(t.name) c
         WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT IN ('sqlite_schema', 'messages_unindexed', 'written', 'spent')",
        [],
        |(table, column): (String, String)| {
            columns.entry(table).or_default().push(column);
            Ok(())
        },
    )?;
    Ok(columns)
}

/// The place is no link: the archive would take the link's place and not be where it leads to.
fn not_a_link(archive: &Path) -> Result<()> {
    let Ok(to) = fs::read_link(archive) else { return Ok(()) };
    let why = format!("it is a symbolic link to {}: name that place, or remove the link", to.display());
    Err(StoreError::create(archive)(io::Error::other(why)))
}

/// Nothing of a former archive waits to be put into the new one.
fn nothing_left(archive: &Path) -> Result<()> {
    let Some(left) = file::leftover(archive) else { return Ok(()) };
    let why = format!("{} {}", left.display(), file::LEFT);
    Err(StoreError::create(archive)(io::Error::other(why)))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::create(path)(error)),
        _ => Ok(()),
    }
}
