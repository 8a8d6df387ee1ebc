//! What is missing in the archive, and when its accounts were asked.

use std::sync::Arc;

use super::{EXACT, Glance};
use crate::core::Ms;
use crate::core::planner::state::Hints;
use crate::store::{AccountSpan, ConversationRow, StoreError};

/// What is missing, and when accounts were asked.
#[derive(Debug)]
pub(crate) struct Unfilled {
    /// Conversations with gaps, and what tells how much is missing.
    pub(crate) conversations: Vec<(ConversationRow, Hints)>,
    pub(crate) accounts: Vec<AskedAccount>,
    /// When the oldest message was sent (ms).
    pub(crate) oldest_ms: Option<Ms>,
}

/// An account, and when it was asked for news.
#[derive(Debug)]
pub(crate) struct AskedAccount {
    pub(crate) account: String,
    /// When its inbox or one of its conversations last came (ms).
    pub(crate) asked_ms: Option<Ms>,
    /// When its inbox last came (ms).
    pub(crate) inbox_ms: Option<Ms>,
    /// Gaps of the inbox: conversations that nobody knows of may lie in them.
    pub(crate) inbox_gaps: usize,
}

impl Glance<'_> {
    /// What is missing.
    pub(crate) fn unfilled(&self) -> Result<Arc<Unfilled>, StoreError> {
        let gather = || {
            let (inboxes, spans) = (self.queries.inboxes()?, self.queries.accounts_asked()?);
            let oldest_ms = spans.iter().filter_map(|span| span.oldest_ms).min();
            let of = |AccountSpan { account, synced_ms, .. }: AccountSpan| {
                let inbox = inboxes.iter().find(|inbox| inbox.account == account);
                let inbox_ms = inbox.and_then(|inbox| inbox.synced_ms);
                let inbox_gaps = inbox.map_or(0, |inbox| inbox.timeline.gaps.len());
                AskedAccount { account, asked_ms: synced_ms.max(inbox_ms), inbox_ms, inbox_gaps }
            };
            let accounts = spans.into_iter().map(of).collect();
            Ok(Unfilled { conversations: self.queries.incomplete()?, accounts, oldest_ms })
        };
        self.shared.open.get(self.version, self.now, EXACT, gather)
    }
}
