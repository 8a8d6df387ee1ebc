//! A new archive made of the rows that an export holds. Until it is whole it has another name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::store::schema::{migrate, open};
use crate::store::{Store, StoreError};

/// Rows in one transaction.
const BATCH: u32 = 20_000;

/// What a restored archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Restored {
    /// Messages.
    pub messages: i64,
    /// Conversations.
    pub conversations: i64,
    /// Runs.
    pub runs: i64,
}

/// An archive that is being made of an export's rows. It has the name of the archive with `.importing` behind it until
/// it is whole; dropped before that, it is gone, and what a crash left of it the next one begins anew.
#[derive(Debug)]
pub struct Restore {
    archive: PathBuf,
    unfinished: PathBuf,
    /// The version of the schema that rows are inserted into.
    schema: i64,
    db: Option<Connection>,
    columns: BTreeMap<String, Vec<String>>,
    statements: BTreeMap<(String, Vec<String>), String>,
    waiting: u32,
    _lock: open::Lock,
}

impl Restore {
    /// Begins an archive at this path, where there must be none, from rows of this schema version.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is one, [`StoreError::Busy`] if another process is creating one.
    pub fn begin(archive: &Path, schema: i64) -> Result<Self, StoreError> {
        let lock = open::lock(archive)?;
        if fs::metadata(archive).is_ok_and(|m| m.len() > 0) {
            return Err(StoreError::Exists(archive.to_owned()));
        }
        not_a_link(archive)?;
        nothing_left(archive)?;
        let unfinished = open::beside(archive, ".importing");
        remove(&unfinished)?;
        let failed = |source| StoreError::Create { path: unfinished.clone(), source };
        open::open_private(&unfinished).map_err(failed)?;
        let mut db = Connection::open(&unfinished)?;
        open::configure(&db)?;
        // Nothing of it counts before it is renamed, and it reaches the disk before that.
        db.pragma_update(None, "synchronous", "OFF")?;
        db.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
        db.pragma_update(None, "foreign_keys", false)?;
        migrate::create(&mut db, schema)?;
        db.pragma_update(None, "foreign_keys", false)?;
        let columns = columns(&db)?;
        db.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Self {
            archive: archive.to_owned(),
            unfinished,
            schema,
            db: Some(db),
            columns,
            statements: BTreeMap::new(),
            waiting: 0,
            _lock: lock,
        })
    }

    fn db(&self) -> Result<&Connection, StoreError> {
        self.db.as_ref().ok_or_else(over)
    }

    /// Forgets the rows of every table but messages and their former versions: another file brings them anew.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn renew_tables(&mut self) -> Result<(), StoreError> {
        for table in self.columns.keys().filter(|t| !["message", "message_version"].contains(&t.as_str())) {
            self.db()?.execute(&format!("DELETE FROM {table}"), [])?;
        }
        Ok(())
    }

    /// Prepares for rows of a later schema version: a newer version of this program may have continued an export.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if the rows so far contradict each other.
    pub fn continue_with(&mut self, schema: i64) -> Result<(), StoreError> {
        if schema > self.schema {
            self.db()?.execute_batch("COMMIT")?;
            let db = self.db.as_mut().ok_or_else(over)?;
            migrate::migrate_to(db, schema)?;
            db.pragma_update(None, "foreign_keys", false)?;
            self.schema = schema;
            self.columns = columns(db)?;
            self.statements.clear();
            self.db()?.execute_batch("BEGIN IMMEDIATE")?;
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
    pub fn insert(&mut self, table: &str, row: Vec<(&str, Value)>) -> Result<(), StoreError> {
        let key = (table.to_owned(), row.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
        if !self.statements.contains_key(&key) {
            let sql = self.statement(table, &key.1)?;
            self.statements.insert(key.clone(), sql);
        }
        if table == "sqlite_sequence" {
            // It has no key, and SQLite has filled it already while the rows came.
            let name = row.iter().find(|(column, _)| *column == "name").map(|(_, name)| name.clone());
            self.db()?.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [name])?;
        }
        let sql = self.statements.get(&key).map(String::as_str).unwrap_or_default();
        let values = row.into_iter().map(|(_, value)| value);
        self.db()?.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))?;
        self.waiting = self.waiting.saturating_add(1);
        if self.waiting >= BATCH {
            self.waiting = 0;
            self.db()?.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        }
        Ok(())
    }

    /// The statement that stores a row with these columns, all of which the schema must know.
    fn statement(&self, table: &str, row: &[String]) -> Result<String, StoreError> {
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
    pub fn finish(mut self) -> Result<Restored, StoreError> {
        let mut db = self.db.take().ok_or_else(over)?;
        let dangling = db
            .query_row("SELECT \"table\" || ' ' || ifnull(rowid, '') || ' points to a missing ' || parent FROM pragma_foreign_key_check LIMIT 1",
                [], |row| row.get::<_, String>(0));
        match dangling {
            Ok(dangling) => return Err(StoreError::Broken(dangling)),
            Err(rusqlite::Error::QueryReturnedNoRows) => {}
            Err(error) => return Err(error.into()),
        }
        db.execute_batch("INSERT OR IGNORE INTO messages_unindexed (id) SELECT id FROM message; COMMIT")?;
        migrate::migrate(&mut db)?;
        let mut store = Store::over(db);
        store.index_texts()?;
        let db = &store.db;
        let count =
            |table: &str| db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
        let restored = Restored {
            messages: count("message")?,
            conversations: count("conversation")?,
            runs: count("run")?,
        };
        store.close()?;
        let failed = |source| StoreError::Create { path: self.archive.clone(), source };
        File::open(&self.unfinished).and_then(|file| file.sync_all()).map_err(failed)?;
        nothing_left(&self.archive)?;
        fs::rename(&self.unfinished, &self.archive).map_err(failed)?;
        if let Some(folder) = self.archive.parent().filter(|p| !p.as_os_str().is_empty()) {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(restored)
    }
}

fn over() -> StoreError {
    StoreError::Broken("the import is over".to_owned())
}

/// The columns of every table that an export has rows of.
fn columns(db: &Connection) -> Result<BTreeMap<String, Vec<String>>, StoreError> {
    let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut statement = db.prepare(
        "SELECT t.name, c.name FROM pragma_table_list t JOIN pragma_table_info(t.name) c
         WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT IN ('sqlite_schema', 'messages_unindexed')",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        columns.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(columns)
}

impl Drop for Restore {
    fn drop(&mut self) {
        drop(self.db.take());
        if let Err(error) = remove(&self.unfinished) {
            tracing::debug!(%error, "an unfinished import is left; the next one begins anew");
        }
    }
}

/// The place is no link: the archive would take the link's place and not be where it leads to.
fn not_a_link(archive: &Path) -> Result<(), StoreError> {
    let Ok(to) = fs::read_link(archive) else { return Ok(()) };
    let why = format!("it is a symbolic link to {}: name that place, or remove the link", to.display());
    Err(StoreError::Create { path: archive.to_owned(), source: std::io::Error::other(why) })
}

/// Nothing of a former archive waits to be put into the new one.
fn nothing_left(archive: &Path) -> Result<(), StoreError> {
    let Some(file) = open::leftover(archive) else { return Ok(()) };
    let source = std::io::Error::other(format!("{} {}", file.display(), open::LEFT));
    Err(StoreError::Create { path: archive.to_owned(), source })
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::Create { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
