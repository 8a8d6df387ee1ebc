//! Queries that must return no rows: about the ledger, accounts and messages not indexed yet.

use rusqlite::Connection;

use super::{Check, FROM_BACKUP};
use crate::store::Result;
use crate::store::query::Statements as _;

const COUNTS_AS_SPENT: &str = "what was reserved counts as spent, so caps hold; see what the API charged";
const TWO_ACCOUNTS: &str = "joins a conversation of one account with something of another";

/// The table, what is wrong with the rows that the query finds, and what to do.
type Question = (&'static str, &'static str, &'static str, &'static str);

const LEDGER: &[Question] = &[
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
        "spent",
        "is not what the ledger has of this day",
        FROM_BACKUP,
        "SELECT day_ms FROM (
           SELECT at_ms / 86400000 * 86400000 AS day_ms, account, ifnull(credits_spent, credits_reserved) AS credits FROM request
           UNION ALL SELECT day_ms, account, -credits FROM spent)
         GROUP BY day_ms, account HAVING sum(credits) <> 0",
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

const ACCOUNTS: &[Question] = &[
    (
        "gap",
        TWO_ACCOUNTS,
        FROM_BACKUP,
        "SELECT g.id FROM gap g JOIN conversation c ON c.id = g.conversation WHERE c.account <> g.account",
    ),
    (
        "address",
        TWO_ACCOUNTS,
        FROM_BACKUP,
        "SELECT c.id FROM address a JOIN conversation c ON c.id = a.conversation WHERE c.account <> a.account",
    ),
    (
        "participant",
        TWO_ACCOUNTS,
        FROM_BACKUP,
        "SELECT c.id FROM participant x JOIN conversation c ON c.id = x.conversation JOIN person p ON p.id = x.person
         WHERE c.account <> p.account",
    ),
];

const CHANGES: &[Question] = &[
    (
        "message",
        "is among no changes: those who ask for changes are not told of it",
        FROM_BACKUP,
        "SELECT m.id FROM message m LEFT JOIN change b ON b.seq = (SELECT x.seq FROM change x WHERE x.seq >= m.change ORDER BY x.seq LIMIT 1)
         WHERE b.seq IS NULL OR m.change <= b.seq - b.messages OR b.conversation <> m.conversation
           OR m.sent_at_ms NOT BETWEEN b.oldest_ms AND b.newest_ms",
    ),
    (
        "change",
        "has numbers that the change before it has too",
        FROM_BACKUP,
        "SELECT seq FROM (SELECT seq, messages, lag(seq, 1, 0) OVER (ORDER BY seq) AS before FROM change)
         WHERE messages < 1 OR seq - messages < before",
    ),
    (
        "change",
        "is numbered beyond the last number given",
        FROM_BACKUP,
        "SELECT max(seq) FROM change HAVING max(seq) > (SELECT seq FROM sqlite_sequence WHERE name = 'change')",
    ),
];

/// What is left to do of an erasure: nothing else is wrong.
pub(super) const UNFINISHED: &str = "is not finished: its file was not rewritten yet";

const ERASURES: &[Question] = &[
    (
        "erased",
        "a message that was erased is stored",
        "erase it again: `archiver erase --message`",
        "SELECT e.id FROM erased e JOIN message m ON m.id = e.id",
    ),
    (
        "erased",
        "is among no changes: those who ask for changes do not learn of it",
        FROM_BACKUP,
        "SELECT x.id FROM erased x LEFT JOIN change b ON b.seq = (SELECT y.seq FROM change y WHERE y.seq >= x.change ORDER BY y.seq LIMIT 1)
         WHERE x.change > 0 AND (b.seq IS NULL OR x.change <= b.seq - b.messages OR b.conversation <> x.conversation
           OR x.sent_at_ms NOT BETWEEN b.oldest_ms AND b.newest_ms)",
    ),
    (
        "conversation",
        "miscounts its erased messages",
        FROM_BACKUP,
        "SELECT c.id FROM conversation c WHERE c.stopped = 0 AND c.erased <> (SELECT count(*) FROM erased e WHERE e.conversation = c.id
           AND e.sent_at_ms >= coalesce(c.floor_ms, e.sent_at_ms) AND e.sent_at_ms >= ifnull((SELECT s.floor_ms FROM configuration s
             WHERE NOT EXISTS (SELECT 1 FROM hold h WHERE h.thread = c.thread)), e.sent_at_ms))",
    ),
    (
        "conversation",
        "was erased for good and holds messages",
        "erase it again: `archiver erase --conversation`",
        "SELECT id FROM conversation WHERE stopped = 1 AND messages > 0",
    ),
    (
        "erasure",
        UNFINISHED,
        "close what reads the archive, and run `archiver erase --finish`",
        "SELECT id FROM erasure WHERE finished_ms IS NULL",
    ),
];

const UNINDEXED: &[Question] = &[(
    "messages_unindexed",
    "a message that is not there waits to be indexed",
    "let a sync run: it forgets such rows",
    "SELECT u.id FROM messages_unindexed u WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.id = u.id)",
)];

fn ask(db: &Connection, questions: &[Question], check: &mut Check<'_>) -> Result<()> {
    for (table, what, help, sql) in questions {
        db.each(sql, [], |id: i64| {
            check.broken(format!("{table} {id}"), *what, help);
            Ok(())
        })?;
    }
    Ok(())
}

/// Runs, requests and credits are consistent.
pub(super) fn all(db: &Connection, check: &mut Check<'_>) -> Result<u64> {
    ask(db, LEDGER, check)?;
    let requests: i64 = db.one("SELECT count(*) FROM request", [])?;
    Ok(u64::try_from(requests).unwrap_or_default())
}

/// Every message is found by the number of its latest change.
pub(super) fn changes(db: &Connection, check: &mut Check<'_>) -> Result<u64> {
    ask(db, CHANGES, check)?;
    let twice = "SELECT count(*) - count(DISTINCT change) FROM message";
    let shared: i64 = db.one(twice, [])?;
    if shared > 0 {
        check.broken(
            "message".to_owned(),
            format!("{shared} messages share the number of a change"),
            FROM_BACKUP,
        );
    }
    let changes: i64 = db.one("SELECT count(*) FROM change", [])?;
    Ok(u64::try_from(changes).unwrap_or_default())
}

/// Related rows belong to one account.
pub(super) fn accounts(db: &Connection, check: &mut Check<'_>) -> Result<()> {
    ask(db, ACCOUNTS, check)
}

/// What was erased is not there, and counts where it should.
pub(super) fn erasures(db: &Connection, check: &mut Check<'_>) -> Result<u64> {
    ask(db, ERASURES, check)?;
    let erased: i64 = db.one("SELECT count(*) FROM erased", [])?;
    Ok(u64::try_from(erased).unwrap_or_default())
}

/// Rows marked as not indexed yet are messages.
pub(super) fn unindexed(db: &Connection, check: &mut Check<'_>) -> Result<()> {
    ask(db, UNINDEXED, check)
}
