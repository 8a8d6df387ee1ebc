//! Brings an archive of an older version to this one's schema; nothing is ever deleted on the way.

use rusqlite::{Connection, TransactionBehavior};

use crate::store::search::index;
use crate::store::{SCHEMA, SCHEMA_VERSION, StoreError};

/// The tables that schema 2 adds, as `schema.sql` describes them.
const ADDED_IN_2: &[&str] = &[
    "import",
    "import_oddity",
    "export_cover",
    "balance",
    "event_feed",
    "attention",
    "failure",
    "messages_runs",
];

/// Brings the archive to the present schema in one transaction: a crash leaves it as it was. Returns the version that
/// it had.
pub(in crate::store) fn migrate(db: &mut Connection) -> Result<i64, StoreError> {
    // A table that is made anew is away for a moment, with rows of others that refer to it. Within a transaction this
    // cannot be switched.
    db.pragma_update(None, "foreign_keys", false)?;
    let migrated = in_one_transaction(db);
    db.pragma_update(None, "foreign_keys", true)?;
    migrated
}

fn in_one_transaction(db: &mut Connection) -> Result<i64, StoreError> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if from < SCHEMA_VERSION {
        drop_views(&tx)?;
        if from < 2 {
            to_2(&tx)?;
        }
        create_views(&tx)?;
        let torn: i64 =
            tx.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
        if torn > 0 {
            return Err(StoreError::Broken(format!("{torn} rows refer to rows that are not there")));
        }
        tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    tx.commit()?;
    Ok(from)
}

fn to_2(db: &Connection) -> Result<(), StoreError> {
    db.execute_batch(
        "ALTER TABLE message ADD COLUMN source TEXT CHECK (source IN ('export'));
         ALTER TABLE message ADD COLUMN changed_run INTEGER;
         ALTER TABLE conversation ADD COLUMN news_at_least INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE conversation ADD COLUMN recheck_at_ms INTEGER;
         ALTER TABLE conversation ADD COLUMN rechecked_ms INTEGER;
         ALTER TABLE gap ADD COLUMN filled INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE inbox ADD COLUMN wanted TEXT;
         -- Senders that a later answer described otherwise were still counted as they had been at first.
         DELETE FROM participant;
         INSERT INTO participant (conversation, person, messages)
           SELECT conversation, sender, count(*) FROM message GROUP BY conversation, sender;",
    )?;
    create(db, ADDED_IN_2)?;
    index::index_all_runs(db)?;
    // They take a word more: 'login'.
    rebuild(db, "run")?;
    rebuild(db, "request")
}

/// Makes a table anew, with its rows and the words of `schema.sql`: the way to another CHECK.
fn rebuild(db: &Connection, table: &str) -> Result<(), StoreError> {
    let begin = format!("CREATE TABLE {table} ");
    let Some(statement) = statements().find(|s| s.starts_with(&begin)) else {
        return Err(StoreError::Broken(format!("the schema has no table {table}")));
    };
    let anew = format!("{table}_anew");
    db.execute_batch(&statement.replacen(&begin, &format!("CREATE TABLE {anew} "), 1))?;
    let mut columns = db.prepare("SELECT name FROM pragma_table_info(?1) ORDER BY cid")?;
    let columns =
        columns.query_map([table], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let columns = columns.join(", ");
    db.execute_batch(&format!(
        "INSERT INTO {anew} ({columns}) SELECT {columns} FROM {table};
         DROP TABLE {table};
         ALTER TABLE {anew} RENAME TO {table};"
    ))?;
    let on = format!(" ON {table} ");
    for index in statements().filter(|s| s.starts_with("CREATE INDEX") && s.contains(&on)) {
        db.execute_batch(index)?;
    }
    Ok(())
}

/// Creates tables and their indexes with the words of `schema.sql`.
fn create(db: &Connection, tables: &[&str]) -> Result<(), StoreError> {
    for statement in statements() {
        let mut words = statement.split_whitespace().skip_while(|w| !["TABLE", "ON"].contains(w)).skip(1);
        let creates = statement.starts_with("CREATE") && !statement.starts_with("CREATE VIEW");
        if creates && words.next().is_some_and(|name| tables.contains(&name)) {
            db.execute_batch(statement)?;
        }
    }
    Ok(())
}

/// Views hold no data: those of the present version replace all others. They go first, or a table that they speak of
/// could not be made anew.
fn drop_views(db: &Connection) -> Result<(), StoreError> {
    let mut names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'view'")?;
    let names = names.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    for name in names {
        db.execute_batch(&format!("DROP VIEW \"{}\"", name.replace('"', "\"\"")))?;
    }
    Ok(())
}

fn create_views(db: &Connection) -> Result<(), StoreError> {
    for view in statements().filter(|s| s.starts_with("CREATE VIEW")) {
        db.execute_batch(view)?;
    }
    Ok(())
}

/// The statements of `schema.sql`, each from its first word on.
fn statements() -> impl Iterator<Item = &'static str> {
    let mut rest = SCHEMA;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start();
            match rest.strip_prefix("--") {
                Some(comment) => rest = comment.split_once('\n')?.1,
                None => break,
            }
        }
        // A statement ends with a semicolon at the end of its line, up to a comment; there are none in comments.
        let (statement, after) = rest.split_once(";\n").or_else(|| rest.split_once(';'))?;
        rest = after;
        Some(statement)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_of_the_schema_make_the_same_schema_as_the_whole() {
        let shape = |db: &Connection| {
            let mut names =
                db.prepare("SELECT name || ifnull(sql, '') FROM sqlite_schema ORDER BY 1").unwrap();
            let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap();
            names.collect::<Result<Vec<_>, _>>().unwrap()
        };
        let whole = Connection::open_in_memory().unwrap();
        whole.execute_batch(SCHEMA).unwrap();
        let parts = Connection::open_in_memory().unwrap();
        for statement in statements() {
            parts.execute_batch(statement).unwrap();
        }
        assert!(shape(&whole).len() > 30);
        assert_eq!(shape(&parts), shape(&whole));
    }
}
