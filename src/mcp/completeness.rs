//! How complete an answer is: the gaps that it touches, what filling them costs, and when accounts were last asked.

use std::collections::BTreeSet;

use super::answers::{AccountAsked, Completeness, FillPrice, TouchedGap};
use super::failure::ToolFailure;
use super::fit::word;
use crate::core::Ms;
use crate::core::format::iso_utc;
use crate::core::model::ids::ConversationId;
use crate::core::planner::forecast::{self, Range};
use crate::core::planner::state::Hints;
use crate::core::timeline::stall::Stall;
use crate::look::{AskedAccount, Glance, OpenGap, Unfilled};
use crate::store::{ConversationRow, NeverFetched};

/// Gaps that an answer names at most, unless it is about them; accounts.
pub(super) const GAPS: usize = 5;
const ACCOUNTS: usize = 5;

/// What an answer looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct LookedAt {
    /// Only these conversations, or all.
    pub(super) within: Option<BTreeSet<ConversationId>>,
    /// But not these.
    pub(super) without: BTreeSet<ConversationId>,
    /// Only what this account has.
    pub(super) account: Option<String>,
    /// Only what was sent from here on (ms).
    pub(super) since: Option<Ms>,
    /// Only what was sent before this (ms).
    pub(super) until: Option<Ms>,
}

impl LookedAt {
    fn is_of(&self, account: &str) -> bool {
        self.account.as_deref().is_none_or(|only| only == account)
    }

    /// Whether messages from `from` to `to` are among what was looked at; `None` is the beginning, or now.
    fn meets(&self, from: Option<Ms>, to: Option<Ms>) -> bool {
        to.is_none_or(|to| self.since.is_none_or(|since| to >= since))
            && from.is_none_or(|from| self.until.is_none_or(|until| from < until))
    }

    fn touches(&self, open: &OpenGap) -> bool {
        self.is_of(&open.account)
            && !self.without.contains(&open.conversation)
            && self.meets(open.gap.older_ms, open.gap.newer_ms)
    }

    /// What is known of it lies between two dates; beyond these anything may be missing.
    fn misses(&self, never: &NeverFetched) -> bool {
        let before = never.oldest_ms.map_or(Ms::MAX, |oldest| oldest.saturating_sub(1));
        let after = never.newest_ms.map(|newest| newest.saturating_add(1));
        let beyond = self.meets(None, Some(before)) || self.meets(after, None);
        self.is_of(&never.account) && !self.without.contains(&never.id) && beyond
    }

    /// Gaps of an account's inbox that may hide conversations that were active then. Each shows a conversation where its
    /// last message is, so what lies before that may be missing as well.
    fn unread(&self, account: &AskedAccount) -> usize {
        account.inbox_gaps.iter().filter(|gap| self.meets(None, gap.newer_ms)).count()
    }
}

/// What was looked at and is missing, added up.
struct MissingParts {
    gaps: usize,
    not_synced: usize,
    never_fetched: usize,
    /// Accounts with gaps in their inboxes.
    unread: usize,
    /// Whether there may be conversations that nobody asks for.
    only_configured: bool,
    credits: Range,
}

impl MissingParts {
    fn of(unfilled: &Unfilled, at: &LookedAt) -> Self {
        let nothing = Range { min: 0, likely: Some(0), max: None };
        let mut parts = Self {
            gaps: 0,
            not_synced: 0,
            never_fetched: 0,
            unread: 0,
            only_configured: false,
            credits: nothing,
        };
        for open in unfilled.gaps.iter().filter(|open| at.touches(open)) {
            parts.gaps += 1;
            parts.not_synced += usize::from(!open.synced);
            parts.cost(1, open.credits);
        }
        for account in unfilled.accounts.iter().filter(|account| at.is_of(&account.account)) {
            let gaps = at.unread(account);
            parts.unread += usize::from(gaps > 0);
            parts.only_configured |= account.is_partial;
            parts.never_fetched = parts.never_fetched.saturating_add(account.unknown);
            // How long they are, nothing tells.
            parts.cost(gaps.saturating_add(account.unknown), Range { min: 1, likely: None, max: None });
        }
        let never = unfilled.never_fetched.iter().filter(|never| at.misses(never)).count();
        parts.never_fetched = parts.never_fetched.saturating_add(never);
        parts.cost(never, Range { min: 1, likely: None, max: None });
        parts
    }

    fn cost(&mut self, times: usize, each: Range) {
        if times > 0 {
            let times = u32::try_from(times).unwrap_or(u32::MAX);
            let likely = each.likely.map(|likely| likely.saturating_mul(times));
            self.credits.min = self.credits.min.saturating_add(each.min.saturating_mul(times));
            self.credits.likely =
                self.credits.likely.zip(likely).map(|(sum, likely)| sum.saturating_add(likely));
        }
    }

    /// Whether something is missing of which it is not known when it was sent.
    fn unknown(&self) -> bool {
        self.never_fetched > 0 || self.unread > 0
    }

    fn advice(&self) -> Option<String> {
        let mut advice = Vec::new();
        if self.gaps > 0 || self.unknown() {
            advice.push(
                "`archiver sync --once` fills what is missing and costs credits: only the user can run it, no tool does.",
            );
        }
        if self.not_synced > 0 {
            advice.push(
                "Gaps that are not `synced` need their conversations under [[accounts]] in archiver.toml.",
            );
        }
        if self.only_configured {
            advice.push(
                "Only what archiver.toml asks for is archived: do not conclude that there are no other conversations or \
                 messages. With sync.inbox = \"discover\" and without include and exclude, runs find all of them.",
            );
        }
        (!advice.is_empty()).then(|| advice.join(" "))
    }
}

/// How complete an answer is that looked at this. It names no more than so many gaps.
pub(super) fn of(look: &Glance<'_>, at: &LookedAt, most: usize) -> Result<Completeness, ToolFailure> {
    match &at.within {
        Some(within) => Ok(of_unfilled(&look.unfilled_of(within)?, at, most)),
        None => Ok(of_unfilled(&*look.unfilled()?, at, most)),
    }
}

fn of_unfilled(unfilled: &Unfilled, at: &LookedAt, most: usize) -> Completeness {
    let parts = MissingParts::of(unfilled, at);
    let touched = || unfilled.gaps.iter().filter(|open| at.touches(open));
    let mut accounts: Vec<&AskedAccount> =
        unfilled.accounts.iter().filter(|account| at.is_of(&account.account)).collect();
    accounts.sort_by_key(|account| account.asked_ms);
    let newest = touched().next().map(|open| open.gap.newer_ms);
    let since = newest.unwrap_or(at.since.or(unfilled.oldest_ms)).filter(|_| !parts.unknown());
    let nothing = at.within.is_none() && unfilled.oldest_ms.is_none();
    Completeness {
        complete: parts.gaps == 0 && !parts.unknown() && !nothing,
        nothing_missing_since: since.map(iso_utc),
        last_asked_at: accounts.first().and_then(|account| account.asked_ms).map(iso_utc),
        accounts: accounts.iter().take(ACCOUNTS).map(|account| asked(account)).collect(),
        accounts_total: accounts.len(),
        accounts_with_unread_inbox: parts.unread,
        gaps_total: parts.gaps,
        gaps_not_synced: parts.not_synced,
        never_fetched: parts.never_fetched,
        only_configured: parts.only_configured,
        gaps: touched().take(most).map(item).collect(),
        price: fill_price(parts.credits),
        advice: parts.advice(),
    }
}

/// What filling the gaps of one conversation costs.
pub(super) fn price_of(row: &ConversationRow, hints: &Hints, page_size: u32) -> FillPrice {
    let nothing = FillPrice { credits_min: 0, credits_likely: Some(0) };
    row.timeline.gaps.iter().fold(nothing, |sum, gap| {
        let (_, credits) = forecast::of_gap(&row.timeline, hints, gap, None, page_size);
        FillPrice {
            credits_min: sum.credits_min.saturating_add(credits.min),
            credits_likely: sum.credits_likely.zip(credits.likely).map(|(a, b)| a.saturating_add(b)),
        }
    })
}

fn fill_price(credits: Range) -> FillPrice {
    FillPrice { credits_min: credits.min, credits_likely: credits.likely }
}

fn item(open: &OpenGap) -> TouchedGap {
    let gap = &open.gap;
    let reason = match &gap.stalled {
        None => "not fetched yet".to_owned(),
        // Its words are those of others; `archive_status` has them among what is untrusted.
        Some(Stall::RequestFailed(_)) => "the last request for it failed; it is tried again".to_owned(),
        Some(stall) => stall.to_string(),
    };
    TouchedGap {
        conversation_id: open.conversation.0,
        from: gap.older_ms.map(iso_utc),
        to: gap.newer_ms.map(iso_utc),
        opened_at: iso_utc(gap.opened_ms),
        reason,
        synced: open.synced,
        messages_likely: open.messages_likely,
        price: fill_price(open.credits),
    }
}

fn asked(account: &AskedAccount) -> AccountAsked {
    AccountAsked { account: word(&account.account, 80), last_asked_at: account.asked_ms.map(iso_utc) }
}
