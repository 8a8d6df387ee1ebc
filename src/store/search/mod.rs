//! Full-text search with filters, newest first or by relevance. The work is bounded, and results say where a bound was hit.

mod facets;
mod match_expr;
mod matcher;
mod rank;
mod spelling;
mod walk;
mod why;

use std::collections::BTreeSet;

use super::{MessageRow, Queries};
use crate::core::Ms;
use crate::core::model::ids::{ConversationId, MessageId};
use crate::core::search::query::{Query, Term};
use crate::core::search::tokenize;
use crate::store::Result;
use crate::store::read::history::by_id;

use crate::store::search::match_expr::Match;
use walk::{Checks, Walk};

pub use facets::{FACETED, Facets};
pub use matcher::Matcher;
pub use why::{GapsWithin, Nothing};

/// A search with filters looks at no more than this many messages, which takes a fraction of a second.
pub const LOOKED_AT: u64 = 100_000;

/// At most this many matches are ranked, the newest ones.
pub const RANKED: usize = 2_000;

/// Prefixes of up to this many letters match some word of most messages.
const SHORT: usize = 2;

/// How many messages are read for such a prefix, at least and at most.
const GLANCE: (usize, usize) = (200, 8_000);

/// A search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Words and phrases; its filters are in the fields below.
    pub query: Query,
    /// Only in these conversations.
    pub within: Option<BTreeSet<ConversationId>>,
    /// Not in these.
    pub without: BTreeSet<ConversationId>,
    /// Only senders whose name contains one of these; `me` is the account's owner.
    pub from: Vec<String>,
    /// Not by these.
    pub not_from: Vec<String>,
    /// Only of one of these types.
    pub kinds: Vec<String>,
    /// Not of these.
    pub not_kinds: Vec<String>,
    /// Sent at this moment or later.
    pub since: Option<Ms>,
    /// Sent before this moment.
    pub until: Option<Ms>,
    /// Not sent within these ranges.
    pub outside: Vec<(Ms, Ms)>,
    /// With or without a link.
    pub link: Option<bool>,
    /// With an attachment, or without.
    pub attachment: Option<bool>,
    /// Edited, or not.
    pub edited: Option<bool>,
    /// No longer returned by the API, or still.
    pub gone: Option<bool>,
    /// Only messages with a lower id than this: where an earlier look at the newest ones ended. No filter.
    pub below: Option<MessageId>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The messages, best or newest first.
    pub messages: Vec<MessageRow>,
    /// Where the bound ended the search: older messages were not looked at.
    pub ended: Option<SearchEnd>,
    /// How many messages matched, as far as the search went.
    pub counted: u64,
}

/// The last message that a search looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchEnd {
    /// The message: a search [below](Search::below) it goes on.
    pub id: MessageId,
    /// When it was sent (ms).
    pub at_ms: Ms,
}

impl Search {
    /// Whether the search has filters.
    #[must_use]
    pub fn has_filters(&self) -> bool {
        *self != Self { query: self.query.clone(), below: self.below, ..Self::default() }
    }

    /// The phrases to highlight in the results.
    #[must_use]
    pub fn wanted(&self) -> Vec<tokenize::Phrase> {
        self.query.wanted().map(|t| tokenize::Phrase::new(&t.text, t.prefix)).collect()
    }
}

impl Queries<'_> {
    /// The newest matches, up to `limit`.
    pub fn search(&self, search: &Search, limit: usize) -> Result<Found> {
        let (ids, ended) = self.ids(search, limit, LOOKED_AT)?;
        Ok(Found { counted: count(ids.len()), messages: self.found(ids)?, ended })
    }

    /// The best of the newest [`RANKED`] matches, up to `limit`.
    pub fn search_best(&self, search: &Search, limit: usize) -> Result<Found> {
        let (ids, ended) = self.ids(search, RANKED, LOOKED_AT)?;
        let best = rank::best(self.db(), search, &ids, limit)?;
        Ok(Found { counted: count(ids.len()), messages: self.found(best)?, ended })
    }

    fn found(&self, ids: Vec<MessageId>) -> Result<Vec<MessageRow>> {
        ids.into_iter().filter_map(|id| by_id(self.db(), id).transpose()).collect()
    }

    /// How many messages match, without a bound.
    pub fn search_count(&self, search: &Search) -> Result<u64> {
        Ok(self.search_count_within(search, u64::MAX)?.0)
    }

    /// How many messages match among the newest so many that a search with filters looks at, and whether it has not looked
    /// at all. Without filters all are counted.
    pub fn search_count_within(&self, search: &Search, looked_at: u64) -> Result<(u64, bool)> {
        let (ids, ended) = self.ids(search, usize::MAX, looked_at)?;
        Ok((count(ids.len()), ended.is_some()))
    }

    /// The ids of the matches, newest first, and where the bound ended the walk.
    fn ids(&self, search: &Search, limit: usize, bound: u64) -> Result<(Vec<MessageId>, Option<SearchEnd>)> {
        let matched = Match::of(&search.query);
        let Some(checks) = Checks::of(self.db(), search, &matched)? else { return Ok((Vec::new(), None)) };
        if limit == 0 {
            return Ok((Vec::new(), None));
        }
        if let Some(ids) = self.glance(search, &checks, limit)? {
            return Ok((ids, None));
        }
        Walk { db: self.db(), search, matched: &matched, checks: &checks, bound }.newest(limit)
    }

    /// The matches of a query with a very short prefix, which most of the newest messages match. Reading them is quick, and
    /// the index would first merge the lists of all words with that prefix. `None` if there is no such prefix or too few
    /// matches were found.
    fn glance(&self, search: &Search, checks: &Checks, limit: usize) -> Result<Option<Vec<MessageId>>> {
        let short = |term: &Term| term.prefix && term.text.chars().count() <= SHORT;
        let bound = limit.saturating_mul(8).clamp(GLANCE.0, GLANCE.1);
        if limit > bound || !search.query.all.iter().flatten().any(short) {
            return Ok(None);
        }
        let matched = Match::by_hand(&search.query);
        let walk = Walk { db: self.db(), search, matched: &matched, checks, bound: count(bound) };
        let (ids, ended) = walk.newest(limit)?;
        Ok(ended.is_none().then_some(ids))
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
