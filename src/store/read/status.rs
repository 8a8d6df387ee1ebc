//! What can be read from an archive: the queries behind `status` and the run's report.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, ToSql};

use crate::core::Ms;
use crate::core::budget::Spent;
use crate::core::model::ids::{AccountId, ConversationId, RunId};
use crate::core::planner::target::Candidate;
use crate::core::timeline::gap::{Gap, Timeline};
use crate::core::timeline::stall::Stall;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::read::{sql, timelines};
use crate::store::schema::open;
use crate::store::{Result, Tally, ledger};

/// An archive that cannot be written through this.
#[derive(Debug)]
pub struct Reader {
    db: Connection,
}

impl Reader {
    /// Opens an archive for reading, also while another process writes to it.
    ///
    /// # Errors
    /// When there is none, it is of a newer version, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { db: open::open_read_only(path)? })
    }

    /// The same for requests of others: what is read is bounded by `stop`, which is asked every few milliseconds whether
    /// it is time to give up, statements that do anything else than read are refused, and little is kept in memory.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn open_for_others(path: &Path, stop: impl FnMut() -> bool + Send + 'static) -> Result<Self> {
        Ok(Self { db: sql::open_for_others(path, stop)? })
    }

    /// Whether it sees what others write.
    #[must_use]
    pub fn is_current(&self) -> bool {
        open::sees_writes(&self.db)
    }

    /// For what reads the archive elsewhere in the store.
    pub(crate) fn db(&self) -> &Connection {
        &self.db
    }

    /// What can be asked.
    #[must_use]
    pub fn queries(&self) -> Queries<'_> {
        Queries::new(&self.db)
    }
}

/// Reading queries over a connection.
#[derive(Debug, Clone, Copy)]
pub struct Queries<'a> {
    db: &'a Connection,
}

/// One conversation as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationRow {
    /// The archive's id.
    pub id: ConversationId,
    /// The account's name.
    pub account: String,
    /// The conversation's URN, once known.
    pub conversation_id: Option<String>,
    /// The thread's own id, once known: a part of the URN.
    pub thread: Option<String>,
    /// The other side's profile.
    pub profile_url: Option<String>,
    /// The other side's name.
    pub name: Option<String>,
    /// Unread messages as last served.
    pub unread: Option<i64>,
    /// How many messages the API last counted.
    pub served_total: Option<i64>,
    /// When a page last came (ms).
    pub synced_ms: Option<Ms>,
    /// Why the last request failed.
    pub last_error: Option<String>,
    /// Whether an export has shown it.
    pub of_export: bool,
    /// Whether runs ask for it, as the last one that applied a configuration wrote it down.
    pub asked: bool,
    /// Whether the inbox shows it.
    pub in_inbox: bool,
    /// Its course.
    pub timeline: Timeline,
}

/// One inbox as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxStatus {
    /// The account's name.
    pub account: String,
    /// Why the last request failed.
    pub last_error: Option<String>,
    /// When a page last came (ms).
    pub synced_ms: Option<Ms>,
    /// What is known of it.
    pub timeline: Timeline,
}

/// One gap as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapRow {
    /// The conversation.
    pub conversation: ConversationId,
    /// Upper edge (ms), `None` = now.
    pub newer_ms: Option<Ms>,
    /// Lower edge (ms), `None` = the beginning.
    pub older_ms: Option<Ms>,
    /// Why it is stalled.
    pub stalled: Stall,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its number.
    pub id: RunId,
    /// When it began (ms).
    pub started_ms: Ms,
    /// When it ended (ms).
    pub finished_ms: Option<Ms>,
    /// How it ended.
    pub outcome: Option<String>,
    /// Requests made.
    pub requests: i64,
    /// Messages that were new.
    pub new_messages: i64,
    /// Messages that had been edited.
    pub changed_messages: i64,
    /// Credits that count as spent.
    pub credits_spent: i64,
}

struct_rows!(RunRow {
    id,
    started_ms,
    finished_ms,
    outcome,
    requests,
    new_messages,
    changed_messages,
    credits_spent
});

/// What a run that began now would begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStart {
    /// Its number.
    pub number: RunId,
    /// Whether the last request of all was for the newest page of a conversation or an inbox.
    pub head_came_last: bool,
    /// The same of each account, by its name.
    pub head_came_last_of: BTreeMap<String, bool>,
}

impl RunStart {
    /// Of an archive that does not exist yet.
    pub const FIRST: Self =
        Self { number: RunId(1), head_came_last: false, head_came_last_of: BTreeMap::new() };
}

/// Figures of the whole archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveSummary {
    /// Messages stored.
    pub messages: i64,
    /// Conversations known.
    pub conversations: i64,
    /// Gaps open.
    pub gaps: i64,
    /// Requests of the last ten runs whose cost is not settled: reservations of runs that were cut short.
    pub unsettled: i64,
    /// Items of answers that were no messages.
    pub quarantined: i64,
}

impl<'a> Queries<'a> {
    pub(crate) fn new(db: &'a Connection) -> Self {
        Self { db }
    }

    pub(crate) fn db(&self) -> &'a Connection {
        self.db
    }

    /// The conversation that came last; 0: there is none.
    pub fn last_conversation(&self) -> Result<ConversationId> {
        self.db.one("SELECT ifnull(max(id), 0) FROM conversation", [])
    }

    /// All conversations by all that they are called.
    pub fn candidates(&self) -> Result<Vec<Candidate>> {
        let mut urls: BTreeMap<ConversationId, Vec<String>> = BTreeMap::new();
        self.db.each("SELECT conversation, profile_url FROM address", [], |(conversation, url)| {
            urls.entry(conversation).or_default().push(url);
            Ok(())
        })?;
        self.db.all_by(
            "SELECT id, ifnull(urn, thread), profile_url, alias, name FROM conversation ORDER BY newest_ms DESC, id",
            [],
            |row| {
                let id = row.get(0)?;
                let (url, names): (Option<String>, [Option<String>; 2]) = (row.get(2)?, [row.get(3)?, row.get(4)?]);
                Ok(Candidate {
                    id,
                    conversation_id: row.get(1)?,
                    profile_urls: url.into_iter().chain(urls.remove(&id).unwrap_or_default()).collect(),
                    names: names.into_iter().flatten().collect(),
                })
            },
        )
    }

    /// All conversations, most recently active first.
    pub fn conversations(&self) -> Result<Vec<ConversationRow>> {
        // One look at all gaps: a look for each conversation takes ten times as long.
        let mut gaps = timelines::of_all_conversations(self.db)?;
        self.conversation_rows("", &[], |id| gaps.remove(&id).unwrap_or_default())
    }

    /// Those conversations that meet a condition, each with the gaps that `gaps` knows of it.
    pub(super) fn conversation_rows(
        &self,
        condition: &str,
        values: &[&dyn ToSql],
        mut gaps: impl FnMut(ConversationId) -> Vec<Gap>,
    ) -> Result<Vec<ConversationRow>> {
        let sql = format!(
            "SELECT c.id, a.name, ifnull(c.urn, c.thread), c.profile_url, coalesce(c.alias, c.name), c.unread, c.served_total, c.synced_ms, c.last_error, c.thread,
               EXISTS (SELECT 1 FROM export_cover e WHERE e.conversation = c.id), c.newest_ms, c.oldest_ms, c.messages,
               c.beginning_seen_ms IS NOT NULL, c.gone, c.count_extra, c.counts_gone, c.asked > 0, c.inbox_seen_ms IS NOT NULL
             FROM conversation c JOIN account a ON a.id = c.account {condition}ORDER BY c.newest_ms DESC, c.id"
        );
        self.db.all_by(&sql, values, |row| {
            Ok(ConversationRow {
                id: row.get(0)?,
                account: row.get(1)?,
                conversation_id: row.get(2)?,
                profile_url: row.get(3)?,
                name: row.get(4)?,
                unread: row.get(5)?,
                served_total: row.get(6)?,
                synced_ms: row.get(7)?,
                last_error: row.get(8)?,
                thread: row.get(9)?,
                of_export: row.get(10)?,
                asked: row.get(18)?,
                in_inbox: row.get(19)?,
                timeline: timelines::read(row, 11, gaps(row.get(0)?))?,
            })
        })
    }

    /// The inboxes that were read, with why the last request for each failed.
    pub fn inboxes(&self) -> Result<Vec<InboxStatus>> {
        let rows: Vec<(AccountId, String, Option<String>, Option<Ms>)> = self.db.all(
            "SELECT a.id, a.name, i.last_error, i.synced_ms FROM inbox i JOIN account a ON a.id = i.account ORDER BY a.id",
            [],
        )?;
        let status = |(id, account, last_error, synced_ms)| {
            Ok(InboxStatus { account, last_error, synced_ms, timeline: timelines::inbox(self.db, id)? })
        };
        rows.into_iter().map(status).collect()
    }

    /// Figures of the whole archive.
    pub fn summary(&self) -> Result<ArchiveSummary> {
        self.summary_of(&self.tallies()?.into_values().fold(Tally::default(), Tally::plus))
    }

    /// The same, where the conversations are added up already.
    pub fn summary_of(&self, all: &Tally) -> Result<ArchiveSummary> {
        let count = |sql: &str| self.db.one(sql, []);
        Ok(ArchiveSummary {
            messages: all.messages,
            conversations: all.conversations,
            gaps: count("SELECT count(*) FROM gap")?,
            unsettled: count(
                "SELECT count(*) FROM request WHERE credits_spent IS NULL AND run > (SELECT max(id) - 10 FROM run)",
            )?,
            quarantined: count("SELECT count(*) FROM quarantine")?,
        })
    }

    /// What the next run begins with.
    pub fn next_run(&self) -> Result<RunStart> {
        let number = self.db.one("SELECT ifnull(max(id), 0) + 1 FROM run", [])?;
        let accounts: Vec<(String, AccountId)> = self.db.all("SELECT name, id FROM account", [])?;
        let of = |(name, id)| Ok((name, ledger::head_came_last(self.db, Some(id))?));
        let head_came_last_of = accounts.into_iter().map(of).collect::<Result<_>>()?;
        Ok(RunStart { number, head_came_last: ledger::head_came_last(self.db, None)?, head_came_last_of })
    }

    /// Credits that count as spent on the day and in the month of `now`; none for a run.
    pub fn spent(&self, now: Ms) -> Result<Spent> {
        let all = ledger::spent_by_account(self.db, RunId::default(), now)?;
        Ok(all.into_values().fold(Spent::default(), Spent::plus))
    }

    /// The same by account, by its name.
    pub fn spent_by_account(&self, now: Ms) -> Result<BTreeMap<String, Spent>> {
        let named = |(id, spent)| Ok((self.db.one("SELECT name FROM account WHERE id = ?1", [id])?, spent));
        ledger::spent_by_account(self.db, RunId::default(), now)?.into_iter().map(named).collect()
    }

    /// The last synchronisation, finished or not.
    pub fn last_run(&self) -> Result<Option<RunRow>> {
        let newest = self.db.first("SELECT id FROM run WHERE kind = 'sync' ORDER BY id DESC LIMIT 1", [])?;
        newest.map_or(Ok(None), |id| self.run(id))
    }

    /// One run.
    pub fn run(&self, id: RunId) -> Result<Option<RunRow>> {
        self.db.first(
            "SELECT r.id, r.started_ms, r.finished_ms, r.outcome, count(q.id), ifnull(sum(q.new_messages), 0),
               ifnull(sum(q.changed_messages), 0), ifnull(sum(ifnull(q.credits_spent, q.credits_reserved)), 0)
             FROM run r LEFT JOIN request q ON q.run = r.id WHERE r.id = ?1 GROUP BY r.id",
            [id],
        )
    }

    /// The gaps that stalled, each with its reason.
    pub fn stalled(&self) -> Result<Vec<GapRow>> {
        let rows: Vec<Option<GapRow>> = self.db.all_by(
            "SELECT conversation, newer_ms, older_ms, stall_code, stall_detail
             FROM gap WHERE stall_code IS NOT NULL AND conversation IS NOT NULL ORDER BY newer_ms DESC",
            [],
            |row| {
                let (conversation, newer_ms, older_ms) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let stalled = timelines::stall_of(row, 3)?;
                Ok(stalled.map(|stalled| GapRow { conversation, newer_ms, older_ms, stalled }))
            },
        )?;
        Ok(rows.into_iter().flatten().collect())
    }
}
