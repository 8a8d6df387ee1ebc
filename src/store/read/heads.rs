//! Conversations in the order in which they were active, from any place on, found by index.

use std::ops::ControlFlow;

use rusqlite::params;

use crate::core::Ms;
use crate::core::model::ids::{AccountId, ConversationId};
use crate::core::model::urn;
use crate::store::query::{FromRow as _, Statements as _};
use crate::store::read::browse::ConversationHead;
use crate::store::{Queries, Result};

/// Where a conversation is among all, most recently active first. Those without messages come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadPlace {
    /// When its last message was sent.
    pub newest_ms: Option<Ms>,
    /// The archive's id.
    pub id: ConversationId,
}

impl HeadPlace {
    /// Whether the conversation comes after this place.
    #[must_use]
    pub fn is_before(self, head: &ConversationHead) -> bool {
        (head.newest_ms, std::cmp::Reverse(head.id)) < (self.newest_ms, std::cmp::Reverse(self.id))
    }
}

const HEADS: &str = "SELECT c.id, c.account, a.name, ifnull(c.urn, c.thread), c.thread, c.profile_url,
   coalesce(c.alias, c.name), c.newest_ms, c.messages, c.unread, (SELECT count(*) FROM gap g WHERE g.conversation = c.id)
 FROM conversation c CROSS JOIN account a ON a.id = c.account";

impl Queries<'_> {
    /// Shows conversations from after a place on, most recently active first, until `visit` breaks off: what it breaks off
    /// with is returned.
    pub fn conversations_after<B>(
        &self,
        after: Option<HeadPlace>,
        mut visit: impl FnMut(ConversationHead) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        let begin = HeadPlace { newest_ms: Some(Ms::MAX), id: ConversationId(i64::MIN) };
        let HeadPlace { newest_ms, id } = after.unwrap_or(begin);
        // Those of the same time, the older ones, and those without messages.
        let parts = [
            ("c.newest_ms = ?1 AND c.id > ?2 ORDER BY c.id", newest_ms, id),
            ("c.newest_ms < ?1 AND ?2 IS NOT NULL ORDER BY c.newest_ms DESC, c.id", newest_ms, id),
            (
                "c.newest_ms IS ?1 AND c.id > ?2 ORDER BY c.id",
                None,
                if newest_ms.is_none() { id } else { begin.id },
            ),
        ];
        for (which, newest_ms, id) in parts {
            let mut statement = self.db().prepare_cached(&format!("{HEADS} WHERE {which}"))?;
            let mut rows = statement.query(params![newest_ms, id])?;
            while let Some(row) = rows.next()? {
                if let ControlFlow::Break(value) = visit(ConversationHead::from_row(row)?) {
                    return Ok(Some(value));
                }
            }
        }
        Ok(None)
    }

    /// The conversations with gaps, most recently active first.
    pub fn conversations_with_gaps(&self) -> Result<Vec<ConversationHead>> {
        let with_gaps = "c.id IN (SELECT conversation FROM gap WHERE conversation IS NOT NULL)";
        self.db().all(&format!("{HEADS} WHERE {with_gaps} ORDER BY c.newest_ms DESC, c.id"), [])
    }

    /// How many conversations there are, of one account or of all.
    pub fn conversation_count(&self, account: Option<AccountId>) -> Result<usize> {
        let count: i64 = match account {
            Some(id) => self.db().one("SELECT count(*) FROM conversation WHERE account = ?1", [id])?,
            None => self.db().one("SELECT count(*) FROM conversation INDEXED BY conversation_figures", [])?,
        };
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// How many conversations have a message that was sent later, of one account or of all.
    pub fn active_after(&self, at_ms: Ms, account: Option<AccountId>) -> Result<usize> {
        let sql = "SELECT count(*) FROM conversation WHERE newest_ms > ?1 AND (?2 IS NULL OR account = ?2)";
        let count: i64 = self.db().one(sql, params![at_ms, account])?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// Whether there is such a conversation.
    pub fn has_conversation(&self, id: ConversationId) -> Result<bool> {
        self.db().one("SELECT EXISTS (SELECT 1 FROM conversation WHERE id = ?1)", [id])
    }

    /// The only conversation that LinkedIn gives this id, or that was requested by this profile.
    pub fn conversation_by_key(&self, word: &str) -> Result<Option<ConversationId>> {
        let (word, thread) = (word.trim(), urn::thread_key(word.trim()));
        let mut found: Vec<ConversationId> = Vec::new();
        for (account, _) in self.account_ids()? {
            let by_thread = "SELECT id FROM conversation WHERE account = ?1 AND thread = ?2";
            found.extend(self.db().first::<ConversationId>(by_thread, params![account, thread])?);
            let by_profile = "SELECT conversation FROM address WHERE account = ?1 AND profile_url = ?2";
            found.extend(self.db().first::<ConversationId>(by_profile, params![account, word])?);
        }
        found.dedup();
        Ok(if let [only] = found.as_slice() { Some(*only) } else { None })
    }
}
