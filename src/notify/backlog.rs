//! The changes that wait for a sink: read from the change feed once, part by part, and kept until they are delivered.

use std::collections::VecDeque;

use chrono::Local;

use crate::config::Sink;
use crate::core::Ms;
use crate::core::model::ids::ConversationId;
use crate::core::notify::batch::{EventKind, PendingChange};
use crate::core::planner::target;
use crate::core::search::query::{Filter, Query, What};
use crate::error::Failure;
use crate::store::{Matcher, Queries, Search, SinkRow, StoreError};
use crate::view::search::with_filters;

/// About so many changes are read at a time.
const PART: i64 = 500;

/// No more than this are kept; what follows is read when these are delivered.
const MOST: usize = 20_000;

/// The changes that wait for one sink.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// The change up to which the feed has been read.
    read_to: i64,
    /// Those of them that the sink wants.
    pub(super) pending: VecDeque<PendingChange>,
    places: QueryPlaces,
}

/// The conversations that the sink's query means. Looking them up reads all names, so that is done again when there is
/// another conversation, and otherwise, for names that change, once a minute.
#[derive(Debug, Default)]
struct QueryPlaces {
    /// The last conversation there was and the minute.
    as_of: Option<(ConversationId, Ms)>,
    /// A search of them and nothing else.
    search: Search,
}

impl Backlog {
    /// Forgets what has been delivered, by where the sink's cursor is.
    pub(super) fn delivered_to(&mut self, change: i64) {
        self.pending.drain(..self.up_to(change));
        self.read_to = self.read_to.max(change);
    }

    /// How many changes there are up to this one.
    pub(super) fn up_to(&self, change: i64) -> usize {
        self.pending.partition_point(|pending| pending.seq <= change)
    }

    /// Leaves out a change whose message is there no more.
    pub(super) fn leave_out(&mut self, seq: i64) {
        self.pending.retain(|pending| pending.seq != seq);
    }

    /// The change up to which nothing is left for the sink, once `seq` and all before it are delivered.
    pub(super) fn covered_by(&self, seq: i64) -> i64 {
        let next = self.pending.get(self.up_to(seq));
        next.map_or(self.read_to.max(seq), |next| next.seq.saturating_sub(1))
    }

    /// Reads one part further. Whether there may be more.
    pub(super) fn read(&mut self, queries: Queries<'_>, sink: &Sink, now: Ms) -> Result<bool, StoreError> {
        if self.pending.len() >= MOST {
            return Ok(false);
        }
        let part = queries.pending(self.read_to, PART)?;
        let mut wanted = part.changes;
        wanted.retain(|change| sink.what.contains(&EventKind::Change(change.kind)));
        if !wanted.is_empty()
            && let Some(query) = &sink.query
        {
            let search = self.places.search(queries, query, now)?;
            let matcher = queries.matcher(&search)?;
            wanted = matching(queries, &matcher, wanted)?;
        }
        self.pending.extend(wanted);
        self.read_to = part.to;
        Ok(part.more)
    }

    /// How many events wait for the sink, as far as the feed has been read.
    pub(super) fn waiting(
        &self,
        queries: Queries<'_>,
        sink: &Sink,
        row: &SinkRow,
    ) -> Result<i64, StoreError> {
        let alerts = match sink.what.contains(&EventKind::Alert) {
            true => queries.notices_after(row.notice)?,
            false => 0,
        };
        Ok(alerts.saturating_add(i64::try_from(self.pending.len()).unwrap_or(i64::MAX)))
    }

    /// The change up to which the feed has been read, where it is far from the sink's cursor and nothing is in between:
    /// the cursor may be moved there.
    pub(super) fn far_from(&self, change: i64) -> Option<i64> {
        const FAR: i64 = 10_000;
        (self.pending.is_empty() && self.read_to.saturating_sub(change) >= FAR).then_some(self.read_to)
    }
}

fn matching(
    queries: Queries<'_>,
    matcher: &Matcher<'_>,
    changes: Vec<PendingChange>,
) -> Result<Vec<PendingChange>, StoreError> {
    let mut matching = Vec::new();
    for change in changes {
        if let Some(message) = queries.message_at(&change)?
            && matcher.fits(&message)?
        {
            matching.push(change);
        }
    }
    Ok(matching)
}

impl QueryPlaces {
    /// The search of a sink's query.
    fn search(&mut self, queries: Queries<'_>, text: &str, now: Ms) -> Result<Search, StoreError> {
        let mut query = Query::parse(text);
        let is_place = |what: &What| matches!(what, What::In(_));
        let places: Vec<_> = query.filters.extract_if(.., |filter| is_place(&filter.what)).collect();
        if !places.is_empty() {
            let as_of = Some((queries.last_conversation()?, now / 60_000));
            if self.as_of != as_of {
                self.search = look_up(queries, &places)?;
                self.as_of = as_of;
            }
        }
        let no_place = |_: &str| Ok(ConversationId::default());
        // What is wrong with a date was said when the configuration was read.
        with_filters(self.search.clone(), query, now, &Local, no_place)
            .map_err(|failure| StoreError::Broken(failure.to_string()))
    }
}

/// `in:` takes every conversation that its word may mean, and none where there is none yet.
fn look_up(queries: Queries<'_>, places: &[Filter]) -> Result<Search, StoreError> {
    let mut search = Search::default();
    let candidates = queries.candidates()?;
    for place in places {
        let What::In(word) = &place.what else { continue };
        let of: Vec<ConversationId> = match target::one(&candidates, word) {
            Ok(id) => vec![id],
            Err(_) => target::matching(&candidates, word).into_iter().map(|found| found.id).collect(),
        };
        if place.not { &mut search.without } else { search.within.get_or_insert_default() }.extend(of);
    }
    Ok(search)
}

/// What is wrong with a query, if anything is: a date that is none.
pub(super) fn check(text: &str, now: Ms) -> Result<(), Failure> {
    let mut query = Query::parse(text);
    query.filters.retain(|filter| !matches!(filter.what, What::In(_)));
    with_filters(Search::default(), query, now, &Local, |_| Ok(ConversationId::default())).map(|_| ())
}
