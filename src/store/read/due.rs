//! What something is due about, in the order of the plan and a few at a time, and what is missing of all that is asked
//! for: each by an index, so that it costs what is due and not what is stored.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use rusqlite::{ToSql, params};

use crate::core::Ms;
use crate::core::model::ids::{AccountId, ConversationId, RunId};
use crate::core::planner::plan::{Due, Loaded};
use crate::core::planner::queue::{Extent, GapClass, GapRank, HeadRank, RecheckRank};
use crate::core::planner::state::Limits;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::read::targets::{self, Configured, Target};
use crate::store::{Queries, Result, Store};

/// As many are loaded at once.
const BATCH: usize = 64;

/// What is missing of all that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outstanding {
    /// Gaps, those of inboxes included.
    pub gaps: usize,
    /// How many of them wait for what the inbox shows already:
    /// see [`Gap::waits`](crate::core::timeline::gap::Gap::waits).
    pub waiting: usize,
    /// Since when nothing is missing, as far as was asked (ms); `None`: something recent is.
    pub horizon: Option<Ms>,
    /// The conversations with gaps.
    pub conversations: Vec<ConversationGaps>,
}

/// A conversation with gaps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConversationGaps {
    /// Its id.
    pub id: ConversationId,
    /// The archive's id of its account.
    pub account: AccountId,
    /// What the API calls it, once that is known.
    pub conversation_id: Option<String>,
    /// Its display name.
    pub name: String,
    /// How many gaps it has.
    pub gaps: u32,
}

/// What of a queue of gaps follows a place: each part is read by its index alone.
#[derive(Debug, Clone, Copy)]
enum QueuePart {
    /// Of the same run and newer edge, by id.
    SameTime,
    /// Of the same run, by newer edge.
    SameRun,
    /// Of later runs.
    LaterRuns,
}

impl Queries<'_> {
    /// The next conversations of an account (its index in the configuration and its id) that something is due about, and
    /// how much of that queue is known with them.
    pub fn due(
        &self,
        account: (usize, AccountId),
        due: &Due,
        limits: &Limits,
    ) -> Result<(Vec<Target>, Loaded)> {
        let (ids, loaded): (Vec<ConversationId>, Loaded) = match due {
            Due::Gaps(after) => {
                let ranks = self.gaps_after(account.1, *after, limits.run)?;
                let known = known(ranks.last(), ranks.len());
                (ranks.into_iter().map(|rank| rank.conversation).collect(), Loaded::Gaps(known))
            }
            Due::Heads { inbox: true, .. } => {
                (self.looks(account.1, limits.run)?, Loaded::Heads(Extent::All))
            }
            Due::Heads { after, inbox: false } => {
                let ranks = self.heads_after(account.1, *after)?;
                let known = known(ranks.last(), ranks.len());
                (ranks.into_iter().map(|rank| rank.conversation).collect(), Loaded::Heads(known))
            }
            Due::Rechecks(after) => {
                let (ids, known) = self.rechecks_after(account.1, *after, limits.recheck_before_ms)?;
                (ids, Loaded::Rechecks(known))
            }
        };
        let ids: BTreeSet<ConversationId> = ids.into_iter().collect();
        let targets = ids.into_iter().map(|id| targets::target(self.db(), account.0, account.1, id));
        Ok((targets.collect::<Result<_>>()?, loaded))
    }

    /// The conversations with gaps that runs with this configuration ask for, in its order. It must have been applied.
    pub fn incomplete_targets(&self, accounts: &[Configured]) -> Result<Vec<Target>> {
        let mut all = Vec::new();
        for (index, account) in accounts.iter().enumerate() {
            let Some(id) = targets::account_id(self.db(), &account.account)? else { continue };
            let mut left: BTreeSet<ConversationId> = self.db().all(
                "SELECT conversation FROM gap WHERE account = ?1 AND conversation IS NOT NULL AND rank < 3",
                [id],
            )?;
            for configured in targets::configured(self.db(), id, account)? {
                if left.remove(&configured) {
                    all.push(targets::target(self.db(), index, id, configured)?);
                }
            }
            for discovered in left {
                all.push(targets::target(self.db(), index, id, discovered)?);
            }
        }
        Ok(all)
    }

    fn gaps_after(&self, account: AccountId, after: Option<GapRank>, run: RunId) -> Result<Vec<GapRank>> {
        let mut found = Vec::new();
        for class in [GapClass::Open, GapClass::Troubled, GapClass::Stalled] {
            if after.is_some_and(|after| after.class > class) {
                continue;
            }
            let from = after.filter(|after| after.class == class);
            for part in [QueuePart::SameTime, QueuePart::SameRun, QueuePart::LaterRuns] {
                if found.len() < BATCH {
                    found.extend(self.gaps_of_part(account, class, part, from, run, BATCH - found.len())?);
                }
            }
        }
        Ok(found)
    }

    /// The gaps of a class that come in this part of what follows a place: of the whole class, where there is none.
    fn gaps_of_part(
        &self,
        account: AccountId,
        class: GapClass,
        part: QueuePart,
        from: Option<GapRank>,
        run: RunId,
        most: usize,
    ) -> Result<Vec<GapRank>> {
        let from = from.unwrap_or(GapRank {
            class,
            due_run: RunId::default(),
            newer: Reverse(Ms::MAX),
            gap: i64::MIN,
            conversation: ConversationId(i64::MIN),
        });
        let (condition, values): (_, &[&dyn ToSql]) = match part {
            QueuePart::SameTime => (
                "due_run = ?4 AND ifnull(newer_ms, 9223372036854775807) = ?5 AND id > ?6",
                &[&from.due_run, &from.newer.0, &from.gap],
            ),
            QueuePart::SameRun => (
                "due_run = ?4 AND ifnull(newer_ms, 9223372036854775807) < ?5",
                &[&from.due_run, &from.newer.0],
            ),
            // Only a stalled one waits for a run.
            QueuePart::LaterRuns if class != GapClass::Stalled => return Ok(Vec::new()),
            QueuePart::LaterRuns => ("due_run > ?4 AND due_run <= ?5", &[&from.due_run, &run]),
        };
        let (rank, most) = (class as i64, i64::try_from(most).unwrap_or(i64::MAX));
        let mut all: Vec<&dyn ToSql> = vec![&account, &rank, &most];
        all.extend(values);
        let sql = format!(
            "SELECT due_run, ifnull(newer_ms, 9223372036854775807), id, conversation FROM gap
             WHERE account = ?1 AND conversation IS NOT NULL AND rank = ?2 AND {condition}
             ORDER BY due_run, ifnull(newer_ms, 9223372036854775807) DESC, id LIMIT ?3"
        );
        self.db().all_by(&sql, all.as_slice(), |row| {
            Ok(GapRank {
                class,
                due_run: row.get(0)?,
                newer: Reverse(row.get(1)?),
                gap: row.get(2)?,
                conversation: row.get(3)?,
            })
        })
    }

    /// Those outside the inbox that are to be looked at by themselves in this run.
    fn looks(&self, account: AccountId, run: RunId) -> Result<Vec<ConversationId>> {
        self.db().all(
            "SELECT id FROM conversation
             WHERE account = ?1 AND asked > 0 AND inbox_seen_ms IS NULL AND look_run <= ?2",
            params![account, run],
        )
    }

    fn heads_after(&self, account: AccountId, after: Option<HeadRank>) -> Result<Vec<HeadRank>> {
        let tried = after.and_then(|after| after.tried_ms).unwrap_or(-1);
        let id = after.map_or(ConversationId(i64::MIN), |after| after.conversation);
        let batch = i64::try_from(BATCH).unwrap_or(i64::MAX);
        self.db().all_by(
            "SELECT head_tried_ms, id FROM conversation
             WHERE account = ?1 AND asked > 0 AND ifnull(head_tried_ms, -1) >= ?2
               AND (ifnull(head_tried_ms, -1), id) > (?2, ?3)
             ORDER BY ifnull(head_tried_ms, -1), id LIMIT ?4",
            params![account, tried, id, batch],
            |row| Ok(HeadRank { tried_ms: row.get(0)?, conversation: row.get(1)? }),
        )
    }

    fn rechecks_after(
        &self,
        account: AccountId,
        after: Option<RecheckRank>,
        before: Option<Ms>,
    ) -> Result<(Vec<ConversationId>, Extent<RecheckRank>)> {
        // Few are under way at any time, and they come first.
        let begun =
            "SELECT id FROM conversation WHERE account = ?1 AND recheck_at_ms IS NOT NULL AND +asked > 0";
        let mut ids: Vec<ConversationId> =
            if after.is_none() { self.db().all(begun, [account])? } else { Vec::new() };
        let done = after.and_then(|after| after.done_ms).unwrap_or(Ms::MIN);
        let id = after.map_or(ConversationId(i64::MIN), |after| after.conversation);
        let batch = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let fresh: Vec<RecheckRank> = self.db().all_by(
            "SELECT ifnull(rechecked_ms, beginning_seen_ms), id FROM conversation
             WHERE account = ?1 AND asked > 0 AND beginning_seen_ms IS NOT NULL
               AND ifnull(rechecked_ms, beginning_seen_ms) >= ?2
               AND (ifnull(rechecked_ms, beginning_seen_ms), id) > (?2, ?3)
               AND ifnull(rechecked_ms, beginning_seen_ms) <= ?4
             ORDER BY ifnull(rechecked_ms, beginning_seen_ms), id LIMIT ?5",
            params![account, done, id, before, batch],
            |row| Ok(RecheckRank { fresh: true, done_ms: row.get(0)?, conversation: row.get(1)? }),
        )?;
        let known = known(fresh.last(), fresh.len());
        ids.extend(fresh.into_iter().map(|rank| rank.conversation));
        Ok((ids, known))
    }
}

impl Store {
    /// See [`Queries::due`].
    pub fn due(
        &self,
        account: (usize, AccountId),
        due: &Due,
        limits: &Limits,
    ) -> Result<(Vec<Target>, Loaded)> {
        self.queries().due(account, due, limits)
    }

    /// Whether the last request for any other conversation succeeded.
    pub fn others_are_fine(&self, than: Option<ConversationId>) -> Result<bool> {
        self.db.one(
            "SELECT EXISTS (SELECT 1 FROM conversation
               WHERE asked > 0 AND last_error IS NULL AND head_tried_ms IS NOT NULL AND id IS NOT ?1)",
            [than],
        )
    }

    /// What is missing of these accounts' conversations, and of their inboxes where these are read.
    pub fn missing(&self, accounts: &[AccountId], inboxes: bool) -> Result<Outstanding> {
        let mut missing = Outstanding::default();
        let (mut reach, mut open, mut oldest): (Option<Ms>, i64, Option<Ms>) = (None, 0, None);
        for account in accounts {
            let of_conversations = "SELECT count(*), max(newer_ms), sum(newer_ms IS NULL) FROM gap
                 WHERE account = ?1 AND conversation IS NOT NULL AND rank < 3";
            let of_inbox = "SELECT count(*), max(newer_ms), sum(newer_ms IS NULL) FROM gap
                 WHERE account = ?1 AND conversation IS NULL";
            for sql in std::iter::once(of_conversations).chain(inboxes.then_some(of_inbox)) {
                let (gaps, newest, to_now): (i64, Option<Ms>, Option<i64>) = self.db.one(sql, [account])?;
                missing.gaps += usize::try_from(gaps).unwrap_or_default();
                reach = reach.max(newest);
                open += to_now.unwrap_or_default();
            }
            let waiting: i64 = self.db.one(
                "SELECT count(*) FROM gap WHERE account = ?1 AND conversation IS NOT NULL AND rank = 2 AND stall_code IS NULL",
                [account],
            )?;
            missing.waiting += usize::try_from(waiting).unwrap_or_default();
            let of_messages: Option<Ms> = self
                .db
                .one("SELECT min(oldest_ms) FROM conversation WHERE account = ?1 AND asked > 0", [account])?;
            let of_inbox: Option<Ms> = self.db.one(
                "SELECT max(oldest_ms) FROM inbox WHERE account = ?1 AND ?2",
                params![account, inboxes],
            )?;
            oldest = [oldest, of_messages, of_inbox].into_iter().flatten().min();
            let incomplete: Vec<ConversationGaps> = self.db.all(
                "SELECT c.id, c.account, coalesce(c.urn, c.thread) AS conversation_id,
                   coalesce(c.alias, c.name, c.profile_url, c.thread, '') AS name, count(*) AS gaps
                 FROM gap g JOIN conversation c ON c.id = g.conversation
                 WHERE g.account = ?1 AND g.conversation IS NOT NULL AND g.rank < 3 GROUP BY c.id",
                [account],
            )?;
            missing.conversations.extend(incomplete);
        }
        missing.horizon = reach.or(oldest).filter(|_| open == 0);
        Ok(missing)
    }
}

struct_rows!(ConversationGaps { id, account, conversation_id, name, gaps });

/// How much of a queue is known once a batch has come.
fn known<R: Copy>(last: Option<&R>, count: usize) -> Extent<R> {
    last.filter(|_| count >= BATCH).map_or(Extent::All, |last| Extent::UpTo(*last))
}
