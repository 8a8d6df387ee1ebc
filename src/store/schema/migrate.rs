//! Migrates an archive of an older schema to the current one, without deleting archived data.

use rusqlite::{Connection, TransactionBehavior, params};

use crate::core::model::ids::MessageId;
use crate::core::model::parts::Parts;
use crate::store::Result;
use crate::store::mailbox_owner;
use crate::store::query::Statements as _;
use crate::store::spent_days;
use crate::store::text_index;
use crate::store::written;
use crate::store::{SCHEMA, SCHEMA_VERSION, StoreError};

/// Schema 1, and for each later version the script that leads to it. They never change.
const STEPS: [&str; 3] = [include_str!("1.sql"), include_str!("2.sql"), include_str!("3.sql")];

/// Migrates the archive to the current schema in one transaction: a crash leaves it as it was. Returns the version that
/// it had.
pub(crate) fn migrate(db: &mut Connection) -> Result<i64> {
    migrate_to(db, SCHEMA_VERSION)
}

/// Migrates the archive to this schema, unless it has a later one.
pub(crate) fn migrate_to(db: &mut Connection, version: i64) -> Result<i64> {
    // A table that is replaced is missing for a moment, while rows of others refer to it. Foreign keys cannot be switched
    // off within a transaction.
    db.pragma_update(None, "foreign_keys", false)?;
    let migrated = in_one_transaction(db, version);
    db.pragma_update(None, "foreign_keys", true)?;
    migrated
}

/// Creates the tables of a schema that an older version of this program used.
pub(crate) fn create(db: &mut Connection, version: i64) -> Result<()> {
    if version == SCHEMA_VERSION {
        return Ok(db.execute_batch(SCHEMA)?);
    }
    let [first, ..] = STEPS;
    if !(1..SCHEMA_VERSION).contains(&version) {
        return Err(StoreError::Broken(format!("there is no schema version {version}")));
    }
    db.execute_batch(first)?;
    migrate_to(db, version)?;
    Ok(())
}

fn in_one_transaction(db: &mut Connection, version: i64) -> Result<i64> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if from < version {
        drop_views(&tx)?;
        for (_, step) in (1..).zip(STEPS).filter(|(to, _)| (from..version).contains(&(to - 1))) {
            tx.execute_batch(step)?;
        }
        if version == SCHEMA_VERSION {
            create_views(&tx)?;
            if from < 3 {
                fill_parts(&tx)?;
                mailbox_owner::find_all(&tx)?;
                text_index::index_everything(&tx)?;
                written::fill(&tx)?;
                spent_days::fill(&tx)?;
            }
        }
        let dangling: i64 = tx.one("SELECT count(*) FROM pragma_foreign_key_check", [])?;
        if dangling > 0 {
            return Err(StoreError::Broken(format!("{dangling} rows refer to rows that do not exist")));
        }
        tx.pragma_update(None, "user_version", version)?;
    }
    tx.commit()?;
    Ok(from)
}

/// Fills in subjects and attachments, for an archive that had no columns for them.
fn fill_parts(db: &Connection) -> Result<()> {
    let mut some = db.prepare(
        "SELECT id, extra, source IS NOT NULL FROM message WHERE extra LIKE '%\"subject\"%' OR extra LIKE '%\"attachments\"%'",
    )?;
    let mut fill =
        db.prepare("UPDATE message SET subject = ?2, attachments = ?3, attachment_names = ?4 WHERE id = ?1")?;
    let rows = some.query_map([], |row| {
        Ok((row.get::<_, MessageId>(0)?, Parts::of(row.get_ref(1)?.as_str_or_null()?, row.get(2)?)))
    })?;
    for (id, parts) in rows.collect::<Result<Vec<_>, _>>()? {
        fill.execute(params![id, parts.subject, parts.attachments_json(), parts.attachment_names()])?;
    }
    Ok(())
}

/// Drops the views, which hold no data: a table that a view refers to cannot be replaced.
fn drop_views(db: &Connection) -> Result<()> {
    db.all::<String, Vec<_>>("SELECT name FROM sqlite_schema WHERE type = 'view'", [])?
        .iter()
        .try_for_each(|name| Ok(db.execute_batch(&format!("DROP VIEW \"{}\"", name.replace('"', "\"\"")))?))
}

/// Creates the views of the current schema.
fn create_views(db: &Connection) -> Result<()> {
    let new = Connection::open_in_memory()?;
    new.execute_batch(SCHEMA)?;
    let views = "SELECT sql FROM sqlite_schema WHERE type = 'view' ORDER BY rowid";
    new.all::<String, Vec<_>>(views, [])?.iter().try_for_each(|view| Ok(db.execute_batch(view)?))
}
