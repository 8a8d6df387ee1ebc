//! What a lake is made of: the rows of its tables but messages, and which rows changes have touched.

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use crate::core::hash;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::store::query::Statements as _;
use crate::store::read::snapshot::{MONTH, Snapshot};
use crate::store::read::tables::TableValue;
use crate::store::{Result, StoreError};

/// A table of a lake, but that of messages. The first column of each is the id that its rows are in the order of; times
/// are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LakeRows {
    /// Former versions of messages, by the message's id.
    Versions,
    /// Conversations, as `conversation_log` has them.
    Conversations,
    /// Gaps, as `gap_log` has them, with code and detail of why a gap gets no further.
    Gaps,
    /// Runs, as `run_log` has them.
    Runs,
    /// Requests, as `request_log` has them.
    Requests,
}

const VERSIONS: &str = "
SELECT v.message AS message_id,
  (SELECT count(*) FROM message_version o WHERE o.message = v.message AND o.id <= v.id) AS version,
  v.replaced_ms AS replaced_at, v.edited, coalesce(c.urn, c.thread, c.profile_url) AS conversation_id,
  coalesce(c.alias, c.name) AS conversation, u.prefix || m.urn_key || u.suffix AS entity_urn, v.sent_at_ms,
  v.sent_at_ms AS sent_at, p.name AS sender, p.is_me AS from_me, k.name AS message_type, v.text,
  replace(replace(replace(replace(replace(replace(replace(replace(replace(t.json,
    char(2), v.sent_at_ms),
    char(3), json_quote(p.name)),
    char(4), json_quote(ifnull(p.first_name, ''))),
    char(5), json_quote(ifnull(p.last_name, ''))),
    char(6), json_quote(ifnull(p.profile_url, ''))),
    char(7), json_quote(k.name)),
    char(8), json_quote(ifnull(u.prefix || m.urn_key || u.suffix, ''))),
    char(14), ifnull(v.extra, '')),
    char(1), json_quote(v.text)) AS raw
FROM message_version v CROSS JOIN message m ON m.id = v.message JOIN conversation c ON c.id = m.conversation
JOIN person p ON p.id = v.sender JOIN kind k ON k.id = v.kind JOIN template t ON t.id = v.template
LEFT JOIN urn_shape u ON u.id = m.urn_shape
WHERE c.account = ?1 AND v.message BETWEEN ?2 AND ?3 ORDER BY v.message, v.id";

const CONVERSATIONS: &str = "
SELECT c.id AS conversation_row, coalesce(c.urn, c.thread, c.profile_url) AS conversation_id, c.profile_url,
  coalesce(c.alias, c.name) AS name, c.messages, c.oldest_ms AS oldest_at, c.newest_ms AS newest_at,
  (SELECT count(*) FROM gap g WHERE g.conversation = c.id) AS gaps,
  c.beginning_seen_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM gap g WHERE g.conversation = c.id) AS complete,
  c.synced_ms AS last_synced_at, c.unread, c.last_error, c.headline, c.picture_url
FROM conversation c WHERE c.account = ?1 AND +c.id BETWEEN ?2 AND ?3 ORDER BY c.id";

const GAPS: &str = "
SELECT g.id AS gap_id, coalesce(c.urn, c.thread, c.profile_url) AS conversation_id,
  CASE WHEN g.conversation IS NULL THEN 'inbox' ELSE coalesce(c.alias, c.name, c.profile_url) END AS conversation,
  g.newer_ms, g.older_ms, g.opened_ms AS opened_at, g.stall_code, g.stall_detail
FROM gap g LEFT JOIN conversation c ON c.id = g.conversation
WHERE g.account = ?1 AND +g.id BETWEEN ?2 AND ?3 ORDER BY g.id";

const RUNS: &str = "
SELECT r.id AS run_id, r.started_ms AS started_at, r.finished_ms AS finished_at, r.kind, r.trigger, r.outcome,
  count(q.id) AS requests, coalesce(sum(q.new_messages), 0) AS new_messages,
  coalesce(sum(q.credits_reserved), 0) AS credits_reserved,
  coalesce(sum(coalesce(q.credits_spent, q.credits_reserved)), 0) AS credits_spent
FROM run r LEFT JOIN request q ON q.run = r.id
WHERE ?1 IS NULL AND r.id BETWEEN ?2 AND ?3 GROUP BY r.id ORDER BY r.id";

const REQUESTS: &str = "
SELECT q.id AS request_id, q.run AS run_id, q.at_ms AS at, q.endpoint, q.purpose,
  coalesce(c.urn, c.thread, c.profile_url) AS conversation_id, q.asked, q.returned, q.new_messages, q.credits_reserved,
  q.credits_spent, q.http_status, q.error
FROM request q LEFT JOIN conversation c ON c.id = q.conversation
WHERE q.account = ?1 AND q.id BETWEEN ?2 AND ?3 ORDER BY q.id";

/// So many runs and requests tell one ledger from another: more than may be on their way at once.
const LEDGER_END: i64 = 256;

const SETTLED_RUNS: &str = "SELECT json_array(id, started_ms, finished_ms, outcome,
      (SELECT count(*) FROM request q WHERE q.run = r.id)) FROM run r WHERE id >= ?1 AND id < ?2 ORDER BY id";

const SETTLED_REQUESTS: &str =
    "SELECT json_array(id, run, at_ms, credits_spent, http_status, returned) FROM request
    WHERE id >= ?1 AND id < ?2 ORDER BY id";

impl LakeRows {
    const fn sql(self) -> &'static str {
        match self {
            Self::Versions => VERSIONS,
            Self::Conversations => CONVERSATIONS,
            Self::Gaps => GAPS,
            Self::Runs => RUNS,
            Self::Requests => REQUESTS,
        }
    }
}

/// A message that is to be written again, or to be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchedMessage {
    /// The account's id.
    pub account: AccountId,
    /// The month, as `YYYY-MM`, that it is in, or was in before.
    pub month: String,
    /// The message's id.
    pub id: i64,
    /// Whether it has, or may have had, former versions.
    pub versions: bool,
    /// Whether it is no more.
    pub erased: bool,
}

/// Messages that were changed after the number ?1, and where they are now.
const CHANGED: &str =
    "change b CROSS JOIN message x INDEXED BY message_by_time ON x.conversation = b.conversation
  AND x.sent_at_ms BETWEEN b.oldest_ms AND b.newest_ms JOIN conversation c ON c.id = x.conversation
  WHERE b.seq > ?1 AND x.change > ?1";

/// Where they were before their times changed.
const CHANGED_BEFORE: &str =
    "change b CROSS JOIN message m INDEXED BY message_by_time ON m.conversation = b.conversation
  AND m.sent_at_ms BETWEEN b.oldest_ms AND b.newest_ms CROSS JOIN message_version x ON x.message = m.id
  JOIN conversation c ON c.id = m.conversation WHERE b.seq > ?1 AND m.change > ?1";

const ERASED: &str = "change b INDEXED BY change_erased CROSS JOIN erased x INDEXED BY erased_by_time
  ON x.conversation = b.conversation AND x.sent_at_ms BETWEEN b.oldest_ms AND b.newest_ms
  JOIN conversation c ON c.id = x.conversation WHERE b.seq > ?1 AND b.kind = 'erased' AND x.change > ?1";

const OF_CONVERSATION: &str = "message x JOIN conversation c ON c.id = x.conversation WHERE c.id = ?1";

const HAS_VERSIONS: &str = "EXISTS (SELECT 1 FROM message_version v WHERE v.message = x.id)";

impl Snapshot<'_> {
    /// Shows the rows of a table with ids in a range, in the order of their ids; of an account, but runs, which are of
    /// none.
    ///
    /// # Errors
    /// When the archive cannot be read, or what `visit` fails with.
    pub fn lake_rows<E: From<StoreError>>(
        &self,
        rows: LakeRows,
        account: Option<AccountId>,
        (first, last): (i64, i64),
        visit: impl FnMut(&[(&str, TableValue<'_>)]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.rows(rows.sql(), params![account, first, last], visit)
    }

    /// Shows the messages that changes after this number have touched, and all of these conversations.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn touched_messages(
        &self,
        after: i64,
        conversations: &[ConversationId],
        mut visit: impl FnMut(TouchedMessage),
    ) -> Result<()> {
        let mut of = |from: &str, id: &str, versions: &str, value: i64| {
            let erased = from == ERASED;
            let sql = format!("SELECT c.account, {MONTH}, {id}, {versions} FROM {from}");
            self.connection().each(&sql, [value], |(account, month, id, versions)| {
                visit(TouchedMessage { account, month, id, versions, erased });
                Ok(())
            })
        };
        of(CHANGED, "x.id", HAS_VERSIONS, after)?;
        of(CHANGED_BEFORE, "x.message", "1", after)?;
        of(ERASED, "x.id", "1", after)?;
        conversations.iter().try_for_each(|id| of(OF_CONVERSATION, "x.id", HAS_VERSIONS, id.0))
    }

    /// All accounts and their names.
    pub fn accounts(&self) -> Result<Vec<(AccountId, String)>> {
        self.connection().all("SELECT id, name FROM account ORDER BY id", [])
    }

    /// The number of the last erasure; 0: there was none.
    pub fn last_erasure(&self) -> Result<i64> {
        self.connection().one("SELECT ifnull(max(id), 0) FROM erasure", [])
    }

    /// The first run and the first request that may still change: those from there on are not settled for good.
    pub fn first_unsettled(&self) -> Result<(i64, i64)> {
        let request = "SELECT coalesce((SELECT min(id) FROM request WHERE credits_spent IS NULL AND run IN
               (SELECT id FROM run WHERE finished_ms IS NULL)), (SELECT ifnull(max(id), 0) + 1 FROM request))";
        let run = "SELECT coalesce((SELECT min(id) FROM run WHERE finished_ms IS NULL), (SELECT ifnull(max(id), 0) + 1 FROM run))";
        Ok((self.connection().one(run, [])?, self.connection().one(request, [])?))
    }

    /// A number that changes with the last runs and requests before these, all of which are settled for good. Copies of an
    /// archive that went on by themselves do not have the same.
    pub fn settled_ledger(&self, (run, request): (i64, i64)) -> Result<i64> {
        let mut all = String::new();
        let mut add = |sql: &str, before: i64| {
            let row = |row: String| {
                all.push_str(&row);
                all.push('\n');
                Ok(())
            };
            self.connection().each(sql, [before.saturating_sub(LEDGER_END), before], row)
        };
        add(SETTLED_RUNS, run)?;
        add(SETTLED_REQUESTS, request)?;
        Ok(hash::of_text(&all))
    }

    /// Shows the requests about these conversations, by account and id.
    pub fn requests_about(
        &self,
        conversations: &[ConversationId],
        mut visit: impl FnMut(AccountId, i64),
    ) -> Result<()> {
        let wanted: std::collections::BTreeSet<i64> = conversations.iter().map(|id| id.0).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let sql = "SELECT account, id, conversation FROM request WHERE conversation IS NOT NULL";
        self.connection().each(sql, [], |(account, id, conversation): (AccountId, i64, i64)| {
            if wanted.contains(&conversation) {
                visit(account, id);
            }
            Ok(())
        })
    }

    /// What this archive is called elsewhere; `None`: it was not given a name yet.
    pub fn identity(&self) -> Result<Option<String>> {
        self.connection().first("SELECT archive FROM identity WHERE id = 1", [])
    }
}

/// Gives an archive the name that it is called elsewhere, if it has none. Another process may be writing to it.
///
/// # Errors
/// When the archive cannot be written.
pub fn name_archive(path: &std::path::Path) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(std::time::Duration::from_secs(30))?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.run(
        "INSERT INTO identity (id, archive) VALUES (1, lower(hex(randomblob(16)))) ON CONFLICT (id) DO NOTHING",
        [],
    )?;
    tx.commit()?;
    Ok(())
}
