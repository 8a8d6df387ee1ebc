//! Checks an archive file against everything the program promises of it, in one consistent snapshot.
//!
//! It only reads, and is safe beside a running sync. Rows are streamed, so memory grows with the number of conversations and
//! people, not of messages.

mod figures;
mod file;
mod index;
mod messages;
mod questions;
mod timelines;

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;

use super::StoreError;
use crate::store::Result;
use crate::store::query::Statements as _;
use crate::store::schema::open;

/// At most this many findings of a check are listed; the rest are counted.
const LISTED: usize = 50;

/// How thoroughly to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Without reading every text: `quick_check`, counters, timelines, ledger.
    Quick,
    /// Everything.
    Full,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A promise is broken.
    Broken,
    /// Worth knowing; no promise is broken.
    Note,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check that found it.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where: a file, a table, a conversation, a message.
    #[serde(rename = "where")]
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub help: &'static str,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckOutcome {
    /// Its name.
    pub check: &'static str,
    /// What it checks, in words.
    pub about: &'static str,
    /// How many things it checked.
    pub looked_at: u64,
    /// How many findings it had, including those not listed.
    pub findings: u64,
}

/// All checks of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Verification {
    /// Each check, in order.
    pub checks: Vec<CheckOutcome>,
    /// The findings, at most 50 of each check.
    pub findings: Vec<Finding>,
}

impl Verification {
    /// How many findings are broken promises.
    #[must_use]
    pub fn broken(&self) -> usize {
        self.findings.iter().filter(|f| f.severity == Severity::Broken).count()
    }

    /// The same but for erasures that are not finished: a restore finishes them.
    #[must_use]
    pub fn broken_for_good(&self) -> usize {
        let unfinished = self.findings.iter().filter(|f| f.what == questions::UNFINISHED).count();
        self.broken().saturating_sub(unfinished)
    }
}

/// How far a check has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckProgress {
    /// What the check looks at.
    pub about: &'static str,
    /// How many it has looked at.
    pub done: u64,
    /// How many there are; 0 if unknown.
    pub of: u64,
}

/// Receives progress.
pub type ProgressSink<'a> = dyn FnMut(CheckProgress) + 'a;

/// Checks an archive.
///
/// # Errors
/// If there is no archive, it has another version, or it cannot be opened. Later read errors are findings.
pub fn verify(path: &Path, depth: Depth, watch: &mut ProgressSink<'_>) -> Result<Verification> {
    let mut book = Examination { result: Verification::default(), watch };
    let (db, differences) = match open::open_suspect(path) {
        Ok(opened) => opened,
        Err(StoreError::NotAnArchive { found, .. }) => {
            book.check("file", "the file", |check| {
                check.broken(path.display().to_string(), found, FROM_BACKUP);
                Ok(1)
            });
            return Ok(book.result);
        }
        Err(error) => return Err(error),
    };
    book.check("file", "the files and who may read them", |check| file::modes(path, check));
    book.check("schema", "tables, indexes and views", |check| file::schema(&db, &differences, check));
    // A view in a table's place may be endless.
    if !differences.is_empty() {
        return Ok(book.result);
    }
    index::prepare(&db)?;
    // One read transaction: all checks see the same moment.
    let db = db.unchecked_transaction()?;
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    all(&db, depth, &mut book);
    Ok(book.result)
}

const FROM_BACKUP: &str = "restore the last backup that `archiver verify` finds sound";

fn all(db: &Connection, depth: Depth, book: &mut Examination<'_, '_>) {
    book.check("integrity", "SQLite's own structures", |check| file::integrity(db, depth, check));
    book.check("references", "references between rows", |check| file::references(db, check));
    book.check("timelines", "gaps and beginnings", |check| timelines::all(db, check));
    let mut names = BTreeMap::new();
    book.check("counters", "what conversations say of their messages", |check| {
        names = timelines::names(db)?;
        messages::counters(db, &names, check)
    });
    book.check("figures", "what people and stats count", |check| figures::all(db, &names, check));
    book.check("versions", "edits and the versions before them", |check| messages::versions(db, check));
    book.check("identity", "each message once", |check| messages::duplicates(db, &names, check));
    book.check("totals", "what the API counts", |check| timelines::totals(db, &names, check));
    book.check("changes", "the numbers of changes", |check| questions::changes(db, check));
    book.check("erasures", "what was erased", |check| questions::erasures(db, check));
    book.check("ledger", "runs, requests and credits", |check| questions::all(db, check));
    if depth == Depth::Full {
        book.check("raw", "the JSON of every message", |check| messages::raw(db, check));
    }
    book.check("full-text", "the search index", |check| index::all(db, depth, check));
}

/// The checks so far.
struct Examination<'a, 'w> {
    result: Verification,
    watch: &'a mut ProgressSink<'w>,
}

impl Examination<'_, '_> {
    /// Runs a check. A read error is a finding, too.
    fn check(
        &mut self,
        name: &'static str,
        about: &'static str,
        make: impl FnOnce(&mut Check<'_>) -> Result<u64>,
    ) {
        let mut check = Check { name, about, findings: Vec::new(), found: 0, watch: &mut *self.watch };
        check.progress(0, 0);
        let looked_at = match make(&mut check) {
            Ok(looked_at) => looked_at,
            Err(error) => {
                check.broken("the archive".to_owned(), format!("cannot be read: {error}"), FROM_BACKUP);
                0
            }
        };
        let (findings, mut list) = (check.found, check.findings);
        self.result.findings.append(&mut list);
        self.result.checks.push(CheckOutcome { check: name, about, looked_at, findings });
    }
}

/// A running check.
struct Check<'a> {
    name: &'static str,
    about: &'static str,
    findings: Vec<Finding>,
    found: u64,
    watch: &'a mut dyn FnMut(CheckProgress),
}

impl Check<'_> {
    fn broken(&mut self, place: String, what: impl Into<String>, help: &'static str) {
        self.add(Severity::Broken, place, what.into(), help);
    }

    fn note(&mut self, place: String, what: impl Into<String>, help: &'static str) {
        self.add(Severity::Note, place, what.into(), help);
    }

    fn add(&mut self, severity: Severity, place: String, what: String, help: &'static str) {
        self.found += 1;
        if self.findings.len() < LISTED {
            self.findings.push(Finding { check: self.name, severity, place, what, help });
        }
    }

    fn progress(&mut self, done: u64, of: u64) {
        (self.watch)(CheckProgress { about: self.about, done, of });
    }

    /// Reports progress now and then.
    fn tick(&mut self, done: u64, of: u64) {
        if done.is_multiple_of(4096) {
            self.progress(done, of);
        }
    }
}

/// How many messages there are, for progress.
fn messages_in(db: &Connection) -> Result<u64> {
    let sum: i64 = db.one("SELECT ifnull(sum(messages), 0) FROM conversation", [])?;
    Ok(u64::try_from(sum).unwrap_or_default())
}
