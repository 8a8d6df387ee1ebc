//! Erasure on purpose: what goes, what is left to know it by, and the proof that nothing else is.

mod courses;
mod messages;
mod others;
mod proof;
mod repeat;
mod retention;
mod selection;
mod traces;
mod undated;

use rusqlite::{Connection, params};

pub use repeat::{ErasureLog, LoggedErasure, Repeated};
pub use selection::{ErasurePreview, Selection};
pub(crate) use traces::siblings;
pub use traces::{Proof, Traces};

use crate::core::Ms;
use crate::core::erasure::MarkKey;
use crate::core::model::ids::RunId;
use crate::store::ledger::{Outcome, RunKind, Trigger, end_run, insert_run, interrupt_runs};
use crate::store::query::Statements as _;
use crate::store::{Result, Store};

/// An erasure that is asked for.
#[derive(Debug, Clone)]
pub struct Erasure<'a> {
    /// What goes.
    pub selection: &'a Selection,
    /// Why, as the user puts it.
    pub reason: Option<&'a str>,
    /// Who began it.
    pub trigger: Trigger,
    /// When.
    pub now: Ms,
}

/// An erasure that is done in the archive; its file is still to be rewritten: see [`Store::finish_erasures`].
#[derive(Debug, Default)]
pub struct Erased {
    /// Messages that were erased.
    pub messages: i64,
    /// What they can be looked for by in the archive's files.
    pub traces: Traces,
}

/// What one erasure works on.
pub(super) struct Eraser<'a> {
    db: &'a Connection,
    erasure: i64,
    run: RunId,
    /// What marks are made with, and its id.
    key: (i64, MarkKey),
    now: Ms,
    traces: Traces,
}

impl Store {
    /// Erases messages and everything that is known only from them, in one transaction. `None`: nothing was to be erased.
    ///
    /// # Errors
    /// When the archive cannot be written. Nothing is erased then.
    pub fn erase(&mut self, erasure: &Erasure<'_>) -> Result<Option<Erased>> {
        self.erasing(|tx| erase(tx, erasure))
    }

    /// Runs an erasure in one transaction.
    fn erasing<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.index_texts()?;
        // What is deleted is overwritten at once, and again when the file is rewritten.
        self.db.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))?;
        let done = self.transact(|tx, ids| {
            let done = work(tx)?;
            ids.forget_rows();
            Ok(done)
        });
        self.db.pragma_update_and_check(None, "secure_delete", "OFF", |_| Ok(()))?;
        let done = done?;
        self.name_people()?;
        Ok(done)
    }
}

fn erase(tx: &Connection, erasure: &Erasure<'_>) -> Result<Option<Erased>> {
    let Erasure { selection, now, .. } = *erasure;
    tx.execute_batch(
        "DROP TABLE IF EXISTS temp.erasing;
         CREATE TEMP TABLE erasing (id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL);
         CREATE INDEX temp.erasing_by_conversation ON erasing (conversation);",
    )?;
    let undated = undated::of(tx, selection)?;
    let chosen = format!("INSERT OR IGNORE INTO temp.erasing {}", selection.chosen(&undated));
    let messages = i64::try_from(tx.changed(&chosen, [])?).unwrap_or(i64::MAX);
    if selection.retention {
        tx.run("UPDATE configuration SET floor_ms = ?1, retained_ms = ?1", params![selection.before_ms])?;
    }
    let courses = courses::of(tx, selection, now)?;
    let undated = if selection.is_stretch() { undated } else { Vec::new() };
    if messages == 0 && !courses.change_anything(tx, selection)? {
        // Nothing goes, so it is no erasure.
        if !undated.is_empty() {
            undated::date(tx, (enter_run(tx, erasure)?, now), &undated)?;
        }
        tx.execute_batch("DROP TABLE temp.erasing")?;
        return Ok(None);
    }
    let (id, run) = insert(tx, erasure, messages)?;
    let mut work = Eraser { db: tx, erasure: id, run, key: key(tx)?, now, traces: Traces::default() };
    undated::date(tx, (run, now), &undated)?;
    let affected = messages::erase(&mut work)?;
    courses::shorten(&mut work, selection, &courses, &affected)?;
    others::erase(&mut work, selection, &courses, &affected)?;
    tx.execute_batch("DROP TABLE temp.erasing")?;
    Ok(Some(Erased { messages, traces: work.traces }))
}

/// Enters an erasure and its run.
fn insert(tx: &Connection, erasure: &Erasure<'_>, messages: i64) -> Result<(i64, RunId)> {
    let Erasure { selection, reason, now, .. } = *erasure;
    let run = enter_run(tx, erasure)?;
    let sql = "INSERT INTO erasure (run, at_ms, selector, messages, reason) VALUES (?1, ?2, ?3, ?4, ?5)";
    let id = tx.insert(sql, params![run, now, selection.describe(), messages, reason])?;
    Ok((id, run))
}

/// Enters the run that erases, which is over with the transaction.
fn enter_run(tx: &Connection, erasure: &Erasure<'_>) -> Result<RunId> {
    interrupt_runs(tx)?;
    let run = insert_run(tx, RunKind::Erase, erasure.trigger, erasure.now)?;
    end_run(tx, run, Outcome::Complete, erasure.now)?;
    Ok(run)
}

/// What this archive's marks are made with, made up when there is none.
fn key(tx: &Connection) -> Result<(i64, MarkKey)> {
    tx.run(
        "INSERT INTO erasure_key (key) SELECT lower(hex(randomblob(32))) WHERE NOT EXISTS (SELECT 1 FROM erasure_key)",
        [],
    )?;
    let (id, digits): (i64, String) = tx.one("SELECT id, key FROM erasure_key ORDER BY id LIMIT 1", [])?;
    Ok((id, MarkKey::new(&digits)))
}
