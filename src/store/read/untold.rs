//! Conversations that no gap tells of although nothing of them was ever fetched.

use crate::core::Ms;
use crate::core::model::ids::ConversationId;
use crate::store::query::{Statements as _, struct_rows};
use crate::store::read::status::ConversationRow;
use crate::store::read::targets::{self, Configured, account_id};
use crate::store::{Queries, Result};

/// A conversation without gaps of which nothing was ever fetched: what is known of it comes from an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeverFetched {
    /// The archive's id.
    pub id: ConversationId,
    /// Its account's name.
    pub account: String,
    /// When its oldest message was sent (ms).
    pub oldest_ms: Option<Ms>,
    /// When its newest message was sent (ms).
    pub newest_ms: Option<Ms>,
}

struct_rows!(NeverFetched { id, account, oldest_ms, newest_ms });

impl NeverFetched {
    /// The conversation, if it is one.
    #[must_use]
    pub fn of(row: &ConversationRow) -> Option<Self> {
        let timeline = &row.timeline;
        let never = row.synced_ms.is_none() && !timeline.beginning_seen && timeline.gaps.is_empty();
        never.then(|| Self {
            id: row.id,
            account: row.account.clone(),
            oldest_ms: timeline.oldest_ms,
            newest_ms: timeline.newest_ms,
        })
    }
}

impl Queries<'_> {
    /// All conversations without gaps of which nothing was ever fetched.
    pub fn never_fetched(&self) -> Result<Vec<NeverFetched>> {
        self.db().all(
            "SELECT c.id, a.name, c.oldest_ms, c.newest_ms
             FROM conversation c INDEXED BY conversation_never_fetched CROSS JOIN account a ON a.id = c.account
             WHERE c.synced_ms IS NULL AND c.beginning_seen_ms IS NULL
               AND NOT EXISTS (SELECT 1 FROM gap g WHERE g.conversation = c.id)",
            [],
        )
    }

    /// How many conversations of a configured account the archive does not know.
    pub fn unknown_of(&self, configured: &Configured) -> Result<usize> {
        let all = configured.profiles.len().saturating_add(configured.conversations.len());
        let known = match account_id(self.db(), &configured.account)? {
            Some(id) => targets::configured(self.db(), id, configured)?.len(),
            None => 0,
        };
        Ok(all.saturating_sub(known))
    }
}
