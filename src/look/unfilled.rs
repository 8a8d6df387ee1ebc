//! What is missing in the archive or in some of its conversations, and when its accounts were asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{EXACT, Glance};
use crate::app::wiring;
use crate::config::InboxMode;
use crate::core::Ms;
use crate::core::inbox::filter::Wanted;
use crate::core::model::ids::ConversationId;
use crate::core::planner::forecast::{self, Range};
use crate::core::planner::state::Hints;
use crate::core::timeline::gap::Gap;
use crate::store::{AccountSpan, ConversationRow, InboxStatus, NeverFetched, StoreError};

/// What is missing, and when accounts were asked.
#[derive(Debug, Default)]
pub(crate) struct Unfilled {
    /// The gaps of conversations, the newest first.
    pub(crate) gaps: Vec<OpenGap>,
    /// Conversations without gaps of which nothing was ever fetched.
    pub(crate) never_fetched: Vec<NeverFetched>,
    pub(crate) accounts: Vec<AskedAccount>,
    /// When the oldest message was sent (ms).
    pub(crate) oldest_ms: Option<Ms>,
}

/// A gap of a conversation, and what it is thought to hold.
#[derive(Debug)]
pub(crate) struct OpenGap {
    pub(crate) conversation: ConversationId,
    pub(crate) account: String,
    pub(crate) gap: Gap,
    /// Whether runs ask for the conversation.
    pub(crate) synced: bool,
    pub(crate) messages_likely: Option<u32>,
    /// What filling it costs.
    pub(crate) credits: Range,
}

/// An account, and when it was asked for news.
#[derive(Debug)]
pub(crate) struct AskedAccount {
    pub(crate) account: String,
    /// When it was asked for news of the conversations that are meant (ms): of the one that has waited longest.
    pub(crate) asked_ms: Option<Ms>,
    /// Gaps of the inbox: conversations that nobody knows of may lie in them.
    pub(crate) inbox_gaps: Vec<Gap>,
    /// Configured conversations that the archive does not know yet.
    pub(crate) unknown: usize,
    /// Whether runs leave out conversations of it that no configuration names.
    pub(crate) is_partial: bool,
}

impl Glance<'_> {
    /// What is missing in the whole archive.
    pub(crate) fn unfilled(&self) -> Result<Arc<Unfilled>, StoreError> {
        let gather = || {
            let mut gaps = Vec::new();
            for (row, hints) in self.queries.incomplete()? {
                self.open_gaps(&row, &hints, &mut gaps)?;
            }
            gaps.sort_by_key(newest_first);
            Ok(Unfilled {
                gaps,
                never_fetched: self.queries.never_fetched()?,
                oldest_ms: self.queries.oldest_message()?,
                accounts: self.accounts_asked()?,
            })
        };
        self.shared.open.get(self.version, self.now, EXACT, gather)
    }

    /// What is missing in these conversations.
    pub(crate) fn unfilled_of(&self, ids: &BTreeSet<ConversationId>) -> Result<Unfilled, StoreError> {
        let mut unfilled = Unfilled::default();
        let inboxes = self.queries.inboxes()?;
        for id in ids {
            let Some((row, hints)) = self.queries.conversation(*id)? else { continue };
            self.open_gaps(&row, &hints, &mut unfilled.gaps)?;
            unfilled.never_fetched.extend(NeverFetched::of(&row));
            unfilled.oldest_ms = [unfilled.oldest_ms, row.timeline.oldest_ms].into_iter().flatten().min();
            let asked_ms = self.asked_of(&row, &inboxes);
            match unfilled.accounts.iter_mut().find(|known| known.account == row.account) {
                Some(known) => known.asked_ms = known.asked_ms.min(asked_ms),
                None => unfilled.accounts.push(AskedAccount {
                    account: row.account,
                    asked_ms,
                    inbox_gaps: Vec::new(),
                    unknown: 0,
                    is_partial: false,
                }),
            }
        }
        unfilled.gaps.sort_by_key(newest_first);
        Ok(unfilled)
    }

    /// Adds the gaps of a conversation.
    fn open_gaps(
        &self,
        row: &ConversationRow,
        hints: &Hints,
        all: &mut Vec<OpenGap>,
    ) -> Result<(), StoreError> {
        let synced = !row.timeline.gaps.is_empty() && self.asks(row)?;
        let page_size = self.shared.config.sync.page_size;
        all.extend(row.timeline.gaps.iter().map(|gap| {
            let (messages_likely, credits) = forecast::of_gap(&row.timeline, hints, gap, None, page_size);
            let (conversation, account, gap) = (row.id, row.account.clone(), gap.clone());
            OpenGap { conversation, account, gap, synced, messages_likely, credits }
        }));
        Ok(())
    }

    /// Whether runs ask for a conversation. Where the configuration has been applied, its row says so.
    fn asks(&self, row: &ConversationRow) -> Result<bool, StoreError> {
        if self.is_applied()? { Ok(row.asked) } else { Ok(self.overview()?.census.asked.asks(row)) }
    }

    /// Whether a run has applied the configuration.
    fn is_applied(&self) -> Result<bool, StoreError> {
        let gather = || self.queries.is_applied(&wiring::accounts(&self.shared.config));
        Ok(*self.shared.applied.get(self.version, self.now, EXACT, gather)?)
    }

    /// The accounts of the archive and of the configuration.
    fn accounts_asked(&self) -> Result<Vec<AskedAccount>, StoreError> {
        let config = &self.shared.config;
        let inboxes = self.queries.inboxes()?;
        let of = |span: AccountSpan| {
            let inbox = inboxes.iter().find(|inbox| inbox.account == span.account);
            AskedAccount {
                asked_ms: self.longest_waiting(&span, inbox),
                inbox_gaps: inbox.map_or_else(Vec::new, |inbox| inbox.timeline.gaps.clone()),
                unknown: 0,
                // Nobody asks for what is of an account that is configured no more.
                is_partial: true,
                account: span.account,
            }
        };
        let mut all: Vec<AskedAccount> = self.queries.accounts_asked()?.into_iter().map(of).collect();
        for configured in wiring::accounts(config) {
            // Applying it makes a row and a gap of each conversation.
            let unknown = if self.is_applied()? { 0 } else { self.queries.unknown_of(&configured)? };
            let has_inbox = inboxes.iter().any(|inbox| inbox.account == configured.account);
            let unread = config.sync.inbox != InboxMode::Off && !has_inbox;
            let account = configured.account;
            let at = all.iter().position(|known| known.account == account).unwrap_or(all.len());
            if at == all.len() {
                all.push(AskedAccount {
                    account,
                    asked_ms: None,
                    inbox_gaps: Vec::new(),
                    unknown,
                    is_partial: false,
                });
            }
            if let Some(known) = all.get_mut(at) {
                known.unknown = unknown;
                known.is_partial = !configured.discover || configured.wanted != Wanted::default();
                known.inbox_gaps.extend(unread.then(|| Gap::everything(self.now)));
            }
        }
        Ok(all)
    }

    /// When an account was asked (ms), where an inbox is read: it answers for the conversations that it shows, the others
    /// for themselves, and of these the one counts that has waited longest. Where no run asks any more, the last time.
    fn longest_waiting(&self, span: &AccountSpan, inbox: Option<&InboxStatus>) -> Option<Ms> {
        let shown_ms = inbox.and_then(|inbox| self.read_ms(inbox)).or(span.in_inbox_ms);
        [shown_ms, span.outside_ms].into_iter().flatten().min().or(span.not_asked_ms)
    }

    /// When an inbox was read (ms). One that is not read any more answers for nothing.
    fn read_ms(&self, inbox: &InboxStatus) -> Option<Ms> {
        inbox.synced_ms.filter(|_| self.shared.config.sync.inbox != InboxMode::Off)
    }

    /// When a conversation was asked for news (ms). While an inbox that has it shows none, nothing has changed in it.
    fn asked_of(&self, row: &ConversationRow, inboxes: &[InboxStatus]) -> Option<Ms> {
        let inbox = inboxes.iter().find(|inbox| row.in_inbox && inbox.account == row.account);
        row.synced_ms.max(inbox.and_then(|inbox| self.read_ms(inbox)))
    }
}

/// A gap that reaches up to now comes first.
fn newest_first(open: &OpenGap) -> (bool, std::cmp::Reverse<Option<Ms>>) {
    (open.gap.newer_ms.is_some(), std::cmp::Reverse(open.gap.newer_ms))
}
