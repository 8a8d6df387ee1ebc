//! Conversations as they are listed, the most recent first.

use super::Glance;
use crate::core::search::tokenize;
use crate::store::{ConversationHead, StoreError};
use crate::view;

/// Some conversations, and what is around them.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) heads: Vec<ConversationHead>,
    /// How many there are in all.
    pub(crate) count: usize,
    /// Whether they are of several accounts.
    pub(crate) several: bool,
    /// Whether there are more after these.
    pub(crate) more: bool,
}

impl Listed {
    /// The newest ones.
    pub(crate) fn newest(look: &Glance<'_>, limit: usize) -> Result<Self, StoreError> {
        Ok(Self::after(look, None, "", None, limit)?.unwrap_or_default())
    }

    /// Those after one, whose names contain a part; `None` if there is no such account.
    pub(crate) fn after(
        look: &Glance<'_>,
        account: Option<&str>,
        part: &str,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Option<Self>, StoreError> {
        let all = look.heads()?;
        if account.is_some_and(|account| all.iter().all(|head| head.account != account)) {
            return Ok(None);
        }
        let several = all.iter().any(|c| Some(&c.account) != all.first().map(|c| &c.account));
        let part = tokenize::fold(part);
        let fits = |head: &&ConversationHead| {
            account.is_none_or(|account| head.account == account)
                && (part.is_empty() || tokenize::fold(&label(head)).contains(&part))
        };
        let fitting: Vec<&ConversationHead> = all.iter().filter(fits).collect();
        let count = fitting.len();
        let start = after.and_then(|after| fitting.iter().position(|head| head.id.0 == after));
        let rest = fitting.iter().skip(start.map_or(0, |at| at + 1));
        let mut heads: Vec<ConversationHead> =
            rest.take(limit.saturating_add(1)).map(|head| (*head).clone()).collect();
        let more = heads.len() > limit;
        heads.truncate(limit);
        Ok(Some(Self { heads, count, several, more }))
    }
}

/// What a conversation is called.
pub(crate) fn label(head: &ConversationHead) -> String {
    let named = head.name.as_deref().filter(|name| !name.trim().is_empty());
    view::name(named, head.profile_url.as_deref(), head.conversation_id.as_deref(), head.id)
}
