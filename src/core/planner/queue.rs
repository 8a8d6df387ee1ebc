//! Queues of what waits to be asked for in one account, in the order of the plan. The archive fills them from the front,
//! a few at a time, so that a plan costs what is due and not what is stored.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::core::Ms;
use crate::core::model::ids::{ConversationId, RunId};
use crate::core::planner::backoff::due_run;
use crate::core::planner::state::{Conversation, Recheck};
use crate::core::timeline::gap::Gap;

/// As many entries are looked through for one that may be asked for beside what is under way.
const REACH: usize = 64;

/// The place of a gap among those of its account: newest first; what failed the last time waits for the others, and what
/// got no further is taken up again after them, the one that has been due for the longest time first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GapRank {
    /// Which of the three.
    pub class: GapClass,
    /// The first run that may ask for it; 0 except for a stalled one.
    pub due_run: RunId,
    /// Its newer edge; the greatest number is now.
    pub newer: Reverse<Ms>,
    /// Its id.
    pub gap: i64,
    /// Whose it is.
    pub conversation: ConversationId,
}

/// Which gaps come first. The archive stores the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapClass {
    /// Nothing is known against it.
    Open = 0,
    /// The last request for its conversation failed.
    Troubled = 1,
    /// The last attempt at it got no further.
    Stalled = 2,
}

impl GapRank {
    /// The place of a conversation's gap.
    #[must_use]
    pub fn of(conversation: &Conversation, gap: &Gap) -> Self {
        let class = match (gap.stalls > 0, conversation.troubled) {
            (true, _) => GapClass::Stalled,
            (false, true) => GapClass::Troubled,
            (false, false) => GapClass::Open,
        };
        Self {
            class,
            due_run: due_run(gap.stalls, gap.stalled_run),
            newer: Reverse(gap.newer_ms.unwrap_or(Ms::MAX)),
            gap: gap.id,
            conversation: conversation.id,
        }
    }
}

/// The place of a conversation's head: the one that was looked at the longest ago comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeadRank {
    /// When it was last asked for (ms).
    pub tried_ms: Option<Ms>,
    /// Whose it is.
    pub conversation: ConversationId,
}

/// The place of a conversation that is read a second time: what was begun first, then what was read the longest ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecheckRank {
    /// Whether it has not been begun.
    pub fresh: bool,
    /// When all of it had last been read (ms).
    pub done_ms: Option<Ms>,
    /// Which one.
    pub conversation: ConversationId,
}

impl RecheckRank {
    /// The place of a conversation.
    #[must_use]
    pub fn of(conversation: ConversationId, recheck: Recheck) -> Self {
        Self { fresh: recheck.at_ms.is_none(), done_ms: recheck.done_ms, conversation }
    }
}

/// How much of a queue is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent<R> {
    /// None of it.
    #[default]
    Nothing,
    /// All entries up to this place.
    UpTo(R),
    /// All entries.
    All,
}

/// What a look into a queue has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front<R> {
    Entry(R),
    Nothing,
    /// More of the queue has to be known first.
    Unknown,
}

/// Entries in their order, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Queue<R> {
    entries: BTreeSet<R>,
    pub(super) known: Extent<R>,
}

impl<R: Ord> Default for Queue<R> {
    fn default() -> Self {
        Self { entries: BTreeSet::new(), known: Extent::Nothing }
    }
}

impl<R: Ord + Copy> Queue<R> {
    pub(super) fn insert(&mut self, entry: R) {
        self.entries.insert(entry);
    }

    pub(super) fn remove(&mut self, entry: &R) {
        self.entries.remove(entry);
    }

    /// The first entries of a kind, of which one may be asked for next.
    pub(super) fn front(&self, kind: impl Fn(&R) -> bool) -> impl Iterator<Item = &R> {
        self.entries.iter().filter(move |entry| kind(entry)).take(REACH)
    }

    /// The first entry of a kind that is allowed. Where only what is under way forbids those at the front, others wait
    /// for it: what lasts longer than that must be a kind.
    pub(super) fn first(&self, kind: impl Fn(&R) -> bool, allowed: impl Fn(&R) -> bool) -> Front<R> {
        let is_known = |entry: &R| match &self.known {
            Extent::Nothing => false,
            Extent::UpTo(last) => entry <= last,
            Extent::All => true,
        };
        let mut looked_at = 0;
        let mut front = self.front(kind).inspect(|_| looked_at += 1);
        match front.find(|entry| allowed(entry)) {
            Some(entry) if is_known(entry) => Front::Entry(*entry),
            Some(_) => Front::Unknown,
            None if looked_at >= REACH || self.known == Extent::All => Front::Nothing,
            None => Front::Unknown,
        }
    }
}
