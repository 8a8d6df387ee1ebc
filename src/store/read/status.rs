//! What can be read from an archive: the queries behind `status` and the run's report.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};

use crate::core::Ms;
use crate::core::budget::Spent;
use crate::core::planner::state::Inbox;
use crate::core::planner::target::Candidate;
use crate::core::timeline::gap::{Gap, Timeline};
use crate::core::timeline::stall::Stall;
use crate::store::read::targets::{self, Configured, Target};
use crate::store::read::{figures, timelines};
use crate::store::schema::open;
use crate::store::{Alert, Figures, StoreError, alerts, ledger};

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
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { db: open::open_read_only(path)? })
    }

    /// The configured conversations as far as the archive knows them; `None` stands for an archive that is not there
    /// yet. Nothing is written.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn targets(
        archive: Option<&Self>,
        accounts: &[Configured],
        now: Ms,
    ) -> Result<Vec<Target>, StoreError> {
        targets::look_up(archive.map(|r| &r.db), accounts, now)
    }

    /// The inboxes of these accounts as far as the archive knows them. Nothing is written.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn inboxes(
        archive: Option<&Self>,
        accounts: &[Configured],
        now: Ms,
    ) -> Result<Vec<Inbox>, StoreError> {
        targets::inboxes(archive.map(|r| &r.db), accounts, now)
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
    pub id: i64,
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
    pub conversation: i64,
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
    pub id: i64,
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

/// What a run that began now would begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStart {
    /// Its number.
    pub number: i64,
    /// Whether the last request of all was for the newest page of a conversation or an inbox.
    pub head_came_last: bool,
    /// The same of each account, by its name.
    pub head_came_last_of: BTreeMap<String, bool>,
}

impl RunStart {
    /// Of an archive that does not exist yet.
    pub const FIRST: Self = Self { number: 1, head_came_last: false, head_came_last_of: BTreeMap::new() };
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

    /// All conversations by all that they are called.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn candidates(&self) -> Result<Vec<Candidate>, StoreError> {
        let mut urls: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        let mut addresses = self.db.prepare("SELECT conversation, profile_url FROM address")?;
        let mut rows = addresses.query([])?;
        while let Some(row) = rows.next()? {
            urls.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        let mut statement = self.db.prepare(
            "SELECT id, ifnull(urn, thread), profile_url, alias, name FROM conversation ORDER BY newest_ms DESC, id",
        )?;
        let rows = statement.query_map([], |row| {
            let names: [Option<String>; 2] = [row.get(3)?, row.get(4)?];
            Ok((
                Candidate {
                    id: row.get(0)?,
                    conversation_id: row.get(1)?,
                    profile_urls: Vec::new(),
                    names: names.into_iter().flatten().collect(),
                },
                row.get::<_, Option<String>>(2)?,
            ))
        })?;
        rows.map(|row| {
            let (mut candidate, url) = row?;
            candidate.profile_urls =
                url.into_iter().chain(urls.remove(&candidate.id).unwrap_or_default()).collect();
            Ok(candidate)
        })
        .collect()
    }

    /// The conversations that runs ask for with this configuration, by the archive's ids.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn asked(&self, accounts: &[Configured], now: Ms) -> Result<BTreeSet<i64>, StoreError> {
        Ok(targets::look_up(Some(self.db), accounts, now)?.into_iter().map(|t| t.plan.id).collect())
    }

    /// The gaps of a conversation, newest first.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn gaps_of(&self, conversation: i64) -> Result<Vec<Gap>, StoreError> {
        timelines::of_conversation(self.db, conversation)
    }

    /// All conversations, most recently active first.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn conversations(&self) -> Result<Vec<ConversationRow>, StoreError> {
        // One look at all gaps: a look for each conversation takes ten times as long.
        let mut gaps = timelines::of_all_conversations(self.db)?;
        let mut statement = self.db.prepare(
            "SELECT c.id, a.name, c.urn, c.profile_url, coalesce(c.alias, c.name), c.unread, c.served_total, c.synced_ms, c.last_error, c.thread,
               EXISTS (SELECT 1 FROM export_cover e WHERE e.conversation = c.id), c.newest_ms, c.oldest_ms, c.messages,
               c.beginning_seen_ms IS NOT NULL, c.gone
             FROM conversation c JOIN account a ON a.id = c.account ORDER BY c.newest_ms IS NULL, c.newest_ms DESC, c.id",
        )?;
        let rows = statement.query_map([], |row| {
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
                timeline: Timeline {
                    gaps: gaps.remove(&row.get(0)?).unwrap_or_default(),
                    newest_ms: row.get(11)?,
                    oldest_ms: row.get(12)?,
                    messages: row.get(13)?,
                    beginning_seen: row.get(14)?,
                    gone: row.get(15)?,
                },
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The inboxes that were read, with why the last request for each failed.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn inboxes(&self) -> Result<Vec<InboxStatus>, StoreError> {
        let mut statement = self.db.prepare(
            "SELECT a.id, a.name, i.last_error, i.synced_ms FROM inbox i JOIN account a ON a.id = i.account ORDER BY a.id",
        )?;
        let rows = statement.query_map([], |r| {
            let row = InboxStatus {
                account: r.get(1)?,
                last_error: r.get(2)?,
                synced_ms: r.get(3)?,
                timeline: Timeline::default(),
            };
            Ok((r.get::<_, i64>(0)?, row))
        })?;
        let mut all = Vec::new();
        for row in rows {
            let (account, row) = row?;
            all.push(InboxStatus { timeline: timelines::inbox(self.db, account)?, ..row });
        }
        Ok(all)
    }

    /// Figures of the whole archive.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn summary(&self) -> Result<ArchiveSummary, StoreError> {
        let count = |sql: &str| self.db.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok(ArchiveSummary {
            messages: count("SELECT ifnull(sum(messages), 0) FROM conversation")?,
            conversations: count("SELECT count(*) FROM conversation")?,
            gaps: count("SELECT count(*) FROM gap")?,
            unsettled: count(
                "SELECT count(*) FROM request WHERE credits_spent IS NULL AND run > (SELECT max(id) - 10 FROM run)",
            )?,
            quarantined: count("SELECT count(*) FROM quarantine")?,
        })
    }

    /// What the next run begins with.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn next_run(&self) -> Result<RunStart, StoreError> {
        let number = self.db.query_row("SELECT ifnull(max(id), 0) + 1 FROM run", [], |row| row.get(0))?;
        let mut accounts = self.db.prepare("SELECT name, id FROM account")?;
        let accounts = accounts.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut head_came_last_of = BTreeMap::new();
        for account in accounts {
            let (name, id) = account?;
            head_came_last_of.insert(name, ledger::head_of_account_came_last(self.db, id)?);
        }
        Ok(RunStart { number, head_came_last: ledger::head_came_last(self.db)?, head_came_last_of })
    }

    /// Credits that count as spent on the day and in the month of `now`; none for a run.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn spent(&self, now: Ms) -> Result<Spent, StoreError> {
        let all = ledger::spent_by_account(self.db, 0, now)?;
        Ok(all.into_values().fold(Spent::default(), Spent::plus))
    }

    /// The same by account, by its name.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn spent_by_account(&self, now: Ms) -> Result<BTreeMap<String, Spent>, StoreError> {
        let mut named = BTreeMap::new();
        for (id, spent) in ledger::spent_by_account(self.db, 0, now)? {
            let name = self.db.query_row("SELECT name FROM account WHERE id = ?1", [id], |row| row.get(0))?;
            named.insert(name, spent);
        }
        Ok(named)
    }

    /// Figures for those who watch the archive.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn figures(&self) -> Result<Figures, StoreError> {
        figures::figures(self.db)
    }

    /// The alerts, oldest first.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn alerts(&self) -> Result<Vec<Alert>, StoreError> {
        alerts::all(self.db)
    }

    /// The last synchronisation, finished or not.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn last_run(&self) -> Result<Option<RunRow>, StoreError> {
        let newest = "SELECT id FROM run WHERE kind = 'sync' ORDER BY id DESC LIMIT 1";
        let id: Option<i64> = self.db.query_row(newest, [], |row| row.get(0)).optional()?;
        id.map_or(Ok(None), |id| self.run(id))
    }

    /// One run.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn run(&self, id: i64) -> Result<Option<RunRow>, StoreError> {
        let mut statement = self.db.prepare(
            "SELECT r.id, r.started_ms, r.finished_ms, r.outcome, count(q.id), ifnull(sum(q.new_messages), 0),
               ifnull(sum(q.changed_messages), 0), ifnull(sum(ifnull(q.credits_spent, q.credits_reserved)), 0)
             FROM run r LEFT JOIN request q ON q.run = r.id WHERE r.id = ?1 GROUP BY r.id",
        )?;
        let row = statement
            .query_row([id], |row| {
                Ok(RunRow {
                    id: row.get(0)?,
                    started_ms: row.get(1)?,
                    finished_ms: row.get(2)?,
                    outcome: row.get(3)?,
                    requests: row.get(4)?,
                    new_messages: row.get(5)?,
                    changed_messages: row.get(6)?,
                    credits_spent: row.get(7)?,
                })
            })
            .optional()?;
        Ok(row)
    }

    /// The gaps that stalled, each with its reason.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn stalled(&self) -> Result<Vec<GapRow>, StoreError> {
        let mut statement = self.db.prepare(
            "SELECT conversation, newer_ms, older_ms, stall_code, stall_detail FROM gap WHERE stall_code IS NOT NULL AND conversation IS NOT NULL ORDER BY newer_ms DESC",
        )?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            if let Some(stalled) = timelines::stall_of(row, 3)? {
                let (conversation, newer_ms, older_ms) = (row.get(0)?, row.get(1)?, row.get(2)?);
                all.push(GapRow { conversation, newer_ms, older_ms, stalled });
            }
        }
        Ok(all)
    }
}
