//! What is asked of all conversations together, by indexes that hold no more than that, so that no row of them is read
//! except those that are shown.
//!
//! These believe what the archive says about which conversations runs ask for: see [`Queries::is_applied`].

use std::collections::BTreeMap;

use rusqlite::params;

use crate::core::Ms;
use crate::core::budget::price;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::timeline::gap::{Gap, Timeline};
use crate::store::query::{Statements as _, struct_rows};
use crate::store::read::status::ConversationRow;
use crate::store::read::targets::{self, Configured};
use crate::store::read::timelines;
use crate::store::{Queries, Result};

/// Conversations of one account, added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many there are.
    pub conversations: i64,
    /// Messages stored.
    pub messages: i64,
    /// Conversations in which nothing is missing.
    pub complete: i64,
    /// Messages of those.
    pub messages_of_complete: i64,
    /// Credits for reading all of them once more.
    pub credits: i64,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            conversations: self.conversations + other.conversations,
            messages: self.messages + other.messages,
            complete: self.complete + other.complete,
            messages_of_complete: self.messages_of_complete + other.messages_of_complete,
            credits: self.credits + other.credits,
        }
    }

    /// Adds a conversation.
    pub(crate) fn add(&mut self, messages: i64, gone: i64, complete: bool) {
        let standing = u32::try_from(messages.saturating_sub(gone)).unwrap_or(u32::MAX);
        *self = self.plus(Self {
            conversations: 1,
            messages,
            complete: i64::from(complete),
            messages_of_complete: if complete { messages } else { 0 },
            credits: price(standing).into(),
        });
    }
}

/// A conversation that no run asks for and of which nothing is stored: as if it had never been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// Its account's name.
    pub account: String,
    /// Its gaps.
    pub gaps: i64,
    /// Whether nothing is missing in it.
    pub complete: bool,
    /// Whether the last request for it failed.
    pub failing: bool,
}

struct_rows!(Forgotten { account, gaps, complete, failing });

/// A conversation that no run asks for although something of it is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAlone {
    /// What it is called.
    pub name: Option<String>,
    /// The thread's own id.
    pub thread: Option<String>,
}

struct_rows!(LeftAlone { name, thread });

/// What stays of the rows, as a condition.
const NOT_FORGOTTEN: &str = "NOT (c.asked = 0 AND c.messages = 0)";
/// What only an export has shown waits until the inbox shows it or somebody configures it.
const COUNTS: &str = "NOT (c.asked = 0 AND c.messages = 0)
   AND (c.synced_ms IS NOT NULL OR NOT EXISTS (SELECT 1 FROM export_cover e WHERE e.conversation = c.id))";

impl Queries<'_> {
    /// Whether a run with this configuration has written down which conversations it asks for.
    pub fn is_applied(&self, accounts: &[Configured]) -> Result<bool> {
        let applied: Option<i64> = self.db().first("SELECT digest FROM configuration", [])?;
        Ok(applied == Some(targets::digest(accounts)))
    }

    /// The archive's accounts, in the order in which they came.
    pub fn account_ids(&self) -> Result<Vec<(AccountId, String)>> {
        self.db().all("SELECT id, name FROM account ORDER BY id", [])
    }

    /// The archive's accounts by name, and whether it has messages of each.
    pub fn accounts_in_use(&self) -> Result<Vec<(String, bool)>> {
        self.db().all(
            "SELECT name, EXISTS (SELECT 1 FROM conversation INDEXED BY conversation_figures
               WHERE account = a.id AND messages > 0) FROM account a ORDER BY id",
            [],
        )
    }

    /// All conversations added up, by account and by whether runs ask for them.
    pub fn tallies(&self) -> Result<BTreeMap<(AccountId, bool), Tally>> {
        let mut tallies: BTreeMap<(AccountId, bool), Tally> = BTreeMap::new();
        self.db().each(
            "SELECT account, asked > 0, messages, gone, beginning_seen_ms IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM gap g WHERE g.conversation = c.id)
             FROM conversation c INDEXED BY conversation_figures",
            [],
            |(account, asked, messages, gone, complete)| {
                tallies.entry((account, asked)).or_default().add(messages, gone, complete);
                Ok(())
            },
        )?;
        Ok(tallies)
    }

    /// The conversations that were active last, those that are forgotten left out.
    pub fn newest_conversations(&self, limit: usize) -> Result<Vec<ConversationRow>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let db = self.db();
        let ids: Vec<ConversationId> = db.all(
            &format!(
                "SELECT id FROM conversation c WHERE {NOT_FORGOTTEN} ORDER BY newest_ms DESC, id LIMIT ?1"
            ),
            [limit],
        )?;
        self.conversations_of(&ids)
    }

    /// These conversations.
    pub fn conversations_of(&self, ids: &[ConversationId]) -> Result<Vec<ConversationRow>> {
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            rows.extend(self.conversation_row(*id)?);
        }
        Ok(rows)
    }

    /// The conversations that need attention: the last request failed, a gap is stalled, or the API counts more messages
    /// than are stored.
    pub fn conversations_in_trouble(&self) -> Result<Vec<ConversationId>> {
        self.db().all(
            "SELECT c.id FROM conversation c INDEXED BY conversation_failing WHERE c.last_error IS NOT NULL AND NOT (c.asked = 0 AND c.messages = 0)
             UNION SELECT c.id FROM conversation c INDEXED BY conversation_short
               WHERE c.beginning_seen_ms IS NOT NULL AND c.served_total > c.messages + c.erased + (c.counts_gone - 1) * (c.gone + c.erased_gone)
                 AND NOT (c.asked = 0 AND c.messages = 0)
             UNION SELECT c.id FROM gap g INDEXED BY gap_stalled JOIN conversation c ON c.id = g.conversation
               WHERE g.stall_code IS NOT NULL AND g.conversation IS NOT NULL AND NOT (c.asked = 0 AND c.messages = 0)",
            [],
        )
    }

    /// What no run asks for and nothing is stored of.
    pub fn forgotten(&self) -> Result<Vec<Forgotten>> {
        let mut all = Vec::new();
        for (account, _) in self.account_ids()? {
            let of_account: Vec<Forgotten> = self.db().all(
                "SELECT a.name, (SELECT count(*) FROM gap g WHERE g.conversation = c.id),
                   c.beginning_seen_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM gap g WHERE g.conversation = c.id),
                   c.last_error IS NOT NULL
                 FROM conversation c JOIN account a ON a.id = c.account
                 WHERE c.account = ?1 AND c.messages = 0 AND c.asked = 0",
                [account],
            )?;
            all.extend(of_account);
        }
        Ok(all)
    }

    /// Gaps of conversations that no run asks for.
    pub fn gaps_left_alone(&self) -> Result<i64> {
        let mut gaps = 0;
        for (account, _) in self.account_ids()? {
            gaps += self.db().one::<i64>(
                "SELECT count(*) FROM gap WHERE account = ?1 AND conversation IS NOT NULL AND rank = 3",
                [account],
            )?;
        }
        Ok(gaps)
    }

    /// Gaps of inboxes, by account.
    pub fn gaps_of_inboxes(&self) -> Result<Vec<(String, i64)>> {
        self.db().all(
            "SELECT a.name, count(*) FROM gap g JOIN account a ON a.id = g.account WHERE g.conversation IS NULL GROUP BY a.id",
            [],
        )
    }

    /// The conversations with gaps that no run asks for: how many, and the first few that have a thread.
    pub fn left_alone(&self, named: usize) -> Result<(usize, Vec<LeftAlone>)> {
        let mut count = 0;
        for (account, _) in self.account_ids()? {
            count += self.db().one::<i64>(
                "SELECT count(DISTINCT g.conversation) FROM gap g JOIN conversation c ON c.id = g.conversation
                 WHERE g.account = ?1 AND g.conversation IS NOT NULL AND g.rank = 3 AND c.messages > 0",
                [account],
            )?;
        }
        if count == 0 {
            return Ok((0, Vec::new()));
        }
        let first = self.db().all(
            "SELECT coalesce(c.alias, c.name), c.thread FROM conversation c
             WHERE c.asked = 0 AND c.messages > 0 AND c.thread IS NOT NULL
               AND EXISTS (SELECT 1 FROM gap g WHERE g.conversation = c.id)
             ORDER BY c.newest_ms DESC, c.id LIMIT ?1",
            [i64::try_from(named).unwrap_or(i64::MAX)],
        )?;
        Ok((usize::try_from(count).unwrap_or_default(), first))
    }

    /// When the oldest message of all was sent (ms).
    pub fn oldest_message(&self) -> Result<Option<Ms>> {
        let mut oldest: Option<Ms> =
            self.db().one("SELECT min(oldest_ms) FROM conversation WHERE asked = 0", [])?;
        for (account, _) in self.account_ids()? {
            let sql = "SELECT min(oldest_ms) FROM conversation WHERE account = ?1 AND asked > 0";
            let own: Option<Ms> = self.db().one(sql, [account])?;
            oldest = [oldest, own].into_iter().flatten().min();
        }
        Ok(oldest)
    }

    /// All conversations as if they were one, as far as [`horizon`](crate::core::planner::next::horizon) asks: with the
    /// newest gap of all, and the oldest message.
    pub fn as_one_conversation(&self) -> Result<Timeline> {
        const NOW: Ms = Ms::MAX;
        let (mut newest_gap, mut oldest_ms): (Option<Ms>, Option<Ms>) = (None, None);
        for (account, _) in self.account_ids()? {
            // Of these two ranks the newest comes first. Those of the others are few, or nobody asks for them.
            for rank in [0, 1] {
                let newest: Option<Ms> = self.db().first(
                    &format!(
                        "SELECT ifnull(g.newer_ms, 9223372036854775807) FROM gap g CROSS JOIN conversation c ON c.id = g.conversation
                         WHERE g.account = ?1 AND g.conversation IS NOT NULL AND g.rank = ?2 AND g.due_run = 0 AND {COUNTS}
                         ORDER BY ifnull(g.newer_ms, 9223372036854775807) DESC LIMIT 1"
                    ),
                    params![account, rank],
                )?;
                newest_gap = newest_gap.max(newest);
            }
            let newest: Option<Ms> = self.db().one(
                &format!(
                    "SELECT max(ifnull(g.newer_ms, 9223372036854775807)) FROM gap g CROSS JOIN conversation c ON c.id = g.conversation
                     WHERE g.account = ?1 AND g.conversation IS NOT NULL AND g.rank IN (2, 3) AND {COUNTS}"
                ),
                [account],
            )?;
            newest_gap = newest_gap.max(newest);
            let own: Option<Ms> = self.db().first(
                &format!(
                    "SELECT c.oldest_ms FROM conversation c
                     WHERE c.account = ?1 AND c.asked > 0 AND c.oldest_ms IS NOT NULL AND {COUNTS}
                     ORDER BY c.oldest_ms LIMIT 1"
                ),
                [account],
            )?;
            oldest_ms = [oldest_ms, own].into_iter().flatten().min();
        }
        let others: Option<Ms> = self.db().one(
            &format!("SELECT min(c.oldest_ms) FROM conversation c WHERE c.asked = 0 AND {COUNTS}"),
            [],
        )?;
        let gap = |newer: Ms| Gap { newer_ms: Some(newer).filter(|at| *at != NOW), ..Gap::default() };
        Ok(Timeline {
            gaps: newest_gap.map(gap).into_iter().collect(),
            oldest_ms: [oldest_ms, others].into_iter().flatten().min(),
            ..Timeline::default()
        })
    }

    /// One conversation with its gaps.
    pub(super) fn conversation_row(&self, id: ConversationId) -> Result<Option<ConversationRow>> {
        let gaps = timelines::of_conversation(self.db(), id)?;
        let rows: Vec<ConversationRow> =
            self.conversation_rows("WHERE c.id = ?1 ", &[&id], |_| gaps.clone())?;
        Ok(rows.into_iter().next())
    }
}
