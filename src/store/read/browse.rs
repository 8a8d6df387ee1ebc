//! What is browsed: conversations with their last message, who takes part in which, and the ledger from its newest rows.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use crate::core::Ms;
use crate::core::model::ids::{AccountId, ConversationId, PersonId, RequestId, RunId};
use crate::core::planner::state::Hints;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::read::status::ConversationRow;
use crate::store::read::timelines;
use crate::store::{Queries, Result, RunRow};

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationHead {
    /// The archive's id.
    pub id: ConversationId,
    /// The account's id.
    pub account_id: AccountId,
    /// The account's name.
    pub account: String,
    /// Its URN or thread id, once known.
    pub conversation_id: Option<String>,
    /// The thread's own id, once known.
    pub thread: Option<String>,
    /// The other side's profile.
    pub profile_url: Option<String>,
    /// The other side's name.
    pub name: Option<String>,
    /// When its last message was sent.
    pub newest_ms: Option<Ms>,
    /// Messages stored.
    pub messages: i64,
    /// Unread messages as last served.
    pub unread: Option<i64>,
    /// Its gaps.
    pub gaps: i64,
}

/// A request of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Its number.
    pub id: RequestId,
    /// The run that made it.
    pub run: RunId,
    /// When (ms).
    pub at_ms: Ms,
    /// Through which account.
    pub account: String,
    /// To where.
    pub endpoint: String,
    /// What for.
    pub purpose: String,
    /// About which conversation.
    pub conversation: Option<ConversationId>,
    /// What that is called.
    pub name: Option<String>,
    /// Results requested.
    pub asked: i64,
    /// Results received.
    pub returned: Option<i64>,
    /// New messages among them.
    pub new_messages: i64,
    /// What was reserved for it.
    pub credits_reserved: i64,
    /// What it cost; `None`: not settled.
    pub credits_spent: Option<i64>,
    /// What went wrong.
    pub error: Option<String>,
}

/// When the conversations of an account were fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSpan {
    /// Its name.
    pub account: String,
    /// Of those that runs ask for and the inbox shows: when a page last came of the one that has waited longest (ms).
    pub in_inbox_ms: Option<Ms>,
    /// The same of those that the inbox does not show.
    pub outside_ms: Option<Ms>,
    /// When a page last came of one that no run asks for (ms).
    pub not_asked_ms: Option<Ms>,
}

/// A run as the ledger lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRun {
    /// Its kind.
    pub kind: String,
    /// What began it.
    pub trigger: String,
    /// What it did.
    pub run: RunRow,
}

struct_rows! {
    ConversationHead { id, account_id, account, conversation_id, thread, profile_url, name, newest_ms, messages, unread, gaps }
    RequestRow {
        id, run, at_ms, account, endpoint, purpose, conversation, name, asked, returned, new_messages,
        credits_reserved, credits_spent, error
    }
}

impl Queries<'_> {
    /// All conversations, most recently active first.
    pub fn conversation_heads(&self) -> Result<Vec<ConversationHead>> {
        self.db().all(
            "SELECT c.id, c.account, a.name, ifnull(c.urn, c.thread), c.thread, c.profile_url, coalesce(c.alias, c.name),
               c.newest_ms, c.messages, c.unread, (SELECT count(*) FROM gap g WHERE g.conversation = c.id)
             FROM conversation c JOIN account a ON a.id = c.account ORDER BY c.newest_ms IS NULL, c.newest_ms DESC, c.id",
            [],
        )
    }

    /// Those that were active last.
    pub fn newest_conversation_heads(&self, limit: usize) -> Result<Vec<ConversationHead>> {
        self.db().all(
            "SELECT c.id, c.account, a.name, ifnull(c.urn, c.thread), c.thread, c.profile_url, coalesce(c.alias, c.name),
               c.newest_ms, c.messages, c.unread, (SELECT count(*) FROM gap g WHERE g.conversation = c.id)
             FROM conversation c CROSS JOIN account a ON a.id = c.account ORDER BY c.newest_ms DESC, c.id LIMIT ?1",
            [i64::try_from(limit).unwrap_or(i64::MAX)],
        )
    }

    /// One conversation, and what is known of how many messages it should have.
    pub fn conversation(&self, id: ConversationId) -> Result<Option<(ConversationRow, Hints)>> {
        let Some(row) = self.conversation_row(id)? else { return Ok(None) };
        let (served_total, news_at_least) =
            self.db().one("SELECT served_total, news_at_least FROM conversation WHERE id = ?1", [id])?;
        Ok(Some((row, Hints { served_total, news_at_least })))
    }

    /// The conversations that have gaps, most recently active first, with what tells how much is missing.
    pub fn incomplete(&self) -> Result<Vec<(ConversationRow, Hints)>> {
        let of = "IN (SELECT conversation FROM gap WHERE conversation IS NOT NULL)";
        let hints: Vec<(ConversationId, Option<i64>, i64)> = self
            .db()
            .all(&format!("SELECT id, served_total, news_at_least FROM conversation WHERE id {of}"), [])?;
        let mut hints: BTreeMap<ConversationId, Hints> = hints
            .into_iter()
            .map(|(id, served_total, news_at_least)| (id, Hints { served_total, news_at_least }))
            .collect();
        let mut gaps = timelines::of_all_conversations(self.db())?;
        let rows = self.conversation_rows(&format!("WHERE c.id {of} "), &[], |id| {
            gaps.remove(&id).unwrap_or_default()
        })?;
        let with_hints = |row: ConversationRow| {
            let hints = hints.remove(&row.id).unwrap_or_default();
            (row, hints)
        };
        Ok(rows.into_iter().map(with_hints).collect())
    }

    /// When the conversations of each account were fetched.
    pub fn accounts_asked(&self) -> Result<Vec<AccountSpan>> {
        let at = |which: &str, id: AccountId, asked: bool, outside: bool| -> Result<Option<Ms>> {
            let sql = format!(
                "SELECT {which}(synced_ms) FROM conversation
                 WHERE account = ?1 AND (asked > 0) = ?2 AND (inbox_seen_ms IS NULL) = ?3"
            );
            self.db().one(&sql, params![id, asked, outside])
        };
        let of = |(id, account): (AccountId, String)| {
            Ok(AccountSpan {
                account,
                in_inbox_ms: at("min", id, true, false)?,
                outside_ms: at("min", id, true, true)?,
                not_asked_ms: at("max", id, false, false)?.max(at("max", id, false, true)?),
            })
        };
        self.account_ids()?.into_iter().map(of).collect()
    }

    /// The conversations that one of these people wrote in.
    pub fn conversations_with(&self, people: &BTreeSet<PersonId>) -> Result<BTreeSet<ConversationId>> {
        // All of them at once: there is no index by person, and they are few.
        let all: Vec<(ConversationId, PersonId)> =
            self.db().all("SELECT conversation, person FROM participant", [])?;
        Ok(all.into_iter().filter(|(_, person)| people.contains(person)).map(|(id, _)| id).collect())
    }

    /// Runs older than this one, or the newest, newest first.
    pub fn ledger_runs(&self, before: Option<RunId>, limit: u32) -> Result<Vec<LedgerRun>> {
        let runs: Vec<(RunId, String, String)> = self.db().all(
            "SELECT id, kind, trigger FROM run WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
            params![before.map_or(i64::MAX, |run| run.0), limit],
        )?;
        let mut all = Vec::with_capacity(runs.len());
        for (id, kind, trigger) in runs {
            all.extend(self.run(id)?.map(|run| LedgerRun { kind, trigger, run }));
        }
        Ok(all)
    }

    /// Requests older than this one, or the newest, newest first; of one run or of all.
    pub fn ledger_requests(
        &self,
        run: Option<RunId>,
        before: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<RequestRow>> {
        let of_run = if run.is_some() { "q.run = ?1" } else { "?1 IS NULL" };
        self.db().all(
            &format!(
                "SELECT q.id, q.run, q.at_ms, a.name, q.endpoint, q.purpose, q.conversation,
                   coalesce(c.alias, c.name, c.profile_url, c.thread), q.asked, q.returned, q.new_messages,
                   q.credits_reserved, q.credits_spent, q.error
                 FROM request q CROSS JOIN account a ON a.id = q.account LEFT JOIN conversation c ON c.id = q.conversation
                 WHERE {of_run} AND q.id < ?2 ORDER BY q.id DESC LIMIT ?3"
            ),
            params![run, before.map_or(i64::MAX, |request| request.0), limit],
        )
    }
}
