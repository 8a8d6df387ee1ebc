//! Full-text search: newest first or by relevance, with filters, and never more work than a bound that is told.

mod match_expr;
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

pub use why::{GapsWithin, Nothing};

/// Messages that a search with filters looks at, at most: a fraction of a second.
pub const LOOKED_AT: u64 = 100_000;

/// Messages that are ranked, at most: the newest that fit.
pub const RANKED: usize = 2_000;

/// Letters of a beginning that most messages have some word for, at most.
const SHORT: usize = 2;

/// Messages that are read for one, at least and at most.
const GLANCE: (usize, usize) = (200, 8_000);

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Words and phrases; its filters are taken apart below.
    pub query: Query,
    /// Only in these conversations.
    pub within: Option<BTreeSet<ConversationId>>,
    /// In none of these.
    pub without: BTreeSet<ConversationId>,
    /// Only by a sender whose name has one of these parts; `me` is the account's owner.
    pub from: Vec<String>,
    /// By none of these.
    pub not_from: Vec<String>,
    /// Only of one of these types.
    pub kinds: Vec<String>,
    /// Of none of these.
    pub not_kinds: Vec<String>,
    /// Sent at this moment or later.
    pub since: Option<Ms>,
    /// Sent before this moment.
    pub until: Option<Ms>,
    /// Not sent within these stretches.
    pub outside: Vec<(Ms, Ms)>,
    /// With a link, or without.
    pub link: Option<bool>,
    /// With an attachment, or without.
    pub attachment: Option<bool>,
    /// Edited, or not.
    pub edited: Option<bool>,
    /// No longer returned by the API, or still.
    pub gone: Option<bool>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The messages, best or newest first.
    pub messages: Vec<MessageRow>,
    /// Where the bound ended the search: all newer ones were looked at, older ones were not (ms).
    pub ended_at: Option<Ms>,
    /// How many fit in all, as far as was looked.
    pub counted: u64,
}

impl Search {
    /// Whether anything but words is asked for.
    #[must_use]
    pub fn has_filters(&self) -> bool {
        *self != Self { query: self.query.clone(), ..Self::default() }
    }

    /// All that is to be marked in what is found.
    #[must_use]
    pub fn wanted(&self) -> Vec<tokenize::Phrase> {
        self.query
            .wanted()
            .map(|t| tokenize::Phrase::new(&t.text, t.prefix || tokenize::wanted(&t.text).1))
            .collect()
    }
}

impl Queries<'_> {
    /// The newest messages that fit, at most `limit`.
    pub fn search(&self, search: &Search, limit: usize) -> Result<Found> {
        let (ids, ended_at) = self.ids(search, limit, LOOKED_AT)?;
        Ok(Found { counted: count(ids.len()), messages: self.found(ids)?, ended_at })
    }

    /// The best of the newest [`RANKED`] messages that fit, at most `limit`.
    pub fn search_best(&self, search: &Search, limit: usize) -> Result<Found> {
        let (ids, ended_at) = self.ids(search, RANKED, LOOKED_AT)?;
        let best = rank::best(self.db(), search, &ids, limit)?;
        Ok(Found { counted: count(ids.len()), messages: self.found(best)?, ended_at })
    }

    fn found(&self, ids: Vec<MessageId>) -> Result<Vec<MessageRow>> {
        ids.into_iter().filter_map(|id| by_id(self.db(), id).transpose()).collect()
    }

    /// How many messages fit. Every one is looked at.
    pub fn search_count(&self, search: &Search) -> Result<u64> {
        let (ids, _) = self.ids(search, usize::MAX, u64::MAX)?;
        Ok(count(ids.len()))
    }

    /// The ids of those that fit, newest first, and where the bound ended the walk.
    fn ids(&self, search: &Search, limit: usize, bound: u64) -> Result<(Vec<MessageId>, Option<Ms>)> {
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

    /// The ids of those that fit, where a beginning is so short that most of the newest messages have it: to read them
    /// takes a moment, and the index would first join the lists of all words with that beginning. `None`: it is not, or
    /// not enough were found.
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
