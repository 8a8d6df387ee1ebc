//! What leaves the archive: one consistent look at it, streamed row by row.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params_from_iter};

use crate::core::model::parts::Parts;
use crate::core::raw::render::{self, Fields};
use crate::core::{Ms, hash};
use crate::store::read::status::Queries;
use crate::store::{Reader, StoreError};

/// Which messages are meant; everything that is `None` or empty keeps all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope {
    /// Those of this conversation.
    pub conversation: Option<i64>,
    /// Those of this account.
    pub account: Option<i64>,
    /// Sent at this time or later.
    pub since_ms: Option<Ms>,
    /// Sent before this time.
    pub until_ms: Option<Ms>,
    /// Stored or changed by a later run than this.
    pub changed_after: Option<i64>,
    /// With ids from the first to the last of these, which only makes finding them quicker.
    pub ids: Option<(i64, i64)>,
}

impl Scope {
    /// The conditions on `message m`, and their values.
    fn conditions(&self) -> (String, Vec<Value>) {
        let mut words = vec!["1"];
        let mut values = Vec::new();
        let mut add = |condition, value: Option<i64>| {
            if let Some(value) = value {
                words.push(condition);
                values.push(Value::Integer(value));
            }
        };
        add("m.conversation = ?", self.conversation);
        add("m.conversation IN (SELECT id FROM conversation WHERE account = ?)", self.account);
        add("m.sent_at_ms >= ?", self.since_ms);
        add("m.sent_at_ms < ?", self.until_ms);
        add("m.changed_run > ?", self.changed_after);
        add("m.id >= ?", self.ids.map(|(first, _)| first));
        add("m.id <= ?", self.ids.map(|(_, last)| last));
        (words.join(" AND "), values)
    }

    /// Whether messages of some conversations or times are left out.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.conversation.is_some() || self.since_ms.is_some() || self.until_ms.is_some()
    }
}

/// A message with all that its row and the rows it points to say of it.
#[derive(Debug, Clone, Copy)]
pub struct ExportRow<'a> {
    /// The archive's id.
    pub id: i64,
    /// The archive's id of the conversation.
    pub conversation_row: i64,
    /// Whose mailbox.
    pub account: &'a str,
    /// The conversation's URN.
    pub conversation_id: Option<&'a str>,
    /// What the conversation is called.
    pub conversation: Option<&'a str>,
    /// When it was sent.
    pub sent_at_ms: Ms,
    /// What its JSON is made of: sender, type, URN, text.
    pub fields: Fields<'a>,
    /// Whether the account's owner wrote it.
    pub from_me: Option<i64>,
    /// 1 and the edits seen.
    pub versions: i64,
    /// Since when the API no longer returns it.
    pub gone_since_ms: Option<Ms>,
    /// `export` or null, as the table has it.
    pub source: Option<&'a str>,
    /// Its subject.
    pub subject: Option<&'a str>,
    /// Its attachments, as a JSON array.
    pub attachments: Option<&'a str>,
    /// The form of its JSON.
    pub template: &'a str,
    /// The id of the sender.
    pub sender_row: i64,
    /// The id of the type.
    pub kind_row: i64,
    /// The id of the template.
    pub template_row: i64,
    /// The id of the URN's shape.
    pub shape_row: Option<i64>,
    /// What the URN is found by.
    pub probe: Option<i64>,
    /// 1: the time is derived.
    pub derived_time: Option<i64>,
    /// The run that last stored or changed it.
    pub changed_run: Option<i64>,
}

impl ExportRow<'_> {
    /// The JSON as served, as the view `message_log` rebuilds it.
    pub fn raw_into(&self, out: &mut Vec<u8>) {
        render::render(self.template, self.sent_at_ms, &self.fields, out);
    }

    /// Subject and attachments.
    #[must_use]
    pub fn parts(&self) -> Parts {
        Parts::stored(self.subject.map(str::to_owned), self.attachments)
    }
}

/// A former version of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerVersion {
    /// When the newer one was first seen.
    pub replaced_ms: Ms,
    /// Its text.
    pub text: String,
}

/// A group of messages that belong into one file: those of an account sent in a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountMonth {
    /// The account's id.
    pub account: i64,
    /// Its name.
    pub account_name: String,
    /// `YYYY-MM`.
    pub month: String,
    /// The least and the greatest id of its messages.
    pub ids: (i64, i64),
    /// How many messages it has.
    pub messages: i64,
}

/// The month of `x.sent_at_ms` in UTC, rounded down. What is beyond the years that SQLite tells counts to the last month
/// or the first one.
const MONTH: &str = "strftime('%Y-%m', (max(min(x.sent_at_ms, 253402300799999), -62167219200000)
    - 999 * (x.sent_at_ms < 0)) / 1000, 'unixepoch')";

const MESSAGES: &str = "SELECT m.id, m.conversation, m.sent_at_ms, m.sender, m.kind, m.template, m.urn_shape, m.urn_probe,
    m.urn_key, m.versions, m.gone_since_ms, m.derived_time, m.text, m.extra, m.source, m.changed_run,
    a.name, coalesce(c.urn, c.thread, c.profile_url), coalesce(c.alias, c.name), p.name, p.first_name, p.last_name, p.profile_url, p.is_me,
    k.name, t.json, u.prefix, u.suffix, m.subject, m.attachments
  FROM message m CROSS JOIN conversation c ON c.id = m.conversation CROSS JOIN account a ON a.id = c.account
  CROSS JOIN person p ON p.id = m.sender CROSS JOIN kind k ON k.id = m.kind CROSS JOIN template t ON t.id = m.template
  LEFT JOIN urn_shape u ON u.id = m.urn_shape";

/// A consistent look at an archive: what others write meanwhile does not show in it.
#[derive(Debug)]
pub struct Snapshot<'a> {
    db: Transaction<'a>,
}

impl Reader {
    /// Begins a consistent look, which lasts until it is dropped.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, StoreError> {
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
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn count(&self, scope: &Scope) -> Result<u64, StoreError> {
        let (conditions, values) = scope.conditions();
        let sql = format!("SELECT count(*) FROM message m WHERE {conditions}");
        let count: i64 = self.db.query_row(&sql, params_from_iter(values), |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Shows every message that is meant: those of one conversation oldest first, those of several in the order of
    /// their ids, which is oldest first to about a second.
    ///
    /// # Errors
    /// When the archive cannot be read, or what `visit` fails with.
    pub fn messages<E: From<StoreError>>(
        &self,
        scope: &Scope,
        mut visit: impl FnMut(&ExportRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (conditions, values) = scope.conditions();
        let order = if scope.conversation.is_some() { "m.sent_at_ms, m.id" } else { "m.id" };
        let sql = format!("{MESSAGES} WHERE {conditions} ORDER BY {order}");
        let mut statement = self.db.prepare_cached(&sql).map_err(StoreError::from)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            visit(&export_row(row).map_err(StoreError::from)?)?;
        }
        Ok(())
    }

    /// The time and the length in bytes of every message of a conversation that is meant, oldest first.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn lengths(&self, scope: &Scope, mut visit: impl FnMut(Ms, u64)) -> Result<(), StoreError> {
        let (conditions, values) = scope.conditions();
        let sql = format!(
            "SELECT m.sent_at_ms, octet_length(m.text) FROM message m WHERE {conditions} ORDER BY m.sent_at_ms, m.id"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            visit(row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0));
        }
        Ok(())
    }

    /// What a message was before its edits, oldest first.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn former_versions(&self, message: i64) -> Result<Vec<FormerVersion>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT replaced_ms, text FROM message_version WHERE message = ?1 AND edited = 1 ORDER BY id",
        )?;
        let rows = statement
            .query_map([message], |row| Ok(FormerVersion { replaced_ms: row.get(0)?, text: row.get(1)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The months of every account that hold messages which are meant, in order.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn months(&self, scope: &Scope) -> Result<Vec<AccountMonth>, StoreError> {
        let (conditions, values) = scope.conditions();
        let sql = format!(
            "SELECT a.id, a.name, {} AS month, min(m.id), max(m.id), count(*)
             FROM message m JOIN conversation c ON c.id = m.conversation JOIN account a ON a.id = c.account
             WHERE {conditions} GROUP BY a.id, month ORDER BY a.id, month",
            MONTH.replace("x.", "m.")
        );
        let mut statement = self.db.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(values), |row| {
            Ok(AccountMonth {
                account: row.get(0)?,
                account_name: row.get(1)?,
                month: row.get(2)?,
                ids: (row.get(3)?, row.get(4)?),
                messages: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The months, by account id and `YYYY-MM`, that later runs than this touched: where a message is now, and where
    /// it was before its time changed; and those with messages of these conversations.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn touched_months(
        &self,
        after: i64,
        conversations: &[i64],
    ) -> Result<std::collections::BTreeSet<(i64, String)>, StoreError> {
        let mut touched = std::collections::BTreeSet::new();
        for (from, values) in [
            ("message x JOIN conversation c ON c.id = x.conversation WHERE x.changed_run > ?1", vec![after]),
            (
                "message_version x JOIN message m ON m.id = x.message JOIN conversation c ON c.id = m.conversation
                 WHERE m.changed_run > ?1",
                vec![after],
            ),
            ("message x JOIN conversation c ON c.id = x.conversation WHERE c.id = ?1", conversations.to_vec()),
        ] {
            let mut statement = self.db.prepare(&format!("SELECT DISTINCT c.account, {MONTH} FROM {from}"))?;
            for value in values {
                let rows = statement.query_map([value], |row| Ok((row.get(0)?, row.get(1)?)))?;
                for row in rows {
                    touched.insert(row?);
                }
            }
        }
        Ok(touched)
    }

    /// For each conversation a number that changes when its names do, or what is known of who took part; with `gaps`,
    /// also when those do.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn faces(&self, gaps: bool) -> Result<Vec<(i64, i64)>, StoreError> {
        let mut statement = self.db.prepare(
            "SELECT c.id, concat_ws(char(0), a.name, ifnull(c.urn, ''), ifnull(coalesce(c.alias, c.name), ''),
               (SELECT group_concat(p.id || ifnull(p.is_me, '?'), ' ' ORDER BY p.id) FROM participant q JOIN person p ON p.id = q.person
                WHERE q.conversation = c.id),
               (SELECT group_concat(concat_ws(' ', ifnull(g.newer_ms, '-'), ifnull(g.older_ms, '-'), g.stall_code, g.stall_detail), char(0) ORDER BY g.id)
                FROM gap g WHERE ?1 AND g.conversation = c.id))
             FROM conversation c JOIN account a ON a.id = c.account ORDER BY c.id",
        )?;
        let rows =
            statement.query_map([gaps], |row| Ok((row.get(0)?, hash::of_text(&row.get::<_, String>(1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last run before which all are sure to write nothing any more; 0 when there is none. A login is a run as well,
    /// and may end while an earlier one goes on.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn last_finished_run(&self) -> Result<i64, StoreError> {
        Ok(self.db.query_row(
            "SELECT coalesce((SELECT min(id) - 1 FROM run WHERE finished_ms IS NULL), (SELECT max(id) FROM run), 0)",
            [],
            |row| row.get(0),
        )?)
    }

    /// When a run began; `None` when the archive has no such run.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn run_started(&self, run: i64) -> Result<Option<Ms>, StoreError> {
        let sql = "SELECT started_ms FROM run WHERE id = ?1";
        Ok(self.db.query_row(sql, [run], |row| row.get(0)).optional()?)
    }

    /// What tells this archive from others, and stays when it grows: a hash of when and as what it began.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn fingerprint(&self) -> Result<String, StoreError> {
        let origin: String = self.db.query_row(
            "SELECT concat_ws(' ', (SELECT started_ms FROM run ORDER BY id LIMIT 1), (SELECT name FROM account ORDER BY id LIMIT 1))",
            [],
            |row| row.get(0),
        )?;
        Ok(format!("{:016x}", hash::of_text(&origin)))
    }
}

fn export_row<'a>(row: &'a Row<'_>) -> rusqlite::Result<ExportRow<'a>> {
    let text = |at: usize| -> rusqlite::Result<&'a str> { Ok(row.get_ref(at)?.as_str()?) };
    let optional =
        |at: usize| -> rusqlite::Result<Option<&'a str>> { Ok(row.get_ref(at)?.as_str_or_null()?) };
    Ok(ExportRow {
        id: row.get(0)?,
        conversation_row: row.get(1)?,
        sent_at_ms: row.get(2)?,
        sender_row: row.get(3)?,
        kind_row: row.get(4)?,
        template_row: row.get(5)?,
        shape_row: row.get(6)?,
        probe: row.get(7)?,
        versions: row.get(9)?,
        gone_since_ms: row.get(10)?,
        derived_time: row.get(11)?,
        source: optional(14)?,
        changed_run: row.get(15)?,
        account: text(16)?,
        conversation_id: optional(17)?,
        conversation: optional(18)?,
        from_me: row.get(23)?,
        template: text(25)?,
        subject: optional(28)?,
        attachments: optional(29)?,
        fields: Fields {
            text: text(12)?,
            extra: optional(13)?,
            name: text(19)?,
            first_name: optional(20)?,
            last_name: optional(21)?,
            profile_url: optional(22)?,
            kind: text(24)?,
            urn: match (optional(26)?, optional(8)?, optional(27)?) {
                (Some(prefix), Some(key), Some(suffix)) => Some([prefix, key, suffix]),
                _ => None,
            },
        },
    })
}
