//! How complete an answer is: the gaps that it touches, what filling them costs, and when accounts were last asked.

use std::collections::BTreeSet;

use super::answers::{AccountAsked, Completeness, FillPrice, TouchedGap};
use super::failure::ToolFailure;
use super::fit::word;
use crate::core::Ms;
use crate::core::format::iso_utc;
use crate::core::model::ids::ConversationId;
use crate::core::planner::forecast;
use crate::core::planner::state::Hints;
use crate::core::timeline::gap::Gap;
use crate::core::timeline::stall::Stall;
use crate::look::Glance;
use crate::store::ConversationRow;

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
    /// Only what was sent from here on (ms).
    pub(super) since: Option<Ms>,
    /// Only what was sent before this (ms).
    pub(super) until: Option<Ms>,
    /// When the conversation was asked itself (ms), if it is one.
    pub(super) own_ms: Option<Ms>,
}

impl LookedAt {
    fn has(&self, conversation: ConversationId) -> bool {
        self.within.as_ref().is_none_or(|within| within.contains(&conversation))
            && !self.without.contains(&conversation)
    }

    fn touches(&self, gap: &Gap) -> bool {
        gap.newer_ms.is_none_or(|newer| self.since.is_none_or(|since| newer >= since))
            && gap.older_ms.is_none_or(|older| self.until.is_none_or(|until| older < until))
    }
}

/// How complete an answer is that looked at this. It names no more than so many gaps.
pub(super) fn of(look: &Glance<'_>, at: &LookedAt, most: usize) -> Result<Completeness, ToolFailure> {
    let (unfilled, facts) = (look.unfilled()?, look.overview()?);
    let asked = |row: &ConversationRow| facts.census.asked.asks(row);
    let mut gaps: Vec<(&ConversationRow, &Hints, &Gap)> = unfilled
        .conversations
        .iter()
        .filter(|(row, _)| at.has(row.id))
        .flat_map(|(row, hints)| row.timeline.gaps.iter().map(move |gap| (row, hints, gap)))
        .filter(|(_, _, gap)| at.touches(gap))
        .collect();
    gaps.sort_by_key(|(_, _, gap)| (gap.newer_ms.is_some(), std::cmp::Reverse(gap.newer_ms)));
    let page_size = look.shared.config.sync.page_size;
    let price = sum(gaps.iter().map(|(row, hints, gap)| price(row, hints, gap, page_size).1));
    let elsewhere = gaps.iter().filter(|(row, _, _)| !asked(row)).count();
    let accounts = accounts(look, at)?;
    // A conversation that is not known of can only be missing where all were looked at.
    let unread = if at.within.is_some() { 0 } else { accounts.iter().filter(|a| a.inbox_gaps > 0).count() };
    // What is configured and was never fetched is not stored, not even as a gap.
    let unfetched = if at.within.is_none() && gaps.is_empty() { unfetched(look) } else { None };
    let more = unread > 0 || unfetched.is_some();
    let since = if more { None } else { nothing_missing_since(&gaps, at.since.or(unfilled.oldest_ms)) };
    let item = |(row, hints, gap): &(&ConversationRow, &Hints, &Gap)| {
        touched(row, hints, gap, page_size, asked(row))
    };
    Ok(Completeness {
        complete: gaps.is_empty() && !more && unfilled.oldest_ms.is_some(),
        nothing_missing_since: since.map(iso_utc),
        last_asked_at: accounts.first().and_then(|account| account.asked_ms).map(iso_utc),
        accounts: accounts.iter().take(ACCOUNTS).map(WaitingAccount::item).collect(),
        accounts_total: accounts.len(),
        accounts_with_unread_inbox: unread,
        gaps_total: gaps.len(),
        gaps_not_synced: elsewhere,
        advice: advice(gaps.len(), elsewhere, more),
        gaps: gaps.iter().take(most).map(item).collect(),
        price: unfetched.unwrap_or(price),
    })
}

/// Since when nothing is missing (ms) but what lies in these gaps: since `beginning` if there are none.
fn nothing_missing_since(gaps: &[(&ConversationRow, &Hints, &Gap)], beginning: Option<Ms>) -> Option<Ms> {
    let newest = gaps.iter().map(|(_, _, gap)| gap.newer_ms);
    // A gap that reaches up to now has no newer edge.
    newest.clone().all(|newer| newer.is_some()).then(|| newest.flatten().max().or(beginning)).flatten()
}

/// What fetching costs that is still to be done, if there is any. A forecast that cannot be made says nothing.
fn unfetched(look: &Glance<'_>) -> Option<FillPrice> {
    let outlook =
        look.outlook().inspect_err(|error| tracing::warn!(%error, "no forecast can be made")).ok()?;
    let to_complete = &outlook.to_complete;
    (to_complete.credits_min > 0).then_some(FillPrice {
        credits_min: to_complete.credits_min,
        credits_likely: to_complete.credits_likely,
    })
}

/// What filling the gaps of one conversation costs.
pub(super) fn price_of(row: &ConversationRow, hints: &Hints, page_size: u32) -> FillPrice {
    sum(row.timeline.gaps.iter().map(|gap| price(row, hints, gap, page_size).1))
}

/// How many messages a gap is thought to hold, and what filling it costs.
fn price(row: &ConversationRow, hints: &Hints, gap: &Gap, page_size: u32) -> (Option<u32>, FillPrice) {
    let (messages, credits) = forecast::of_gap(&row.timeline, hints, gap, None, page_size);
    (messages, FillPrice { credits_min: credits.min, credits_likely: credits.likely })
}

fn sum(prices: impl Iterator<Item = FillPrice>) -> FillPrice {
    let nothing = FillPrice { credits_min: 0, credits_likely: Some(0) };
    prices.fold(nothing, |sum, price| FillPrice {
        credits_min: sum.credits_min.saturating_add(price.credits_min),
        credits_likely: sum.credits_likely.zip(price.credits_likely).map(|(a, b)| a.saturating_add(b)),
    })
}

fn touched(row: &ConversationRow, hints: &Hints, gap: &Gap, page_size: u32, synced: bool) -> TouchedGap {
    let (messages_likely, price) = price(row, hints, gap, page_size);
    let reason = match &gap.stalled {
        None => "not fetched yet".to_owned(),
        // Its words are those of others; `archive_status` has them among what is untrusted.
        Some(Stall::RequestFailed(_)) => "the last request for it failed; it is tried again".to_owned(),
        Some(stall) => stall.to_string(),
    };
    TouchedGap {
        conversation_id: row.id.0,
        from: gap.older_ms.map(iso_utc),
        to: gap.newer_ms.map(iso_utc),
        opened_at: iso_utc(gap.opened_ms),
        reason,
        synced,
        messages_likely,
        price,
    }
}

fn advice(gaps: usize, elsewhere: usize, more: bool) -> Option<String> {
    let fills = "`archiver sync --once` fills what is missing and costs credits: only the user can run it, no tool does";
    match (gaps, elsewhere) {
        (0, _) if !more => None,
        (_, 0) => Some(format!("{fills}.")),
        _ => Some(format!(
            "{fills}. Gaps that are not `synced` need their conversations under [[accounts]] in archiver.toml."
        )),
    }
}

/// An account that was looked at.
struct WaitingAccount {
    account: String,
    asked_ms: Option<Ms>,
    inbox_gaps: usize,
}

impl WaitingAccount {
    fn item(&self) -> AccountAsked {
        AccountAsked { account: word(&self.account, 80), last_asked_at: self.asked_ms.map(iso_utc) }
    }
}

/// The accounts that were looked at, those that have waited longest first.
fn accounts(look: &Glance<'_>, at: &LookedAt) -> Result<Vec<WaitingAccount>, ToolFailure> {
    let unfilled = look.unfilled()?;
    let heads = look.heads()?;
    let of: Option<BTreeSet<&str>> = at.within.as_ref().map(|within| {
        heads.iter().filter(|head| within.contains(&head.id)).map(|head| head.account.as_str()).collect()
    });
    let looked_at =
        unfilled.accounts.iter().filter(|a| of.as_ref().is_none_or(|of| of.contains(a.account.as_str())));
    let mut all: Vec<WaitingAccount> = looked_at
        .map(|a| WaitingAccount {
            account: a.account.clone(),
            // While the inbox shows no news of a conversation, nothing has changed in it.
            asked_ms: if at.own_ms.is_some() { at.own_ms.max(a.inbox_ms) } else { a.asked_ms },
            inbox_gaps: a.inbox_gaps,
        })
        .collect();
    all.sort_by_key(|account| account.asked_ms);
    Ok(all)
}
