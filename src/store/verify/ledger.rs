//! The ledger: runs that ended, requests that were settled, credits that can be.

use rusqlite::Connection;

use super::{Check, FROM_BACKUP};
use crate::store::StoreError;

const COUNTS_AS_SPENT: &str = "what was reserved counts as spent, so caps hold; see what the API charged";

/// What is asked of the ledger: rows that answer a query are findings.
const QUESTIONS: &[(&str, &str, &str, &str)] = &[
    (
        "request",
        "is not settled, although its run ended as if it were",
        COUNTS_AS_SPENT,
        "SELECT q.id FROM request q JOIN run r ON r.id = q.run WHERE q.credits_spent IS NULL
           AND r.finished_ms IS NOT NULL AND r.outcome IS NOT 'interrupted'",
    ),
    (
        "request",
        "reserves or spends a negative number of credits",
        FROM_BACKUP,
        "SELECT id FROM request WHERE credits_reserved < 0 OR credits_spent < 0",
    ),
    (
        "request",
        "belongs to another account than its conversation",
        FROM_BACKUP,
        "SELECT q.id FROM request q JOIN conversation c ON c.id = q.conversation WHERE c.account <> q.account",
    ),
    (
        "request",
        "brought more new messages than results",
        FROM_BACKUP,
        "SELECT id FROM request WHERE new_messages > ifnull(returned, 0) OR new_messages < 0",
    ),
    (
        "run",
        "has an outcome but no end, or an end but no outcome",
        FROM_BACKUP,
        "SELECT id FROM run WHERE (finished_ms IS NULL) <> (outcome IS NULL)",
    ),
    (
        "run",
        "never ended, although another one began after it",
        "let a sync run: it marks such runs as interrupted",
        // A login may take place beside a run.
        "SELECT id FROM run WHERE finished_ms IS NULL AND id < (SELECT max(id) FROM run WHERE kind <> 'login')",
    ),
];

pub(super) fn all(db: &Connection, check: &mut Check<'_>) -> Result<u64, StoreError> {
    for (table, what, help, sql) in QUESTIONS {
        let mut statement = db.prepare(sql)?;
        for id in statement.query_map([], |row| row.get::<_, i64>(0))? {
            check.broken(format!("{table} {}", id?), *what, help);
        }
    }
    let requests: i64 = db.query_row("SELECT count(*) FROM request", [], |row| row.get(0))?;
    Ok(u64::try_from(requests).unwrap_or_default())
}
