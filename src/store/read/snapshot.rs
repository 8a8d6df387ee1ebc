//! What leaves the archive: one consistent look at it, streamed row by row.

use std::collections::BTreeSet;

use rusqlite::{Connection, Transaction, params_from_iter};

use crate::core::model::ids::{AccountId, ConversationId, MessageId, PersonId};
use crate::core::{Ms, hash};
use crate::store::Result;
use crate::store::ids::last_change;
use crate::store::query::Statements as _;
use crate::store::read::message::{COLUMNS, ExportRow, JOINS, Scope};
use crate::store::read::status::Queries;
use crate::store::{Reader, StoreError};

/// A group of messages that belong into one file: those of an account sent in a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountMonth {
    /// The account's id.
    pub account: AccountId,
    /// Its name.
    pub account_name: String,
    /// `YYYY-MM`.
    pub month: String,
    /// The least and the greatest id of its messages.
    pub ids: (MessageId, MessageId),
    /// How many messages it has.
    pub messages: i64,
}

/// The month of `x.sent_at_ms` in UTC, rounded down. What is beyond the years that SQLite tells counts to the last month
/// or the first one.
pub(super) const MONTH: &str = "strftime('%Y-%m', (max(min(x.sent_at_ms, 253402300799999), -62167219200000)
    - 999 * (x.sent_at_ms < 0)) / 1000, 'unixepoch')";

/// A consistent look at an archive: what others write meanwhile does not show in it.
#[derive(Debug)]
pub struct Snapshot<'a> {
    db: Transaction<'a>,
}

impl Reader {
    /// Chooses the senders whose messages a [`Scope`] with `chosen_people` means, on this connection.
    pub fn choose_people(&self, people: &[PersonId]) -> Result<()> {
        let db = self.db();
        // SQLite counts temporary tables as writing.
        db.pragma_update(None, "query_only", false)?;
        let made = db
            .execute_batch(
                "CREATE TEMP TABLE IF NOT EXISTS chosen_person (id INTEGER PRIMARY KEY); DELETE FROM temp.chosen_person;",
            )
            .map_err(StoreError::from)
            .and_then(|()| {
                let sql = "INSERT OR IGNORE INTO temp.chosen_person (id) VALUES (?1)";
                people.iter().try_for_each(|id| db.run(sql, [id]))
            });
        db.pragma_update(None, "query_only", true)?;
        made
    }

    /// Begins a consistent look, which lasts until it is dropped.
    pub fn snapshot(&self) -> Result<Snapshot<'_>> {
        let db = self.db().unchecked_transaction()?;
        // A deferred transaction begins with its first read.
        db.query_row("SELECT count(*) FROM account", [], |row| row.get::<_, i64>(0))?;
        Ok(Snapshot { db })
    }
}

impl Snapshot<'_> {
    /// The queries that `status` uses, as of this look.
    #[must_use]
    pub fn queries(&self) -> Queries<'_> {
        Queries::new(&self.db)
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.db
    }

    /// How many messages are meant.
    pub fn count(&self, scope: &Scope) -> Result<u64> {
        let (conditions, values) = scope.conditions();
        let sql = format!("SELECT count(*) FROM message m WHERE {conditions}");
        let count: i64 = self.db.one(&sql, params_from_iter(values))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Shows every message that is meant: those of one conversation oldest first, those of several in the order of
    /// their ids, which is oldest first to about a second.
    ///
    /// # Errors
    /// What `visit` fails with, or when the archive cannot be read.
    pub fn messages<E: From<StoreError>>(
        &self,
        scope: &Scope,
        mut visit: impl FnMut(&ExportRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (conditions, values) = scope.conditions();
        let order = if scope.conversation.is_some() { "m.sent_at_ms, m.id" } else { "m.id" };
        let sql = format!("SELECT {COLUMNS} FROM message m {JOINS} WHERE {conditions} ORDER BY {order}");
        let mut statement = self.db.prepare_cached(&sql).map_err(StoreError::from)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            visit(&ExportRow::read(row).map_err(StoreError::from)?)?;
        }
        Ok(())
    }

    /// The time and the length in bytes of every message of a conversation that is meant, oldest first.
    pub fn lengths(&self, scope: &Scope, mut visit: impl FnMut(Ms, u64)) -> Result<()> {
        let (conditions, values) = scope.conditions();
        let sql = format!(
            "SELECT m.sent_at_ms, octet_length(m.text) FROM message m WHERE {conditions} ORDER BY m.sent_at_ms, m.id"
        );
        self.db.each(&sql, params_from_iter(values), |(at, length): (Ms, i64)| {
            visit(at, u64::try_from(length).unwrap_or(0));
            Ok(())
        })
    }

    /// The months of every account that hold messages which are meant, in order.
    pub fn months(&self, scope: &Scope) -> Result<Vec<AccountMonth>> {
        let (conditions, values) = scope.conditions();
        let sql = format!(
            "SELECT a.id, a.name, {} AS month, min(m.id), max(m.id), count(*)
             FROM message m JOIN conversation c ON c.id = m.conversation JOIN account a ON a.id = c.account
             WHERE {conditions} GROUP BY a.id, month ORDER BY a.id, month",
            MONTH.replace("x.", "m.")
        );
        let months = self.db.all::<_, Vec<_>>(&sql, params_from_iter(values))?.into_iter();
        Ok(months
            .map(|(account, account_name, month, first, last, messages)| AccountMonth {
                account,
                account_name,
                month,
                ids: (first, last),
                messages,
            })
            .collect())
    }

    /// Whether messages were erased after the change of this number.
    pub fn erased_after(&self, number: i64) -> Result<bool> {
        self.db.one("SELECT EXISTS (SELECT 1 FROM change INDEXED BY change_erased WHERE seq > ?1 AND kind = 'erased')", [number])
    }

    /// The months, by account id and `YYYY-MM`, that changes after this number touched: where a message is now, and where
    /// it was before its time changed; and those with messages of these conversations.
    pub fn touched_months(
        &self,
        after: i64,
        conversations: &[ConversationId],
    ) -> Result<BTreeSet<(AccountId, String)>> {
        let of = |from: &str, value: i64| {
            let sql = format!("SELECT DISTINCT c.account, {MONTH} FROM {from}");
            self.db.all::<_, BTreeSet<(AccountId, String)>>(&sql, [value])
        };
        let now =
            "change b CROSS JOIN message x INDEXED BY message_by_time ON x.conversation = b.conversation
             AND x.sent_at_ms BETWEEN b.oldest_ms AND b.newest_ms JOIN conversation c ON c.id = x.conversation
             WHERE b.seq > ?1 AND x.change > ?1";
        let before = "message_version x JOIN message m ON m.id = x.message JOIN conversation c ON c.id = m.conversation
             WHERE m.change > ?1";
        let erased =
            "change b INDEXED BY change_erased CROSS JOIN erased x INDEXED BY erased_by_time ON x.conversation = b.conversation
             AND x.sent_at_ms BETWEEN b.oldest_ms AND b.newest_ms JOIN conversation c ON c.id = x.conversation
             WHERE b.seq > ?1 AND b.kind = 'erased' AND x.change > ?1";
        let of_one = "message x JOIN conversation c ON c.id = x.conversation WHERE c.id = ?1";
        let mut touched = of(now, after)?;
        touched.append(&mut of(before, after)?);
        touched.append(&mut of(erased, after)?);
        for conversation in conversations {
            touched.append(&mut of(of_one, conversation.0)?);
        }
        Ok(touched)
    }

    /// For each conversation a number that changes when its names do, or what is known of who took part; with `gaps`,
    /// also when those do.
    pub fn faces(&self, gaps: bool) -> Result<Vec<(ConversationId, i64)>> {
        let faces: Vec<(ConversationId, String)> = self.db.all(
            "SELECT c.id, concat_ws(char(0), a.name, ifnull(coalesce(c.urn, c.thread, c.profile_url), ''), ifnull(coalesce(c.alias, c.name), ''),
               (SELECT group_concat(p.id || ifnull(p.is_me, '?'), ' ' ORDER BY p.id) FROM participant q JOIN person p ON p.id = q.person
                WHERE q.conversation = c.id),
               (SELECT group_concat(concat_ws(' ', ifnull(g.newer_ms, '-'), ifnull(g.older_ms, '-'), g.stall_code, g.stall_detail), char(0) ORDER BY g.id)
                FROM gap g WHERE ?1 AND g.conversation = c.id))
             FROM conversation c JOIN account a ON a.id = c.account ORDER BY c.id",
            [gaps],
        )?;
        Ok(faces.into_iter().map(|(id, face)| (id, hash::of_text(&face))).collect())
    }

    /// The number of the last change; 0: there was none.
    pub fn last_change(&self) -> Result<i64> {
        last_change(&self.db)
    }

    /// When the change of this number was made; `None` when the archive has none like it.
    pub fn change_made(&self, number: i64) -> Result<Option<Ms>> {
        // After a restore, some numbers are never given.
        let sql = "SELECT at_ms FROM (SELECT * FROM change WHERE seq >= ?1 ORDER BY seq LIMIT 1) WHERE seq - messages < ?1";
        self.db.first(sql, [number])
    }

    /// What tells this archive from others, and stays when it grows: a hash of when and as what it began.
    pub fn fingerprint(&self) -> Result<String> {
        let origin: String = self.db.one(
            "SELECT concat_ws(' ', (SELECT started_ms FROM run ORDER BY id LIMIT 1), (SELECT name FROM account ORDER BY id LIMIT 1))",
            [],
        )?;
        Ok(format!("{:016x}", hash::of_text(&origin)))
    }
}
