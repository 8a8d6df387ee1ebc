//! The stretch of a conversation that the member's own export covers, and what that does to its gaps.
//!
//! An export holds every message of a conversation that was there when it was made, from the beginning on. Its times
//! are whole seconds that may be off by [`NEAR_MS`], so what it covers ends that much below its newest message:
//! nothing that was sent after the export can lie deeper. What lies higher stays unknown, and is asked for as a gap
//! whose messages are then recognised.

use crate::core::Ms;
use crate::core::timeline::gap::{Gap, Timeline};
use crate::core::timeline::pairing::NEAR_MS;

/// From when to when an export holds messages of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its oldest message there.
    pub oldest_ms: Ms,
    /// Its newest.
    pub newest_ms: Ms,
}

impl Span {
    /// Down from where nothing is missing any more, if there is such a place: an export whose messages all lie within
    /// a few seconds covers nothing for sure.
    #[must_use]
    pub fn covered_ms(&self) -> Option<Ms> {
        let covered = self.newest_ms.saturating_sub(NEAR_MS);
        (self.oldest_ms.saturating_add(NEAR_MS) < covered).then_some(covered)
    }
}

/// A conversation's gaps, newest first, and whether its beginning has been seen, once an export of it is stored: what
/// lies in the covered stretch is closed, and what reaches out of it above keeps that part. What earlier exports
/// covered, up to `already_ms`, was opened again for a reason, and stays.
#[must_use]
pub fn cover(timeline: &Timeline, span: Span, already_ms: Option<Ms>) -> (Vec<Gap>, bool) {
    let unchanged = || (timeline.gaps.clone(), timeline.beginning_seen);
    let Some(covered) = span.covered_ms().filter(|covered| Some(*covered) > already_ms) else {
        return unchanged();
    };
    let reopened =
        |gap: &Gap| already_ms.is_some_and(|already| gap.older_ms.is_none_or(|older| older < already));
    let rest = timeline.gaps.iter().filter(|g| reopened(g) || g.newer_ms.is_none_or(|newer| newer > covered));
    let cut = |gap: &Gap| match gap.older_ms {
        Some(older) if older >= covered => gap.clone(),
        _ if reopened(gap) => gap.clone(),
        // Another floor makes it another gap: what came to nothing before may not any more.
        _ => Gap { older_ms: Some(covered), stalled: None, stalls: 0, ask_at_least: 0, ..gap.clone() },
    };
    let gaps: Vec<Gap> = rest.map(cut).collect();
    let beginning_seen = gaps.iter().all(|g| g.older_ms.is_some());
    (gaps, beginning_seen)
}

/// The gap up to now that has to be there before an export's message is stored above all that is known: how far it is
/// from there to the next message, nobody knows.
#[must_use]
pub fn gap_above(timeline: &Timeline, newest_stored_ms: Ms, now: Ms) -> Option<Gap> {
    let above = timeline.newest_ms.is_none_or(|newest| newest_stored_ms > newest);
    (above && timeline.top_gap().is_none()).then(|| timeline.head(now))
}

#[cfg(test)]
mod tests;
