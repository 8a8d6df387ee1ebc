//! A new archive made of the rows that an export holds. Until it is whole it has another name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::store::read::tables::TABLES;
use crate::store::schema::open;
use crate::store::{SCHEMA, Store, StoreError};

/// Rows in one transaction.
const BATCH: u32 = 20_000;

/// What a restored archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    db: Option<Connection>,
    columns: BTreeMap<String, Vec<String>>,
    statements: BTreeMap<(String, Vec<String>), String>,
    waiting: u32,
    _lock: open::Lock,
}

impl Restore {
    /// Begins an archive at this path, where there must be none.
    ///
    /// # Errors
    /// When there is one, another process is making one, or the place cannot be written.
    pub fn begin(archive: &Path) -> Result<Self, StoreError> {
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
        let db = Connection::open(&unfinished)?;
        open::configure(&db)?;
        // Nothing of it counts before it is renamed, and it reaches the disk before that.
        db.pragma_update(None, "synchronous", "OFF")?;
        db.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
        db.pragma_update(None, "foreign_keys", false)?;
        db.execute_batch(SCHEMA)?;
        let mut columns = BTreeMap::new();
        for table in TABLES.iter().map(|(name, _, _)| *name).chain(["message", "message_version"]) {
            let mut names = db.prepare("SELECT name FROM pragma_table_info(?1)")?;
            let names = names.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?;
            columns.insert(table.to_owned(), names);
        }
        db.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Self {
            archive: archive.to_owned(),
            unfinished,
            db: Some(db),
            columns,
            statements: BTreeMap::new(),
            waiting: 0,
            _lock: lock,
        })
    }

    fn db(&self) -> Result<&Connection, StoreError> {
        self.db.as_ref().ok_or_else(|| StoreError::Broken("the import is over".to_owned()))
    }

    /// Forgets the rows of every table but messages and their former versions: another file brings them anew.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn renew_tables(&mut self) -> Result<(), StoreError> {
        for (table, _, _) in TABLES.iter().rev() {
            self.db()?.execute(&format!("DELETE FROM {table}"), [])?;
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
        let db = self.db.take().ok_or_else(|| StoreError::Broken("the import is over".to_owned()))?;
        let dangling = db
            .query_row("SELECT \"table\" || ' ' || ifnull(rowid, '') || ' points to a missing ' || parent FROM pragma_foreign_key_check LIMIT 1",
                [], |row| row.get::<_, String>(0));
        match dangling {
            Ok(dangling) => return Err(StoreError::Broken(dangling)),
            Err(rusqlite::Error::QueryReturnedNoRows) => {}
            Err(error) => return Err(error.into()),
        }
        db.execute_batch("INSERT OR IGNORE INTO messages_unindexed (id) SELECT id FROM message; COMMIT")?;
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
